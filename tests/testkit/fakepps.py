"""A PPS device for unmodified programs on a kernel without one: any regular file stands for it, the RFC 2783 requests are answered here.

By hand, with a pulse at each second of the host's clock: PYTHONPATH=tests python -m testkit.fakepps FILE PROGRAM ARGUMENT...
"""

import errno
import os
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from testkit.notify import Call, Supervisor

__all__ = ["ALL", "ASSERT_ONLY", "FETCH", "GETCAP", "GETPARAMS", "SETPARAMS", "FakePps", "FakePpsBox"]

_T = TypeVar("_T")
_EdgeName = Literal["assert", "clear"]

GETPARAMS, SETPARAMS, GETCAP, FETCH, _KC_BIND = 0x800870A1, 0x400870A2, 0x800870A3, 0xC00870A4, 0x400870A5
ALL = 0x1 | 0x2 | 0x10 | 0x20 | 0x100 | 0x1000
"""CAPTUREBOTH, OFFSETASSERT, OFFSETCLEAR, CANWAIT, TSFMT_TSPEC: pps-gpio with capture_clear."""
ASSERT_ONLY = 0x1 | 0x10 | 0x100 | 0x1000
"""pps-gpio without capture_clear."""
_PARAMS, _FDATA = "@iiqiIqiI", "@IIqiIqiIi4xqiI"  # struct pps_kparams (40 bytes), struct pps_fdata (64 bytes)
_NS = 10**9


class FakePps:
    """The device. Its file may be removed and restored; calls on descriptors of the old file then just time out, as in the kernel."""

    def __init__(self, path: Path, capabilities: int = ALL, mode: int = 0x1011) -> None:
        """mode: what is captured before anybody sets it (pps-gpio's default: the assert edge)."""
        self.path = path
        self.capabilities = capabilities
        self.params = struct.pack(_PARAMS, 1, mode, 0, 0, 0, 0, 0, 0)
        self.calls: Counter[int] = Counter()
        self.refusals: dict[int, int] = {}
        """Error numbers to answer with, by request."""
        self._change = threading.Condition()
        self._sequences = [0, 0]
        self._stamps = [(0, 0), (0, 0)]
        self._events = 0
        self._waiting = 0
        self._supervisor = Supervisor((GETPARAMS, SETPARAMS, GETCAP, FETCH, _KC_BIND), self.handle)
        path.touch()

    def call(self, function: Callable[[], _T]) -> _T:
        """Run a function on a thread that sees the device; threads that it starts see it too."""
        return self._supervisor.call(function)

    def spawn(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start an unmodified program that sees the device (options as for subprocess.Popen)."""
        return self._supervisor.spawn(argv, **options)

    def pulse(self, ns: int | None = None, edge: _EdgeName = "assert") -> None:
        """One edge, stamped with `ns` since the epoch (default: now), as the kernel's interrupt handler would; unheard if not captured."""
        stamp = time.time_ns() if ns is None else ns
        index = ("assert", "clear").index(edge)
        with self._change:
            if self._mode & (1 << index):
                self._sequences[index] = (self._sequences[index] + 1) % (1 << 32)
                self._stamps[index] = divmod(stamp, _NS)
                self._events += 1
                self._change.notify_all()

    def count(self, sequence: int, edge: _EdgeName = "assert") -> None:
        """Set the kernel's count without waking anybody: edges that nobody fetched in time."""
        with self._change:
            self._sequences[("assert", "clear").index(edge)] = sequence

    def await_reader(self, timeout: float = 5.0) -> None:
        """Return when a FETCH is waiting: the kernel does not queue edges, so a test sends none before. Raises TimeoutError."""
        with self._change:
            if not self._change.wait_for(lambda: self._waiting > 0, timeout):
                raise TimeoutError("nobody waits in PPS_FETCH")

    def remove(self) -> None:
        """Unbind the driver."""
        self.path.unlink()

    def restore(self) -> None:
        """Bind the driver anew: another file, counts from 0."""
        with self._change:
            self._sequences, self._stamps = [0, 0], [(0, 0), (0, 0)]
        self.path.touch()

    @property
    def _mode(self) -> int:
        return int(struct.unpack_from("@ii", self.params)[1])

    def handle(self, call: Call) -> int:
        """Answer one trapped call."""
        self.calls[call.request] += 1
        if refusal := self.refusals.get(call.request):
            return -refusal
        if call.request == GETCAP:
            call.poke(struct.pack("i", self.capabilities))
        elif call.request == GETPARAMS:
            call.poke(self.params)
        elif call.request == SETPARAMS:
            return self._set_params(call.peek(len(self.params)))
        elif call.request == FETCH:
            return self._fetch(call)
        else:
            return -errno.EOPNOTSUPP  # PPS_KC_BIND on kernels without CONFIG_NTP_PPS, such as Debian's
        return 0

    def _set_params(self, params: bytes) -> int:
        _, mode = struct.unpack_from("@ii", params)
        if not mode & 0x3 or mode & ~self.capabilities:  # the checks of drivers/pps/pps.c
            return -errno.EINVAL
        self.params = struct.pack("@ii", 1, mode | self.capabilities & 0x100) + params[8:]
        return 0

    def _fetch(self, call: Call) -> int:
        *_, seconds, nanoseconds, flags = struct.unpack(_FDATA, call.peek(64))
        timeout = None if flags & 1 else seconds + nanoseconds / _NS
        with self._change:
            before = self._events  # as in the kernel: the next event, not one that was missed
            if timeout is None or timeout > 0:
                self._waiting += 1
                self._change.notify_all()
                came = self._change.wait_for(lambda: self._events != before, timeout)
                self._waiting -= 1
                if not came:
                    return -errno.ETIMEDOUT
            stamps = (*self._stamps[0], 0, *self._stamps[1], 0)
            answer = struct.pack(_FDATA, *self._sequences, *stamps, self._mode, seconds, nanoseconds, flags)
        call.poke(answer)
        return 0


class FakePpsBox:
    """A machine with several devices: each call goes to the one whose file the descriptor is of."""

    def __init__(self, *devices: FakePps) -> None:
        self._devices = {os.path.realpath(device.path): device for device in devices}
        self._supervisor = Supervisor((GETPARAMS, SETPARAMS, GETCAP, FETCH, _KC_BIND), self._handle)

    def spawn(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start an unmodified program that sees the devices (options as for subprocess.Popen)."""
        return self._supervisor.spawn(argv, **options)

    def _handle(self, call: Call) -> int:
        try:
            path = os.readlink(f"/proc/{call.pid}/fd/{call.descriptor}")
        except OSError:
            return -errno.EBADF
        device = self._devices.get(path.removesuffix(" (deleted)"))
        return device.handle(call) if device is not None else -errno.ENOTTY


def _main() -> int:
    device = FakePps(Path(sys.argv[1]))
    offset = int(os.environ.get("OFFSET_NS", "0"))
    process = device.spawn(sys.argv[2:])
    while process.poll() is None:
        now = time.time_ns()
        second = (now // _NS + 1) * _NS
        time.sleep((second - now) / _NS)
        device.pulse(second + offset)
        time.sleep(0.1)
        device.pulse(second + offset + _NS // 10, "clear")
    return process.returncode


if __name__ == "__main__":
    sys.exit(_main())

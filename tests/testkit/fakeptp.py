"""A PTP hardware clock for unmodified programs on a machine without one: any regular file stands for /dev/ptpN.

The requests of linux/ptp_clock.h and clock_adjtime(2) on a descriptor's clock are answered here, with a crystal that has an error of
its own; calls that concern other clocks go to the kernel. By hand: PYTHONPATH=tests python -m testkit.fakeptp FILE PROGRAM ARGUMENT...
"""

import errno
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from testkit.notify import PASS_ON, Call, ClockCall, Supervisor

__all__ = ["EXTENDED", "GETCAPS", "OFFSET", "PRECISE", "FakePtp"]

_T = TypeVar("_T")

GETCAPS, OFFSET, PRECISE, EXTENDED = 0x80503D01, 0x43403D05, 0xC0403D08, 0xC4C03D09
"""As a C program that includes linux/ptp_clock.h prints them, on x86-64; aarch64 encodes requests in the same way."""
_TIMEX = "@I4qi8qi5qi11I"  # struct timex
_FREQUENCY, _SETOFFSET, _NANO = 0x0002, 0x0100, 0x2000
_NS = 10**9


class FakePtp:
    """The device. error: rate of its crystal against CLOCK_MONOTONIC_RAW, s/s; start: what it shows at first, ns."""

    def __init__(self, path: Path, *, error: float = 0.0, start: int = 0, most: int = 100_000_000) -> None:
        """most: largest correction in parts per billion."""
        self.path = path
        self.calls: Counter[int | ClockCall] = Counter()
        self.refusals: dict[int | ClockCall, int] = {}
        """Error numbers to answer with, by request or call."""
        self.frequency = 0
        """The correction in force, ppm with 16 binary digits."""
        self.steps: list[int] = []
        self._most = most
        self._error = error
        self._lock = threading.Lock()
        self._raw, self._value = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW), start
        self._supervisor = Supervisor((GETCAPS, OFFSET, PRECISE, EXTENDED), self._handle, clocks=True)
        path.touch()

    def call(self, function: Callable[[], _T]) -> _T:
        """Run a function on a thread that sees the device; threads that it starts see it too."""
        return self._supervisor.call(function)

    def spawn(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start an unmodified program that sees the device (options as for subprocess.Popen)."""
        return self._supervisor.spawn(argv, **options)

    def now(self) -> int:
        """What it shows, ns."""
        with self._lock:
            return self._renewed()

    def ahead(self) -> int:
        """What it shows minus CLOCK_REALTIME, ns."""
        with self._lock:
            system, device = self._latched()
            return device - system

    def step(self, by: int) -> None:
        """Somebody else moves it, ns."""
        with self._lock:
            self._value = self._renewed() + by

    def _renewed(self) -> int:
        raw = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        elapsed = raw - self._raw
        rate = (1 + self._error) * (1 + self.frequency * 1e-6 / 65536)
        self._raw, self._value = raw, self._value + round(elapsed * rate)
        return self._value

    def _handle(self, call: Call) -> int:
        kind = call.clock if call.clock is not None else call.request
        if call.clock is not None and (call.clock is not ClockCall.ADJTIME or call.descriptor >= 0):
            return PASS_ON
        self.calls[kind] += 1
        if refusal := self.refusals.get(kind):
            return -refusal
        with self._lock:
            return self._adjust(call) if call.clock is not None else self._ioctl(call)

    def _ioctl(self, call: Call) -> int:
        if call.request == GETCAPS:
            call.poke(struct.pack("@20i", self._most, *[0] * 19))
        elif call.request == PRECISE:
            system, device = self._latched()
            call.poke(_stamp(device) + _stamp(system) + _stamp(self._raw) + bytes(16))
        elif call.request == EXTENDED:
            count = struct.unpack("I", call.peek(4))[0]
            triples = b"".join(_stamp(self._system()) + _stamp(self._renewed()) + _stamp(self._system()) for _ in range(count))
            call.poke(struct.pack("I12x", count) + triples)
        else:
            count = struct.unpack("I", call.peek(4))[0]
            pairs = b"".join(_stamp(self._system()) + _stamp(self._renewed()) for _ in range(count))
            call.poke(struct.pack("I12x", count) + pairs + _stamp(self._system()))
        return 0

    def _latched(self) -> tuple[int, int]:
        """CLOCK_REALTIME and the device at one instant: the tightest of some tries, since we may be put aside between two readings."""
        tries = []
        for _ in range(20):
            before = self._system()
            device = self._renewed()
            tries.append((self._system() - before, before, device))
        width, before, device = min(tries)
        return before + width // 2, device

    @staticmethod
    def _system() -> int:
        return time.clock_gettime_ns(time.CLOCK_REALTIME)

    def _adjust(self, call: Call) -> int:
        """ptp_clock_adjtime of drivers/ptp/ptp_clock.c: a step, a frequency, or the frequency in force."""
        timex = list(struct.unpack(_TIMEX, call.peek(208)))
        modes = timex[0]
        if modes & _SETOFFSET:
            fraction = timex[10] if modes & _NANO else timex[10] * 1000
            if not 0 <= fraction < _NS:
                return -errno.EINVAL
            step = timex[9] * _NS + fraction
            self.steps.append(step)
            self._value = self._renewed() + step
        elif modes & _FREQUENCY:
            if abs(timex[2]) * 1000 > self._most << 16:
                return -errno.ERANGE
            self._renewed()
            self.frequency = timex[2]
        elif modes == 0:
            timex[2] = self.frequency
            call.poke(struct.pack(_TIMEX, *timex))
        else:
            return -errno.EOPNOTSUPP
        return 0


def _stamp(ns: int) -> bytes:
    seconds, nanoseconds = divmod(ns, _NS)
    return struct.pack("@qI4x", seconds, nanoseconds)


def _main() -> int:
    device = FakePtp(Path(sys.argv[1]), error=20e-6)
    process = device.spawn(sys.argv[2:])
    while process.poll() is None:
        time.sleep(1)
        print(f"{device.ahead():+d} ns from CLOCK_REALTIME, {device.frequency / 65536:+.3f} ppm", file=sys.stderr)
    return process.returncode


if __name__ == "__main__":
    sys.exit(_main())

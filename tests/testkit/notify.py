"""ioctl(2) of unmodified programs, answered by a test: seccomp user notification (seccomp_unotify(2), Linux 5.0).

A filter traps ioctl calls with given request numbers, and where it is asked for all calls that set or steer a clock, on one thread
(and all that it starts) or on a child process; a supervisor in the test answers them, reading and writing the caller's memory.
Every other call goes to the kernel as ever.
Needs no privilege (no_new_privs is set on the filtered thread). x86-64 and aarch64.

Run as a program it is the launcher of `Supervisor.spawn`: notify.py DESCRIPTOR REQUESTS CLOCKS PROGRAM ARGUMENT...
"""

import ctypes
import errno
import fcntl
import os
import platform
import select
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar

__all__ = ["PASS_ON", "Call", "ClockCall", "Supervisor"]

_T = TypeVar("_T")

_ARCHITECTURE, _NR_SECCOMP, _NR_IOCTL = {"x86_64": (0xC000003E, 317, 16), "aarch64": (0xC00000B7, 277, 29)}[platform.machine()]
_CLOCK_CALLS = {  # clock_adjtime, adjtimex, clock_settime, settimeofday
    "x86_64": (305, 159, 227, 164),
    "aarch64": (266, 171, 112, 170),
}[platform.machine()]
_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.process_vm_readv.restype = _LIBC.process_vm_writev.restype = ctypes.c_ssize_t
_ULONG = ctypes.c_ulong

_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER, _NEW_LISTENER, _WAIT_KILLABLE_RECV = 1, 8, 32
_ALLOW, _USER_NOTIF = 0x7FFF0000, 0x7FC00000
_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06  # classic BPF
_NOTIF_RECV, _NOTIF_SEND = 0xC0502100, 0xC0182101


PASS_ON = 1 << 62
"""A handler's result that lets the kernel make the call after all."""
_CONTINUE = 1


class ClockCall(IntEnum):
    """The calls that set or steer a clock, by their place in the kernel's numbering of this machine."""

    ADJTIME, ADJTIMEX, SETTIME, SETTIMEOFDAY = _CLOCK_CALLS


class _IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


@dataclass(frozen=True, slots=True)
class Call:
    """One trapped ioctl: the calling thread, the descriptor, the request and the address of the argument.

    Of a call that steers a clock (`clock`): descriptor is the clock's id where there is one, argument the address of what is passed.
    """

    pid: int
    descriptor: int
    request: int
    argument: int
    clock: ClockCall | None = None

    def peek(self, length: int) -> bytes:
        """The first bytes of the argument."""
        buffer = ctypes.create_string_buffer(length)
        self._transfer(_LIBC.process_vm_readv, buffer, length)
        return buffer.raw

    def poke(self, data: bytes) -> None:
        """Overwrite the argument."""
        self._transfer(_LIBC.process_vm_writev, ctypes.create_string_buffer(data, len(data)), len(data))

    def _transfer(self, function: Any, buffer: Any, length: int) -> None:
        local, remote = _IoVec(ctypes.addressof(buffer), length), _IoVec(self.argument, length)
        if function(self.pid, ctypes.byref(local), _ULONG(1), ctypes.byref(remote), _ULONG(1), _ULONG(0)) != length:
            raise OSError(errno.EFAULT, "the caller's memory can't be reached")


class Supervisor:
    """Answers the ioctl calls whose request is one of `requests`; `handle` returns the result, minus an error number, or PASS_ON."""

    def __init__(self, requests: Sequence[int], handle: Callable[[Call], int], *, clocks: bool = False) -> None:
        """clocks: the calls that set or steer a clock are answered too."""
        self._requests = tuple(requests)
        self._clocks = clocks
        self._handle = handle

    def call(self, function: Callable[[], _T]) -> _T:
        """Run a function on a thread under the filter and return its result; threads that it starts stay under the filter."""
        result: list[_T] = []
        failure: list[BaseException] = []

        def body() -> None:
            try:
                listener = _install(self._requests, clocks=self._clocks)
                threading.Thread(target=self._serve, args=(listener,), daemon=True).start()
                result.append(function())
            except BaseException as error:  # handed to the caller's thread
                failure.append(error)

        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        thread.join()
        if failure:
            raise failure[0]
        return result[0]

    def spawn(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a program under the filter (options as for subprocess.Popen); its children inherit it."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            numbers = ",".join(str(request) for request in self._requests)
            launcher = [sys.executable, os.path.abspath(__file__), str(theirs.fileno()), numbers, str(int(self._clocks))]
            process = subprocess.Popen([*launcher, *argv], pass_fds=(theirs.fileno(),), **options)
            theirs.close()
            listeners = socket.recv_fds(ours, 1, 1)[1]
        if not listeners:
            raise RuntimeError(f"the filter could not be installed (exit status {process.wait()})")
        threading.Thread(target=self._serve, args=(listeners[0],), daemon=True).start()
        return process

    def _serve(self, listener: int) -> None:
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        while not any(event & select.POLLHUP for _, event in poll.poll()):  # until all who are filtered have ended
            buffer = bytearray(80)
            try:
                fcntl.ioctl(listener, _NOTIF_RECV, buffer)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.EINTR):  # the caller was killed meanwhile
                    continue
                raise
            threading.Thread(target=self._answer, args=(listener, bytes(buffer)), daemon=True).start()
        os.close(listener)

    def _answer(self, listener: int, notification: bytes) -> None:
        identity, pid = struct.unpack_from("QI", notification)
        try:
            result = self._handle(_call(pid, notification))
        except OSError as error:
            result = -(error.errno or errno.EFAULT)
        try:
            passed = result == PASS_ON
            answer = (0, 0, _CONTINUE) if passed else (max(result, 0), min(result, 0), 0)
            fcntl.ioctl(listener, _NOTIF_SEND, bytearray(struct.pack("QqiI", identity, *answer)))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EBADF):  # the caller was killed, or all of them have ended
                raise


def _call(pid: int, notification: bytes) -> Call:
    number = struct.unpack_from("i", notification, 16)[0]
    first, second, third = struct.unpack_from("3Q", notification, 32)
    if number == _NR_IOCTL:
        return Call(pid, first, second & 0xFFFFFFFF, third)
    clock = ClockCall(number)
    identified = clock in (ClockCall.ADJTIME, ClockCall.SETTIME)
    return Call(pid, ctypes.c_int(first & 0xFFFFFFFF).value if identified else 0, 0, second if identified else first, clock)


def _program(requests: Sequence[int], clock_calls: Sequence[int] = ()) -> bytes:
    """Allow all but the clock calls, and ioctl on this architecture with one of the requests in the low word of its second argument."""
    count, calls = len(requests), len(clock_calls)
    code = [
        (_LOAD, 0, 0, 4),
        (_JUMP_EQUAL, 1, 0, _ARCHITECTURE),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, 0),
        *((_JUMP_EQUAL, calls - i + count + 3, 0, call) for i, call in enumerate(clock_calls)),
        (_JUMP_EQUAL, 1, 0, _NR_IOCTL),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, 24),
        *((_JUMP_EQUAL, count - i, 0, request) for i, request in enumerate(requests)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _USER_NOTIF),
    ]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in code)


def _install(requests: Sequence[int], *, clocks: bool = False) -> int:
    """Put the filter on the calling thread and return the descriptor where its calls are heard."""
    code = _program(requests, _CLOCK_CALLS if clocks else ())
    text = ctypes.create_string_buffer(code, len(code))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(code) // 8, ctypes.addressof(text)))
    if _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    for flags in (_NEW_LISTENER | _WAIT_KILLABLE_RECV, _NEW_LISTENER):  # the former since Linux 5.19
        listener = int(_LIBC.syscall(_NR_SECCOMP, _SET_MODE_FILTER, flags, program))
        if listener >= 0:
            return listener
    raise OSError(ctypes.get_errno(), "seccomp")


def _launch(descriptor: int, requests: Sequence[int], argv: list[str], *, clocks: bool) -> None:
    listener = _install(requests, clocks=clocks)
    with socket.socket(fileno=descriptor) as channel:
        socket.send_fds(channel, [b"x"], [listener])
    os.execvp(argv[0], argv)


if __name__ == "__main__":
    _launch(int(sys.argv[1]), [int(number) for number in sys.argv[2].split(",") if number], sys.argv[4:], clocks=sys.argv[3] == "1")

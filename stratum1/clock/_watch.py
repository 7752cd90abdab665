"""Notice that somebody set CLOCK_REALTIME: a timer that is never meant to fire, cancelled by every set (timerfd_create(2))."""

import ctypes
import errno
import os
import struct
import time
from types import TracebackType
from typing import Self

from ._interface import ClockError

__all__ = ["ClockSetWatch"]

_TFD_TIMER_ABSTIME = 1
_TFD_TIMER_CANCEL_ON_SET = 2
_NEVER = struct.pack("=4q", 0, 0, (1 << 63) - 1, 0)
"""struct itimerspec: no interval, first expiry at the end of time."""


class ClockSetWatch:
    """A file descriptor that becomes readable when CLOCK_REALTIME is set, by a step of our own too: compare the clock's epochs then."""

    def __init__(self) -> None:
        """Raises ClockError where the kernel refuses (a sandbox that filters timerfd)."""
        self._fd = _checked("timerfd_create", _libc().timerfd_create(time.CLOCK_REALTIME, os.O_NONBLOCK | os.O_CLOEXEC))
        try:
            flags = _TFD_TIMER_ABSTIME | _TFD_TIMER_CANCEL_ON_SET
            _checked("timerfd_settime", _libc().timerfd_settime(self._fd, flags, _NEVER, None))
        except ClockError:
            self.close()
            raise

    def fileno(self) -> int:
        """For `loop.add_reader`; -1 once closed."""
        return self._fd

    def cancelled(self) -> bool:
        """Whether the clock was set since the last call. Never blocks; the watch goes on."""
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno == errno.ECANCELED:
                return True
            raise ClockError(f"the watch on the clock failed: {error.strerror}") from error
        return True

    def close(self) -> None:
        """Give the descriptor back; harmless when done twice."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(call: str, result: int) -> int:
    if result < 0:
        raise ClockError(f"{call} failed: {os.strerror(ctypes.get_errno())}; without it a set of the clock by others goes unnoticed")
    return result

"""Samples in a System V shared memory segment, as ntpd's driver 28, chronyd's refclock SHM and NTPsec's shm refclock read them.

Python has no System V calls, so they are made by ctypes. The reader copies the segment and believes it if the count is the same
before and after (mode 1); between our writes stands a barrier of the kernel's (membarrier(2)), which the compiler and an ARM
core can't reorder across. It is a fence as good as C's where the kernel has it (Linux 4.14), and nothing without it.
"""

import ctypes
import errno
import os
import platform

from ._sample import SHM_SIZE, sample_of, shm_fields, shm_key, withheld
from .report import Moment, OutputState, Turn

__all__ = ["ShmOutput"]

_CREATE = 0o1000
_FAILED = ctypes.c_void_p(-1).value
_COUNT_AT, _VALID_AT = 4, 48
_MEMBARRIER = {"x86_64": 324, "aarch64": 283}
_EXPEDITED, _REGISTER = 8, 16  # MEMBARRIER_CMD_PRIVATE_EXPEDITED and its registration
_UNTAKEN = 30
"""Samples in a row that nobody has taken, after which that is said."""


class ShmOutput:
    """One unit. The segment is made if it is not there, is never removed, and is found anew if somebody else removes it."""

    def __init__(self, unit: int, permissions: int, *, holdover: bool) -> None:
        self._unit = unit
        self._permissions = permissions
        self._holdover = holdover
        self._segment: _Segment | None = None
        self._untaken = 0

    def turn(self, moment: Moment) -> Turn:
        """Write a sample where one may be had."""
        reason = withheld(moment, holdover=self._holdover)
        if reason:
            return Turn(OutputState.WAITING, reason)
        sample = sample_of(moment)
        try:
            if self._segment is None or not self._segment.current:
                self._let_go()
                self._segment = _Segment(self._unit, self._permissions)
            taken = self._segment.write([(field.at, field.data) for field in shm_fields(sample)])
        except OSError as error:
            return Turn(OutputState.PROBLEM, self._problem(error))
        self._untaken = 0 if taken else self._untaken + 1
        text = "a sample a second" + ("; nobody takes them" if self._untaken > _UNTAKEN else "")
        return Turn(OutputState.SENDING, text, sent=True, offset=sample.offset)

    def close(self) -> None:
        """Withdraw the last sample and detach."""
        if self._segment is not None:
            self._segment.withdraw()
        self._let_go()

    def _let_go(self) -> None:
        if self._segment is not None:
            self._segment.detach()
            self._segment = None

    def _problem(self, error: OSError) -> str:
        name = f"shared memory unit {self._unit} (key {shm_key(self._unit):#x})"
        if error.errno in (errno.EACCES, errno.EPERM):
            return (
                f"{name} belongs to somebody else: stop who made it and remove it (ipcrm -M {shm_key(self._unit):#x}), or take another unit"
            )
        if error.errno == errno.EINVAL:
            return f"{name} exists and is too small for a sample: remove it (ipcrm -M {shm_key(self._unit):#x})"
        return f"{name} can't be had: {error.strerror}"


class _Segment:
    """The attached memory."""

    def __init__(self, unit: int, permissions: int) -> None:
        """Raises OSError."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.shmat.restype = ctypes.c_void_p
        self._key = ctypes.c_int(shm_key(unit))
        self._id = self._get(SHM_SIZE, permissions)
        address = self._libc.shmat(self._id, None, 0)
        if address is None or address == _FAILED:
            raise _error()
        self._address = int(address)
        self._barrier_number = _MEMBARRIER.get(platform.machine())
        self._barrier(_REGISTER)

    @property
    def current(self) -> bool:
        """Whether the key still leads to this memory."""
        try:
            return self._get(0, None) == self._id
        except OSError:
            return False

    def write(self, fields: list[tuple[int, bytes]]) -> bool:
        """Write a sample so that no reader takes half of it; whether the one before has been taken (a reader clears valid)."""
        taken = self._int(_VALID_AT) == 0
        self._put(_VALID_AT, 0)
        self._count()
        for at, data in fields:
            ctypes.memmove(self._address + at, data, len(data))
        self._count()
        self._put(_VALID_AT, 1)
        return taken

    def withdraw(self) -> None:
        """No sample is there any more."""
        self._put(_VALID_AT, 0)

    def detach(self) -> None:
        """Let go of the memory; it stays for its reader."""
        self._libc.shmdt(ctypes.c_void_p(self._address))

    def _get(self, size: int, permissions: int | None) -> int:
        flags = 0 if permissions is None else _CREATE | permissions
        found = self._libc.shmget(self._key, ctypes.c_size_t(size), flags)
        if found < 0:
            raise _error()
        return int(found)

    def _count(self) -> None:
        """The count goes on by one, and nothing passes it in either direction."""
        self._barrier(_EXPEDITED)
        self._put(_COUNT_AT, (self._int(_COUNT_AT) + 1) & 0x7FFFFFFF)
        self._barrier(_EXPEDITED)

    def _int(self, at: int) -> int:
        return ctypes.c_int.from_address(self._address + at).value

    def _put(self, at: int, value: int) -> None:
        """One aligned store, which no reader sees the half of."""
        ctypes.c_int.from_address(self._address + at).value = value

    def _barrier(self, command: int) -> None:
        if self._barrier_number is not None:
            self._libc.syscall(ctypes.c_long(self._barrier_number), ctypes.c_int(command), ctypes.c_int(0), ctypes.c_int(0))


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))

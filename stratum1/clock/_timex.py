"""clock_adjtime(2): struct timex to and from bytes, its constants, and the call itself (linux/timex.h; x86-64 and aarch64)."""

import ctypes
import errno
import math
import os
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntFlag

from ._interface import ClockError

__all__ = [
    "NOMINAL_TICK",
    "TIMEX_SIZE",
    "Adj",
    "AdjTime",
    "Sta",
    "Timex",
    "adjust",
    "clock_adjtime",
    "microseconds_up",
    "pack_timex",
    "read_timex",
    "split_rate",
    "timex_rate",
    "unpack_timex",
]


class Adj(IntFlag):
    """Timex.modes: which fields the kernel is to take."""

    OFFSET = 0x0001
    FREQUENCY = 0x0002
    MAXERROR = 0x0004
    ESTERROR = 0x0008
    STATUS = 0x0010
    TAI = 0x0080
    SETOFFSET = 0x0100
    NANO = 0x2000
    TICK = 0x4000
    OFFSET_SINGLESHOT = 0x8001
    """adjtime(3)'s old slew; with an offset of 0 it stops one that runs."""


class Sta(IntFlag):
    """Timex.status. The bits from PPSSIGNAL on are the kernel's to write."""

    PLL = 0x0001
    PPSFREQ = 0x0002
    PPSTIME = 0x0004
    FLL = 0x0008
    INS = 0x0010
    DEL = 0x0020
    UNSYNC = 0x0040
    FREQHOLD = 0x0080
    PPSSIGNAL = 0x0100
    NANO = 0x2000


@dataclass(frozen=True, slots=True)
class Timex:
    """The fields of struct timex that a clock needs; the rest is sent as 0.

    offset: ns with STA_NANO, else us. freq and tolerance: ppm with 16 binary digits. maxerror and esterror: us. constant: carries
    TAI - UTC to the kernel with ADJ_TAI; tai brings it back. time: seconds and ns (us without STA_NANO). tick: us in 1/USER_HZ s.
    """

    modes: int = 0
    offset: int = 0
    freq: int = 0
    maxerror: int = 0
    esterror: int = 0
    status: int = 0
    constant: int = 0
    tolerance: int = 0
    time_sec: int = 0
    time_frac: int = 0
    tick: int = 0
    tai: int = 0


AdjTime = Callable[[int, Timex], Timex]
"""clock_adjtime: clock id and request in, the kernel's state after it out; raises ClockError."""

# modes, offset, freq, maxerror, esterror, status, constant, precision, tolerance, time, tick, seven PPS longs and an int, tai, reserve
_LAYOUT = struct.Struct("=I4x 4q i4x 3q 2q q 2q i4x 5q i44x")
TIMEX_SIZE = _LAYOUT.size
_HZ = os.sysconf("SC_CLK_TCK")
NOMINAL_TICK = 1_000_000 // _HZ
_TICK_RATE = 1 / NOMINAL_TICK
"""Rate that one microsecond of tick is worth, s/s: 1e-4 at the USER_HZ of 100 that both architectures have."""
_FREQ_UNIT = 1e-6 / 65536
_MOST_ERROR = 16_000_000
"""NTP_PHASE_LIMIT, microseconds: where the kernel calls itself unsynchronised."""


def pack_timex(timex: Timex) -> bytes:
    """The 208 bytes that the kernel reads. Raises ClockError for a field that does not fit."""
    t = timex
    longs = (t.offset, t.freq, t.maxerror, t.esterror)
    try:
        return _LAYOUT.pack(
            t.modes, *longs, t.status, t.constant, 0, t.tolerance, t.time_sec, t.time_frac, t.tick, 0, 0, 0, 0, 0, 0, 0, 0, t.tai
        )
    except struct.error as error:
        raise ClockError(f"clock_adjtime: a field does not fit struct timex ({error}): {timex}") from None


def unpack_timex(data: bytes) -> Timex:
    """The inverse of `pack_timex`. Raises ClockError if it is not 208 bytes."""
    if len(data) != TIMEX_SIZE:
        raise ClockError(f"clock_adjtime: struct timex has {TIMEX_SIZE} bytes, not {len(data)}")
    modes, offset, freq, maxerror, esterror, status, constant, _, tolerance, sec, frac, tick, *rest = _LAYOUT.unpack(data)
    return Timex(modes, offset, freq, maxerror, esterror, status, constant, tolerance, sec, frac, tick, rest[-1])


def split_rate(rate: float, tolerance: int) -> tuple[int, int]:
    """A rate (s/s) as tick (us) and freq (ppm, 16 binary digits): freq alone up to the kernel's tolerance, beyond it whole ticks first.

    The tick ends at the 10 % around its nominal value that the kernel takes, and freq at the tolerance.
    """
    freq = round(rate / _FREQ_UNIT)
    if abs(freq) <= tolerance:
        return NOMINAL_TICK, freq
    ticks = max(-NOMINAL_TICK // 10, min(NOMINAL_TICK // 10, round(rate / _TICK_RATE)))
    rest = round((rate - ticks * _TICK_RATE) / _FREQ_UNIT)
    return NOMINAL_TICK + ticks, max(-tolerance, min(tolerance, rest))


def timex_rate(tick: int, freq: int) -> float:
    """The inverse of `split_rate`: how much faster than its raw counter the clock runs, s/s."""
    return (tick - NOMINAL_TICK) * _TICK_RATE + freq * _FREQ_UNIT


def microseconds_up(seconds: float) -> int:
    """A bound in seconds as the kernel's microseconds, rounded up, at most its limit of 16 s (which infinity and NaN get too)."""
    return math.ceil(seconds * 1e6) if 0 <= seconds < _MOST_ERROR / 1e6 else 0 if seconds < 0 else _MOST_ERROR


def clock_adjtime(clock_id: int, timex: Timex) -> Timex:
    """clock_adjtime(2) of any clock, also of a device's dynamic one. Raises OSError as the kernel says it, ClockError for a bad field."""
    buffer = ctypes.create_string_buffer(pack_timex(timex), TIMEX_SIZE)
    if _libc().clock_adjtime(ctypes.c_int(clock_id), buffer) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return unpack_timex(buffer.raw)


def adjust(clock_id: int, timex: Timex) -> Timex:
    """clock_adjtime(2) of the host's clock. Raises ClockError that says what was refused, why, and the remedy."""
    try:
        return clock_adjtime(clock_id, timex)
    except OSError as error:
        number = error.errno or 0
        raise ClockError(f"clock_adjtime({Adj(timex.modes)!r}) failed: {error.strerror}; {_remedy(number, timex)}") from None


def read_timex(clock_id: int = time.CLOCK_REALTIME) -> Timex:
    """The kernel's present state; changes nothing and needs no privilege. Raises ClockError where a sandbox forbids the call."""
    return adjust(clock_id, Timex())


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _remedy(number: int, timex: Timex) -> str:
    if number == errno.EPERM and not timex.modes:
        return "a sandbox forbids even reading the clock's state; allow clock_adjtime in its system call filter"
    if number == errno.EPERM:
        return (
            "setting the clock needs CAP_SYS_TIME: run as the packaged service, or grant it (systemd: AmbientCapabilities=CAP_SYS_TIME,"
            ' PrivateUsers=no, ProtectClock=no), or set control = "virtual" in [clock], which leaves the host\'s clock alone'
        )
    if number == errno.EINVAL:
        return f"the kernel does not take {timex}; it allows freq within its tolerance, tick within 10 % and a step that ends after 1970"
    return 'this kernel or clock can\'t be steered; set control = "virtual" in [clock]'

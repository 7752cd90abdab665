"""Lock state to what a PTP grandmaster says of itself: class, accuracy, variance, flags (IEEE 1588-2019, 7.6.2 and 8.2.4). Pure."""

import math
import struct
from dataclasses import dataclass
from enum import IntFlag

from stratum1.interchange import Leap, LockState

from .report import Moment, by_reference_clock

__all__ = ["GrandmasterSettings", "TimeFlag", "accuracy_code", "accuracy_limit", "grandmaster", "log_variance", "parent_is_self"]

_LOCKED, _HOLDOVER, _DEFAULT = 6, 7, 248
_UNKNOWN_ACCURACY, _UNKNOWN_VARIANCE = 0xFE, 0xFFFF
_GNSS, _NTP, _OSCILLATOR = 0x20, 0x50, 0xA0
"""timeSource (table 6)."""
_LAST_KNOWN_TAI = 37
"""Seconds, since 2017; sent with its valid flag unset where TAI - UTC is not known."""
# clockAccuracy (table 5), seconds: 0x20 is "within 25 ns", 0x30 "within 10 s", 0x31 "more than 10 s"
_ACCURACIES = (25e-9, 100e-9, 250e-9, 1e-6, 2.5e-6, 10e-6, 25e-6, 100e-6, 250e-6, 1e-3, 2.5e-3, 10e-3, 25e-3, 0.1, 0.25, 1.0, 10.0)
_FIRST_CODE = 0x20
_EASE = 0.8
"""A better accuracy is claimed only when the bound is this far within it, so that the best master does not change to and fro."""
_OCTAVE = 0x100
_LAYOUT = struct.Struct(">BBHhBB")


class TimeFlag(IntFlag):
    """Flags of the time properties, in the order of Announce's second flag octet (table 37)."""

    LEAP_61 = 0x01
    LEAP_59 = 0x02
    UTC_OFFSET_VALID = 0x04
    PTP_TIMESCALE = 0x08
    TIME_TRACEABLE = 0x10
    FREQUENCY_TRACEABLE = 0x20


@dataclass(frozen=True, slots=True)
class GrandmasterSettings:
    """The content of linuxptp's GRANDMASTER_SETTINGS_NP. utc_offset: TAI - UTC, seconds."""

    clock_class: int
    accuracy: int
    variance: int
    utc_offset: int
    flags: TimeFlag
    time_source: int

    def pack(self) -> bytes:
        """Its eight octets."""
        return _LAYOUT.pack(self.clock_class, self.accuracy, self.variance, self.utc_offset, self.flags, self.time_source)

    def withdrawn(self) -> "GrandmasterSettings":
        """What is left when nobody vouches for the clock any more."""
        flags = self.flags & ~(TimeFlag.TIME_TRACEABLE | TimeFlag.FREQUENCY_TRACEABLE)
        return GrandmasterSettings(_DEFAULT, _UNKNOWN_ACCURACY, _UNKNOWN_VARIANCE, self.utc_offset, flags, _OSCILLATOR)


def accuracy_limit(code: int) -> float:
    """The bound that a clockAccuracy code stands for, seconds; infinite for "more than 10 s" and for what is not in the table."""
    index = code - _FIRST_CODE
    return _ACCURACIES[index] if 0 <= index < len(_ACCURACIES) else math.inf


def accuracy_code(bound: float, before: int | None = None) -> int:
    """clockAccuracy for an error bound (seconds): the first that holds; `before`, the code said last, stays near its lower edge."""
    if not bound >= 0 or math.isinf(bound):
        return _UNKNOWN_ACCURACY
    code = _FIRST_CODE + next((index for index, limit in enumerate(_ACCURACIES) if bound <= limit), len(_ACCURACIES))
    if before is None or not code < before <= _FIRST_CODE + len(_ACCURACIES):
        return code
    eased = accuracy_code(bound / _EASE)
    return min(eased, before)


def log_variance(jitter: float | None) -> int:
    """offsetScaledLogVariance of white phase noise with this standard deviation (seconds), rounded up to whole octaves.

    log2 of the variance in s^2, times 256, plus 0x8000 (7.6.3.3); 0xFFFF where nothing is known.
    """
    if jitter is None or not 0 < jitter < math.inf:
        return _UNKNOWN_VARIANCE
    octaves = math.ceil(math.log2(jitter) * 2)
    return max(0, min(0xFF00, 0x8000 + 256 * octaves))


def grandmaster(
    moment: Moment, clock_error: float | None, *, ptp_timescale: bool, before: GrandmasterSettings | None = None
) -> tuple[GrandmasterSettings, str]:
    """What ptp4l is to announce, and the sentence for people.

    clock_error: how far the clock that ptp4l hands out is from our time, seconds, None if not known: the bound grows by it, since it
    is the handed-out clock that clients get. ptp_timescale: whether that clock counts TAI; else it counts UTC, and says so.
    """
    state = moment.state
    known = state.synchronised and moment.now <= state.valid_until
    total = state.error_bound_at(moment.now) + abs(clock_error) if known and clock_error is not None else math.inf
    clock_class, text = _class(moment, total, known=known, measured=clock_error is not None)
    vouched = clock_class != _DEFAULT
    settings = GrandmasterSettings(
        clock_class=clock_class,
        accuracy=accuracy_code(total, before.accuracy if before is not None else None),
        variance=_steady(log_variance(moment.jitter), before) if vouched else _UNKNOWN_VARIANCE,
        utc_offset=_LAST_KNOWN_TAI if moment.tai_offset is None else moment.tai_offset,
        flags=_flags(moment, known=known, vouched=vouched, ptp_timescale=ptp_timescale),
        time_source=_GNSS if clock_class == _LOCKED else _NTP if known and state.state is LockState.NETWORK else _OSCILLATOR,
    )
    return settings, text


def _steady(variance: int, before: GrandmasterSettings | None) -> int:
    """An octave more or less is the jitter's own noise, and no reason to have every clock of the network elect anew."""
    return before.variance if before is not None and abs(variance - before.variance) <= _OCTAVE else variance


def parent_is_self(data: bytes, own_clock: bytes) -> bool:
    """Whether the data of PARENT_DATA_SET name our ptp4l itself as grandmaster (its last eight octets)."""
    return len(data) == 32 and data[-8:] == own_clock


def _class(moment: Moment, total: float, *, known: bool, measured: bool) -> tuple[int, str]:
    state = moment.state
    if not known:
        return _DEFAULT, f"the time is not known ({state.state})"
    if not by_reference_clock(state):
        return _DEFAULT, "steered by other servers, not by a primary reference"
    if not measured:
        return _DEFAULT, "the clock that ptp4l hands out is not steered yet"
    if not state.in_specification or total > moment.limit:
        return _DEFAULT, "the clock that ptp4l hands out is out of specification"
    if state.state is LockState.HOLDOVER:
        return _HOLDOVER, "in holdover, within specification"
    return _LOCKED, "locked to the primary reference"


def _flags(moment: Moment, *, known: bool, vouched: bool, ptp_timescale: bool) -> TimeFlag:
    leap = moment.state.leap if known else Leap.NONE
    chosen = {
        TimeFlag.LEAP_61: leap is Leap.INSERT,
        TimeFlag.LEAP_59: leap is Leap.DELETE,
        # Without the PTP timescale there is nothing to subtract from, and ptpd 2.3 would subtract all the same.
        TimeFlag.UTC_OFFSET_VALID: ptp_timescale and known and moment.tai_offset is not None,
        TimeFlag.PTP_TIMESCALE: ptp_timescale,
        TimeFlag.TIME_TRACEABLE: vouched,
        TimeFlag.FREQUENCY_TRACEABLE: vouched,
    }
    flags = TimeFlag(0)
    for flag, wanted in chosen.items():
        flags |= flag if wanted else TimeFlag(0)
    return flags

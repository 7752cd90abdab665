"""What the GNSS decoders say, whatever protocol the receiver speaks."""

from dataclasses import dataclass
from enum import IntEnum

from stratum1.timescale import MonoNs, UtcNs

__all__ = [
    "Authenticity",
    "Dop",
    "Event",
    "Fix",
    "FixMode",
    "Health",
    "LeapNotice",
    "Position",
    "PulseCorrection",
    "RadioPath",
    "Satellite",
    "Sky",
    "Survey",
    "TimeMark",
]


class FixMode(IntEnum):
    """Kind of fix, numbered as gpsd's TPV.mode."""

    UNKNOWN = 0
    NONE = 1
    TWO_D = 2
    THREE_D = 3


@dataclass(frozen=True, slots=True)
class Position:
    """WGS 84 degrees (north and east positive) and metres above mean sea level, NaN where unknown."""

    latitude: float
    longitude: float
    altitude: float


@dataclass(frozen=True, slots=True)
class Dop:
    """Dilutions of precision, NaN where unknown."""

    pdop: float
    hdop: float
    vdop: float


@dataclass(frozen=True, slots=True)
class Satellite:
    """One satellite in view. constellation: RINEX letter G R E C J S I; number: as the receiver numbers it within the constellation.

    azimuth and elevation in degrees and cn0 in dB-Hz, None where the receiver is silent.
    """

    constellation: str
    number: int
    azimuth: int | None
    elevation: int | None
    cn0: int | None
    used: bool


@dataclass(frozen=True, slots=True)
class TimeMark:
    """A sentence named a UTC time; emitted at once, for numbering pulses.

    at_ns: arrival of the sentence's first byte. utc: the time that it names (fraction kept), after repair.
    sentence: which kind ("GNRMC"), since each kind has a delay of its own. valid: the receiver claims a fix in this sentence.
    trusted: the date behind it has been confirmed by three consecutive consistent fixes. rollovers: times 1024 weeks added.
    """

    at_ns: MonoNs
    utc: UtcNs
    sentence: str
    valid: bool
    trusted: bool
    rollovers: int


@dataclass(frozen=True, slots=True)
class Fix:
    """One epoch of the receiver, complete. time is None until a date is known; leap_seconds is GPS - UTC where the receiver tells it.

    time_accuracy (seconds) and position_accuracy (metres, horizontal): the receiver's own estimates, None where it tells none.
    fixed_position: the receiver is in timing mode and holds its position.
    """

    at_ns: MonoNs
    time: UtcNs | None
    mode: FixMode
    satellites_used: int
    satellites_seen: int
    position: Position | None
    dop: Dop | None
    leap_seconds: int | None
    trusted: bool
    rollovers: int
    time_accuracy: float | None = None
    position_accuracy: float | None = None
    fixed_position: bool = False


@dataclass(frozen=True, slots=True)
class Sky:
    """All satellites in view, after each complete round of GSV sentences."""

    at_ns: MonoNs
    satellites: tuple[Satellite, ...]


@dataclass(frozen=True, slots=True)
class LeapNotice:
    """What the receiver says of leap seconds (UBX-NAV-TIMELS): the instant right after the next one and its sign.

    sign 0: it has the almanac's word that none is to come; `at` then means nothing. leap_seconds: GPS - UTC now, None if not certain.
    """

    at_ns: MonoNs
    at: UtcNs
    sign: int
    leap_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class PulseCorrection:
    """Sawtooth of one pulse (UBX-TIM-TP): the pulse that marks `utc` leaves the receiver this much after (positive) the true instant.

    error in seconds; None: the receiver says that it doesn't know it for this pulse. at_ns: arrival, which is before the pulse.
    utc: the second that the pulse marks, rounded to the pulse's grid, by the receiver's time.
    """

    at_ns: MonoNs
    utc: UtcNs
    error: float | None


@dataclass(frozen=True, slots=True)
class Survey:
    """Survey-in of a timing receiver (UBX-TIM-SVIN): seconds so far, mean position's standard deviation in metres, observations."""

    at_ns: MonoNs
    active: bool
    valid: bool
    duration: float
    accuracy: float
    observations: int


@dataclass(frozen=True, slots=True)
class RadioPath:
    """Antenna and radio front end (UBX-MON-RF, MON-HW), one an RF block.

    block: its number. antenna: "init", "unknown", "ok", "short", "open". jamming: "unknown", "ok", "warning", "critical".
    jamming_indicator: 0 (none) to 255 (strong CW). agc: gain as a share of its range, 0 to 1. noise: noise level as counted.
    """

    at_ns: MonoNs
    block: int
    antenna: str
    jamming: str
    jamming_indicator: int
    agc: float
    noise: int


@dataclass(frozen=True, slots=True)
class Authenticity:
    """What the receiver itself says of spoofing and jamming (UBX-SEC-SIG, NAV-STATUS).

    spoofing: "unknown", "none", "indicated", "affirmed"; jamming: "unknown", "none", "warning", "critical".
    """

    at_ns: MonoNs
    spoofing: str
    jamming: str


@dataclass(frozen=True, slots=True)
class Health:
    """State of the line and the receiver in words that a person can act on.

    kind: "antenna", "week-rollover", "baud", ...; alarm: whether it needs a person; text: the sentence.
    """

    at_ns: MonoNs
    kind: str
    alarm: bool
    text: str


Event = TimeMark | Fix | Sky | LeapNotice | PulseCorrection | Survey | RadioPath | Authenticity | Health

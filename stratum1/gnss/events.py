"""What the GNSS decoders say, whatever protocol the receiver speaks."""

from dataclasses import dataclass
from enum import IntEnum

from stratum1.timescale import MonoNs, UtcNs

__all__ = ["Dop", "Event", "Fix", "FixMode", "Health", "LeapNotice", "Position", "Satellite", "Sky", "TimeMark"]


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
    """One epoch of the receiver, complete. time is None until a date is known; leap_seconds is GPS - UTC where the receiver tells it."""

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


@dataclass(frozen=True, slots=True)
class Sky:
    """All satellites in view, after each complete round of GSV sentences."""

    at_ns: MonoNs
    satellites: tuple[Satellite, ...]


@dataclass(frozen=True, slots=True)
class LeapNotice:
    """The receiver announces a leap second: the instant right after it and its sign."""

    at_ns: MonoNs
    at: UtcNs
    sign: int


@dataclass(frozen=True, slots=True)
class Health:
    """State of the line and the receiver in words that a person can act on.

    kind: "antenna", "week-rollover", "baud", ...; alarm: whether it needs a person; text: the sentence.
    """

    at_ns: MonoNs
    kind: str
    alarm: bool
    text: str


Event = TimeMark | Fix | Sky | LeapNotice | Health

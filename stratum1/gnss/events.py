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
    """Kind of fix, numbered as gpsd's TPV.mode. A timing receiver that holds its position and solves for time only counts as TWO_D."""

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
    """A sentence or message named a UTC time; emitted at once, for numbering pulses.

    at_ns: arrival of its first byte. utc: the time that it names (fraction kept; of UBX to the hundredth, as its NMEA has it), after
    repair. sentence: which kind ("GNRMC", "UBX-NAV-PVT"), since each kind has a delay of its own. valid: the receiver claims a fix in it.
    trusted: the date behind it has been confirmed by three consecutive consistent fixes, and
    nothing was said against the leap seconds in it. rollovers: times 1024 weeks added.
    """

    at_ns: MonoNs
    utc: UtcNs
    sentence: str
    valid: bool
    trusted: bool
    rollovers: int


@dataclass(frozen=True, slots=True)
class Fix:
    """One epoch of the receiver, complete. time is None until a date is known, and with UBX exact to the ns that the receiver says.
    leap_seconds is GPS - UTC where the receiver tells it and is certain of it. trusted: as in TimeMark.

    time_accuracy (seconds) and position_accuracy (metres; horizontal, of NAV-SOL in space): the receiver's own
    estimates, None where it tells none. fixed_position: the receiver solves for time only, or keeps to the result of its survey.
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
    """All satellites in view, after each complete round of GSV sentences or with each NAV-SAT."""

    at_ns: MonoNs
    satellites: tuple[Satellite, ...]


@dataclass(frozen=True, slots=True)
class LeapNotice:
    """What the receiver says of leap seconds (UBX-NAV-TIMELS): the instant right after the next one and its sign.

    sign 0: it has the almanac's word that none is to come; `at` then means nothing. leap_seconds: GPS - UTC now, None if not certain.
    None is sent while the receiver has heard nothing of leap seconds to come (up to 12.5 minutes after a cold start), nor before a time
    is known. `at` is as good as the receiver's date: it may be off by a week rollover that `Fix.trusted` does not vouch for.
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

    error is minus `qErr`. u-blox's documents do not say which way qErr counts; measurements do: with a counter started by a reference
    and stopped by the pulse, reading + qErr is smooth (A. Wallin, "uBlox F9T qErr correction", 2019; the author of Lady Heather found
    the same of an F9P, time-nuts 2019). So a positive qErr is a pulse that comes early. TIM-TP tells of the next pulse: what comes
    between two of them belongs to the later one (u-blox F9 integration manuals, "Time pulse").
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
    """What the receiver itself says of spoofing and jamming (UBX-SEC-SIG, or NAV-STATUS where that does not come).

    spoofing: "unknown", "none", "indicated", "affirmed"; jamming: "unknown", "none", "warning", "critical".
    """

    at_ns: MonoNs
    spoofing: str
    jamming: str


@dataclass(frozen=True, slots=True)
class Health:
    """State of the line and the receiver in words that a person can act on.

    kind: "antenna", "jamming", "spoofing", "leap-seconds", "version", "date", "week-rollover", ...; alarm: whether it needs a person;
    text: the sentence.
    """

    at_ns: MonoNs
    kind: str
    alarm: bool
    text: str


Event = TimeMark | Fix | Sky | LeapNotice | PulseCorrection | Survey | RadioPath | Authenticity | Health

"""What passes in and out of the set-up of a u-blox receiver: what is wanted, who the receiver is, what became of it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import cos, radians, sin, sqrt
from typing import Literal

__all__ = [
    "CONSTELLATIONS",
    "MESSAGES",
    "Action",
    "ChangeRate",
    "Constellation",
    "Identity",
    "Mode",
    "Port",
    "Send",
    "SetupNote",
    "SetupReport",
    "SetupState",
    "SetupWish",
    "ecef",
]

Mode = Literal["auto", "survey-in", "fixed", "navigation"]
Port = Literal["uart1", "uart2", "usb"]
Constellation = Literal["gps", "galileo", "glonass", "beidou", "qzss", "navic", "sbas"]
CONSTELLATIONS: tuple[Constellation, ...] = ("gps", "galileo", "glonass", "beidou", "qzss", "navic", "sbas")
MESSAGES = (
    "NAV-PVT",
    "NAV-SOL",
    "NAV-TIMEUTC",
    "NAV-STATUS",
    "NAV-SAT",
    "NAV-SVINFO",
    "NAV-TIMELS",
    "NAV-SVIN",
    "TIM-TP",
    "TIM-SVIN",
    "MON-HW",
    "MON-RF",
    "SEC-SIG",
)
"""Messages whose rate the set-up may change."""

_SEMI_MAJOR, _FLATTENING = 6_378_137.0, 1 / 298.257223563
"""WGS 84 (NIMA TR8350.2): semi-major axis in metres, flattening."""


@dataclass(frozen=True, slots=True)
class SetupWish:
    """What the receiver is to be set to; None leaves a thing as it is.

    survey_duration: seconds at least; survey_accuracy, position_accuracy: metres. position: ECEF metres. cable_delay: nanoseconds.
    pulse_length: microseconds. pulse_polarity: the edge at the start of the second, at the receiver. messages: UBX messages are wanted;
    silence_nmea: NMEA is turned off once they are had. rates: epochs between two messages by name, over the defaults, 0 for none.
    """

    mode: Mode = "auto"
    survey_duration: int = 3600
    survey_accuracy: float = 3.0
    position: tuple[float, float, float] | None = None
    position_accuracy: float = 0.1
    stationary: bool = True
    constellations: frozenset[Constellation] | None = None
    cable_delay: int | None = None
    pulse_length: int = 100_000
    pulse_polarity: Literal["rising", "falling"] | None = None
    pulse_grid: Literal["utc", "gps"] = "utc"
    messages: bool = True
    silence_nmea: bool = True
    rates: Mapping[str, int] = field(default_factory=dict)
    baud: int | None = None
    port: Port = "uart1"
    save: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """A receiver as it tells itself (UBX-MON-VER). model, firmware and protocol are "" where it is silent; generation 6 to 10."""

    model: str
    firmware: str
    protocol: str
    hardware: str
    generation: int | None

    def __str__(self) -> str:
        name = self.model or f"u-blox {self.generation or self.hardware}"
        return f"{name}, firmware {self.firmware or 'unknown'}, protocol {self.protocol or 'unknown'}"


class SetupState(StrEnum):
    """How the set-up stands."""

    WAITING = "waiting"
    """The line is not open."""
    ASKING = "asking"
    """The receiver was asked who it is."""
    SETTING = "setting"
    DONE = "done"
    """Everything is as wanted."""
    PARTLY = "partly"
    """Some items were refused and left as they were."""
    UNANSWERED = "unanswered"
    """It does not answer UBX: it is left untouched."""
    UNKNOWN = "unknown"
    """It answers, but it is no u-blox of generations 6 to 10: it is left untouched."""
    UNWRITABLE = "unwritable"
    """The line takes no bytes."""
    FAILED = "failed"
    """It stopped answering in the middle, or loses what it is set to again and again."""


@dataclass(frozen=True, slots=True)
class SetupNote:
    """A line for the event log. alarm: it needs a person."""

    alarm: bool
    text: str


@dataclass(frozen=True, slots=True)
class SetupReport:
    """For people. timing: it has a timing mode, None while unknown; refused: a sentence an item; changes: items written since the start."""

    state: SetupState = SetupState.WAITING
    identity: Identity | None = None
    timing: bool | None = None
    refused: tuple[str, ...] = ()
    changes: int = 0


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes for the receiver."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ChangeRate:
    """The line is to go on at this rate, once all that was sent has left."""

    baud: int


Action = Send | ChangeRate | SetupNote


def ecef(latitude: float, longitude: float, height: float) -> tuple[float, float, float]:
    """Earth-centred coordinates in metres of a place in WGS 84 degrees (north and east positive) and metres above the ellipsoid."""
    phi, lam = radians(latitude), radians(longitude)
    eccentricity = _FLATTENING * (2 - _FLATTENING)
    normal = _SEMI_MAJOR / sqrt(1 - eccentricity * sin(phi) ** 2)
    return (
        (normal + height) * cos(phi) * cos(lam),
        (normal + height) * cos(phi) * sin(lam),
        (normal * (1 - eccentricity) + height) * sin(phi),
    )

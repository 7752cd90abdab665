"""What is shown of a receiver that says more than time and place (u-blox, by UBX)."""

from dataclasses import dataclass

__all__ = ["RadioStatus", "ReceiverTold", "SawtoothStatus", "SurveyStatus"]


@dataclass(frozen=True, slots=True)
class SurveyStatus:
    """The survey of a timing receiver: running, good enough to be used; seconds so far, accuracy of the mean place in metres."""

    active: bool
    valid: bool
    duration: float
    accuracy: float
    observations: int


@dataclass(frozen=True, slots=True)
class RadioStatus:
    """One radio block. antenna: "init", "unknown", "ok", "short", "open". jamming: "unknown", "ok", "warning", "critical".

    jamming_indicator: 0 (none) to 255. agc: gain as a share of its range, 0 to 1. noise: noise level as the receiver counts it.
    """

    block: int
    antenna: str
    jamming: str
    jamming_indicator: int
    agc: float
    noise: int


@dataclass(frozen=True, slots=True)
class ReceiverTold:
    """What the receiver says of itself. time_accuracy (s), position_accuracy (m): its own estimates, None where it tells none.

    fixed_position: it holds its position and solves for time only. leap_seconds: GPS - UTC, once it is certain. survey: None where none
    was told. spoofing: "unknown", "none", "indicated", "affirmed"; jamming: "unknown", "none", "warning", "critical".
    version: its own words.
    """

    time_accuracy: float | None = None
    position_accuracy: float | None = None
    fixed_position: bool = False
    leap_seconds: int | None = None
    survey: SurveyStatus | None = None
    radio: tuple[RadioStatus, ...] = ()
    spoofing: str = "unknown"
    jamming: str = "unknown"
    version: str = ""


@dataclass(frozen=True, slots=True)
class SawtoothStatus:
    """The correction of each pulse by what the receiver announces of its error. in_use: the last pulse was corrected.

    last: announced error of the last pulse (s, positive: late); spread: root mean square (s); both None where nothing is announced.
    corrected, uncorrected, late: pulses since the start that were, that were not though others near them were, and announcements that
    came after their pulse. agreement: share of the announced errors that is seen in the pulses (1: all is right), uncertainty: its standard
    error; None while unknown.
    """

    in_use: bool = False
    last: float | None = None
    spread: float | None = None
    corrected: int = 0
    uncorrected: int = 0
    late: int = 0
    agreement: float | None = None
    uncertainty: float | None = None

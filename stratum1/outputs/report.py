"""What an output is given each second and what it says of itself: frozen values, no I/O."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from stratum1.interchange import LockState, TimeState
from stratum1.timescale import UtcNs

__all__ = ["Moment", "Output", "OutputReport", "OutputState", "Turn", "by_reference_clock"]


class OutputState(StrEnum):
    """How an output stands, in one word."""

    WAITING = "waiting"
    """Nothing is wrong with it, but the time is not such that it may be handed out."""
    SENDING = "sending"
    """Its consumer is told."""
    PROBLEM = "problem"
    """It can't do its work; the text says why, with the remedy. It is tried again every second."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The second's truth for every output.

    now: served time of this instant. tai_offset: TAI - UTC in seconds, None if not known. jitter: root mean square of the offsets
    that the discipline sees, seconds, None if not known. near_leap: a leap second ends within some seconds before or after now.
    limit: holdover-limit, seconds of error bound at which the server stops claiming to know the time.
    """

    now: UtcNs
    state: TimeState
    tai_offset: int | None
    jitter: float | None
    near_leap: bool
    limit: float


@dataclass(frozen=True, slots=True)
class Turn:
    """What an output did in its second.

    sent: something was handed out. offset: what was handed out or measured, seconds, our time minus the other clock: positive means
    that the other is behind. clock_class and accuracy: what ptp4l was told (accuracy as its code).
    """

    state: OutputState
    text: str
    sent: bool = False
    offset: float | None = None
    clock_class: int | None = None
    accuracy: int | None = None


@dataclass(frozen=True, slots=True)
class OutputReport:
    """An output for people. sent: samples, corrections or messages since the start; last_sent: served time of the last of them.

    offset, clock_class and accuracy as in Turn, of the last that had one.
    """

    mode: str
    target: str
    state: OutputState
    text: str
    sent: int
    last_sent: UtcNs | None
    offset: float | None
    clock_class: int | None
    accuracy: int | None


class Output(Protocol):
    """The shell of one output. All calls come from one thread."""

    def turn(self, moment: Moment) -> Turn:
        """Do the second's work; a consumer that is not there is a PROBLEM and no exception."""

    def close(self) -> None:
        """Let go of everything."""


def by_reference_clock(state: TimeState) -> bool:
    """Whether what is served comes from a reference clock of our own; holdover may follow being steered by other servers too."""
    return state.stratum == 1 and state.state in (LockState.LOCKED, LockState.HOLDOVER)

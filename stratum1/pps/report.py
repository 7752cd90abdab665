"""What the pulse room shows to people."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["PpsReport", "PpsState"]


class PpsState(StrEnum):
    """Where the pulse source stands."""

    STOPPED = "stopped"
    """Not started, or ended."""
    OPENING = "opening"
    """Started, the device is about to be opened."""
    WAITING = "waiting"
    """The device is open and no pulse comes."""
    PULSING = "pulsing"
    """Pulses arrive."""
    FAILED = "failed"
    """The device can't be used at the moment; it is tried again."""


@dataclass(frozen=True, slots=True)
class PpsReport:
    """The pulse source at one instant.

    text: the state as a sentence, with the remedy where one is needed. pulses: edges of the kind that marks the second.
    missed: those that the kernel counted and we did not get. jitter (one standard deviation of a stamp) and width (of the
    pulse) in seconds, None while unknown. notes: limits of the device, each with its remedy. failures: times that it could
    not be opened or went away.
    """

    source: str
    state: PpsState
    text: str
    pulses: int
    missed: int
    last_sequence: int | None
    jitter: float | None
    width: float | None
    capabilities: tuple[str, ...]
    notes: tuple[str, ...]
    failures: int

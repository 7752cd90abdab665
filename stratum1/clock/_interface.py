"""The one adjustable clock, seen from above: what every kind of clock can do."""

from dataclasses import dataclass
from typing import Protocol

from stratum1.interchange import KernelClockId, Leap, Mapping, Reading, Steering
from stratum1.timescale import UtcNs

__all__ = ["Clock", "ClockError", "ClockLimits", "ClockStatus"]


class ClockError(Exception):
    """The clock can't be read or steered; the message says which call failed, why, and the remedy."""


@dataclass(frozen=True, slots=True)
class ClockLimits:
    """max_frequency: largest lasting correction, s/s. max_slew: largest frequency plus phase_rate, s/s. precision: log2 of the
    seconds that a reading takes, as NTP's precision field wants it (-30 to 0).
    """

    max_frequency: float
    max_slew: float
    precision: int


@dataclass(frozen=True, slots=True)
class ClockStatus:
    """What the kernel (and whoever reads adjtimex) is to be told. error_bound and error_estimate in seconds; tai_offset None if unknown."""

    synchronised: bool
    leap: Leap
    error_bound: float
    error_estimate: float
    tai_offset: int | None


class Clock(Protocol):
    """A clock that is disciplined. One thread steers; any thread may read. Offsets and signs as in `stratum1.interchange`."""

    @property
    def name(self) -> str:
        """What is shown to people: "kernel", "virtual", "simulated"."""

    @property
    def limits(self) -> ClockLimits:
        """What the clock can do."""

    @property
    def frequency(self) -> float:
        """The lasting correction in force, s/s."""

    @property
    def epoch(self) -> int:
        """Counts the steps: a stamp taken in one epoch says nothing in another."""

    def reading(self) -> Reading:
        """Now, on both clocks, bracketed so that the two values belong to one instant (within the precision)."""

    def at(self, source: KernelClockId, stamp_ns: int) -> Reading:
        """The instant of a recent kernel stamp (at most some seconds old) on both clocks."""

    def steer(self, steering: Steering) -> None:
        """Put a steering into force. Raises ClockError; a value beyond the limits is clamped to them."""

    def announce(self, status: ClockStatus) -> None:
        """Tell the kernel how good the time is (does nothing on clocks that the kernel does not know)."""

    def mapping(self, source: KernelClockId) -> Mapping:
        """How to get from a reading of a kernel clock to our time, from a fresh bracketed reading; identity where they are one."""

    def seed(self, instant: UtcNs) -> None:
        """Set the clock roughly at start (last-known-time floor); counts as a step."""

    def close(self) -> None:
        """Leave the clock in a safe state: stop slewing, keep the frequency."""

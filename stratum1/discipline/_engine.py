"""What a servo engine must do, whatever its algorithm. Policy (steps, states, bounds) is not its business."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from stratum1.clock import ClockLimits
from stratum1.interchange import Steering
from stratum1.timescale import MonoNs

__all__ = ["Engine", "Estimate", "Verdict", "slewing"]

_SLEW = 1e-3  # s/s; kernels can do a hundred times more, but then a late second hand overshoots and clients see a frequency error


class Verdict(Enum):
    """What became of a sample."""

    DUPLICATE = auto()
    """Not newer than the one before; ignored."""
    COLLECTED = auto()
    """Kept for a measurement of phase and frequency that is not finished."""
    SPIKE = auto()
    """Outvoted: the clock goes on as if it had not come."""
    ACQUIRED = auto()
    """Phase or frequency have just been measured anew: the estimate may have jumped, and a step may be due."""
    USED = auto()
    """Corrected the estimate a little."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an engine believes at an instant.

    phase_known: the offset means something. frequency_known: the frequency does too. offset: reference minus our clock, seconds,
    with sigma its standard uncertainty. lag: mean of the recent samples against the prediction, seconds, with its sign (what the loop has
    not caught up with). frequency, frequency_sigma: the lasting correction and its standard uncertainty, s/s. jitter: standard
    deviation of a sample against the prediction, seconds. wander: RMS change of the frequency per sample, s/s.
    time_constant: seconds over which samples are averaged. phase: a word for people.
    """

    phase_known: bool
    frequency_known: bool
    offset: float
    sigma: float
    lag: float
    frequency: float
    frequency_sigma: float
    jitter: float
    wander: float
    time_constant: float
    phase: str


class Engine(Protocol):
    """Samples in, frequency commands out. Instants are those of the monotonic clock; every number that leaves is finite."""

    @property
    def name(self) -> str:
        """As the configuration calls it."""

    def update(self, at_ns: MonoNs, offset: float, sigma: float) -> Verdict:
        """Take a sample: the offset (seconds, finite) that our clock showed at an instant, sigma its standard deviation (above 0)."""

    def collect(self, at_ns: MonoNs, offset: float, sigma: float) -> None:
        """Keep a sample for the first measurement, without concluding anything yet; only before the first `update`."""

    def command(self, at_ns: MonoNs) -> Steering:
        """What must be in force from now on; the engine counts on it until the next call. Never a step."""

    def estimate(self) -> Estimate:
        """The belief as of the last update or command."""

    def shift(self, at_ns: MonoNs, change: float) -> None:
        """From now on the lasting correction has to be higher by so much (s/s): what is known of the crystal says so, not a sample."""

    def stepped(self, seconds: float) -> None:
        """Our clock has been stepped forward by so much (on our own order): the offset shrinks by it."""

    def restart(self, frequency_sigma: float) -> None:
        """Measure anew: the phase is not trusted any more, the frequency to frequency_sigma (s/s)."""


def slewing(limits: ClockLimits, frequency: float, wanted: float) -> Steering:
    """The steering of a lasting frequency and of as much of the wanted phase rate (both s/s) as clock and clients bear."""
    slew = min(limits.max_slew, max(_SLEW, 2 * abs(frequency)))
    return Steering(frequency, max(-slew - frequency, min(slew - frequency, wanted)))

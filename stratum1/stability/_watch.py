"""Two phases are watched: the pulses against the crystal, and the steered clock against the pulses."""

from dataclasses import dataclass

from stratum1.interchange import Sample
from stratum1.timescale import NS

from ._estimator import PhaseStatistics, StabilityPoint

__all__ = ["StabilityReport", "StabilityWatch"]


@dataclass(frozen=True, slots=True)
class StabilityReport:
    """pulses: raw stamps of CLOCK_MONOTONIC_RAW against the seconds that they mark (crystal and receiver together; MTIE therefore
    holds the crystal's constant frequency error). clock: the steered clock against the pulses, while it is locked.
    """

    pulses: tuple[StabilityPoint, ...]
    clock: tuple[StabilityPoint, ...]


class StabilityWatch:
    """Fed with the samples of one reference clock, used or not."""

    def __init__(self) -> None:
        self._pulses = PhaseStatistics()
        self._clock = PhaseStatistics()

    def observe(self, sample: Sample, locked: bool) -> None:
        """Take the measurement by one pulse. locked: whether our clock is steered by it now; else only the pulses are watched."""
        second = round(sample.reference_time / NS)
        self._pulses.add(second, (sample.at_ns - sample.reference_time) * 1000)
        if locked:
            self._clock.add(second, round(-sample.offset * 1e12))

    def clock_stepped(self) -> None:
        """Our clock was stepped, by whomever: its series begins anew."""
        self._clock.restart()

    def report(self) -> StabilityReport:
        """The figures of now."""
        return StabilityReport(self._pulses.points(), self._clock.points())

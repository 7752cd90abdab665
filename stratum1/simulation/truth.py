"""The time that the simulated receiver knows: UTC as a function of CLOCK_MONOTONIC_RAW, which nobody else can see.

Pure: the function follows from its arguments alone, however and in whatever order it is asked.
"""

import random
from bisect import bisect_right

from stratum1.timescale import NS, MonoNs, UtcNs, ns_from_seconds

__all__ = ["SimulatedTruth"]

_FINE = 10**6
"""Femtoseconds in a nanosecond: the knots are kept so finely that a wander of 1e-9 is not lost in rounding."""
_KEEP = 4096


class SimulatedTruth:
    """A line whose slope takes a random step each second of CLOCK_MONOTONIC_RAW.

    frequency: s/s by which true UTC gains on CLOCK_MONOTONIC_RAW at the start; positive means that our crystal is slow and
    that the discipline has to arrive at this same value (to first order). phase: seconds by which true UTC is ahead of
    `start_utc` at `start_raw`. wander: standard deviation of the frequency's step, s/s per square root of a second.
    keep: at least the last so many seconds are kept, at most twice as many; before `start_raw` the line goes on at the first slope.
    Not for several threads: each takes a `twin`.
    """

    def __init__(
        self,
        seed: int,
        start_utc: UtcNs,
        start_raw: MonoNs,
        *,
        frequency: float = 20e-6,
        phase: float = 0.1,
        wander: float = 1e-9,
        keep: int = _KEEP,
    ) -> None:
        if not abs(frequency) <= 1e-3 or not 0 <= wander <= 1e-6:
            raise ValueError(f"frequency {frequency} is not within 1e-3 s/s, or wander {wander} not from 0 to 1e-6")
        self._arguments = (seed, start_utc, start_raw, frequency, phase, wander, keep)
        self._keep = keep
        self._random = random.Random(seed)  # noqa: S311 (a simulation has to be repeatable)
        self._wander = wander
        self._frequency = frequency
        self._start_raw = start_raw
        self._first = 0
        """Number of the oldest knot kept; knot n lies n seconds of CLOCK_MONOTONIC_RAW after `start_raw`."""
        self._knots = [(start_utc + ns_from_seconds(phase)) * _FINE]
        """True UTC at each knot, in femtoseconds."""
        self._grow()

    def twin(self) -> "SimulatedTruth":
        """The same truth for another thread."""
        seed, start_utc, start_raw, frequency, phase, wander, keep = self._arguments
        return SimulatedTruth(seed, start_utc, start_raw, frequency=frequency, phase=phase, wander=wander, keep=keep)

    def utc_at(self, raw: MonoNs) -> UtcNs:
        """True UTC at a reading of CLOCK_MONOTONIC_RAW, rounded down. Raises LookupError for one that is no longer kept."""
        index = self._piece(raw)
        elapsed = raw - self._raw_of(index)
        return UtcNs((self._knots[index] + self._slope(index) * elapsed // NS) // _FINE)

    def raw_at(self, utc: UtcNs) -> MonoNs:
        """The reading of CLOCK_MONOTONIC_RAW at which true UTC is `utc`, within 1 ns. Raises LookupError as `utc_at` does."""
        target = utc * _FINE + _FINE // 2  # the middle of the nanosecond, as `utc_at` rounds down
        while self._knots[-1] <= target:
            self._grow()
        index = self._kept(bisect_right(self._knots, target) - 1)
        return MonoNs(self._raw_of(index) + (target - self._knots[index]) * NS // self._slope(index))

    def frequency_at(self, raw: MonoNs) -> float:
        """The slope less one, s/s: what a perfect discipline would have set. Raises LookupError as `utc_at` does."""
        return self._slope(self._piece(raw)) / (NS * _FINE) - 1

    def _piece(self, raw: MonoNs) -> int:
        index = (raw - self._start_raw) // NS - self._first
        while index + 1 >= len(self._knots):
            index -= self._grow()
        return self._kept(index)

    def _kept(self, index: int) -> int:
        if index < 0 < self._first:
            raise LookupError(f"the simulated truth keeps {self._keep} s; asked for {-index} s before them")
        return max(index, 0)

    def _raw_of(self, index: int) -> int:
        return self._start_raw + (self._first + index) * NS

    def _slope(self, index: int) -> int:
        """Femtoseconds of true UTC in a second of CLOCK_MONOTONIC_RAW."""
        return self._knots[index + 1] - self._knots[index]

    def _grow(self) -> int:
        """Add a knot; how many old ones were dropped for it."""
        self._knots.append(self._knots[-1] + NS * _FINE + round(self._frequency * NS * _FINE))
        self._frequency += self._random.gauss(0.0, self._wander)
        dropped = len(self._knots) - self._keep if len(self._knots) > 2 * self._keep else 0
        del self._knots[:dropped]
        self._first += dropped
        return dropped

"""How far the clock may be off after a time without samples, learned from how the frequency has moved while it was locked.

The frequency correction is noted every 64 s; the RMS of its change over 64, 128, 256 ... s is what the crystal in this box does
(wander, temperature cycles, ageing) over such a time. Short spans are seen often and bound longer ones as a random walk grows
(square root); where the history ends, it is continued in proportion to the time, which no physical drift exceeds for long.
"""

import math
from collections import deque

from stratum1.timescale import MonoNs, seconds

__all__ = ["FLOOR", "PHI", "FrequencyHistory"]

PHI = 15e-6
"""s/s. Frequency tolerance of RFC 5905 (section 7.3): the rate of the bound while nothing is learned, and the largest ever used."""
FLOOR = 1e-7
"""s/s. The bound never grows more slowly than this, however quiet the crystal has been."""
COVERAGE = 4.0
"""Standard deviations that every bound allows for."""

_SLOT = 64.0
_OCTAVES = 9  # 64 s to 4.6 h
_SPANS = 3  # a span counts as known after so many times its own length have been watched
_LAG_CONSTANTS = 4.0  # over shorter spans than this many time constants the correction shows the loop, not the crystal
_MEMORY = 2048.0  # changes averaged per span: about a day and a half of slots
_STEPS = 32
_WEEK = 604_800.0


class FrequencyHistory:
    """RMS change of the frequency over spans of 64 s times powers of two. Fed in lock, asked in holdover."""

    __slots__ = ("_counts", "_known", "_next_ns", "_slots", "_squares")

    def __init__(self) -> None:
        self._slots: deque[tuple[float, float]] = deque(maxlen=(1 << (_OCTAVES - 1)) + 1)
        self._squares = [0.0] * _OCTAVES
        self._counts = [0] * _OCTAVES
        self._next_ns: MonoNs | None = None
        self._known: list[tuple[float, float]] = []

    def note(self, at_ns: MonoNs, frequency: float, time_constant: float, temperature: float = 0.0, warmth: float = 0.0) -> None:
        """Note the correction (s/s) that is in force while tracking; only one in 64 s is kept.

        temperature (degrees) and warmth (s/s and degree): what the temperature explains of a change is left out.
        """
        if self._next_ns is not None and at_ns < self._next_ns:
            return
        if self._next_ns is None or seconds(at_ns - self._next_ns) > _SLOT:
            self._slots.clear()  # after a gap the slots are no longer evenly spaced
        self._next_ns = MonoNs(at_ns + int(_SLOT * 1e9))
        self._slots.append((frequency, temperature))
        for octave in range(_OCTAVES):
            span = 1 << octave
            if span < len(self._slots) and span * _SLOT >= _LAG_CONSTANTS * time_constant:
                before, was = self._slots[-1 - span]
                change = frequency - before - warmth * (temperature - was)
                self._counts[octave] += 1
                share = 1.0 / min(_MEMORY, self._counts[octave])
                self._squares[octave] += (change * change - self._squares[octave]) * share
        enough = (i for i in range(_OCTAVES) if self._counts[i] >= _SPANS << i)
        self._known = [(_SLOT * (1 << i), math.sqrt(self._squares[i])) for i in enough]

    @property
    def learned(self) -> float:
        """The longest span, in seconds, over which the changes are known; 0.0 if none."""
        return self._known[-1][0] if self._known else 0.0

    def change(self, span: float) -> float | None:
        """Standard deviation of the frequency's change over a span of seconds, s/s; None while nothing is learned."""
        if not self._known:
            return None
        shortest = self._known[0][0]
        longest, last = self._known[-1]
        walk = max(rms * math.sqrt(span / lag) for lag, rms in self._known if lag <= max(span, shortest))
        return max(walk, last * span / longest) if span > longest else walk

    def rate(self, age: float, frequency_sigma: float) -> float:
        """Largest frequency error to allow for at an age, s/s.

        frequency_sigma: standard uncertainty of the correction at the last sample, s/s. What the crystal does later is at most PHI.
        """
        change = self.change(age)
        later = PHI if change is None else min(PHI, COVERAGE * change)
        return max(FLOOR, math.hypot(COVERAGE * frequency_sigma, later))

    def growth(self, age: float, frequency_sigma: float) -> tuple[float, float]:
        """Error that may have gathered `age` seconds after the last sample (seconds), and its rate a second later (s/s).

        The allowed frequency error is summed in at most 32 steps, each taken at its upper end, so that it errs to the safe side.
        """
        steps = min(_STEPS, max(1, math.ceil(age)))
        width = age / steps
        total = sum(self.rate(width * (i + 1), frequency_sigma) for i in range(steps)) * width
        return total, self.rate(age + 1.0, frequency_sigma)

    def lasts(self, allowance: float, frequency_sigma: float) -> float | None:
        """Seconds without samples until the error may have grown by an allowance (seconds); None where that is a week or more."""
        if allowance <= 0.0:
            return 0.0
        low, high = 0.0, 1.0
        while self.growth(high, frequency_sigma)[0] < allowance:
            low, high = high, 2.0 * high
            if low >= _WEEK:
                return None
        while high - low > max(1.0, 1e-3 * high):
            middle = (low + high) / 2
            low, high = (middle, high) if self.growth(middle, frequency_sigma)[0] < allowance else (low, middle)
        return low

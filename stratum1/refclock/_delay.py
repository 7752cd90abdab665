"""The serial delay: how long after its pulse each kind of sentence arrives, learned without anybody's help.

A sentence names a UTC time t; its first byte arrives at raw time a. Against the grid of pulses (one at raw time e) only the
fraction of the delay can be measured: phase = (a - e) - t, modulo one second. Which whole second belongs to it is decided
once, from what is plausible (a receiver speaks after its pulse and within the second), from what was learned before, or, once
pulses are numbered, from their numbers.
"""

import math
from collections import deque
from dataclasses import dataclass

__all__ = ["DelayEstimate", "DelayLearner", "circular_difference"]

_WINDOW = 64
_READY = 4
_SCATTER = 0.33  # s
_MANY = 16
_TIERS = ((16, 0.02, 1.5), (8, 0.05, 4.0), (4, 0.25, 1.5))
"""Arrivals seen, and how short a delay may then be believed: seconds, and multiples of the spread. Sentences that come nearly a second
late, a few of them by chance a little more than that, look like a receiver that is a second faster.
"""
_LONGEST = 0.98  # s; no such thing threatens at the other end, since nothing arrives before its second
_PLAUSIBLE = 0.25  # s; what a delay may have changed by while we were not looking
_SURE = 0.05  # s; what it may have changed by where that makes a difference of a second


def circular_difference(a: float, b: float) -> float:
    """a - b on a circle of one second, in [-0.5, 0.5)."""
    return (a - b + 0.5) % 1.0 - 0.5


@dataclass(frozen=True, slots=True)
class DelayEstimate:
    """One kind of sentence: delay and spread (largest usual deviation, robust) in seconds, from so many arrivals.

    resolved: the whole second is settled; until then delay is only the fraction, in [0, 1).
    """

    sentence: str
    delay: float
    spread: float
    samples: int
    resolved: bool


class DelayLearner:
    """Learns the phase of one kind of sentence on the pulse grid, robustly, over the last minute or so."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        self.samples = 0
        self.leads = 0
        """How often this kind was the first of its epoch."""
        self.resolved = False
        self.heard_ns: int | None = None
        """Raw time of the last arrival that was counted: one a second is enough, however often a receiver speaks."""
        self.conflicts = 0
        """Arrivals in a row that were far from all the ones before."""
        self.conflict_ns = 0
        """Raw time of the last of them."""
        self._phases: deque[float] = deque(maxlen=_WINDOW)
        self._whole = 0
        self._centre = 0.0
        self._spread = 0.5

    def add(self, phase: float, lead: bool) -> None:
        """One arrival; phase in seconds, any whole part is dropped."""
        self.conflicts = 0
        self.samples += 1
        self.leads += lead
        self._phases.append(phase % 1.0)
        old = self.delay
        self._centre, self._spread = _circular_median(self._phases, self._centre)
        if self.resolved:  # a centre that wanders over the end of the second takes its whole second with it
            self._whole = round(old - self._centre)

    def forget(self) -> None:
        """Drop what was learned."""
        self._phases.clear()
        self.resolved = False
        self._spread = 0.5
        self.samples = self.leads = self._whole = self.conflicts = 0

    @property
    def ready(self) -> bool:
        """Whether the phase is known well enough to number pulses: at least four arrivals, within a third of a second."""
        return len(self._phases) >= _READY and self._spread < _SCATTER

    @property
    def scattered(self) -> str | None:
        """The sentence that says why even many arrivals tell nothing, if they don't."""
        if len(self._phases) < _MANY or self._spread < _SCATTER:
            return None
        return (
            f"{self.sentence} comes at any time of the second (+-{self._spread:.2f} s), so it can't be told which pulse it names: check "
            "that the pulse comes from this receiver, that nothing else reads the serial line, and raise the baud rate"
        )

    @property
    def phase(self) -> float:
        """Centre of the phases, seconds in [0, 1)."""
        return self._centre

    @property
    def spread(self) -> float:
        """Robust half width of the phases, seconds: nine in ten arrivals lie within it."""
        return self._spread

    @property
    def delay(self) -> float:
        """Phase plus the settled whole seconds."""
        return self._centre + self._whole

    @property
    def usual(self) -> float:
        """How far from the delay an arrival may be and still be one of the usual ones, seconds below one half."""
        return min(0.45, max(_PLAUSIBLE, 3 * self._spread))

    @property
    def sure(self) -> float:
        """How well two delays of this kind agree that are the same but for chance, seconds."""
        return max(_SURE, 2 * self._spread)

    def settle(self, measured: float) -> None:
        """Take the whole second from one delay that was measured against a numbered pulse, unless it makes no sense at all."""
        self._whole = round(measured - self._centre)
        self.resolved = -0.1 <= self.delay < 2.0

    def resolve(self, expected: float | None) -> str | None:
        """Settle the whole second: the one after the pulse, which must not contradict the delay `expected` from before.

        Returns None when settled, else the sentence that says why it can't be told.
        """
        if expected is None:
            whole, problem = 0, self._too_close()
        else:
            whole = round(expected - self._centre)
            change = abs(self._centre + whole - expected)
            known = change <= (_PLAUSIBLE if whole == 0 else self.sure)
            problem = None if known else self._changed(expected)
        if problem is None:
            self._whole, self.resolved = whole, True
        return problem

    def outdates(self, expected: float) -> bool:
        """Whether the delay seen now, taken as one within the second, is nearer to the expected one than any other reading of it."""
        return abs(self._centre - expected) < abs(self._centre + 1 - expected) and self._too_close() is None

    def estimate(self) -> DelayEstimate:
        """What is known now."""
        return DelayEstimate(self.sentence, self.delay, self._spread, self.samples, self.resolved)

    def _too_close(self) -> str | None:
        least = min((max(gap, factor * self._spread) for count, gap, factor in _TIERS if len(self._phases) >= count), default=1.0)
        if least <= self._centre <= _LONGEST:
            return None
        return (
            f"{self.sentence} comes {self._centre:.2f} s (+-{self._spread:.2f}) after a pulse, so close to a whole second that it "
            'can\'t be told which pulse it names: raise the baud rate, switch off needless sentences, or set "serial-delay" in [receiver]'
        )

    def _changed(self, expected: float) -> str:
        return (
            f"{self.sentence} now comes {self._centre:.2f} s after a pulse, but {expected:.2f} s was known before, so the second can't be "
            'told safely: if the receiver or its settings were changed, set "serial-delay" in [receiver] to the delay that is right'
        )


def _circular_median(values: deque[float], near: float) -> tuple[float, float]:
    """Median on the circle and the 90 % quantile of the distance to it; `near` breaks the symmetry of the starting point."""
    x = sum(math.cos(math.tau * v) for v in values)
    y = sum(math.sin(math.tau * v) for v in values)
    middle = math.atan2(y, x) / math.tau if abs(x) + abs(y) > 1e-9 else near
    offsets = sorted(circular_difference(v, middle) for v in values)
    centre = middle + offsets[len(offsets) // 2]
    distances = sorted(abs(circular_difference(v, centre)) for v in values)
    # twice, since -1e-17 % 1.0 is 1.0
    return centre % 1.0 % 1.0, distances[min(len(distances) - 1, (9 * len(distances)) // 10)]

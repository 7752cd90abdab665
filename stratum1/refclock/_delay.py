"""The serial delay: how long after its pulse each kind of sentence arrives, learned without anybody's help.

A sentence names a UTC time t; its first byte arrives at raw time a. Against the grid of pulses (one at raw time e) only the
fraction of the delay can be measured: phase = (a - e) - t, modulo one second. Which whole second belongs to it is decided
once, from what is plausible (a receiver speaks after its pulse and within the second) or from what was learned before.
"""

import math
from collections import deque
from dataclasses import dataclass

__all__ = ["DelayEstimate", "DelayLearner", "circular_difference"]

_WINDOW = 64
_READY = 4


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
        self.whole = 0
        """Whole seconds to add to the phase, once settled."""
        self.resolved = False
        self.conflicts = 0
        """Arrivals in a row that were far from all the ones before."""
        self._phases: deque[float] = deque(maxlen=_WINDOW)
        self._centre = 0.0
        self._spread = 0.5

    def add(self, phase: float, lead: bool) -> None:
        """One arrival; phase in seconds, any whole part is dropped."""
        self.samples += 1
        self.leads += lead
        self._phases.append(phase % 1.0)
        old = self._centre + self.whole
        self._centre, self._spread = _circular_median(self._phases, self._centre)
        if self.resolved:  # a centre that wanders over the end of the second takes its whole second with it
            self.whole = round(old - self._centre)

    def forget(self) -> None:
        """Drop what was learned (the line was re-opened, or the delay jumped)."""
        self._phases.clear()
        self.resolved = False
        self.samples = self.leads = self.whole = self.conflicts = 0

    @property
    def ready(self) -> bool:
        """Whether the phase is known well enough to number pulses: at least four arrivals, within a third of a second."""
        return len(self._phases) >= _READY and self._spread < 0.33

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
        return self._centre + self.whole

    def resolve(self, expected: float | None) -> str | None:
        """Settle the whole second: nearest to `expected`, else the first second after the pulse.

        Returns None when settled, else the sentence that says why that can't be told.
        """
        margin = max(0.02, 1.5 * self._spread)
        if expected is not None:
            if abs(circular_difference(self._centre, expected)) > 0.25:
                return (
                    f"{self.sentence} now comes {self._centre:.3f} s after a pulse, far from the {expected:.3f} s known before: "
                    "the second can't be told safely"
                )
            self.whole = round(expected - self._centre)
        elif self._centre < margin or self._centre > 1 - margin:
            return (
                f"{self.sentence} comes {self._centre:.3f} s (+-{self._spread:.3f}) after a pulse, so close to a whole second that it "
                "can't be told which pulse it names; raise the baud rate, switch off needless sentences, or set "
                '"serial-delay" in [receiver]'
            )
        else:
            self.whole = 0
        self.resolved = True
        return None

    def estimate(self) -> DelayEstimate:
        """What is known now."""
        return DelayEstimate(self.sentence, self.delay, self._spread, self.samples, self.resolved)


def _circular_median(values: deque[float], near: float) -> tuple[float, float]:
    """Median on the circle and the 90 % quantile of the distance to it; `near` breaks the symmetry of the starting point."""
    x = sum(math.cos(math.tau * v) for v in values)
    y = sum(math.sin(math.tau * v) for v in values)
    middle = math.atan2(y, x) / math.tau if abs(x) + abs(y) > 1e-9 else near
    offsets = sorted(circular_difference(v, middle) for v in values)
    centre = middle + offsets[len(offsets) // 2]
    distances = sorted(abs(circular_difference(v, centre)) for v in values)
    return centre % 1.0, distances[min(len(distances) - 1, (9 * len(distances)) // 10)]

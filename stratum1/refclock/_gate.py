"""Which pulses may be believed: spacing first, then a robust test against the pulses before.

The test runs on CLOCK_MONOTONIC_RAW, which nobody steers, so a slew of our own clock never looks like a bad pulse. An edge is
believed where it continues the grid of the pulses before. Edges that don't are gathered into trains; a train of edges a second
apart founds a grid where there is none, and replaces one that has no edges any more.
"""

import math
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from statistics import median

from stratum1.timescale import NS

__all__ = ["EdgeVerdict", "Judgement", "PulseGate"]

_CRYSTAL = 500e-6  # s/s; no crystal of a computer is worse
_DRIFT = 5e-6  # s/s; what temperature may do to a rate that was measured
_BEND = 1e-9  # 1/s; how fast it may do it
_FIT = 16
_ENOUGH = 5  # pulses for a line, residuals for a sigma
_MEMORY = 64
_SETTLED = 16  # residuals after which the grid is known so well that edges in between don't matter
_LIMIT = 8.0  # standard deviations
_FLOOR = 1e-6  # s
_SPACING = 1e-3  # s
_MARGIN = 1.5
_QUIET_NS = 700_000_000
_REACH, _REACH_BLIND = 600, 60  # s over which pulses can be counted unseen, with and without a measured rate
_FOUND, _REPLACE = 2, 8  # edges of a train that founds a grid, and of one that replaces a grid
_SAME = 0.02  # s; a train so near to the old grid carries its count on
_TRAINS, _TRAIN_GAP = 4, 3


class EdgeVerdict(StrEnum):
    """What became of an edge. Closed: metrics count each by name."""

    USED = "used"
    OTHER_EDGE = "other-edge"
    BACKWARD = "backward"
    SPACING = "spacing"
    OUTLIER = "outlier"
    NOT_NUMBERED = "not-numbered"
    NO_FIX = "no-fix"
    POLARITY = "polarity"
    LEAP = "leap"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Judgement:
    """USED, BACKWARD, SPACING or OUTLIER. seconds: whole seconds since the last USED pulse, None where the count is lost.

    jumped: pulses come from now on at another place of the second.
    """

    verdict: EdgeVerdict
    seconds: int | None = None
    jumped: bool = False


@dataclass(frozen=True, slots=True)
class _Line:
    """Raw time of the last pulse by a straight line through the remembered ones, ns, and nanoseconds a second."""

    last: float
    slope: float


class PulseGate:
    """Judges pulses by their raw stamps."""

    def __init__(self) -> None:
        self._pulses: deque[tuple[int, int]] = deque(maxlen=_FIT)  # (whole seconds since the first, raw ns)
        self._residuals: deque[float] = deque(maxlen=_MEMORY)
        self._trains: list[list[int]] = []
        self._last_edge: int | None = None

    @property
    def sigma(self) -> float:
        """Robust standard deviation of one pulse against its prediction, seconds; 1 ms while too few pulses are known.

        Before there are predictions to compare with: the scatter around the line through the pulses, with a margin for their small number.
        """
        if len(self._residuals) < _ENOUGH:
            return 1e-3 if len(self._pulses) < _ENOUGH else max(_FLOOR, _MARGIN * self._scatter())
        return max(1e-9, 1.4826 * median(abs(r) for r in self._residuals))

    def judge(self, at_ns: int) -> Judgement:
        """Judge an edge at a raw time. A USED one joins the grid."""
        before, self._last_edge = self._last_edge, at_ns
        if at_ns == before:
            return Judgement(EdgeVerdict.BACKWARD)
        bounce = before is not None and 0 < at_ns - before < _QUIET_NS
        verdict, seconds = self._compare(at_ns)
        if verdict is EdgeVerdict.USED and bounce and len(self._residuals) < _SETTLED:
            verdict = EdgeVerdict.SPACING  # a pulse that rings: its first edge is the one on time
        if verdict is EdgeVerdict.USED:
            self._pulses.append((self._pulses[-1][0] + seconds, at_ns))
            self._trains.clear()
            return Judgement(verdict, seconds)
        if bounce:
            return Judgement(verdict)
        return self._gather(at_ns) or Judgement(verdict)

    def _compare(self, at_ns: int) -> tuple[EdgeVerdict, int]:
        """Against the grid: the verdict and the whole seconds since its last pulse."""
        if not self._pulses:
            return EdgeVerdict.SPACING, 0
        if at_ns <= self._pulses[-1][1]:
            return EdgeVerdict.BACKWARD, 0
        seconds, deviation, tolerance = self._place(at_ns)
        if not 0 < seconds <= self._reach or abs(deviation) > _SPACING + tolerance:
            return EdgeVerdict.SPACING, 0
        if len(self._pulses) < _ENOUGH:
            return EdgeVerdict.USED, seconds
        limit = max(_FLOOR, _LIMIT * self.sigma) * (1 + seconds / _FIT) + _BEND * seconds**2
        outlier = len(self._residuals) >= _ENOUGH and abs(deviation) > limit
        self._residuals.append(max(-limit, min(limit, deviation)))  # cut, so that more noise is learned and one outlier isn't
        return EdgeVerdict.OUTLIER if outlier else EdgeVerdict.USED, seconds

    def _place(self, at_ns: int) -> tuple[int, float, float]:
        """Whole seconds since the last pulse, deviation from the second that was predicted, and what the crystal excuses (seconds)."""
        line = self._line()
        elapsed = at_ns - line.last
        seconds = round(elapsed / line.slope)
        rate = _DRIFT if len(self._pulses) >= _ENOUGH else _CRYSTAL
        return seconds, (elapsed - seconds * line.slope) / NS, seconds * rate

    @property
    def _reach(self) -> int:
        return _REACH if len(self._pulses) >= _ENOUGH else _REACH_BLIND

    def _line(self) -> _Line:
        """Least squares, centred so that no digits are lost; the last pulse and the nominal second while there are few."""
        c0, t0 = self._pulses[-1]
        if len(self._pulses) < _ENOUGH:
            return _Line(t0, NS)
        xs = [c - c0 for c, _ in self._pulses]
        ys = [t - t0 for _, t in self._pulses]
        mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
        slope = sum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True)) / sum((x - mx) ** 2 for x in xs)
        return _Line(t0 + round(my - slope * mx), slope)

    def _scatter(self) -> float:
        """Standard deviation of the remembered pulses around their line, seconds."""
        line, last = self._line(), self._pulses[-1][0]
        squares = sum(((t - line.last - (c - last) * line.slope) / NS) ** 2 for c, t in self._pulses)
        return math.sqrt(squares / (len(self._pulses) - 2))

    def _gather(self, at_ns: int) -> Judgement | None:
        """Add an edge off the grid to its train; the judgement of the edge that makes a train the new grid."""
        train = next((each for each in self._trains if _continues(each, at_ns)), None)
        if train is None:
            self._trains = [*self._trains[1 - _TRAINS :], train := []]
        train.append(at_ns)
        alive = bool(self._pulses) and at_ns - self._pulses[-1][1] <= self._reach * NS
        if len(train) < (_REPLACE if alive else _FOUND):
            return None
        seconds = self._carried(at_ns) if alive else None
        counts = [0]
        for earlier, later in pairwise(train):
            counts.append(counts[-1] + round((later - earlier) / NS))
        self._pulses = deque(zip(counts, train, strict=True), maxlen=_FIT)
        self._residuals.clear()
        self._trains.clear()
        return Judgement(EdgeVerdict.USED, seconds, jumped=alive and seconds is None)

    def _carried(self, at_ns: int) -> int | None:
        """Seconds since the old grid's last pulse, None where the new grid is another one."""
        seconds, deviation, tolerance = self._place(at_ns)
        return seconds if seconds > 0 and abs(deviation) <= _SAME + tolerance else None


def _continues(train: list[int], at_ns: int) -> bool:
    elapsed = at_ns - train[-1]
    seconds = round(elapsed / NS)
    return 1 <= seconds <= _TRAIN_GAP and abs(elapsed - seconds * NS) <= (_SPACING + seconds * _CRYSTAL) * NS

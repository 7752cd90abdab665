"""Which pulses may be believed: spacing first, then a robust test against the pulses before.

The test runs on CLOCK_MONOTONIC_RAW, which nobody steers, so a slew of our own clock never looks like a bad pulse.
"""

from collections import deque
from enum import StrEnum
from statistics import median

from stratum1.timescale import NS

__all__ = ["EdgeVerdict", "PulseGate"]

_CRYSTAL = 500e-6  # no crystal of a computer is worse
_FIT = 16
_MEMORY = 64
_LIMIT = 8.0
_FLOOR = 1e-6
_STEP_AFTER = 8


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


class PulseGate:
    """Judges pulses by their raw stamps."""

    def __init__(self) -> None:
        self._pulses: deque[tuple[int, int]] = deque(maxlen=_FIT)  # (whole seconds since the first, raw ns)
        self._residuals: deque[float] = deque(maxlen=_MEMORY)
        self._refused = 0

    @property
    def sigma(self) -> float:
        """Robust standard deviation of one pulse against its prediction, seconds; 1 ms until six pulses are known."""
        if len(self._residuals) < 6:
            return 1e-3
        return max(1e-9, 1.4826 * median(abs(r) for r in self._residuals))

    def judge(self, at_ns: int) -> EdgeVerdict:
        """Judge a pulse at a raw time: USED, BACKWARD, SPACING or OUTLIER. A USED one joins the memory."""
        if not self._pulses:
            self._pulses.append((0, at_ns))
            return EdgeVerdict.USED
        count, last = self._pulses[-1]
        elapsed = at_ns - last
        if elapsed <= 0:
            return EdgeVerdict.BACKWARD
        whole = round(elapsed / NS)
        if whole > 1000:  # too long for the crystal: start afresh
            self.reset()
            return self.judge(at_ns)
        verdict = self._compare(count + whole, at_ns, elapsed - whole * NS, whole)
        if verdict is EdgeVerdict.USED:
            self._refused = 0
            self._pulses.append((count + whole, at_ns))
        else:
            self._refused += 1
            if self._refused >= _STEP_AFTER:  # the reference itself has moved: believe the new grid
                self.reset()
                return self.judge(at_ns)
        return verdict

    def reset(self) -> None:
        """Forget the grid of pulses."""
        self._pulses.clear()
        self._residuals.clear()
        self._refused = 0

    def _compare(self, count: int, at_ns: int, deviation_ns: int, whole: int) -> EdgeVerdict:
        if whole == 0 or abs(deviation_ns) > (1e-3 + whole * _CRYSTAL) * NS:
            return EdgeVerdict.SPACING
        if len(self._pulses) < 6:
            return EdgeVerdict.USED
        residual = (at_ns - self._predict(count)) / NS
        if len(self._residuals) >= 6 and abs(residual) > max(_FLOOR, _LIMIT * self.sigma) * (1 + whole / _FIT):
            return EdgeVerdict.OUTLIER
        self._residuals.append(residual)
        return EdgeVerdict.USED

    def _predict(self, count: int) -> float:
        """Raw time of pulse `count` by a straight line through the remembered ones (least squares, centred: no loss of digits)."""
        c0, t0 = self._pulses[-1]
        xs = [c - c0 for c, _ in self._pulses]
        ys = [t - t0 for _, t in self._pulses]
        mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
        slope = sum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True)) / sum((x - mx) ** 2 for x in xs)
        return t0 + round(my + slope * (count - c0 - mx))

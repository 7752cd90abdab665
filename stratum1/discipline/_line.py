"""A robust straight line through samples: how phase and frequency are measured in the open loop.

RFC 5905 (section 11.3, state FREQ) divides the offset after 900 s by 900 s. With a pulse of a microsecond, six seconds tell
more, so the interval follows from the noise: whoever asks decides by the uncertainties of the answer when it is enough.
"""

import math
from dataclasses import dataclass
from itertools import combinations
from statistics import median

from stratum1.timescale import MonoNs, seconds

__all__ = ["MINIMUM", "Line", "Window"]

MINIMUM = 6
"""Samples without which nothing is concluded: five outvote a wild one by a clear margin."""
_POINTS = 32
_STEEPEST = 1e-3
"""s/s. No crystal is worse (kernels correct 500 ppm); a steeper line means a reference that jumped."""
_TOLERANCE = 4.0
_STATED_WEIGHT = 4.0
"""What the stated sigma counts for beside the seen scatter, in samples."""


@dataclass(frozen=True, slots=True)
class Line:
    """offset and slope (seconds, s/s) at the last sample, their standard uncertainties, the scatter of a single sample (seconds),
    and how many samples it rests on.
    """

    offset: float
    sigma: float
    slope: float
    slope_sigma: float
    scatter: float
    count: int


@dataclass(slots=True)
class _Point:
    t: float
    value: float
    count: int


class Window:
    """Samples (instant, deviation, stated sigma). Beyond 32 points neighbours are averaged, so that any length costs the same."""

    __slots__ = ("_last_ns", "_points", "_sigma", "_start_ns")

    def __init__(self) -> None:
        self._points: list[_Point] = []
        self._start_ns: MonoNs | None = None
        self._last_ns: MonoNs | None = None
        self._sigma = 0.0

    def __len__(self) -> int:
        return len(self._points)

    def add(self, at_ns: MonoNs, deviation: float, sigma: float) -> None:
        """Append a sample; instants must ascend."""
        if self._start_ns is None:
            self._start_ns = at_ns
        self._last_ns = at_ns
        self._sigma = sigma
        if len(self._points) >= _POINTS:
            self._points = [_merged(a, b) for a, b in zip(self._points[::2], self._points[1::2], strict=True)]
        self._points.append(_Point(seconds(at_ns - self._start_ns), deviation, 1))

    def drop_first(self) -> None:
        """Forget the oldest point."""
        del self._points[:1]

    def shift(self, amount: float) -> None:
        """Add to every deviation, after a step or a correction of the prediction that they are measured against."""
        for point in self._points:
            point.value += amount

    def line(self, slope_sigma: float) -> Line | None:
        """The line, where the slope is expected to be 0 with a standard uncertainty of slope_sigma (s/s).

        None while the samples are too few or do not lie on a line that a crystal could draw.
        """
        if sum(p.count for p in self._points) < MINIMUM or len(self._points) < MINIMUM:
            return None
        kept = _inliers(self._points, self._sigma)
        if len(kept) < max(MINIMUM - 1, 0.75 * len(self._points)):
            return None
        return _fit(kept, self._sigma, slope_sigma, self._points[-1].t)


def _merged(a: _Point, b: _Point) -> _Point:
    count = a.count + b.count
    return _Point((a.t * a.count + b.t * b.count) / count, (a.value * a.count + b.value * b.count) / count, count)


def _inliers(points: list[_Point], sigma: float) -> list[_Point]:
    """Those near the Theil-Sen line, which bears more than a quarter of wild points (29.3 %)."""
    slope = median((b.value - a.value) / (b.t - a.t) for a, b in combinations(points, 2) if b.t > a.t)
    level = median(p.value - slope * p.t for p in points)
    residuals = [abs(p.value - slope * p.t - level) for p in points]
    tolerance = _TOLERANCE * max(1.4826 * median(residuals), sigma)
    return [p for p, r in zip(points, residuals, strict=True) if r <= tolerance]


def _fit(points: list[_Point], stated: float, slope_sigma: float, last: float) -> Line | None:
    n = sum(p.count for p in points)
    t_mean = sum(p.t * p.count for p in points) / n
    mean = sum(p.value * p.count for p in points) / n
    sxx = sum(p.count * (p.t - t_mean) ** 2 for p in points)
    slope = sum(p.count * (p.t - t_mean) * (p.value - mean) for p in points) / sxx
    squares = sum(p.count * (p.value - mean - slope * (p.t - t_mean)) ** 2 for p in points)
    scatter = math.sqrt((squares + _STATED_WEIGHT * stated * stated) / (len(points) - 2 + _STATED_WEIGHT))
    fit_sigma = scatter / math.sqrt(sxx)
    if not abs(slope) <= _STEEPEST + 4 * fit_sigma:
        return None
    # the prior and the fit, each with its weight
    weight = 1.0 / (1.0 + (fit_sigma / slope_sigma) ** 2)
    posterior = math.sqrt(weight) * fit_sigma
    slope *= weight
    sigma = math.hypot(scatter / math.sqrt(n), (last - t_mean) * posterior)
    return Line(mean + slope * (last - t_mean), sigma, slope, posterior, scatter, n)

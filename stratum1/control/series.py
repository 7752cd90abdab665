"""The last quarter of an hour in memory, one point a second, for the live plots and for rates."""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stratum1.timescale import UtcNs, rfc3339

from .model import Status

__all__ = ["RecentSeries", "SeriesPoint"]


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """One second. offset, bound and jitter in seconds, frequency in ppm, uptime in seconds; received: packets so far by listener."""

    at: UtcNs
    uptime: float
    offset: float | None
    frequency_ppm: float
    bound: float
    jitter: float | None
    received: Mapping[str, int]


class RecentSeries:
    """A bounded ring of points; `record` it once a second."""

    def __init__(self, capacity: int = 900) -> None:
        self._points: deque[SeriesPoint] = deque(maxlen=capacity)

    def __len__(self) -> int:
        return len(self._points)

    @property
    def points(self) -> tuple[SeriesPoint, ...]:
        """Oldest first."""
        return tuple(self._points)

    def record(self, status: Status) -> None:
        """Take the point of a snapshot."""
        self.add(
            SeriesPoint(
                at=status.time.utc,
                uptime=status.uptime,
                offset=status.time.offset,
                frequency_ppm=status.time.frequency_ppm,
                bound=status.time.error_bound,
                jitter=status.discipline.jitter if status.discipline else None,
                received={each.listen_address: each.received for each in status.server.listeners},
            )
        )

    def add(self, point: SeriesPoint) -> None:
        """Take a point."""
        self._points.append(point)

    def rates(self, span: float = 10.0) -> dict[str, float]:
        """Packets a second by listener over the last `span` seconds; empty until two points are there.

        Counted on uptime: our UTC may step between two points.
        """
        if len(self._points) < 2:
            return {}
        last = self._points[-1]
        first = next(point for point in self._points if point.uptime >= last.uptime - span)
        elapsed = last.uptime - first.uptime
        if elapsed <= 0:
            return {}
        return {name: (count - first.received.get(name, 0)) / elapsed for name, count in last.received.items()}

    def json(self) -> dict[str, Any]:
        """Columns of equal length, oldest first: `at` as RFC 3339 text with milliseconds, the rest as numbers or null."""
        points = self._points
        return {
            "at": [rfc3339(point.at, 3) for point in points],
            "offset": [_finite(point.offset) for point in points],
            "frequency_ppm": [_finite(point.frequency_ppm) for point in points],
            "error_bound": [_finite(point.bound) for point in points],
            "jitter": [_finite(point.jitter) for point in points],
        }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None

"""Counting edges: which are new, which were missed, how steady they are. Pure."""

import math
import statistics
from collections import deque

from stratum1.interchange import KernelClockId
from stratum1.timescale import NS, seconds

from ._ioctl import PpsFetch
from .events import Edge, EdgeKind

__all__ = ["EdgeTracker", "PulseStatistics"]

_SEQUENCES = 1 << 32
_WINDOW = 64
_TOLERANCE_NS = NS // 10


class EdgeTracker:
    """Turns what PPS_FETCH shows, the latest edge of each kind, into edges that each appear once."""

    def __init__(self, captures: frozenset[EdgeKind], first: PpsFetch) -> None:
        """captures: the kinds that the device is set to. first: its state at the start; edges up to there are history."""
        self._captures = captures
        self._last = {kind: sequence for kind, sequence, _ in _by_kind(first)}

    def edges(self, fetched: PpsFetch) -> tuple[Edge, ...]:
        """The new edges, in order of time.

        One FETCH may show two: a pulse shorter than the reader's wake-up leaves its clear edge to the next call. An unchanged
        sequence is the other kind's news and a zero stamp is no edge; neither changes anything.
        """
        new = []
        for kind, sequence, stamp_ns in _by_kind(fetched):
            if kind in self._captures and stamp_ns and sequence != self._last[kind]:
                new.append(Edge(kind, sequence, stamp_ns, KernelClockId.REALTIME, self._missed(kind, sequence)))
                self._last[kind] = sequence
        return tuple(sorted(new, key=lambda edge: edge.stamp_ns))

    def _missed(self, kind: EdgeKind, sequence: int) -> int:
        gap = (sequence - self._last[kind] - 1) % _SEQUENCES
        return gap if gap < _SEQUENCES // 2 else 0  # the count went backwards: the driver began anew, so nothing is known to be lost


class PulseStatistics:
    """Counters of one pulse train, from the edges of the kind that marks the second."""

    def __init__(self, edge: EdgeKind) -> None:
        self._edge = edge
        self._last: dict[EdgeKind, Edge] = {}
        self._interval: int | None = None
        self._bends: deque[int] = deque(maxlen=_WINDOW)
        self._widths: deque[int] = deque(maxlen=_WINDOW)
        self.pulses = 0
        self.missed = 0

    def add(self, edge: Edge) -> None:
        """Count one edge."""
        before = self._last.get(edge.kind)
        self._last[edge.kind] = edge
        if edge.kind is self._edge:
            self.pulses += 1
            self.missed += edge.missed
            self._add_interval(edge, before)
        elif (start := self._last.get(self._edge)) is not None and 0 < edge.stamp_ns - start.stamp_ns < NS:
            self._widths.append(edge.stamp_ns - start.stamp_ns)

    def interrupted(self) -> None:
        """The source was opened anew: no interval reaches across."""
        self._last.clear()
        self._interval = None

    @property
    def last(self) -> Edge | None:
        """The latest edge of the kind that marks the second."""
        return self._last.get(self._edge)

    @property
    def jitter(self) -> float | None:
        """One standard deviation of a stamp's random error in seconds, over the last 64 pulses; None before the fourth.

        From second differences (RMS / sqrt(6)), so that a constant rate of the clock that stamps does not count.
        """
        if len(self._bends) < 2:
            return None
        return math.sqrt(math.fsum(seconds(bend) ** 2 for bend in self._bends) / len(self._bends) / 6)

    @property
    def width(self) -> float | None:
        """Median length of the pulse in seconds, from the edge that marks the second to the other one."""
        return seconds(round(statistics.median(self._widths))) if self._widths else None

    def _add_interval(self, edge: Edge, before: Edge | None) -> None:
        interval = edge.stamp_ns - before.stamp_ns if before is not None else 0
        if edge.missed or abs(interval - NS) > _TOLERANCE_NS:  # a gap, a step of the clock, noise on the line: not a matter of jitter
            self._interval = None
            return
        if self._interval is not None:
            self._bends.append(interval - self._interval)
        self._interval = interval


def _by_kind(fetched: PpsFetch) -> tuple[tuple[EdgeKind, int, int], ...]:
    return (
        (EdgeKind.ASSERT, fetched.assert_sequence, fetched.assert_ns),
        (EdgeKind.CLEAR, fetched.clear_sequence, fetched.clear_ns),
    )

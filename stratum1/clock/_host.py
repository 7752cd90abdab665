"""The host's three clocks side by side: CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC and CLOCK_REALTIME, related by bracketed readings.

MONOTONIC is RAW made faster or slower by whoever steers the host; REALTIME is MONOTONIC plus a constant that changes only when
somebody sets the clock. So the rate is learned from the first pair and sets are seen in the second.
"""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from stratum1.timescale import MonoNs

__all__ = ["HostClocks", "Pair", "bracket", "reading_time"]

_TRIES = 6
_KEEP_EVERY = 50_000_000
_MOST_PAIRS = 256
_SHORTEST = 100_000_000
"""A span (ns) long enough that the jitter of two readings (0.1 us) leaves a rate good to 1e-6."""
_BASELINE = 1_000_000_000
_BEND = 400
"""A rate has changed within the baseline if it misses the newest pair by this much, ns."""
_APART = 1_000_000
"""Two readings closer than this (ns) tell nothing of the rate between them."""
_ROUNDING = 2
"""The kernel rounds each clock to whole ns by itself."""
_SAME = 100
"""Offsets (ns) that differ by less are one offset, seen through two readings."""

Read = Callable[[int], int]


class Pair(NamedTuple):
    """One instant on two clocks, ns, and how far apart the outer readings were (ns)."""

    outer: int
    inner: int
    width: int


def bracket(outer: int, inner: int, read: Read = time.clock_gettime_ns) -> Pair:
    """Read clock `inner` between two readings of clock `outer`, some times, and take the tightest: right within half its width."""
    best: Pair | None = None
    for _ in range(_TRIES):
        before = read(outer)
        value = read(inner)
        after = read(outer)
        if best is None or after - before < best.width:
            best = Pair((before + after) // 2, value, after - before)
    assert best is not None
    return best


def reading_time(clock_id: int, read: Read = time.clock_gettime_ns) -> int:
    """The shortest time, ns, between two successive readings that differ: what NTP calls precision."""
    shortest = 1_000_000_000
    for _ in range(100):
        first = read(clock_id)
        while (second := read(clock_id)) == first:
            pass
        if 0 < second - first < shortest:
            shortest = second - first
    return shortest


class HostClocks:
    """Knows how the three clocks have run of late. Any thread may ask."""

    def __init__(self, real_id: int = time.CLOCK_REALTIME, prior_rate: float = 0.0, read: Read = time.clock_gettime_ns) -> None:
        """prior_rate: rate of MONOTONIC against RAW (s/s) to believe until it has been measured; `read` reads a clock by its id."""
        self.lock = threading.RLock()
        """Held by who sets the clock, so that nobody takes a reading from before it for one after."""
        self._real_id = real_id
        self._read = read
        self._prior = prior_rate
        self._pairs: tuple[Pair, ...] = ()
        self._sets = 0
        self._bounds = self._offset_bounds()
        self._changed = self.look().outer

    @property
    def sets(self) -> int:
        """How often REALTIME was seen to have been set by others."""
        return self._sets

    def raw(self) -> MonoNs:
        """CLOCK_MONOTONIC_RAW now."""
        return MonoNs(self._read(time.CLOCK_MONOTONIC_RAW))

    def look(self, *, keep: bool = False) -> Pair:
        """RAW (outer) and MONOTONIC (inner) now; remembered when the last was some time ago, or when told to."""
        pair = bracket(time.CLOCK_MONOTONIC_RAW, time.CLOCK_MONOTONIC, self._read)
        with self.lock:
            if keep or not self._pairs or pair.outer - self._pairs[-1].outer >= _KEEP_EVERY:
                self._pairs = (*self._pairs, pair)[-_MOST_PAIRS:]
        return pair

    def restarted(self, prior_rate: float) -> None:
        """The rate has just been changed by us: what was measured of it says nothing of what comes."""
        with self.lock:
            self._prior = prior_rate
            self.look(keep=True)
            self._changed = self._pairs[-1].outer

    def rate(self, newest: Pair) -> float:
        """How much faster than RAW MONOTONIC runs now (s/s), from the second before `newest`, or less where the rate has changed."""
        near = far = None
        for pair in reversed(self._pairs):
            age = newest.outer - pair.outer
            if pair.outer < self._changed:
                break
            if age < _SHORTEST:
                continue
            near, far = near or pair, pair
            if age >= _BASELINE:
                break
        if near is None or far is None:
            return self._prior
        slope = _slope(far, newest)
        expected = near.inner + (newest.outer - near.outer) * (1 + slope)
        return slope if abs(newest.inner - expected) < _BEND else _slope(near, newest)

    def offset(self) -> int:
        """REALTIME minus MONOTONIC, ns: constant between sets, so every reading narrows it; one that does not fit is a set by others."""
        with self.lock:
            low, high = self._offset_bounds()
            held_low, held_high = self._bounds
            if low > held_high or high < held_low:
                if max(low - held_high, held_low - high) > _SAME:
                    self._sets += 1
                self._bounds = (low, high)
            else:
                self._bounds = (max(low, held_low), min(high, held_high))
            return sum(self._bounds) // 2

    def forget_offset(self) -> None:
        """We have set REALTIME ourselves: measure anew without counting it."""
        with self.lock:
            self._bounds = self._offset_bounds()

    def monotonic_from_raw(self, raw: int) -> int:
        """MONOTONIC when RAW read `raw`, by the two readings around it or, outside them, by the rate."""
        left, right = self._around(raw, outer=True)
        return left.inner + _scaled(raw - left.outer, right.inner - left.inner, right.outer - left.outer)

    def raw_from_monotonic(self, monotonic: int) -> int:
        """RAW when MONOTONIC read `monotonic`; the inverse of `monotonic_from_raw`."""
        left, right = self._around(monotonic, outer=False)
        return left.outer + _scaled(monotonic - left.inner, right.outer - left.outer, right.inner - left.inner)

    def _around(self, stamp: int, *, outer: bool) -> tuple[Pair, Pair]:
        newest = self.look()
        older = [pair for pair in self._pairs if newest.outer - pair.outer >= _APART]
        pairs = [*older, newest]
        following = next((i for i, pair in enumerate(pairs) if (pair.outer if outer else pair.inner) > stamp), len(pairs))
        if 0 < following < len(pairs):
            return pairs[following - 1], pairs[following]
        end = pairs[-1] if following else pairs[0]
        return end, Pair(end.outer + _BASELINE, end.inner + round(_BASELINE * (1 + self.rate(newest))), 0)

    def _offset_bounds(self) -> tuple[int, int]:
        pair = bracket(time.CLOCK_MONOTONIC, self._real_id, self._read)
        middle, margin = pair.inner - pair.outer, pair.width // 2 + _ROUNDING
        return middle - margin, middle + margin


def _slope(old: Pair, new: Pair) -> float:
    elapsed = new.outer - old.outer
    return (new.inner - old.inner - elapsed) / elapsed


def _scaled(value: int, numerator: int, denominator: int) -> int:
    return (value * numerator + denominator // 2) // denominator

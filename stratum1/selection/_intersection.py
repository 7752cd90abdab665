"""Who tells the truth: the intersection of correctness intervals (Marzullo's, as RFC 5905, section 11.2.1, uses it).

The RFC's further demand, that at most as many midpoints as falsetickers lie outside, is left out: beside a reference clock, whose
interval is a thousandth of a server's, the servers' midpoints say nothing.
"""

from collections.abc import Sequence

__all__ = ["Interval", "agreement", "overlap", "regions"]

Interval = tuple[float, float]
"""Lowest and highest offset that a source's word allows, seconds; both belong to it."""


def agreement(intervals: Sequence[Interval], witness: Interval | None = None) -> Interval | None:
    """From the lowest to the highest offset that as many intervals as possible, and more than half of them, contain.

    Where exactly half of them stand against the other half, the one side that the witness (our own clock's interval) agrees with has it.
    None where there is no majority.
    """
    n = len(intervals)
    for need in range(n, n // 2, -1):
        found = regions(intervals, need)
        if found:
            return found[0][0], found[-1][1]
    if witness is None or n % 2 or not n:
        return None
    sides = [each for each in regions(intervals, n // 2) if overlap(each, witness)]
    return sides[0] if len(sides) == 1 else None


def regions(intervals: Sequence[Interval], need: int) -> list[Interval]:
    """The stretches of offsets that at least `need` intervals contain, ascending."""
    edges = sorted([(low, 0) for low, _ in intervals] + [(high, 1) for _, high in intervals])  # where they touch, they overlap
    depth, begin = 0, 0.0
    found: list[Interval] = []
    for value, ends in edges:
        if not ends:
            depth += 1
            if depth == need:
                begin = value
        else:
            if depth == need:
                found.append((begin, value))
            depth -= 1
    return found


def overlap(one: Interval, other: Interval) -> bool:
    """Whether two intervals have an offset in common."""
    return one[0] <= other[1] and other[0] <= one[1]

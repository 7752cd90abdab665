"""The majority rule of RFC 5905, section 11.2.1, against the plainest possible way to find it."""

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from stratum1.selection._intersection import Interval, agreement, overlap, regions

_SMALL = st.integers(-8, 8).map(float)
_WIDE = st.floats(-1e11, 1e11)


def _interval(ends: tuple[float, float]) -> Interval:
    return min(ends), max(ends)


_INTERVALS = st.lists(st.one_of(st.tuples(_SMALL, _SMALL), st.tuples(_WIDE, _WIDE)).map(_interval), max_size=8)


def depth(intervals: list[Interval], offset: float) -> int:
    return sum(low <= offset <= high for low, high in intervals)


def plainly(intervals: list[Interval]) -> Interval | None:
    """The deepest offsets, if more than half of the intervals contain them; only edges need to be looked at."""
    edges = [edge for interval in intervals for edge in interval]
    deepest = max((depth(intervals, edge) for edge in edges), default=0)
    if 2 * deepest <= len(intervals):
        return None
    best = [edge for edge in edges if depth(intervals, edge) == deepest]
    return min(best), max(best)


@given(_INTERVALS)
@example([(0.0, 1.0), (1.0, 2.0)])
@example([(0.0, 0.0), (0.0, 0.0), (5.0, 5.0)])
@example([(-1.0, 4.0), (-1.0, 0.0), (3.0, 4.0)])
def test_the_majority_is_what_most_intervals_contain(intervals: list[Interval]) -> None:
    assert agreement(intervals) == plainly(intervals)


@given(_INTERVALS)
def test_those_that_agree_are_more_than_half_and_the_others_are_apart(intervals: list[Interval]) -> None:
    found = agreement(intervals)
    if found is None:
        return
    agreeing = [each for each in intervals if overlap(each, found)]
    assert 2 * len(agreeing) > len(intervals)
    assert all(high < found[0] or low > found[1] for low, high in intervals if (low, high) not in agreeing)


@given(_INTERVALS, st.integers(1, 8))
def test_regions_are_as_deep_as_asked_and_nothing_else_is(intervals: list[Interval], need: int) -> None:
    found = regions(intervals, need)
    edges = [edge for interval in intervals for edge in interval]
    assert all(any(low <= edge <= high for low, high in found) == (depth(intervals, edge) >= need) for edge in edges)
    assert all(a[1] < b[0] for a, b in pairwise(found))


@given(_INTERVALS, st.tuples(_SMALL, _SMALL).map(_interval))
def test_a_witness_only_breaks_ties(intervals: list[Interval], witness: Interval) -> None:
    alone, together = agreement(intervals), agreement(intervals, witness)
    if alone is not None:
        assert together == alone
    elif together is not None:
        half = [each for each in intervals if overlap(each, together)]
        assert 2 * len(half) >= len(intervals)
        assert overlap(together, witness)


def test_one_against_one_is_decided_by_our_own_clock() -> None:
    good, bad = (-1.0, 1.0), (49.0, 51.0)
    assert agreement([good, bad]) is None
    assert agreement([good, bad], (-0.1, 0.1)) == good
    assert agreement([bad, good], (-0.1, 0.1)) == good
    assert agreement([good, bad], (-100.0, 100.0)) is None, "it agrees with both"
    assert agreement([good, bad], (10.0, 20.0)) is None, "it agrees with neither"


def test_nobody_and_a_single_one() -> None:
    assert agreement([]) is None
    assert agreement([], (0.0, 0.0)) is None
    assert agreement([(3.0, 3.0)]) == (3.0, 3.0)

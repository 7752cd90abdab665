"""Which edges are new, which were missed, and how steady they are."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum1.interchange import KernelClockId
from stratum1.pps import Edge, EdgeKind
from stratum1.pps._ioctl import PpsFetch, PpsMode
from stratum1.pps._tally import EdgeTracker, PulseStatistics

NS = 10**9
START = 1_800_000_000 * NS
BOTH = frozenset(EdgeKind)
MODE = PpsMode.CAPTUREBOTH


def fetched(assert_sequence: int = 0, assert_ns: int = 0, clear_sequence: int = 0, clear_ns: int = 0) -> PpsFetch:
    return PpsFetch(assert_sequence, clear_sequence, assert_ns, clear_ns, MODE)


def edge(kind: EdgeKind, sequence: int, stamp_ns: int, missed: int = 0) -> Edge:
    return Edge(kind, sequence, stamp_ns, KernelClockId.REALTIME, missed)


def test_each_edge_appears_once() -> None:
    tracker = EdgeTracker(BOTH, fetched(41, START, 41, START + 1))
    assert tracker.edges(fetched(41, START, 41, START + 1)) == ()
    assert tracker.edges(fetched(42, START + NS, 41, START + 1)) == (edge(EdgeKind.ASSERT, 42, START + NS),)
    assert tracker.edges(fetched(42, START + NS, 42, START + NS + 5)) == (edge(EdgeKind.CLEAR, 42, START + NS + 5),)
    assert tracker.edges(fetched(42, START + NS, 42, START + NS + 5)) == ()


def test_two_edges_of_one_fetch_come_in_order_of_time() -> None:
    tracker = EdgeTracker(BOTH, fetched())
    late_clear = tracker.edges(fetched(2, START + NS, 1, START + 5))
    assert [(e.kind, e.sequence) for e in late_clear] == [(EdgeKind.CLEAR, 1), (EdgeKind.ASSERT, 2)]
    short_pulse = tracker.edges(fetched(3, START + 2 * NS, 3, START + 2 * NS + 9))
    assert [e.kind for e in short_pulse] == [EdgeKind.ASSERT, EdgeKind.CLEAR]


def test_gap_in_the_sequence_is_missed_pulses_even_across_the_wrap() -> None:
    tracker = EdgeTracker(BOTH, fetched(0xFFFFFFFE, START))
    assert tracker.edges(fetched(2, START + 4 * NS))[0].missed == 3


def test_count_that_went_backwards_is_a_new_beginning() -> None:
    tracker = EdgeTracker(BOTH, fetched(5000, START))
    assert tracker.edges(fetched(3, START + 9 * NS)) == (edge(EdgeKind.ASSERT, 3, START + 9 * NS),)


def test_zero_stamp_is_no_edge_and_the_next_one_counts_it_as_missed() -> None:
    tracker = EdgeTracker(BOTH, fetched())
    assert tracker.edges(fetched(1, 0)) == ()
    assert tracker.edges(fetched(2, START)) == (edge(EdgeKind.ASSERT, 2, START, missed=1),)


def test_kind_that_is_not_captured_is_ignored() -> None:
    tracker = EdgeTracker(frozenset({EdgeKind.ASSERT}), fetched())
    assert tracker.edges(fetched(0, 0, 1, START)) == ()


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(0, 0xFFFFFFFF))
@settings(deadline=None)
def test_delivered_and_missed_add_up_to_the_kernels_count(steps: list[int], first: int) -> None:
    tracker = EdgeTracker(BOTH, fetched(first, START))
    sequence, total = first, 0
    for number, step in enumerate(steps, 1):
        sequence = (sequence + step) % (1 << 32)
        total += sum(1 + e.missed for e in tracker.edges(fetched(sequence, START + number * NS)))
    assert total == sum(steps)


def test_jitter_is_that_of_one_stamp_whatever_the_clocks_rate() -> None:
    statistics, noise = PulseStatistics(EdgeKind.ASSERT), random.Random(3)
    for second in range(65):
        statistics.add(edge(EdgeKind.ASSERT, second + 1, START + second * (NS + 50_000) + round(noise.gauss(0, 2_000))))
    assert statistics.pulses == 65
    assert statistics.jitter == pytest.approx(2e-6, rel=0.25)


def test_steps_gaps_and_interruptions_do_not_count_as_jitter() -> None:
    statistics = PulseStatistics(EdgeKind.ASSERT)
    now = START
    for sequence in range(1, 60):
        now += NS + (37 * NS if sequence == 20 else 0)
        if sequence == 40:
            now += 5 * NS + 300_000_000
            statistics.interrupted()
        statistics.add(edge(EdgeKind.ASSERT, sequence, now))
    assert statistics.jitter == 0


def test_jitter_and_width_are_unknown_at_first() -> None:
    statistics = PulseStatistics(EdgeKind.ASSERT)
    for sequence in range(1, 4):
        statistics.add(edge(EdgeKind.ASSERT, sequence, START + sequence * NS))
    assert (statistics.jitter, statistics.width) == (None, None)


def test_width_is_from_the_marking_edge_to_the_other() -> None:
    for marking, other in ((EdgeKind.ASSERT, EdgeKind.CLEAR), (EdgeKind.CLEAR, EdgeKind.ASSERT)):
        statistics = PulseStatistics(marking)
        statistics.add(edge(other, 1, START - 900_000_000))
        statistics.add(edge(marking, 1, START))
        statistics.add(edge(other, 2, START + 100_000_000))
        assert statistics.width == pytest.approx(0.1)
        assert statistics.pulses == 1

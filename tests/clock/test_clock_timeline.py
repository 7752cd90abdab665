"""The piecewise linear arithmetic under the virtual and the simulated clock, against exact fractions."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from stratum1.clock._timeline import KEPT_NS, Segment, Timeline

START = 4_000_000_000_000
SHOWN = 1_795_000_000_000_000_000
rates = st.floats(-0.1, 0.1)
spans = st.integers(0, 10**10)


@settings(deadline=None)
@given(st.lists(st.tuples(spans, rates), min_size=1, max_size=40))
def test_rounding_stays_below_a_nanosecond_however_often_the_rate_changes(changes: list[tuple[int, float]]) -> None:
    timeline = Timeline.starting(START, SHOWN)
    at, exact, speed = START, Fraction(SHOWN), Fraction(1)
    for span, rate in changes:
        at, exact = at + span, exact + span * speed
        timeline = timeline.rated(at, rate)
        speed = 1 + Fraction(round(rate * 2**64), 2**64)
    assert abs(timeline.value(at + 12_345) - (exact + 12_345 * speed)) <= Fraction(1, 2) + Fraction(len(changes) + 1, 2**32)


@settings(deadline=None)
@given(rates, st.integers(-(10**10), 10**13))
def test_inverse_finds_the_input_again(rate: float, since: int) -> None:
    timeline = Timeline.starting(START, SHOWN, rate)
    assert abs(timeline.inverse(timeline.value(START + since)) - (START + since)) <= 1


@settings(deadline=None)
@given(rates, rates, st.integers(0, KEPT_NS), st.integers(0, 10**9))
def test_a_recent_stamp_uses_the_segment_of_its_time(first: float, second: float, ago: int, since: int) -> None:
    before = Timeline.starting(START, SHOWN, first)
    change = START + 10**12
    after = before.rated(change, second).rated(change + since, 0.0)
    stamp = change - ago
    assert after.value(stamp) == before.value(stamp)


def test_a_step_moves_what_follows_and_leaves_what_was() -> None:
    before = Timeline.starting(START, SHOWN, 1e-4)
    after = before.stepped(START + 5000, -700)
    assert after.value(START + 4999) == before.value(START + 4999)
    assert after.value(START + 6000) == before.value(START + 6000) - 700
    assert after.rate == before.rate


def test_a_reading_that_came_twice_because_of_a_step_back_is_the_newer_one() -> None:
    timeline = Timeline.starting(0, 1000).stepped(500, -400)
    assert timeline.value(450) == 1450
    assert timeline.inverse(1450) == 850
    assert timeline.inverse(1050) == 50


def test_the_first_segment_reaches_back_before_its_start() -> None:
    assert Timeline.starting(START, SHOWN).value(START - 10) == SHOWN - 10
    assert Timeline.starting(START, SHOWN).inverse(SHOWN - 10) == START - 10


def test_old_segments_are_dropped_and_the_memory_is_bounded() -> None:
    timeline = Timeline.starting(0, 0)
    for i in range(1, 2000):
        timeline = timeline.rated(i * 1_000_000_000, 1e-6 * (i % 7))
    assert len(timeline.segments) == KEPT_NS // 1_000_000_000 + 1
    for _ in range(2000):
        timeline = timeline.rated(timeline.segments[-1].start, 0.0)
    assert len(timeline.segments) <= 512


def test_a_century_of_an_absolute_time_keeps_its_last_nanosecond() -> None:
    segment = Segment(0, SHOWN << 32, (1 << 64) + 1)
    assert segment.value(3_200_000_000_000_000_001) == SHOWN + 3_200_000_000_000_000_001

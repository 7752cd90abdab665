"""The serial delay of one kind of sentence: its median on the circle, its whole second, and when that can't be told."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum1.refclock._delay import DelayLearner, circular_difference


def learned(delay: float, count: int = 20, jitter: float = 0.005, seed: int = 1) -> DelayLearner:
    draw = random.Random(seed)
    learner = DelayLearner("GNRMC")
    for _ in range(count):
        learner.add(delay + draw.uniform(-jitter, jitter), lead=True)
    return learner


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_difference_on_the_circle_is_at_most_half_a_second(a: float, b: float) -> None:
    difference = circular_difference(a, b)
    assert -0.5 <= difference < 0.5
    assert (a - b - difference) % 1.0 == pytest.approx(0.0, abs=1e-6) or (a - b - difference) % 1.0 == pytest.approx(1.0, abs=1e-6)


@settings(deadline=None)
@given(st.floats(0.0, 1.0), st.floats(0.0, 0.17), st.integers(0, 1000))
def test_the_phase_is_found_anywhere_on_the_circle(delay: float, jitter: float, seed: int) -> None:
    learner = learned(delay, 64, jitter, seed)
    assert learner.ready
    assert abs(circular_difference(learner.phase, delay)) <= jitter / 2 + 1e-9
    assert learner.spread <= 2 * jitter + 1e-9
    assert 0 <= learner.phase < 1


@pytest.mark.parametrize(("delay", "arrivals"), [(0.3, 4), (0.5, 4), (0.95, 4), (0.1, 8), (0.03, 16)])
def test_a_delay_near_a_whole_second_needs_more_arrivals(delay: float, arrivals: int) -> None:
    assert learned(delay, arrivals, 0.002).resolve(None) is None
    problem = learned(delay, arrivals - 1, 0.002)
    assert not problem.ready or problem.resolve(None) is not None


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.985, 0.999])
def test_a_delay_at_a_whole_second_is_never_guessed(delay: float) -> None:
    learner = learned(delay, 64, 0.003)
    text = learner.resolve(None)
    assert text is not None
    assert "so close to a whole second" in text
    assert '"serial-delay"' in text
    assert not learner.resolved


@pytest.mark.parametrize(
    ("now", "before", "delay"),
    [
        (0.4, 0.4, 0.4),
        (0.6, 0.4, 0.6),
        (0.2, 0.4, 0.2),
        (0.99, 0.9, 0.99),
        (0.99, 1.01, 0.99),
        (0.02, 0.99, 1.02),
        (0.01, 1.01, 1.01),
        (0.03, 0.03, 0.03),
    ],
)
def test_what_was_known_before_settles_the_second(now: float, before: float, delay: float) -> None:
    learner = learned(now, 4)
    assert learner.resolve(before) is None
    assert learner.delay == pytest.approx(delay, abs=0.01)


@pytest.mark.parametrize(
    ("now", "before"),
    [(0.2, 0.9), (0.14, 0.9), (0.05, 0.9), (0.9, 0.05), (0.9, 0.4), (0.05, 0.4), (0.25, 1.02), (0.97, 0.2)],
)
def test_a_delay_that_makes_two_seconds_possible_is_refused(now: float, before: float) -> None:
    """0.9 before and 0.14 now is a receiver that is faster by 0.76 or slower by 0.24: a second apart."""
    learner = learned(now, 20)
    text = learner.resolve(before)
    assert text is not None
    assert f"{before:.2f} s was known before" in text
    assert 'set "serial-delay"' in text
    assert not learner.resolved


@pytest.mark.parametrize(("now", "before", "outdated"), [(0.2, 0.9, False), (0.9, 0.4, True), (0.05, 0.4, True), (0.9, 0.05, True)])
def test_only_an_unambiguous_change_can_outdate_what_was_known(now: float, before: float, outdated: bool) -> None:
    assert learned(now, 20).outdates(before) is outdated


def test_a_delay_that_drifts_over_the_end_of_the_second_keeps_its_second() -> None:
    learner = learned(0.9)
    assert learner.resolve(None) is None
    for step in range(600):
        learner.add(0.9 + step / 1000, lead=True)
    assert learner.delay == pytest.approx(1.47, abs=0.02)
    for step in range(900):
        learner.add(1.5 - step / 1000, lead=True)
    assert learner.delay == pytest.approx(0.63, abs=0.02)


def test_a_measured_delay_settles_the_second_unless_it_is_absurd() -> None:
    learner = learned(0.05)
    learner.settle(1.06)
    assert learner.resolved
    assert learner.delay == pytest.approx(1.05, abs=0.01)
    learner.settle(-8.95)
    assert not learner.resolved
    learner.settle(17.05)
    assert not learner.resolved


def test_arrivals_all_over_the_second_are_no_delay() -> None:
    learner = learned(0.5, 16, 0.5)
    assert not learner.ready
    assert learner.scattered is not None
    assert "at any time of the second" in learner.scattered
    assert learned(0.5, 15, 0.5).scattered is None
    assert learned(0.5, 64, 0.17).scattered is None


def test_forgetting_leaves_nothing() -> None:
    learner = learned(0.4)
    assert learner.resolve(None) is None
    learner.forget()
    assert (learner.samples, learner.leads, learner.resolved, learner.ready) == (0, 0, False, False)


@settings(deadline=None)
@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=80), st.one_of(st.none(), st.floats(0.0, 2.0)))
def test_any_arrivals_leave_finite_numbers(phases: list[float], expected: float | None) -> None:
    learner = DelayLearner("GPZDA")
    for phase in phases:
        learner.add(phase, lead=False)
    text = learner.resolve(expected)
    assert (text is None) is learner.resolved
    estimate = learner.estimate()
    assert -1.5 < estimate.delay < 3.5
    assert 0 <= estimate.spread <= 0.5
    assert estimate.samples == len(phases)

"""The simulated truth: one function, whoever asks and in whatever order."""

import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum1.simulation.truth import SimulatedTruth
from stratum1.timescale import NS, MonoNs, UtcNs

START_UTC = UtcNs(1_800_000_000 * NS + 123_456_789)
START_RAW = MonoNs(987_654_321_012)
HOUR = 3600 * NS

seeds = st.integers(0, 2**32)
frequencies = st.floats(-5e-4, 5e-4)
wanders = st.sampled_from([0.0, 1e-9, 1e-7])
elapsed = st.integers(-10 * NS, HOUR)


def truth(seed: int = 1, frequency: float = 20e-6, phase: float = 0.1, wander: float = 1e-9) -> SimulatedTruth:
    return SimulatedTruth(seed, START_UTC, START_RAW, frequency=frequency, phase=phase, wander=wander)


@given(seeds, frequencies, wanders, st.lists(elapsed, min_size=1, max_size=8))
@settings(deadline=None)
def test_inverse_is_exact_within_a_nanosecond(seed: int, frequency: float, wander: float, moments: list[int]) -> None:
    the = truth(seed, frequency, wander=wander)
    for moment in moments:
        raw = MonoNs(START_RAW + moment)
        assert abs(the.raw_at(the.utc_at(raw)) - raw) <= 1
        utc = UtcNs(START_UTC + moment)
        assert abs(the.utc_at(the.raw_at(utc)) - utc) <= 1


@given(seeds, st.lists(elapsed, min_size=1, max_size=8))
@settings(deadline=None)
def test_answers_do_not_depend_on_the_order_of_questions(seed: int, moments: list[int]) -> None:
    forward, backward = truth(seed), truth(seed)
    answers = {moment: forward.utc_at(MonoNs(START_RAW + moment)) for moment in sorted(moments)}
    for moment in sorted(moments, reverse=True):
        assert backward.utc_at(MonoNs(START_RAW + moment)) == answers[moment]
        assert forward.twin().utc_at(MonoNs(START_RAW + moment)) == answers[moment]


@given(seeds, frequencies, st.integers(0, HOUR), st.integers(1, 10**10))
@settings(deadline=None)
def test_time_goes_forward_at_nearly_the_rate_asked_for(seed: int, frequency: float, moment: int, step: int) -> None:
    the = truth(seed, frequency)
    gained = the.utc_at(MonoNs(START_RAW + moment + step)) - the.utc_at(MonoNs(START_RAW + moment))
    assert abs(gained - step * (1 + frequency)) <= 1 + step * 1e-6  # the walk reaches 6e-8 after an hour


def test_start_is_the_hosts_time_and_the_phase() -> None:
    assert truth(phase=0.1).utc_at(START_RAW) == START_UTC + NS // 10
    assert truth(phase=-0.25).utc_at(START_RAW) == START_UTC - NS // 4


def test_constant_frequency_without_wander() -> None:
    the = truth(frequency=20e-6, wander=0.0)
    assert the.utc_at(MonoNs(START_RAW + HOUR)) == START_UTC + NS // 10 + HOUR + 72_000_000
    assert the.frequency_at(MonoNs(START_RAW + HOUR)) == pytest.approx(20e-6, abs=1e-15)


def test_frequency_walks_as_far_as_its_wander_says() -> None:
    wander = 1e-9
    ends = [truth(seed, wander=wander).frequency_at(MonoNs(START_RAW + 400 * NS)) - 20e-6 for seed in range(200)]
    assert statistics.fmean(ends) == pytest.approx(0.0, abs=4e-9)
    assert statistics.pstdev(ends) == pytest.approx(wander * math.sqrt(400), rel=0.2)


def test_different_seeds_are_different_truths() -> None:
    later = MonoNs(START_RAW + HOUR)
    assert truth(1).utc_at(later) != truth(2).utc_at(later)


def test_memory_is_bounded_and_what_was_dropped_is_said() -> None:
    the, day = truth(), 86_400 * NS
    before = the.utc_at(START_RAW)
    late = the.utc_at(MonoNs(START_RAW + day))
    assert abs(the.raw_at(late) - START_RAW - day) <= 1
    assert abs(the.raw_at(UtcNs(late - HOUR)) - START_RAW - day + HOUR) < NS
    with pytest.raises(LookupError, match="keeps 4096 s"):
        the.utc_at(START_RAW)
    with pytest.raises(LookupError, match="keeps 4096 s"):
        the.raw_at(before)
    assert the.twin().utc_at(START_RAW) == before


@pytest.mark.parametrize(("frequency", "wander"), [(2e-3, 0.0), (float("nan"), 0.0), (0.0, -1e-9), (0.0, 1e-3), (0.0, float("nan"))])
def test_absurd_arguments_are_refused(frequency: float, wander: float) -> None:
    with pytest.raises(ValueError, match="s/s"):
        truth(frequency=frequency, wander=wander)

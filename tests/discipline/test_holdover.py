"""What is learned of the crystal, and the bound that is made of it."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum1.discipline._holdover import FLOOR, PHI, FrequencyHistory
from stratum1.timescale import MonoNs


def learned(hours: float, wander: float = 1e-9, amplitude: float = 0.0, seed: int = 1) -> FrequencyHistory:
    history, draw, walk = FrequencyHistory(), random.Random(seed), 0.0
    for slot in range(int(hours * 3600 / 64)):
        walk += wander * 8 * draw.gauss(0, 1)
        history.note(MonoNs(slot * 64 * 10**9), walk + amplitude * math.sin(2 * math.pi * slot * 64 / 3600), 16.0)
    return history


def test_nothing_learned_grows_at_the_rfc_tolerance() -> None:
    total, rate = FrequencyHistory().growth(100.0, 0.0)
    assert total == pytest.approx(PHI * 100)
    assert rate == PHI


def test_random_walk_is_learned_and_bounds_an_hour() -> None:
    history = learned(6)
    assert history.change(3600.0) == pytest.approx(60e-9, rel=0.7)
    total, _ = history.growth(3600.0, 5e-9)
    assert 400e-6 < total < 1e-3


def test_short_history_is_continued_in_proportion() -> None:
    history = learned(0.5)
    longest = history.learned
    at_end = history.change(longest)
    later = history.change(10 * longest)
    assert at_end is not None
    assert later is not None
    assert later >= 10 * at_end * 0.99


def test_temperature_cycle_is_contained() -> None:
    history = learned(8, amplitude=0.5e-6)
    for phase in range(0, 3600, 300):
        error = 0.0
        start = 0.5e-6 * math.sin(2 * math.pi * phase / 3600)
        for age in range(1, 3601):
            error += 0.5e-6 * math.sin(2 * math.pi * (phase + age) / 3600) - start
            if age % 300 == 0:
                assert abs(error) < history.growth(float(age), 10e-9)[0]


def test_bound_contains_the_error_at_every_second_of_many_holdovers() -> None:
    worst = 0.0
    for seed in range(20):
        history = learned(6, seed=seed)
        draw = random.Random(1000 + seed)
        walk = 5e-9 * draw.gauss(0, 1)
        error = 0.0
        for age in range(1, 3601):
            walk += 1e-9 * draw.gauss(0, 1)
            error += walk
            if age % 60 == 0:
                worst = max(worst, abs(error) / history.growth(float(age), 5e-9)[0])
    assert worst < 1.0


def test_a_gap_between_notes_is_not_taken_for_a_change() -> None:
    history = learned(1)
    before = history.change(64.0)
    history.note(MonoNs(10**14), 1e-4, 16.0)
    assert history.change(64.0) == before


def test_slow_loops_teach_nothing_about_short_spans() -> None:
    history = FrequencyHistory()
    for slot in range(100):
        history.note(MonoNs(slot * 64 * 10**9), 1e-8 * slot, 1000.0)
    assert history.learned == 0.0


@settings(deadline=None)
@given(st.floats(0, 1e10), st.floats(0, 1e-4), st.sampled_from([0.0, 0.1, 2.0]))
def test_growth_is_monotonic_and_never_below_the_floor(age: float, sigma: float, hours: float) -> None:
    history = learned(hours)
    total, rate = history.growth(age, sigma)
    further, _ = history.growth(age + 1.0, sigma)
    assert total >= FLOOR * age * (1 - 1e-9)
    assert rate >= FLOOR
    assert total * (1 - 1e-9) <= further <= (total + 1.05 * rate) * (1 + 1e-9), "5 %: the sum is taken in steps"

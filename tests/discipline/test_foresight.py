"""What is learned of the crystal, and what it is good for without samples."""

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum1.discipline import CrystalMemory
from stratum1.discipline._crystal import SLOT, Crystal
from stratum1.discipline._foresight import Foresight
from stratum1.discipline._holdover import FrequencyHistory
from stratum1.timescale import NS, MonoNs

SLOT_NS = int(SLOT * NS)


def cycled(hours: float, warmth: float, *, ageing: float = 0.0, seed: int = 1, amplitude: float = 5.0) -> Foresight:
    """A crystal that wanders, ages (s/s a second) and follows a cycle of temperature seen by a sensor of half a degree."""
    foresight, draw, walk = Foresight(), random.Random(seed), 0.0
    for k in range(int(hours * 3600 / SLOT)):
        at = MonoNs(k * SLOT_NS)
        warm = amplitude * math.sin(2 * math.pi * k * SLOT / 3600)
        foresight.feel(at, 40.0 + round(2 * warm) / 2)
        walk += 1e-9 * math.sqrt(SLOT) * draw.gauss(0, 1)
        foresight.note(at, walk + warmth * warm + ageing * k * SLOT, 25.0)
    return foresight


@pytest.mark.parametrize("warmth", [-1e-7, 3e-8])
def test_what_the_temperature_does_is_learned_with_its_uncertainty(warmth: float) -> None:
    law = cycled(12, warmth).warmth
    assert law.used
    assert abs(law.value - warmth) < max(6 * law.sigma, 0.1 * abs(warmth))  # the sensor's steps and its smoothing blur it a little


@pytest.mark.parametrize("seed", range(8))
def test_a_crystal_that_does_not_care_is_not_credited_with_a_law(seed: int) -> None:
    assert not cycled(8, 0.0, seed=seed).warmth.used


def test_a_temperature_that_stands_still_teaches_nothing() -> None:
    assert not cycled(8, 1e-7, amplitude=0.0).warmth.used


def test_ageing_is_used_only_where_it_stands_out_of_the_wander() -> None:
    assert not cycled(60, 0.0).ageing.used
    fast = cycled(60, 0.0, ageing=1e-11).ageing  # nearly 1e-6 a day
    assert fast.used
    assert fast.value == pytest.approx(1e-11, rel=0.2)


def test_in_holdover_the_correction_follows_the_temperature_and_the_bound_is_tighter() -> None:
    foresight = cycled(12, -1e-7)
    assert foresight.lead(100.0, 5.0) == pytest.approx(-5e-7, rel=0.1)
    assert foresight.growth(1800.0, 5e-9, 0.0)[0] < 0.5 * foresight.growth(1800.0, 5e-9, None)[0]
    assert foresight.growth(1800.0, 5e-9, 10.0)[0] > foresight.growth(1800.0, 5e-9, 0.0)[0]


def test_a_sensor_that_is_gone_or_mad_is_not_believed() -> None:
    foresight = Foresight()
    foresight.feel(MonoNs(0), 40.0)
    for mad in (math.nan, math.inf, -1e9):
        foresight.feel(MonoNs(NS), mad)
    assert foresight.temperature(MonoNs(NS)) == 40.0
    assert foresight.temperature(MonoNs(300 * NS)) is None
    foresight.feel(MonoNs(-NS), 10.0)
    assert foresight.temperature(MonoNs(NS)) == 40.0


def test_memory_goes_on_where_it_was_left() -> None:
    memory = cycled(12, -1e-7).memory
    assert Crystal(memory).warmth == Crystal(memory).warmth
    assert Foresight(memory).warmth.used
    assert not Foresight(replace(memory, temperature_squares=-1.0)).warmth.used
    assert not Foresight(replace(memory, products=math.nan)).warmth.used


@given(st.lists(st.tuples(st.floats(-1.0, 1.0), st.floats(-200.0, 200.0) | st.none()), max_size=80))
def test_whatever_is_noted_the_laws_stay_finite(notes: list[tuple[float, float | None]]) -> None:
    crystal = Crystal()
    for k, (frequency, temperature) in enumerate(notes):
        crystal.note(MonoNs(k * SLOT_NS), frequency, temperature)
    assert math.isfinite(crystal.explained(100.0))
    assert crystal.memory.sound
    assert isinstance(crystal.memory, CrystalMemory)


def test_how_long_it_lasts_is_where_the_growth_meets_the_allowance() -> None:
    history, draw, walk = FrequencyHistory(), random.Random(1), 0.0
    for k in range(600):
        walk += 8e-9 * draw.gauss(0, 1)
        history.note(MonoNs(k * SLOT_NS), walk, 10.0)
    lasts = history.lasts(1e-3, 5e-9)
    assert lasts is not None
    assert history.growth(0.99 * lasts, 5e-9)[0] < 1e-3 < history.growth(1.01 * lasts + 1, 5e-9)[0]
    assert history.lasts(0.0, 5e-9) == 0.0
    assert history.lasts(-1.0, 5e-9) == 0.0
    assert history.lasts(1e6, 5e-9) is None

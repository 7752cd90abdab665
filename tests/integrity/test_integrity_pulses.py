"""Pulses against the crystal: what is found and how fast, and that nothing is found where there is nothing."""

import random
from collections.abc import Callable
from dataclasses import replace
from math import nan

import pytest
from bench.noise import series as bench_series
from guarded import judge

from stratum1.integrity._crystal import PulseWatch
from stratum1.integrity._tracker import Tracker, extrapolated
from stratum1.simulation import SCENARIOS, Scenario, Series, series
from stratum1.timescale import NS

ATTACKED = 3000
PLAIN = Scenario("plain", seconds=ATTACKED + 400, late_share=0.01, missing_share=0.01)


def drag(rate: float, start: int = ATTACKED) -> Callable[[int], float]:
    return lambda k: max(0, k - start) * rate


def times(scenario: Scenario, added: Callable[[int], float], seeds: range) -> list[int | None]:
    """Seconds from the beginning of the attack until it is found, by seed."""
    found = [judge(series(scenario, seed), added).found for seed in seeds]
    return [None if each is None else each - ATTACKED for each in found]


@pytest.mark.parametrize(
    ("scenario", "rate", "within"),
    [
        (PLAIN, 1e-6, 14),
        (PLAIN, 100e-9, 70),
        (replace(PLAIN, jitter=100e-9), 1e-6, 20),
        (replace(PLAIN, jitter=100e-9), 100e-9, 30),
        (replace(PLAIN, temperature=0.5e-6), 1e-6, 14),
        (replace(PLAIN, temperature=2e-6, period=600.0), 1e-6, 20),
        (replace(PLAIN, jitter=5e-6), 1e-6, 35),
    ],
)
def test_a_drag_is_found_in_time(scenario: Scenario, rate: float, within: int) -> None:
    found = times(scenario, drag(rate), range(1, 4))
    assert all(each is not None and 0 < each <= within for each in found), found


@pytest.mark.parametrize("delay", [10e-6, -10e-6, 100e-6, 1e-3])
def test_a_delay_is_found_within_the_gates_ten_seconds_and_a_little(delay: float) -> None:
    found = times(PLAIN, lambda k: delay if k >= ATTACKED else 0.0, range(1, 4))
    assert all(each is not None and 0 < each <= 16 for each in found), found


def test_three_microseconds_of_delay_are_found_where_pulses_are_quiet() -> None:
    quiet = replace(PLAIN, jitter=100e-9)
    found = times(quiet, lambda k: 3e-6 if k >= ATTACKED else 0.0, range(1, 4))
    assert all(each is not None and each <= 18 for each in found), found


def test_a_drag_of_a_nanosecond_a_second_is_not_told_from_the_crystal() -> None:
    """The crystal wanders as much by itself in a second; only trusted servers can tell."""
    assert times(PLAIN, drag(1e-9), range(1, 4)) == [None] * 3


def test_an_interruption_does_not_hide_a_delay() -> None:
    scenario = replace(PLAIN, seconds=ATTACKED + 300)
    noise = series(scenario, 1)
    gone = Series(noise.frequency, tuple(nan if ATTACKED <= k < ATTACKED + 60 else p for k, p in enumerate(noise.pulses)))
    assert judge(gone).found is None
    found = judge(gone, lambda k: 20e-6 if k >= ATTACKED else 0.0)
    assert found.found is not None
    assert found.found <= ATTACKED + 68
    assert found.deviation is not None
    assert found.deviation.size == pytest.approx(20e-6, abs=4e-6)


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_no_scenario_alarms(name: str) -> None:
    scenario = replace(SCENARIOS[name], seconds=6000)
    judged = judge(series(scenario, 7))
    assert judged.found is None
    assert judged.worst < 1.0


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario("50 ns", jitter=50e-9),
        Scenario("50 ns, quiet crystal", jitter=50e-9, wander=1e-10),
        Scenario("20 us", jitter=20e-6),
        Scenario("wandering crystal", wander=1e-8),
        Scenario("2 ppm in ten minutes", temperature=2e-6, period=600.0),
        Scenario("2 ppm in ten minutes, 50 ns", temperature=2e-6, period=600.0, jitter=50e-9),
        Scenario("2 ppm an hour", temperature=2e-6),
    ],
    ids=lambda scenario: scenario.name,
)
def test_no_crystal_and_no_jitter_alarms(scenario: Scenario) -> None:
    noise = series(replace(scenario, seconds=6000, late_share=0.01, missing_share=0.02), 3)
    assert judge(noise).found is None


@pytest.mark.parametrize("factor", [0.1, 3.0, 10.0, 30.0])
def test_another_jitter_is_no_attack(factor: float) -> None:
    noise = series(replace(PLAIN, seconds=6000), 5)
    changed = Series(noise.frequency, tuple(p * (factor if k > ATTACKED else 1.0) for k, p in enumerate(noise.pulses)))
    assert judge(changed).found is None


def test_a_warm_up_after_the_start_is_no_attack() -> None:
    noise = series(replace(PLAIN, seconds=4000), 6)
    warming = tuple(f + 3e-6 * 0.5 ** (k / 200) for k, f in enumerate(noise.frequency))
    assert judge(Series(warming, noise.pulses)).found is None


def test_a_cycle_that_begins_gently_is_learned_on_the_way() -> None:
    """Half a ppm within half an hour, never seen before."""
    noise = series(replace(PLAIN, seconds=7000), 8)
    bent = tuple(f + 0.5e-6 * min(1.0, max(0, k - ATTACKED) / 1800) ** 2 for k, f in enumerate(noise.frequency))
    assert judge(Series(bent, noise.pulses)).found is None


def test_what_temperature_explains_is_no_attack() -> None:
    """A fan cools the crystal by 1 ppm within a minute: found, unless the sensor has seen it."""
    noise = series(replace(PLAIN, seconds=4000), 9)
    fan = tuple(f + (1e-6 * (1 - 0.5 ** ((k - ATTACKED) / 40)) if k > ATTACKED else 0.0) for k, f in enumerate(noise.frequency))
    assert judge(Series(fan, noise.pulses)).found is not None
    excuse = [3e-6 if ATTACKED <= k < ATTACKED + 600 else 0.0 for k in range(4000)]
    assert judge(Series(fan, noise.pulses), excuse=excuse).found is None


def test_the_frequency_of_before_is_kept_to_compare_with() -> None:
    watch = PulseWatch()
    draw = random.Random(1)

    def feed(since: int, until: int, rate: float) -> None:
        for k in range(since, until):
            watch.add(k, k * NS + round((20e-6 * k + rate * (k - since) + draw.gauss(0, 1e-7)) * NS), learn=True, excuse=0.0)

    feed(0, 1500, 0.0)
    watch.keep_frequency()
    watch.restart()
    feed(1500, 1700, 1e-6)
    found = watch.off_frequency()
    assert found is not None
    assert found[0] == pytest.approx(1e-6, rel=0.05)
    assert abs(found[0]) > found[1]


def test_renumbered_seconds_begin_anew() -> None:
    watch = PulseWatch()
    for k in range(1200):
        watch.add(k, k * NS, learn=True, excuse=0.0)
    for k in range(1200, 1300):
        assert watch.add(k + 3600, k * NS, learn=True, excuse=0.0).ratio == 0.0


def test_a_tracker_follows_an_even_change_of_frequency_without_a_lag() -> None:
    tracker = Tracker(16)
    for k in range(400):
        tracker.add(k, 1e-6 * k + 0.5e-8 * k * k, 1.0)
    assert tracker.state is not None
    assert extrapolated(tracker.state, 410) == pytest.approx(1e-6 * 410 + 0.5e-8 * 410**2, abs=1e-9)
    assert tracker.state[2] == pytest.approx(1e-6 + 1e-8 * 399, rel=1e-3)


def test_one_late_pulse_does_not_bend_the_line() -> None:
    draw = random.Random(2)
    tracker = Tracker(48)
    for k in range(600):
        tracker.add(k, draw.gauss(0, 1e-6), 1.0)
    before = tracker.state
    tracker.add(600, 1e-3, 1.0)
    assert before is not None
    assert tracker.state is not None
    assert abs(extrapolated(tracker.state, 640) - extrapolated(before, 640)) < 2e-6


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 11))
def test_no_seed_of_any_scenario_alarms(seed: int) -> None:
    worst = 0.0
    for name in SCENARIOS:
        frequency, pulses = bench_series(name, seed)
        judged = judge(Series(tuple(frequency.tolist()), tuple(pulses.tolist())))
        assert judged.found is None, (name, seed, judged)
        worst = max(worst, judged.worst)
    for jitter in (50e-9, 5e-6, 20e-6):
        for period in (600.0, 3600.0, 86_400.0):
            scenario = Scenario("", jitter=jitter, temperature=2e-6, period=period, late_share=0.01, missing_share=0.02)
            judged = judge(series(scenario, seed))
            assert judged.found is None, (jitter, period, seed, judged)
    assert 0.3 < worst < 1.0

"""The simulated clock: exact, deterministic, and a Clock in every method."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum1.clock import Clock, ClockError, ClockStatus, SimulatedClock
from stratum1.interchange import KernelClockId, Leap, Steering
from stratum1.timescale import NS, UtcNs

START = UtcNs(1_795_478_400 * NS)


def after(seconds: float) -> UtcNs:
    return UtcNs(START + round(seconds * NS))


def test_it_is_a_clock() -> None:
    clock: Clock = SimulatedClock(START)
    assert clock.name == "simulated"
    assert clock.limits.max_frequency == 500e-6


def test_a_fast_crystal_gains_and_a_negative_frequency_takes_it_back() -> None:
    clock = SimulatedClock(START, crystal=20e-6)
    clock.advance_to(after(100))
    assert clock.true_error_ns == 2_000_000
    clock.steer(Steering(frequency=-20e-6))
    clock.advance_to(after(200))
    assert clock.true_error_ns == pytest.approx(2_000_000 - 40, abs=2)  # the product of the two rates, 4e-10, is left


def test_a_slew_runs_until_the_next_steering_and_a_step_happens_once() -> None:
    clock = SimulatedClock(START, offset_ns=-1_000_000)
    clock.steer(Steering(0.0, phase_rate=1e-4, step=0.0005))
    assert (clock.epoch, clock.true_error_ns) == (1, -500_000)
    clock.advance_to(after(5))
    assert clock.true_error_ns == 0
    clock.steer(Steering(0.0))
    clock.advance_to(after(50))
    assert (clock.epoch, clock.true_error_ns) == (1, 0)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(-4e-4, 4e-4), st.floats(-1e-4, 1e-4), st.floats(-1e-3, 1e-3)), max_size=30), st.integers(0, 900_000_000)
)
def test_a_stamp_of_any_clock_leads_back_to_its_instant(path: list[tuple[float, float, float]], ago: int) -> None:
    clock = SimulatedClock(START)
    for i, (frequency, phase_rate, crystal) in enumerate(path, 1):
        clock.advance_to(after(i))
        clock.set_crystal(crystal)
        clock.steer(Steering(frequency, phase_rate))
    clock.advance_to(after(len(path) + 1))
    instant = UtcNs(clock.true_ns - ago)
    raw = clock.stamp(KernelClockId.MONOTONIC_RAW, instant)
    shown = clock.stamp(KernelClockId.REALTIME, instant)
    for source in KernelClockId:
        reading = clock.at(source, clock.stamp(source, instant))
        assert abs(reading.at_ns - raw) <= 1
        assert abs(reading.clock_ns - shown) <= 1


@pytest.mark.parametrize("source", list(KernelClockId))
def test_a_mapping_tells_the_served_time_until_the_next_steering(source: KernelClockId) -> None:
    clock = SimulatedClock(START, offset_ns=77, crystal=-3e-5)
    clock.seed(UtcNs(START + 5 * NS))
    clock.steer(Steering(1e-4, phase_rate=2e-4))
    mapping = clock.mapping(source)
    clock.advance_to(after(0.125))
    assert abs(mapping.served(clock.stamp(source, clock.true_ns)) - clock.reading().clock_ns) <= 1
    assert mapping.epoch == clock.epoch == 1


def test_limits_are_held_and_nonsense_changes_nothing() -> None:
    clock = SimulatedClock(START)
    clock.steer(Steering(1e-3, phase_rate=5.0))
    assert clock.frequency == 500e-6
    assert clock.mapping(KernelClockId.MONOTONIC_RAW).rate == pytest.approx(0.1)
    for steering in (Steering(math.nan), Steering(0.0, math.inf), Steering(0.0, 0.0, -math.inf)):
        with pytest.raises(ClockError, match=r"frequency|phase_rate|step"):
            clock.steer(steering)
    assert (clock.frequency, clock.epoch) == (500e-6, 0)


def test_closing_stops_the_slew_and_keeps_the_frequency() -> None:
    clock = SimulatedClock(START)
    clock.steer(Steering(3e-5, phase_rate=1e-3))
    clock.close()
    assert clock.mapping(KernelClockId.MONOTONIC_RAW).rate == pytest.approx(3e-5)
    assert clock.frequency == 3e-5


def test_true_time_never_runs_back() -> None:
    clock = SimulatedClock(START)
    with pytest.raises(ValueError, match="go back"):
        clock.advance_to(UtcNs(START - 1))


def test_the_status_is_kept_for_who_asks() -> None:
    clock = SimulatedClock(START)
    assert clock.status is None
    status = ClockStatus(True, Leap.NONE, 1e-6, 1e-7, 37)
    clock.announce(status)
    assert clock.status == status

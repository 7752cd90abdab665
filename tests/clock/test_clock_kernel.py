"""What the kernel clock tells the kernel. The kernel is a fake here; tests/long steers the real one."""

import time

import pytest
from fake_kernel import FakeKernel

from stratum1.clock import Clock, ClockError, ClockStatus, KernelClock
from stratum1.clock._timex import Sta
from stratum1.interchange import KernelClockId, Leap, Steering
from stratum1.timescale import NS, UtcNs

LOCKED = ClockStatus(True, Leap.NONE, 12.3e-6, 0.4e-6, 37)


def test_it_takes_the_clock_over_and_keeps_its_frequency() -> None:
    kernel = FakeKernel(freq=20 << 16, tick=10500, offset=123_456, status=Sta.PLL | Sta.FLL | Sta.PPSFREQ | Sta.PPSTIME | Sta.INS)
    clock: Clock = KernelClock(adjtime=kernel)
    assert kernel.state.status == Sta.UNSYNC | Sta.NANO
    assert (kernel.state.offset, kernel.singleshot) == (0, 0)
    assert (kernel.state.tick, kernel.state.freq) == (10000, 20 << 16)
    assert clock.frequency == pytest.approx(20e-6)
    assert clock.name == "kernel"
    assert clock.limits.max_frequency == 500e-6
    assert clock.limits.max_slew == 0.1
    assert -30 <= clock.limits.precision <= -10
    assert kernel.steps == []


def test_small_rates_go_by_frequency_and_large_ones_by_tick() -> None:
    kernel = FakeKernel()
    clock = KernelClock(adjtime=kernel)
    clock.steer(Steering(-3e-5, phase_rate=1e-4))
    assert (kernel.state.tick, kernel.state.freq) == (10000, 70 << 16)
    clock.steer(Steering(-3e-5, phase_rate=0.02))
    assert (kernel.state.tick, kernel.state.freq) == (10200, -30 << 16)
    clock.steer(Steering(-3e-5, phase_rate=-7.0))
    assert (kernel.state.tick, kernel.state.freq) == (9000, 0)
    assert clock.frequency == -3e-5
    clock.close()
    assert (kernel.state.tick, kernel.state.freq) == (10000, -30 << 16)


def test_a_lasting_frequency_beyond_the_kernel_range_uses_the_tick_and_survives_closing() -> None:
    kernel = FakeKernel()
    with KernelClock(max_frequency=2e-3, adjtime=kernel) as clock:
        clock.steer(Steering(9.3e-4, phase_rate=0.05))
    assert (kernel.state.tick, kernel.state.freq) == (10009, 30 << 16)


def test_the_same_rate_again_costs_no_call() -> None:
    kernel = FakeKernel()
    clock = KernelClock(adjtime=kernel)
    clock.steer(Steering(1e-5))
    calls = kernel.calls
    clock.steer(Steering(1e-5))
    assert kernel.calls == calls


@pytest.mark.parametrize("step", [0.25, -0.25, -1e-9, 1234.000000001, -3600.5])
def test_a_step_is_told_in_nanoseconds_and_counts(step: float) -> None:
    kernel = FakeKernel()
    clock = KernelClock(adjtime=kernel)
    clock.announce(LOCKED)
    clock.steer(Steering(0.0, step=step))
    assert kernel.steps == [round(step * 1e9)]
    assert clock.epoch == 1
    assert kernel.state.status & Sta.UNSYNC


def test_seeding_steps_to_the_instant() -> None:
    kernel = FakeKernel()
    clock = KernelClock(adjtime=kernel)
    clock.seed(UtcNs(1_700_000_000 * NS))
    assert kernel.steps[0] == pytest.approx(1_700_000_000 * NS - time.time_ns(), abs=1_000_000_000)
    assert clock.epoch == 1


def test_the_status_is_told_as_announced() -> None:
    kernel = FakeKernel()
    clock = KernelClock(adjtime=kernel)
    clock.announce(LOCKED)
    assert kernel.state.status == Sta.NANO
    assert (kernel.state.maxerror, kernel.state.esterror, kernel.state.tai) == (13, 1, 37)
    clock.announce(ClockStatus(True, Leap.INSERT, 1e-6, 1e-6, None))
    assert kernel.state.status == Sta.NANO | Sta.INS
    assert kernel.state.tai == 37
    clock.announce(ClockStatus(True, Leap.DELETE, 1e-6, 1e-6, None))
    assert kernel.state.status == Sta.NANO | Sta.DEL
    clock.announce(ClockStatus(False, Leap.UNKNOWN, 1e9, 1e9, None))
    assert kernel.state.status == Sta.NANO | Sta.UNSYNC
    assert kernel.state.maxerror == 16_000_000


def test_leap_bits_wait_after_a_step_until_the_kernel_can_use_them() -> None:
    kernel = FakeKernel()
    clock = KernelClock(adjtime=kernel)
    leaping = ClockStatus(True, Leap.INSERT, 1e-6, 1e-6, 37)
    clock.announce(leaping)
    clock.steer(Steering(0.0, step=1e-3))
    assert not kernel.state.status & Sta.INS
    clock.announce(leaping)
    assert kernel.state.status == Sta.NANO
    time.sleep(2.05)
    clock.announce(leaping)
    assert kernel.state.status == Sta.NANO | Sta.INS


def test_another_program_that_undoes_the_steering_is_named() -> None:
    kernel = FakeKernel()
    clock = KernelClock(adjtime=kernel)
    kernel.deaf = True
    with pytest.raises(ClockError, match="another program steers this clock"):
        clock.steer(Steering(5e-5))
    kernel.deaf = False
    clock.steer(Steering(5e-5))
    assert kernel.state.freq == 50 << 16


def test_a_frequency_that_others_set_is_noticed_and_put_right() -> None:
    kernel = FakeKernel()
    clock = KernelClock(adjtime=kernel)
    clock.steer(Steering(1e-5))
    kernel.state = FakeKernel(freq=99).state
    clock.announce(LOCKED)
    assert clock.disturbed == 1
    assert kernel.state.freq == 10 << 16
    clock.announce(LOCKED)
    assert clock.disturbed == 1


def test_nonsense_reaches_no_kernel() -> None:
    kernel = FakeKernel()
    clock = KernelClock(adjtime=kernel)
    calls = kernel.calls
    with pytest.raises(ClockError, match="frequency is nan"):
        clock.steer(Steering(float("nan"), step=1.0))
    assert kernel.calls == calls


def test_realtime_is_the_identity_and_monotonic_is_a_shift_away() -> None:
    clock = KernelClock(adjtime=FakeKernel())
    same = clock.mapping(KernelClockId.REALTIME)
    assert same.served(1_800_000_000_000_000_000) == 1_800_000_000_000_000_000
    shifted = clock.mapping(KernelClockId.MONOTONIC)
    assert shifted.rate == 0.0
    before, monotonic, after = time.time_ns(), time.monotonic_ns(), time.time_ns()
    assert before - 1000 <= shifted.served(monotonic) <= after + 1000
    raw = clock.mapping(KernelClockId.MONOTONIC_RAW)
    before, stamp, after = time.time_ns(), time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW), time.time_ns()
    assert before - 2000 <= raw.served(stamp) <= after + 2000


@pytest.mark.parametrize("source", list(KernelClockId))
def test_a_stamp_names_one_instant_on_both_clocks(source: KernelClockId) -> None:
    clock = KernelClock(adjtime=FakeKernel())
    name = {"realtime": time.CLOCK_REALTIME, "monotonic": time.CLOCK_MONOTONIC, "monotonic-raw": time.CLOCK_MONOTONIC_RAW}[source]
    before = clock.reading()
    stamp = time.clock_gettime_ns(name)
    after = clock.reading()
    reading = clock.at(source, stamp)
    assert before.at_ns - 5000 <= reading.at_ns <= after.at_ns + 5000
    assert before.clock_ns - 5000 <= reading.clock_ns <= after.clock_ns + 5000
    assert clock.epoch == 0

"""Leap seconds on clocks of our own: made at their instant, once, whoever looks and whatever is steered meanwhile."""

import time

import pytest

from stratum1.clock import ClockStatus, SimulatedClock, VirtualClock
from stratum1.clock._leaping import LeapingTimeline
from stratum1.clock._timeline import Timeline
from stratum1.interchange import KernelClockId, Leap, Steering
from stratum1.timescale import NS, UtcNs, from_rfc3339

MIDNIGHT = from_rfc3339("2027-07-01")
SIGNS = [(Leap.INSERT, 1), (Leap.DELETE, -1)]


def status(leap: Leap) -> ClockStatus:
    return ClockStatus(True, leap, 1e-6, 1e-6, 37)


def expected(unstepped: int, sign: int) -> int:
    """What the clock has to show where it would show `unstepped` without a leap second."""
    due = MIDNIGHT if sign > 0 else MIDNIGHT - NS
    return unstepped - sign * NS if unstepped >= due else unstepped


@pytest.mark.parametrize(("leap", "sign"), SIGNS)
def test_it_comes_exactly_once_at_the_end_of_the_day(leap: Leap, sign: int) -> None:
    clock = LeapingTimeline(Timeline.starting(0, MIDNIGHT - 3 * NS)).told(0, leap)
    for at in range(0, 5 * NS, NS // 8):
        assert clock.value(at) == expected(MIDNIGHT - 3 * NS + at, sign)
        assert clock.settled(at).value(at) == clock.value(at)
        clock = clock.settled(at).told(at, leap)  # it goes on being told
    assert clock.due is None
    cleared = clock.told(5 * NS, Leap.NONE).told(5 * NS, leap)
    assert cleared.due is not None
    assert cleared.due > MIDNIGHT + 86_000 * NS, "the next one would come a day later"


def test_it_is_dropped_when_it_is_not_wanted_any_more_and_after_a_step() -> None:
    clock = LeapingTimeline(Timeline.starting(0, MIDNIGHT - 3 * NS)).told(0, Leap.INSERT)
    assert clock.told(NS, Leap.UNKNOWN).value(4 * NS) == MIDNIGHT + NS
    assert clock.stepped(NS, 3600 * NS).due is None
    changed = clock.told(NS, Leap.DELETE)
    assert changed.value(4 * NS) == MIDNIGHT + 2 * NS


def test_it_moves_with_the_rate() -> None:
    clock = LeapingTimeline(Timeline.starting(0, MIDNIGHT - 10 * NS)).told(0, Leap.INSERT).rated(0, 0.1)
    due = round(10 / 1.1 * NS)
    assert clock.value(due - 10) < MIDNIGHT
    assert MIDNIGHT - NS <= clock.value(due + 10) < MIDNIGHT - NS + 100


@pytest.mark.parametrize(("leap", "sign"), SIGNS)
def test_the_simulated_clock_makes_it(leap: Leap, sign: int) -> None:
    clock = SimulatedClock(UtcNs(MIDNIGHT - 2 * NS), crystal=1e-5)
    clock.steer(Steering(-1e-5))
    clock.announce(status(leap))
    for true in range(MIDNIGHT - 2 * NS, MIDNIGHT + 4 * NS, NS // 10):
        clock.advance_to(UtcNs(true))
        assert abs(clock.reading().clock_ns - expected(true, sign)) < 100
    assert clock.epoch == 1
    raw = clock.stamp(KernelClockId.MONOTONIC_RAW, UtcNs(MIDNIGHT - 3 * NS // 2))
    assert abs(clock.at(KernelClockId.MONOTONIC_RAW, raw).clock_ns - (MIDNIGHT - 3 * NS // 2)) < 100, "what was before stays"


@pytest.mark.parametrize(("leap", "sign"), SIGNS)
@pytest.mark.parametrize("steered", [False, True])
def test_the_virtual_clock_makes_it_for_everybody_who_reads(leap: Leap, sign: int, steered: bool) -> None:
    clock = VirtualClock(UtcNs(MIDNIGHT - NS - NS // 4))
    begun = clock.reading()
    clock.announce(status(leap))
    while (now := clock.reading()).at_ns - begun.at_ns < 3 * NS // 2:
        assert abs(now.clock_ns - expected(begun.clock_ns + now.at_ns - begun.at_ns, sign)) < 10
        mapping = clock.mapping(KernelClockId.REALTIME)
        stamp = time.clock_gettime_ns(time.CLOCK_REALTIME)
        raw = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        due = MIDNIGHT if sign > 0 else MIDNIGHT - NS
        unstepped = begun.clock_ns + raw - begun.at_ns
        if abs(unstepped - due) > 50_000_000:  # else it may have come between two of these lines
            assert abs(mapping.served(stamp) - expected(unstepped, sign)) < 50_000_000
            assert clock.epoch - clock._host.sets == (unstepped >= due)
        if steered:
            clock.steer(Steering(0.0))
            clock.announce(status(leap))
        time.sleep(0.02)
    early = clock.at(KernelClockId.MONOTONIC_RAW, begun.at_ns + NS // 8)
    assert abs(early.clock_ns - begun.clock_ns - NS // 8) < 10

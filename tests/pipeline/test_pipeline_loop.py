"""The closed loop: lock, accuracy, every plug pulled and put back, a clock set by somebody else, and the bound that holds throughout."""

from dataclasses import replace
from itertools import pairwise

import pytest
from pipeline_world import START, Conditions, Rig

from stratum1.interchange import Leap, LockState
from stratum1.refclock import RefClockSettings
from stratum1.timescale import NS, LeapTable, UtcNs, from_rfc3339

LEAP = from_rfc3339("2027-01-01")
GOOD = Conditions()


def assert_honest(rig: Rig) -> None:
    """The bound contains the error at every second of the run."""
    outside = [(row.second, row.error, row.bound) for row in rig.rows if abs(row.error) > row.bound]
    assert outside == []


@pytest.mark.parametrize("offset", [0.1, -0.4, 7200.0, -3e7])
@pytest.mark.parametrize("crystal", [20e-6, -90e-6])
def test_it_locks_within_half_a_minute_with_one_step(offset: float, crystal: float) -> None:
    rig = Rig(offset=offset, crystal=crystal).run(90)
    locked = rig.first(LockState.LOCKED)
    assert locked <= 25
    assert len(rig.steps) == 1
    assert rig.worst(locked) < 5e-6
    assert rig.worst(60) < 1.5e-6
    assert_honest(rig)
    assert rig.rows[-1].bound < 1e-4


@pytest.mark.parametrize(("delay", "baud"), [(0.06, 115_200), (0.3, 9600), (0.5, 38_400), (0.9, 115_200)])
def test_any_serial_delay_will_do(delay: float, baud: int) -> None:
    rig = Rig().run(60, replace(GOOD, delay=delay, baud=baud, serial_jitter=0.005))
    locked = rig.first(LockState.LOCKED)
    assert locked <= 30
    assert rig.worst(locked) < 5e-6
    assert rig.pipeline.delays()["GNRMC"] == pytest.approx(delay + 64 * 10 / baud, abs=0.01)
    assert_honest(rig)


def test_until_then_nothing_is_claimed_and_afterwards_all_of_it_is() -> None:
    rig = Rig().run(60)
    locked = rig.first(LockState.LOCKED)
    for row in rig.rows:
        served = row.served
        assert served.synchronised is (row.second >= locked)
        assert served.stratum == (1 if row.second >= locked else 16)
        assert served.refid == (b"GPS\0" if row.second >= locked else b"\0\0\0\0")
        assert served.leap is (Leap.NONE if row.second >= locked else Leap.UNKNOWN)
    assert rig.rows[-1].served.reference_time == UtcNs(START + (rig.second - 2) * NS)
    status = rig.pipeline.clock_status(rig.served())
    assert status.synchronised
    assert status.error_estimate < status.error_bound < 1e-3


def test_a_void_mapping_serves_nothing() -> None:
    rig = Rig().run(60)
    void = rig.pipeline.time_state(rig.clock.reading(), None, None)
    assert (void.leap, void.stratum, void.synchronised) == (Leap.UNKNOWN, 16, False)


PLUGS = {
    "pulse": (replace(GOOD, pulse=False), "no pulse for"),
    "line": (replace(GOOD, line=False), "the serial line is gone"),
    "fix": (replace(GOOD, fix=False), "the receiver has no fix"),
    "all": (replace(GOOD, line=False, pulse=False), "the serial line is gone"),
}


@pytest.mark.parametrize("gap", [8, 50, 700])
@pytest.mark.parametrize("plug", PLUGS)
def test_each_plug_is_pulled_and_put_back(plug: str, gap: int) -> None:
    conditions, words = PLUGS[plug]
    rig = Rig().run(120)
    pulled = rig.second
    rig.run(gap, conditions)
    assert words in rig.reason
    held = rig.first(LockState.HOLDOVER, pulled)
    assert held - pulled <= 5
    assert any("locked -> holdover" in note.text and words in note.text and note.alarm for note in rig.notes)
    bounds = [row.bound for row in rig.rows[held : pulled + gap]]
    assert all(later > earlier for earlier, later in pairwise(bounds)), "it grows"
    returned = rig.second
    rig.run(60)
    assert rig.first(LockState.LOCKED, returned) - returned <= 30
    assert len(rig.steps) == 1, "the way back is slewed"
    assert rig.worst(pulled) < 100e-6
    assert rig.worst(returned + 45) < 2e-6
    assert rig.reason == ""
    assert_honest(rig)


def test_a_holdover_beyond_its_limit_claims_nothing() -> None:
    rig = Rig().run(60)
    rig.run(400, replace(GOOD, pulse=False))
    lost = rig.first(LockState.UNSYNCHRONISED)
    assert rig.rows[lost].bound > 1e-3 > rig.rows[lost - 2].bound
    assert not rig.rows[-1].served.synchronised
    assert rig.rows[lost - 2].served.synchronised


def test_bad_weather_of_all_kinds() -> None:
    rig = Rig(wander=5e-9)
    rig.run(60)
    for _ in range(12):
        rig.run(7, replace(GOOD, pulse=False)).run(9).run(3, replace(GOOD, fix=False)).run(6, replace(GOOD, jitter=20e-6))
        rig.run(11, replace(GOOD, line=False)).run(4)
    rig.run(60)
    assert rig.state is LockState.LOCKED
    assert len(rig.steps) == 1
    assert rig.worst(60) < 50e-6
    assert_honest(rig)


@pytest.mark.parametrize("jump", [3600.0, -3600.0, 0.7, -0.02, 86_400.0 * 400])
def test_a_clock_that_another_program_sets_is_put_right(jump: float) -> None:
    rig = Rig().run(120)
    steps = len(rig.steps)
    rig.disturb(jump)
    assert any(f"another program set the clock by {jump:+.6f} s" in note.text and note.alarm for note in rig.notes)
    assert not rig.served().synchronised
    assert rig.served().error_bound > abs(rig.error)
    rig.run(60)
    assert rig.panic is None
    assert rig.state is LockState.LOCKED
    assert rig.first(LockState.LOCKED, 121) <= 145
    assert sum(step for _, step in rig.steps[steps:]) == pytest.approx(-jump, abs=0.01)
    assert abs(rig.error) < 2e-6
    assert_honest(rig)


def test_a_reference_that_jumps_by_an_hour_is_refused() -> None:
    rig = Rig().run(120)
    rig.clock.seed(UtcNs(rig.clock.reading().clock_ns - 3600 * NS))  # nobody told: the same as a reference that is an hour ahead
    rig.run(400)
    assert rig.panic is not None
    assert "beyond the panic limit of 1000 s" in rig.panic
    assert not rig.served().synchronised


def test_a_restart_with_what_was_learned() -> None:
    rig = Rig().run(300)
    rig.restart()
    began = rig.second
    rig.run(60)
    assert rig.first(LockState.LOCKED, began + 1) - began <= 25
    assert len(rig.steps) == 1
    assert rig.worst(began) < 5e-6
    assert rig.pipeline.report(rig.clock.reading().at_ns).refclock.alarms == ()
    assert all(abs(row.error) <= row.bound for row in rig.rows[began + 1 :])


def test_a_receiver_without_a_fix_never_locks_and_says_why() -> None:
    rig = Rig().run(90, replace(GOOD, fix=False))
    assert rig.state is LockState.ACQUIRING
    assert "no fix" in rig.reason
    assert rig.steps == []


def test_sentences_alone_lock_with_a_wide_bound() -> None:
    """It takes minutes, until the frequency is known well enough from sentences that jitter by 20 ms."""
    rig = Rig(refclock=RefClockSettings(has_pulse=False))
    rig.run(650, replace(GOOD, pulse=False))
    assert rig.state is LockState.LOCKED
    assert 0.4 < rig.rows[-1].bound < 1.5
    assert not rig.served().in_specification
    assert_honest(rig)


def _leap_table(sign: int, expires: UtcNs) -> LeapTable:
    return LeapTable((UtcNs(0), LEAP), (37, 37 + sign), expires)


def test_leap_seconds_are_announced_in_the_last_day_only() -> None:
    rig = Rig(leaps=_leap_table(1, UtcNs(2**62)), start=UtcNs(LEAP - 86_445 * NS)).run(40)
    served = rig.served()
    assert served.leap is Leap.NONE
    assert served.leap_plan is not None
    assert (served.leap_plan.at, served.leap_plan.sign, served.leap_plan.tai_offset) == (LEAP, 1, 38)
    assert rig.pipeline.clock_status(served).tai_offset == 37
    assert rig.run(6).served().leap is Leap.INSERT
    assert [row.served.leap for row in rig.rows[-2:]] == [Leap.NONE, Leap.INSERT], "the day began with the last second"
    late = UtcNs(LEAP - 600 * NS)
    assert Rig(leaps=_leap_table(-1, UtcNs(2**62)), start=late).run(40).served().leap is Leap.DELETE
    old = Rig(leaps=_leap_table(-1, START), start=late).run(40).served()
    assert (old.leap, old.leap_plan) == (Leap.NONE, None)


def test_what_was_learned_is_told() -> None:
    rig = Rig()
    assert rig.pipeline.drift() is None
    rig.run(200)
    drift = rig.pipeline.drift()
    assert drift is not None
    assert drift.frequency == pytest.approx(-20e-6, abs=0.3e-6)
    assert set(rig.pipeline.delays()) >= {"GNRMC", "GNGGA", "GNZDA"}
    report = rig.pipeline.report(rig.clock.reading().at_ns)
    assert report.steps == 1
    assert report.samples > 180
    assert report.fix is not None
    assert report.fix.satellites_used > 5
    assert len(report.satellites) > 5
    rig.run(3, replace(GOOD, line=False))
    report = rig.pipeline.report(rig.clock.reading().at_ns)
    assert report.fix is None
    assert report.satellites == ()

"""The reference clock in a world whose truth is known: whatever happens, no sample names a wrong second."""

import math
import random
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from refclock_world import Pulse, Talk, World, never

from stratum1.refclock import EdgeVerdict, RefClock, RefClockReport, RefClockSettings
from stratum1.timescale import NS, LeapTable, MonoNs, UtcNs

ONE_KIND = {"GNRMC": 0.0}
FEBRUARY = 1_801_440_000  # 2027-02-01T00:00:00Z
TENTHS = tuple(tenth / 10 for tenth in range(10))
FIFTHS = tuple(fifth / 5 for fifth in range(5))


def fresh(**settings: Any) -> RefClock:
    return RefClock(RefClockSettings(**settings))


def report(clock: RefClock, world: World) -> RefClockReport:
    return clock.report(world.raw(world.second))


@pytest.mark.parametrize("delay", [0.05, 0.1, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95])
@pytest.mark.parametrize("jitter", [0.0, 0.02])
@pytest.mark.parametrize("ppm", [-100.0, 20.0])
def test_a_plain_receiver_is_numbered_within_seconds(delay: float, jitter: float, ppm: float) -> None:
    world, clock = World(Talk(delay=delay, jitter=jitter), ppm=ppm), fresh()
    run = world.run(clock, 45)
    assert run.worst < 1e-5
    assert run.first is not None
    assert run.first <= (10 if delay >= 0.3 else 21)
    assert len(run.samples) == 45 - round(run.first)
    assert run.healths[-1][1].usable
    assert run.alarm_text == ""
    delays = {e.sentence: e for e in report(clock, world).delays}
    assert delays["GNRMC"].delay == pytest.approx(delay, abs=0.01)
    assert delays["GNZDA"].delay == pytest.approx(delay + 0.31, abs=0.02)
    assert report(clock, world).second == world.utc(44)


@pytest.mark.parametrize("delay", [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.96, 0.98])
@pytest.mark.parametrize("jitter", [0.05, 0.1, 0.17])
def test_much_jitter_costs_samples_and_never_a_second(delay: float, jitter: float) -> None:
    """Nothing arrives before its second, so that the jitter of early sentences is one-sided."""
    for seed in range(6):
        run = World(Talk(delay=max(delay, jitter), jitter=jitter), Pulse(jitter=20e-6), seed=seed).run(fresh(), 70)
        assert run.worst < 1e-3
        if run.samples == []:
            assert '"serial-delay"' in run.alarm_text


@pytest.mark.parametrize(
    ("fractions", "delay"),
    [((0.02,), 0.3), ((0.799,), 0.1), ((0.799,), 0.6), (FIFTHS, 0.1), (TENTHS, 0.06), (TENTHS, 0.64), (TENTHS, 0.95)],
)
def test_epochs_anywhere_in_the_second_and_many_of_them(fractions: tuple[float, ...], delay: float) -> None:
    run = World(Talk(delay=delay, fractions=fractions, kinds={"GNRMC": 0.0, "GNGGA": 0.03}), ppm=-80).run(fresh(), 60)
    assert run.worst < 1e-5
    assert len(run.samples) >= 40
    assert run.alarm_text == ""


def scenario(name: str) -> tuple[Talk, Pulse]:
    draw = random.Random(name)
    missing = {second for second in range(500) if draw.random() < 0.1}
    lost = {(second, kind) for second in range(500) for kind in ("GNRMC", "GNGGA", "GNZDA") if draw.random() < 0.3}
    noise = {second: (draw.uniform(0.01, 0.99),) for second in range(500) if draw.random() < 0.3}
    return {
        "missing pulses": (Talk(), Pulse(missing=missing.__contains__)),
        "late pulses": (Talk(), Pulse(late=0.01)),
        "noisy pulses": (Talk(), Pulse(jitter=20e-6, late=0.01)),
        "doubled pulses": (Talk(), Pulse(ghosts=lambda _: (0.004,))),
        "noise between": (Talk(), Pulse(ghosts=lambda second: noise.get(second, ()))),
        "lost sentences": (Talk(lost=lambda second, kind: (second, kind) in lost), Pulse()),
        "slow drift": (Talk(delay=lambda second: 0.85 + second / 1000), Pulse()),
        "everything": (
            Talk(delay=0.6, jitter=0.15, lost=lambda second, kind: (second, kind) in lost),
            Pulse(jitter=5e-6, late=0.02, missing=missing.__contains__, ghosts=lambda second: noise.get(second, ())),
        ),
    }[name]


@pytest.mark.parametrize(
    ("name", "least", "worst"),
    [
        ("missing pulses", 320, 6e-6),
        ("late pulses", 380, 12e-6),
        ("noisy pulses", 370, 200e-6),
        ("doubled pulses", 380, 6e-6),
        ("noise between", 340, 6e-6),
        ("lost sentences", 380, 6e-6),
        ("slow drift", 380, 6e-6),
        ("everything", 250, 60e-6),
    ],
)
def test_everyday_trouble(name: str, least: int, worst: float) -> None:
    run = World(*scenario(name), seed=3).run(fresh(), 400)
    assert run.worst < worst
    assert len(run.samples) >= least
    assert run.alarm_text == ""
    assert run.healths[-1][1].usable


@pytest.mark.parametrize("rate", [2, 5])
def test_more_pulses_than_one_a_second_are_told(rate: int) -> None:
    run = World(Talk(), Pulse(width=None, ghosts=lambda _: tuple(k / rate for k in range(1, rate)))).run(fresh(), 40)
    assert run.samples == []
    assert "one pulse a second" in run.healths[-1][1].reason


@pytest.mark.parametrize(("gap", "silent_for"), [(3, 0), (10, 1), (300, 1), (595, 1), (700, 8)])
def test_a_gap_of_the_pulses_is_counted_over_or_numbered_anew(gap: int, silent_for: int) -> None:
    world = World(Talk(), Pulse(missing=lambda second: 60 <= second < 60 + gap))
    clock = fresh()
    before = world.run(clock, 60)
    during = world.run(clock, gap)
    after = world.run(clock, 60)
    assert max(before.worst, during.worst, after.worst) < 1e-5
    assert during.samples == []
    assert during.healths[-1][1].reason == f"no pulse for {gap + 1} s"
    assert after.first == pytest.approx(silent_for, abs=1.01)
    assert after.healths[-1][1].usable


def test_a_stumbling_receiver_is_not_followed() -> None:
    run = World(Talk(named=lambda second: 1 if 60 <= second < 90 else 0)).run(fresh(), 200)
    assert run.worst < 1e-5
    assert "differs by +1 s from the count of pulses" in run.alarm_text
    assert run.alarms[199] == ()
    assert len(run.samples) > 150


def test_a_date_that_jumps_by_1024_weeks_is_never_followed() -> None:
    run = World(Talk(named=lambda second: -1024 * 604_800 if second >= 60 else 0)).run(fresh(), 400)
    assert run.worst < 1e-5
    assert len(run.samples) < 60
    assert "check its date" in run.healths[-1][1].reason
    assert "check its date" in run.alarm_text


def test_a_cold_receiver_that_learns_the_leap_seconds_is_followed_in_the_end() -> None:
    world, clock = World(Talk(named=lambda second: 2 if second < 100 else 0)), fresh()
    assert world.run(clock, 100).worst == pytest.approx(2, abs=1e-4)
    world.run(clock, 2)
    run = world.run(clock, 150)
    assert run.worst < 1e-5
    assert run.first == pytest.approx(122, abs=6)


@pytest.mark.parametrize(("before", "after"), [(0.4, 0.75), (0.4, 0.05), (0.9, 0.25), (0.9, 1.25), (0.6, 0.95)])
def test_a_delay_that_jumps_raises_an_alarm_and_costs_no_second(before: float, after: float) -> None:
    world, clock = World(Talk(delay=lambda second: before if second < 60 else after)), fresh()
    run = world.run(clock, 260)
    assert run.worst < 1e-5
    assert len(run.samples) > 240
    assert f"GNRMC used to come {before:.2f} s after its pulse" in run.alarm_text
    assert run.alarms[259] == ()
    assert clock.memory()["GNRMC"] == pytest.approx(after, abs=0.01)


@pytest.mark.parametrize(("before", "after"), [(0.4, 0.4), (0.4, 0.55), (0.05, 0.05), (0.9, 0.97), (0.98, 1.01)])
def test_delays_survive_a_restart_and_plausible_changes_of_them(before: float, after: float) -> None:
    first = World(Talk(delay=before, jitter=0.004))
    clock = fresh(serial_delay=before)  # settles even a delay near a whole second
    first.run(clock, 60)
    memory = clock.memory()
    assert memory["GNRMC"] == pytest.approx(before, abs=0.01)
    run = World(Talk(delay=after, jitter=0.004)).run(fresh(delays=memory), 60)
    assert run.worst < 1e-5
    assert run.first is not None
    assert run.first <= 11, "nothing has to be waited for"


@pytest.mark.parametrize(("before", "after"), [(0.9, 1.2), (0.9, 0.15), (0.98, 0.3)])
def test_an_implausible_change_over_a_restart_is_an_alarm_and_no_second(before: float, after: float) -> None:
    world, clock = World(Talk(delay=after, kinds=ONE_KIND)), fresh(delays={"GNRMC": before})
    run = world.run(clock, 300)
    assert run.samples == []
    assert f"{before:.2f} s was known before" in run.healths[-1][1].reason
    assert 'set "serial-delay"' in run.alarm_text
    assert clock.memory() == {"GNRMC": before}
    told = World(Talk(delay=after, kinds=ONE_KIND)).run(fresh(delays={"GNRMC": before}, serial_delay=after), 60)
    assert told.worst < 1e-5
    assert len(told.samples) > 40


def test_all_changes_of_a_delay_over_a_restart() -> None:
    """Every pair: right, or nothing."""
    steps = (0.03, 0.15, 0.35, 0.5, 0.65, 0.85, 0.97)
    numbered = 0
    for before, after in product(steps, (*steps, 1.03, 1.1, 1.2)):
        if abs(before - after) >= 0.75:  # a second and a half apart can't be told from half a second by anybody
            continue
        run = World(Talk(delay=after, kinds=ONE_KIND, jitter=0.01)).run(fresh(delays={"GNRMC": before}), 30)
        assert run.worst < 1e-3, (before, after)
        numbered += bool(run.samples)
    assert numbered > 15


def test_without_a_fix_nothing_is_used_and_it_is_said() -> None:
    run = World(Talk(valid=never)).run(fresh(), 60)
    assert run.samples == []
    assert run.healths[-1][1].reason == "the receiver has no fix (satellites in view: 12)"
    assert run.healths[-1][1].heard


@pytest.mark.parametrize("moved", [0.0, 0.004, 0.013])
def test_a_lost_fix_comes_back_though_the_pulses_ran_free(moved: float) -> None:
    world = World(
        Talk(valid=lambda second: not 60 <= second < 160), Pulse(moved=lambda second: moved * (second - 60) if 60 <= second < 160 else 0.0)
    )
    clock = fresh()
    world.run(clock, 62)
    during = world.run(clock, 98)
    after = world.run(clock, 60)
    assert during.samples == []
    assert "no fix" in during.healths[-1][1].reason
    assert after.worst < 1e-5
    assert after.first == pytest.approx(3, abs=1.01)


def test_pulses_that_move_under_a_fix_are_not_believed() -> None:
    world, clock = World(Talk(), Pulse(moved=lambda second: 0.3 if 60 <= second < 300 else 0.0)), fresh()
    world.run(clock, 60)
    during = world.run(clock, 240)
    after = world.run(clock, 120)
    assert during.samples == []
    assert "the pulses themselves have jumped" in during.healths[-1][1].reason
    assert after.worst < 1e-5
    assert len(after.samples) > 30


@pytest.mark.parametrize(("away", "silent_for"), [(20, 5), (580, 5), (700, 9)])
def test_the_line_is_unplugged_and_comes_back(away: int, silent_for: int) -> None:
    world, clock = World(), fresh()
    world.run(clock, 60)
    during = world.run(clock, away, cut=lambda _: True)
    after = world.run(clock, 60)
    assert during.samples == []
    assert during.healths[-1][1].reason == "the line is unplugged"
    assert after.worst < 1e-5
    assert after.first is not None
    assert after.first <= silent_for + 0.1
    assert after.healths[-1][1].usable


def test_a_silent_receiver_is_noticed() -> None:
    world, clock = World(Talk(silent=lambda second: second >= 60)), fresh()
    run = world.run(clock, 90)
    assert run.worst < 1e-5
    assert "silent for" in run.healths[-1][1].reason
    assert 50 < len(run.samples) < 60


def test_only_pulses_or_only_sentences_say_what_is_missing() -> None:
    talks = World(Talk(), Pulse(missing=lambda _: True)).run(fresh(), 20)
    assert talks.samples == []
    assert talks.healths[-1][1].reason == "no pulse has been seen yet"
    pulses = World(Talk(silent=lambda _: True)).run(fresh(), 20)
    assert pulses.samples == []
    assert pulses.healths[-1][1].reason == "the receiver has not told a position yet"
    assert fresh().health(MonoNs(0)).reason == "nothing has been heard of the receiver yet"


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("announced", [True, False])
def test_a_leap_second_passes(sign: int, announced: bool) -> None:
    world = World(ppm=-30)
    world.start = FEBRUARY - 100
    world.leaps = LeapTable((UtcNs(0), UtcNs(FEBRUARY * NS)), (37, 37 + sign), UtcNs(2**62))
    clock = RefClock(RefClockSettings(), world.leaps if announced else None)
    run = world.run(clock, 300)
    assert run.worst < 1e-5
    if announced:
        assert len(run.samples) > 275
        assert 7 <= report(clock, world).verdicts[EdgeVerdict.LEAP] <= 11
        assert run.alarm_text == ""
    else:
        assert len(run.samples) < 180
        assert f"differs by {-sign:+d} s" in run.alarm_text


@pytest.mark.parametrize(
    ("talk", "error"),
    [(Talk(delay=0.1), 0.5), (Talk(delay=0.9, kinds=ONE_KIND, fractions=FIFTHS), 0.5), (Talk(delay=0.4, jitter=0.05), 0.5)],
)
def test_sentences_alone_give_the_time_within_what_they_claim(talk: Talk, error: float) -> None:
    clock = fresh(has_pulse=False)
    run = World(talk).run(clock, 40)
    assert len(run.samples) >= 30
    assert run.worst <= error
    assert all(abs(wrong) <= sample.root_dispersion + 3 * sample.sigma for wrong, sample in run.samples)
    assert run.healths[-1][1].usable
    assert run.alarm_text == ""


@pytest.mark.parametrize("known", [{"serial_delay": 0.4}, {"delays": {"GNRMC": 0.4}}])
def test_sentences_alone_are_better_where_their_delay_is_known(known: dict[str, Any]) -> None:
    run = World(Talk(delay=0.43, jitter=0.02)).run(fresh(has_pulse=False, **known), 40)
    assert run.worst < 0.06
    assert all(abs(wrong) <= sample.root_dispersion for wrong, sample in run.samples)


def test_sentences_alone_need_a_fix() -> None:
    assert World(Talk(valid=never)).run(fresh(has_pulse=False), 20).samples == []


def test_stamps_from_before_a_step_are_of_another_clock() -> None:
    world, clock = World(), fresh()
    world.run(clock, 40)
    clock.clock_stepped(world.raw(50.5))
    run = world.run(clock, 20)
    assert min(sample.at_ns for _, sample in run.samples) > world.raw(50.5)
    assert report(clock, world).verdicts[EdgeVerdict.STALE] > 10


def test_the_pulse_delay_is_taken_off_and_the_accuracy_is_stated() -> None:
    run = World(Talk(), Pulse(moved=lambda _: 50e-9, jitter=0.0)).run(fresh(pulse_delay=50e-9, accuracy=3e-7, refid=b"GAL\0"), 30)
    assert run.worst < 2e-9
    sample = run.samples[-1][1]
    assert (sample.root_dispersion, sample.refid, sample.stratum, sample.root_delay) == (3e-7, b"GAL\0", 0, 0.0)
    assert sample.sigma < 1e-7


@pytest.mark.parametrize("jitter", [1e-6, 20e-6])
def test_the_stated_sigma_is_the_jitter(jitter: float) -> None:
    run = World(Talk(), Pulse(jitter=jitter)).run(fresh(), 200)
    assert run.samples[-1][1].sigma == pytest.approx(jitter, rel=0.4)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"pulse_delay": math.nan}, "pulse-delay = nan"),
        ({"pulse_delay": 2.0}, "allowed are -1 to 1 seconds"),
        ({"accuracy": -1e-9}, "accuracy"),
        ({"serial_delay": 3.0}, "serial-delay = 3"),
        ({"refid": b"GP"}, "four octets"),
        ({"accuracy": "x"}, "accuracy"),
    ],
)
def test_settings_are_checked(bad: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        RefClockSettings(**bad)


def test_a_restart_in_the_middle_of_trouble_keeps_what_was_known() -> None:
    world, clock = World(), fresh()
    world.run(clock, 60)
    memory = clock.memory()
    world.talk = replace(world.talk, named=lambda _: 1)
    world.run(clock, 30)
    assert clock.memory() == pytest.approx(memory, abs=0.01)
    clock.line(False, "unplugged")
    assert clock.memory() == pytest.approx(memory, abs=0.01)

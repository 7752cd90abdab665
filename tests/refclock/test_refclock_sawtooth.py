"""The sawtooth: the right pulse is corrected, with the right sign, and what is missing, late or wrong does no harm."""

import math
from collections.abc import Callable

import pytest
from refclock_world import Pulse, Run, World

from stratum1.refclock import RefClock, RefClockReport, RefClockSettings
from stratum1.timescale import NS

TICK = 21e-9  # of a clock of 48 MHz: errors up to +-10.4 ns
QUIET = 1e-9


def deviation(run: Run, skip: int = 100) -> float:
    """Root mean square of what the samples are wrong by."""
    errors = [error for error, _ in run.samples[skip:]]
    return math.sqrt(sum(error * error for error in errors) / len(errors))


def live(pulse: Pulse, seconds: int = 600, **settings: bool) -> tuple[Run, RefClockReport]:
    world, clock = World(pulse=pulse, ppm=12.0), RefClock(RefClockSettings(**settings))  # type: ignore[arg-type]
    run = world.run(clock, seconds)
    return run, clock.report(world.raw(seconds))


def right(_second: int, late: float) -> float:
    return late


@pytest.mark.parametrize("tick", [8e-9, 21e-9, 50e-9])
@pytest.mark.parametrize("drift", [0.37e-9, 5.3e-9])
def test_the_right_correction_leaves_the_noise_alone(tick: float, drift: float) -> None:
    plain, _ = live(Pulse(jitter=QUIET, tick=tick, drift=drift))
    corrected, report = live(Pulse(jitter=QUIET, tick=tick, drift=drift, announced=right))
    assert deviation(plain) == pytest.approx(math.hypot(tick / math.sqrt(12), QUIET), rel=0.15)
    assert deviation(corrected) < 1.3 * QUIET
    assert len(corrected.samples) == len(plain.samples)
    assert report.jitter < 1.6 * QUIET
    assert corrected.samples[-1][1].sigma == pytest.approx(report.jitter)
    assert report.sawtooth.in_use
    assert report.sawtooth.spread == pytest.approx(tick / math.sqrt(12), rel=0.2)
    assert report.sawtooth.agreement == pytest.approx(1.0, abs=0.1)
    assert report.alarms == ()


def test_the_wrong_sign_makes_it_worse_and_is_found_out() -> None:
    plain, _ = live(Pulse(jitter=QUIET, tick=TICK, drift=5.3e-9))
    believed, _ = live(Pulse(jitter=QUIET, tick=TICK, drift=5.3e-9, announced=lambda _, late: -late), 32)
    wrong, report = live(Pulse(jitter=QUIET, tick=TICK, drift=5.3e-9, announced=lambda _, late: -late))
    assert deviation(believed, 5) > 1.6 * deviation(plain)
    assert deviation(wrong) == pytest.approx(deviation(plain), rel=0.1), "as if nothing had been announced"
    assert report.sawtooth.wrong
    assert not report.sawtooth.in_use
    assert report.sawtooth.agreement == pytest.approx(-1.0, abs=0.1)
    assert "sawtooth-correction" in report.alarms[0]


def test_corrections_of_another_receiver_are_found_out() -> None:
    run, report = live(Pulse(jitter=QUIET, tick=TICK, drift=5.3e-9, announced=lambda second, _: 10e-9 * math.sin(second * 1.7)), 900)
    assert report.sawtooth.wrong
    assert deviation(run, 300) < 1.1 * TICK / math.sqrt(12)


def test_noise_that_hides_the_sawtooth_accuses_nobody() -> None:
    for announced in (right, lambda _, late: -late):
        _, report = live(Pulse(jitter=1e-6, late=0.02, tick=TICK, drift=5.3e-9, announced=announced), 900)
        assert not report.sawtooth.wrong
        assert report.sawtooth.in_use
        assert report.sawtooth.uncertainty is not None
        assert report.sawtooth.uncertainty > 1


def test_switched_off_it_is_watched_only() -> None:
    run, report = live(Pulse(jitter=QUIET, tick=TICK, announced=right), sawtooth=False)
    plain, _ = live(Pulse(jitter=QUIET, tick=TICK))
    assert [error for error, _ in run.samples] == [error for error, _ in plain.samples]
    assert (report.sawtooth.in_use, report.sawtooth.corrected, report.sawtooth.missing) == (False, 0, 0)
    assert report.sawtooth.agreement == pytest.approx(1.0, abs=0.1)


def test_a_pulse_without_a_correction_stays_as_it_is_and_says_so() -> None:
    def some(second: int, late: float) -> float | str | None:
        return "silent" if second % 4 == 0 else None if second % 4 == 1 else late

    run, report = live(Pulse(jitter=QUIET, tick=TICK, drift=5.3e-9, announced=some))
    bare: list[tuple[float, float]] = []
    good: list[tuple[float, float]] = []
    for error, sample in run.samples[200:]:
        (bare if round(sample.reference_time / NS) % 4 < 2 else good).append((error, sample.sigma))
    assert min(len(bare), len(good)) >= 190
    assert max(abs(error) for error, _ in good) < 5 * QUIET
    assert max(abs(error) for error, _ in bare) > 9e-9
    spread = TICK / math.sqrt(12)
    assert min(sigma for _, sigma in bare) > 0.9 * spread
    assert sum(sigma for _, sigma in bare) / len(bare) > 1.2 * sum(sigma for _, sigma in good) / len(good)
    assert report.sawtooth.missing == pytest.approx(len(run.samples) / 2, abs=5)
    assert report.sawtooth.corrected == pytest.approx(len(run.samples) / 2, abs=5)


@pytest.mark.parametrize("lead", [-0.05, -0.4, -1.4])
def test_a_late_correction_is_for_nobody(lead: float) -> None:
    run, report = live(Pulse(jitter=QUIET, tick=TICK, drift=5.3e-9, announced=right, lead=lead))
    plain, _ = live(Pulse(jitter=QUIET, tick=TICK, drift=5.3e-9))
    assert [error for error, _ in run.samples] == [error for error, _ in plain.samples]
    assert report.sawtooth.late > 500
    assert (report.sawtooth.corrected, report.sawtooth.in_use) == (0, False)


@pytest.mark.parametrize("lead", [0.02, 0.7, 1.6, 4.5])
def test_an_early_correction_finds_its_pulse(lead: float) -> None:
    run, report = live(Pulse(jitter=QUIET, tick=TICK, drift=5.3e-9, announced=right, lead=lead))
    assert deviation(run) < 1.3 * QUIET
    assert report.sawtooth.late == 0


def test_missing_pulses_do_not_shift_corrections_to_their_neighbours() -> None:
    lost: Callable[[int], bool] = lambda second: second % 7 in (3, 4)  # noqa: E731
    run, report = live(Pulse(jitter=QUIET, tick=TICK, drift=5.3e-9, announced=right, missing=lost))
    assert deviation(run) < 1.3 * QUIET
    assert report.sawtooth.missing == 0


def test_edges_that_are_no_pulse_take_no_correction() -> None:
    run, report = live(Pulse(jitter=QUIET, tick=TICK, drift=5.3e-9, announced=right, ghosts=lambda second: (0.37,) if second > 60 else ()))
    assert deviation(run) < 1.3 * QUIET
    assert report.sawtooth.missing == 0


def test_while_nothing_is_announced_nothing_changes() -> None:
    _, report = live(Pulse(jitter=QUIET), 100)
    assert (report.sawtooth.in_use, report.sawtooth.last, report.sawtooth.spread, report.sawtooth.agreement) == (False, None, None, None)


def test_a_line_that_was_lost_takes_its_announcements_with_it() -> None:
    world = World(pulse=Pulse(jitter=QUIET, tick=TICK, drift=5.3e-9, announced=right, lead=1.5), ppm=12.0)
    clock = RefClock(RefClockSettings())
    world.run(clock, 100)
    clock.line(False, "unplugged")
    clock.line(True, "")
    before = clock.report(world.raw(100)).sawtooth.corrected
    world.run(clock, 1)
    assert clock.report(world.raw(101)).sawtooth.corrected == before

"""The kernel clock on the real kernel: it bends this machine's clock by at most 60 ms for some minutes and puts it back."""

import select
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from long.host_clock import Guard, Saved, capture, restore
from stratum1.clock import ClockSetWatch, ClockStatus, KernelClock, read_timex
from stratum1.clock._host import bracket
from stratum1.clock._timex import Adj, Sta, Timex, adjust, timex_rate
from stratum1.discipline import Decision, Discipline, DisciplineSettings
from stratum1.interchange import KernelClockId, Leap, LockState, ReferenceHealth, Sample, Steering
from stratum1.timescale import NS, UtcNs

pytestmark = [pytest.mark.long, pytest.mark.timeout(420)]

RAW, REALTIME = time.CLOCK_MONOTONIC_RAW, time.CLOCK_REALTIME


def measured_rate(seconds: float) -> float:
    first = bracket(RAW, REALTIME)
    time.sleep(seconds)
    second = bracket(RAW, REALTIME)
    return (second.inner - first.inner) / (second.outer - first.outer) - 1


def test_the_kernel_runs_at_the_rate_that_it_was_told() -> None:
    with Guard(60) as guard, KernelClock() as clock:
        for rate in (4e-4, -4e-4, 2e-2, -2e-2, 0.1, -0.1):
            clock.steer(Steering(1e-5, phase_rate=rate))
            assert measured_rate(0.05) == pytest.approx(rate + (1e-5 if abs(rate) < 0.1 else 0.0), abs=2e-5)
        clock.close()
        assert measured_rate(0.5) == pytest.approx(1e-5, abs=1e-6)
        assert abs(guard.saved.error_ns()) < 10_000_000


def test_steps_of_ours_and_of_others_are_told_apart() -> None:
    with Guard(60) as guard, KernelClock() as clock, ClockSetWatch() as watch:
        start = guard.saved.error_ns()
        for step in (0.02, -0.01, -0.01):
            epoch = clock.epoch
            clock.steer(Steering(0.0, step=step))
            assert select.select([watch], [], [], 1.0)[0] == [watch]
            assert watch.cancelled()
            assert not watch.cancelled()
            clock.mapping(KernelClockId.MONOTONIC)
            assert clock.epoch == epoch + 1
        assert abs(guard.saved.error_ns() - start) < 50_000
        adjust(REALTIME, Timex(Adj.SETOFFSET | Adj.NANO, time_frac=5_000_000))
        assert watch.cancelled()
        mapping = clock.mapping(KernelClockId.MONOTONIC)
        assert mapping.epoch == clock.epoch == epoch + 2
        pair = bracket(time.CLOCK_MONOTONIC, REALTIME)
        assert abs(mapping.served(pair.outer) - pair.inner) < 1000


def test_the_kernel_shows_what_was_announced() -> None:
    with Guard(60), KernelClock() as clock:
        clock.announce(ClockStatus(True, Leap.NONE, 1.5e-3, 2e-6, 37))
        state = read_timex()
        assert state.status == Sta.NANO
        assert 1500 <= state.maxerror < 5000
        assert (state.esterror, state.tai) == (2, 37)
        clock.announce(ClockStatus(False, Leap.UNKNOWN, 1e9, 1e9, None))
        assert read_timex().status == Sta.NANO | Sta.UNSYNC


DIES = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from long.host_clock import Guard
from stratum1.clock import KernelClock
from stratum1.interchange import Steering
how, deadline = sys.argv[2], float(sys.argv[3])
with Guard(deadline) as guard:
    KernelClock().steer(Steering(20e-6, step=0.01))
    print(guard.saved.error_ns(), flush=True)
    if how == "raises":
        sys.exit("an error nobody foresaw")
    if how == "hangs":
        signal.pause()
    os.kill(os.getpid(), getattr(signal, how))
    signal.pause()
"""


@pytest.mark.parametrize(("how", "deadline"), [("SIGKILL", 20.0), ("SIGTERM", 20.0), ("raises", 20.0), ("hangs", 1.0)])
def test_the_clock_is_put_back_however_the_bending_program_ends(how: str, deadline: float) -> None:
    saved = capture()
    before = read_timex()
    command = [sys.executable, "-c", DIES, str(Path(__file__).parents[1]), how, str(deadline)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        try:
            assert child.stdout is not None
            assert abs(int(child.stdout.readline()) - 10_000_000) < 1_000_000
            until = time.monotonic() + 15
            while abs(saved.error_ns()) > 1_000_000 and time.monotonic() < until:
                time.sleep(0.01)
            time.sleep(0.3)
            left, after = saved.error_ns(), read_timex()
        finally:
            child.kill()
            restore(saved)
    assert abs(left) < 100_000
    assert (after.freq, after.tick, after.status, after.tai) == (before.freq, before.tick, before.status, before.tai)


@dataclass(frozen=True, slots=True)
class Moment:
    """One second of the long run: seconds since its start, our error (ours minus truth) and the bound claimed for it, seconds."""

    since: float
    state: LockState
    error: float
    bound: float


class Reference:
    """Pulses of a receiver whose truth is the host's time as it was, carried on by CLOCK_MONOTONIC_RAW; they come with 1 us of jitter."""

    def __init__(self, saved: Saved) -> None:
        self._saved = saved
        self._random = Random(3)
        self._second = saved.real_ns // NS + 1

    def sample(self, clock: KernelClock) -> Sample:
        """Wait for the next pulse, have the kernel's clock stamp it, and compare."""
        self._second += 1
        true_ns = UtcNs(self._second * NS)
        rate = timex_rate(self._saved.tick, self._saved.freq)
        raw = self._saved.raw_ns + round((true_ns - self._saved.real_ns) / (1 + rate))
        time.sleep(max(0, raw + 20_000_000 - time.clock_gettime_ns(RAW)) / 1e9)
        stamp = clock.at(KernelClockId.MONOTONIC_RAW, raw + round(self._random.gauss(0, 1000))).clock_ns
        reading = clock.at(KernelClockId.REALTIME, stamp)
        offset = (true_ns - reading.clock_ns) / 1e9
        return Sample("PPS", reading.at_ns, offset, 1e-6, 0.0, 0, b"PPS\0", 0.0, 1e-6, true_ns, Leap.NONE)


def obey(clock: KernelClock, decision: Decision) -> None:
    if decision.steering is not None:
        clock.steer(decision.steering)
    locked = decision.state is LockState.LOCKED
    clock.announce(ClockStatus(locked, Leap.NONE, decision.error_bound, decision.sigma, 37 if locked else None))


def discipline_for(seconds: float, clock: KernelClock, saved: Saved) -> list[Moment]:
    reference = Reference(saved)
    discipline = Discipline(DisciplineSettings(), clock.limits)
    healthy = ReferenceHealth(heard=True, usable=True, reason="")
    start = time.clock_gettime_ns(RAW)
    moments: list[Moment] = []
    while (since := (time.clock_gettime_ns(RAW) - start) / 1e9) < seconds:
        sample = reference.sample(clock)
        obey(clock, discipline.observe(sample))
        decision = discipline.tick(clock.reading().at_ns, healthy)
        obey(clock, decision)
        error = saved.error_ns() / 1e9
        assert abs(error) < 0.06, "worse than it was made: stop before anybody notices"
        moments.append(Moment(since, decision.state, error, decision.error_bound))
        time.sleep(0.4)
        moments.append(Moment(since + 0.4, decision.state, saved.error_ns() / 1e9, decision.error_bound + 0.4 * decision.bound_rate))
    return moments


def test_a_clock_20_ppm_and_45_ms_wrong_is_pulled_to_the_reference_and_held() -> None:
    before = read_timex()
    with Guard(300) as guard, KernelClock() as clock:
        clock.steer(Steering(clock.frequency + 20e-6, step=0.045))
        moments = discipline_for(180.0, clock, guard.saved)
        state, frequency = read_timex(), clock.frequency
    after = read_timex()
    print(*(f"{m.since:6.1f} s {m.state:12} {m.error:+.3e} s, bound {m.bound:.3e} s" for m in moments[::10]), sep="\n")
    held = [moment for moment in moments if moment.since > 120]
    rms = statistics.fmean(moment.error**2 for moment in held) ** 0.5
    worst = max(abs(moment.error) for moment in held)
    locked = next(moment.since for moment in moments if moment.state is LockState.LOCKED)
    print(f"locked after {locked:.1f} s; last minute: RMS {rms * 1e9:.0f} ns, worst {worst * 1e9:.0f} ns; put back to {guard.left_ns} ns")
    assert abs(moments[0].error) > 1e-3
    assert {moment.state for moment in held} == {LockState.LOCKED}
    assert rms < 1e-6
    assert worst < 4e-6
    assert all(abs(moment.error) <= moment.bound for moment in moments if moment.state is LockState.LOCKED)
    original = timex_rate(before.tick, before.freq)
    assert frequency == pytest.approx(original, abs=5e-7)
    assert state.status == Sta.NANO
    assert 0 < state.maxerror < 1000
    assert state.tai == 37
    assert abs(guard.left_ns) < 1_000_000
    assert (after.freq, after.tick, after.status, after.tai) == (before.freq, before.tick, before.status, before.tai)

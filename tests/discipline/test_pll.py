"""The PLL/FLL engine alone: acquisition, tuning of the time constant, spikes, jumps, arbitrary input."""

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum1.clock import ClockLimits
from stratum1.discipline import FrequencyEstimate, Verdict
from stratum1.discipline._pll import PllFll
from stratum1.timescale import MonoNs

LIMITS = ClockLimits(max_frequency=500e-6, max_slew=0.1, precision=-30)


class Bench:
    """A clock with a crystal that is off by 20 ppm and wanders; steps are made whenever the engine has measured a large offset."""

    def __init__(self, engine: PllFll, jitter: float = 1e-6, sigma: float | None = None, wander: float = 1e-9, error: float = 0.1) -> None:
        self.engine, self.jitter, self.sigma, self.wander = engine, jitter, sigma or jitter, wander
        self.error, self.crystal, self.k = error, 20e-6, 0
        self.draw = random.Random(7)
        self.errors: list[float] = []
        self.verdicts: list[Verdict] = []

    def run(self, seconds: int, stamp: Callable[[int], float | None] = lambda k: 0.0) -> None:
        """stamp(k): what is added to the noise of pulse k; None for no pulse."""
        for _ in range(seconds):
            self.errors.append(self.error)
            step = 0.0
            extra = stamp(self.k)
            at = MonoNs(self.k * 10**9)
            if extra is not None:
                offset = -(self.error + self.jitter * self.draw.gauss(0, 1) + extra)
                self.verdicts.append(self.engine.update(at, offset, self.sigma))
                if self.verdicts[-1] is Verdict.ACQUIRED and abs(self.engine.estimate().offset) > 1e-3:
                    step = self.engine.estimate().offset
                    self.engine.stepped(step)
            steering = self.engine.command(at)
            self.error += self.crystal + steering.frequency + steering.phase_rate + step
            self.crystal += self.wander * self.draw.gauss(0, 1)
            self.k += 1

    def rms(self, last: int) -> float:
        return math.sqrt(sum(e * e for e in self.errors[-last:]) / last)


def test_pulse_frequency_is_measured_in_six_seconds_and_not_in_900() -> None:
    bench = Bench(PllFll(LIMITS))
    bench.run(6)
    assert bench.verdicts[-1] is Verdict.ACQUIRED
    assert bench.engine.estimate().frequency_known
    assert bench.engine.estimate().frequency == pytest.approx(-20e-6, abs=1.5e-6)
    bench.run(54)
    assert max(abs(e) for e in bench.errors[-30:]) < 1.5e-6


@pytest.mark.parametrize(("jitter", "stated", "limit"), [(50e-9, 1e-6, 32e-9), (1e-6, 1e-6, 0.27e-6), (20e-6, 1e-6, 2.9e-6)])
def test_tunes_itself_to_the_noise_whatever_is_stated(jitter: float, stated: float, limit: float) -> None:
    """Limits: a quarter above the optimal filter (24 ns, 0.215 us, 2.2 us)."""
    bench = Bench(PllFll(LIMITS), jitter=jitter, sigma=stated)
    bench.run(5000)
    assert bench.rms(3500) < limit


def test_time_constant_shrinks_for_a_restless_crystal_and_grows_for_a_calm_one() -> None:
    restless, calm = Bench(PllFll(LIMITS), wander=1e-8), Bench(PllFll(LIMITS), wander=5e-11)
    restless.run(4000)
    calm.run(4000)
    assert restless.engine.estimate().time_constant < 12
    assert calm.engine.estimate().time_constant > 35


def test_frequency_from_sentences_alone_takes_as_long_as_their_noise_demands() -> None:
    bench = Bench(PllFll(LIMITS), jitter=0.03)
    bench.run(300)
    assert not bench.engine.estimate().frequency_known
    bench.run(1500)
    assert bench.engine.estimate().frequency_known
    assert bench.engine.estimate().frequency == pytest.approx(-20e-6, abs=20e-6)
    bench.run(6000)
    assert bench.rms(2000) < 5e-3


def test_drift_record_spares_the_long_measurement() -> None:
    bench = Bench(PllFll(LIMITS, FrequencyEstimate(-20e-6, 1e-8)), jitter=0.03)
    bench.run(20)
    assert bench.engine.estimate().frequency_known
    assert bench.engine.estimate().frequency == pytest.approx(-20e-6, abs=3e-6)


def test_single_wild_sample_moves_nothing() -> None:
    bench = Bench(PllFll(LIMITS))
    bench.run(200)
    before = bench.engine.estimate()
    bench.run(1, lambda k: -5.0)
    assert bench.verdicts[-1] is Verdict.SPIKE
    assert bench.engine.estimate().frequency == before.frequency
    assert abs(bench.engine.estimate().offset - before.offset) < 1e-6


def test_one_wild_sample_among_the_first_is_outvoted() -> None:
    bench = Bench(PllFll(LIMITS))
    bench.run(30, lambda k: 3.0 if k == 3 else 0.0)
    assert max(abs(e) for e in bench.errors[-10:]) < 3e-6


def test_lasting_jump_is_believed_after_six_samples_and_leaves_the_frequency_alone() -> None:
    bench = Bench(PllFll(LIMITS))
    bench.run(300)
    before = bench.engine.estimate().frequency
    start = bench.k
    bench.run(120, lambda k: 500e-6)
    assert bench.verdicts[start : start + 5] == [Verdict.SPIKE] * 5
    assert bench.verdicts[start + 5] is Verdict.ACQUIRED
    assert bench.error == pytest.approx(-500e-6, abs=2e-6)
    assert bench.engine.estimate().frequency == pytest.approx(before, abs=1e-7)


def test_frequency_jump_is_followed() -> None:
    bench = Bench(PllFll(LIMITS))
    bench.run(300)
    bench.crystal += 2e-6
    bench.run(120)
    assert bench.engine.estimate().frequency == pytest.approx(-22e-6, abs=2e-7)
    assert max(abs(e) for e in bench.errors[-30:]) < 2e-6


@pytest.mark.parametrize("factor", [10.0, 0.1])
def test_changed_jitter_is_learned(factor: float) -> None:
    bench = Bench(PllFll(LIMITS))
    bench.run(300)
    bench.jitter *= factor
    bench.run(600)
    assert bench.engine.estimate().jitter == pytest.approx(bench.jitter, rel=0.4)


def test_sparse_samples_use_the_frequency_locked_loop() -> None:
    """Polls of 1024 s: beyond half the Allan intercept the frequency is measured, not integrated."""
    bench = Bench(PllFll(LIMITS, FrequencyEstimate(-20e-6, 1e-8)), jitter=20e-6, wander=1e-11)
    bench.run(60 * 1024, lambda k: 0.0 if k % 1024 == 0 else None)
    assert bench.engine.estimate().frequency == pytest.approx(-20e-6, abs=5e-8)
    assert bench.rms(20 * 1024) < 60e-6


def test_phase_after_a_gap_is_measured_anew() -> None:
    bench = Bench(PllFll(LIMITS))
    bench.run(300)
    bench.run(600, lambda k: None)
    bench.error += 200e-6
    start = len(bench.verdicts)
    bench.run(40)
    assert bench.verdicts[start : start + 6] == [Verdict.COLLECTED] * 5 + [Verdict.ACQUIRED]
    assert max(abs(e) for e in bench.errors[-10:]) < 3e-6


def test_slew_stays_within_the_limits_and_does_not_wind_the_frequency_up() -> None:
    engine = PllFll(ClockLimits(max_frequency=100e-6, max_slew=150e-6, precision=-30))
    bench = Bench(engine)
    bench.run(200)
    before = engine.estimate().frequency
    bench.run(1, lambda k: 0.0)
    for _ in range(60):
        bench.run(1, lambda k: 5e-3)
        steering = engine.command(MonoNs((bench.k - 1) * 10**9))
        assert abs(steering.frequency) <= 100e-6
        assert abs(steering.frequency + steering.phase_rate) <= 150e-6 + 1e-18
    assert engine.estimate().frequency == pytest.approx(before, abs=1e-6)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.integers(-(10**9), 3 * 10**9), st.integers(-(2**62), 2**62)),
            st.one_of(st.floats(-1e-3, 1e-3), st.floats(-1e11, 1e11)),
            st.floats(1e-9, 1e6),
        ),
        max_size=60,
    )
)
def test_any_sequence_leaves_every_number_finite(samples: list[tuple[int, float, float]]) -> None:
    engine = PllFll(LIMITS)
    now = 0
    for advance, offset, sigma in samples:
        now += advance
        engine.update(MonoNs(now), offset, sigma)
        steering = engine.command(MonoNs(now))
        estimate = engine.estimate()
        numbers = (estimate.offset, estimate.sigma, estimate.lag, estimate.jitter, estimate.wander, estimate.frequency_sigma)
        assert all(math.isfinite(n) for n in (*numbers, steering.phase_rate, estimate.time_constant))
        assert abs(steering.frequency) <= LIMITS.max_frequency
        assert abs(steering.frequency + steering.phase_rate) <= LIMITS.max_slew

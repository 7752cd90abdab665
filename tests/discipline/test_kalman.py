"""The adaptive engine: what it does about noise that it was not told of."""

import math
import random
from collections.abc import Callable

import pytest

from stratum1.clock import ClockLimits
from stratum1.discipline import FrequencyEstimate, Verdict
from stratum1.discipline._jury import Jury
from stratum1.discipline._kalman import Kalman
from stratum1.discipline._member import Member
from stratum1.timescale import NS, MonoNs

LIMITS = ClockLimits(max_frequency=500e-6, max_slew=0.1, precision=-30)
Pulse = Callable[[int, random.Random], float | None]


class Bench:
    """A crystal that walks, a clock that obeys the engine without steps, and pulses as `pulse` makes them."""

    def __init__(self, pulse: Pulse, wander: float = 1e-9, crystal: float = 0.0, drift: FrequencyEstimate | None = None) -> None:
        self.engine = Kalman(LIMITS, drift)
        self.pulse = pulse
        self.wander, self.crystal, self.error, self.k = wander, crystal, 0.0, 0
        self.draw = random.Random(11)
        self.errors: list[float] = []
        self.verdicts: list[Verdict | None] = []

    def run(self, seconds: int, shock: float = 0.0) -> "Bench":
        self.crystal += shock
        for _ in range(seconds):
            at = MonoNs(self.k * NS)
            self.errors.append(self.error)
            noise = self.pulse(self.k, self.draw)
            self.verdicts.append(None if noise is None else self.engine.update(at, -self.error + noise, 1e-6))
            steering = self.engine.command(at)
            assert math.isfinite(steering.frequency)
            assert steering.step == 0.0
            self.crystal += self.wander * self.draw.gauss(0, 1)
            self.error += self.crystal + steering.frequency + steering.phase_rate
            self.k += 1
        return self

    def rms(self, last: int) -> float:
        return math.sqrt(sum(e * e for e in self.errors[-last:]) / last)

    def worst(self, last: int) -> float:
        return max(abs(e) for e in self.errors[-last:])


def white(sigma: float) -> Pulse:
    return lambda k, draw: draw.gauss(0, sigma)


@pytest.mark.parametrize(
    ("sigma", "wander", "limit"), [(1e-6, 1e-9, 0.214e-6), (50e-9, 1e-9, 23.6e-9), (20e-6, 1e-9, 1.9e-6), (1e-6, 1e-8, 0.39e-6)]
)
def test_the_noise_is_learned_and_the_error_is_near_the_least_possible(sigma: float, wander: float, limit: float) -> None:
    """The limits are those of a Kalman filter that knows both numbers (tests/bench/optimum.py)."""
    bench = Bench(white(sigma), wander).run(7200)
    estimate = bench.engine.estimate()
    assert bench.rms(4800) < 1.25 * limit
    assert estimate.jitter == pytest.approx(sigma, rel=0.25)
    assert wander / 3 < estimate.wander < 3 * wander


def test_the_stated_uncertainty_is_that_of_the_estimate() -> None:
    bench = Bench(white(1e-6)).run(1000)
    ratios = []
    for _ in range(2000):
        bench.run(1)
        estimate = bench.engine.estimate()
        before = bench.errors[-1]  # the offset is the estimate at the last pulse; our error there was -offset if it were exact
        ratios.append((estimate.offset + before) / estimate.sigma)
    assert 0.6 < math.sqrt(sum(r * r for r in ratios) / len(ratios)) < 1.2


def test_late_pulses_are_outvoted_and_do_not_pull() -> None:
    late = Bench(lambda k, draw: draw.gauss(0, 1e-6) - (draw.expovariate(1 / 50e-6) if draw.random() < 0.05 else 0.0)).run(4000)
    plain = Bench(white(1e-6)).run(4000)
    assert late.rms(3000) < 1.35 * plain.rms(3000)
    assert abs(sum(late.errors[-3000:])) / 3000 < 0.05e-6
    assert late.verdicts.count(Verdict.SPIKE) > 100


def test_a_burst_of_late_pulses_passes_by() -> None:
    bench = Bench(lambda k, draw: draw.gauss(0, 1e-6) - (50e-6 if 2000 <= k < 2020 else 0.0)).run(2100)
    assert bench.worst(120) < 1.5e-6
    assert bench.verdicts[2000:2020] == [Verdict.SPIKE] * 20


def test_a_step_of_the_reference_is_believed_after_half_a_minute_and_slewed() -> None:
    bench = Bench(lambda k, draw: draw.gauss(0, 1e-6) + (20e-6 if k >= 2000 else 0.0)).run(2000 + 32)
    assert bench.worst(30) < 2e-6
    bench.run(60)
    assert Verdict.ACQUIRED in bench.verdicts[2030:]
    assert all(abs(e - 20e-6) < 2e-6 for e in bench.errors[-20:])


def test_another_level_of_jitter_is_learned_within_minutes() -> None:
    bench = Bench(lambda k, draw: draw.gauss(0, 5e-6 if 2000 <= k < 4000 else 1e-6)).run(2300)
    assert bench.engine.estimate().jitter == pytest.approx(5e-6, rel=0.35)
    assert bench.worst(300) < 5e-6
    bench.run(1700 + 300)
    assert bench.engine.estimate().jitter == pytest.approx(1e-6, rel=0.35)
    assert bench.rms(200) < 0.6e-6


def test_a_shock_to_the_crystal_is_followed() -> None:
    bench = Bench(white(1e-6)).run(3000).run(60, shock=200e-9)
    assert bench.worst(60) < 5e-6
    bench.run(120)
    assert bench.worst(60) < 1.5e-6


def test_a_shock_that_outruns_the_filter_is_found_by_how_it_began() -> None:
    """1 ppm at once: the samples creep away, so that nobody waits for a burst to end."""
    bench = Bench(white(1e-6)).run(2000).run(40, shock=1e-6)
    assert bench.worst(40) < 15e-6
    bench.run(40)
    assert bench.worst(20) < 2e-6


def test_missing_pulses_cost_little() -> None:
    bench = Bench(lambda k, draw: None if draw.random() < 0.3 else draw.gauss(0, 1e-6)).run(4000)
    assert bench.rms(3000) < 0.30e-6


def test_after_a_gap_phase_is_measured_anew_and_the_frequency_was_right() -> None:
    bench = Bench(lambda k, draw: None if 2000 <= k < 2600 else draw.gauss(0, 1e-6)).run(2700)
    assert max(abs(e) for e in bench.errors[2000:2600]) < 30e-6
    assert bench.worst(60) < 1.5e-6


def test_drift_stops_where_pulses_stop() -> None:
    """A cycle of temperature teaches a drift, which is no guess for minutes to come."""
    bench = Bench(white(1e-6))
    before = 0.0
    for k in range(3000):
        now = 0.5e-6 * math.sin(2 * math.pi * k / 3600)
        bench.run(1, shock=now - before)
        before = now
    bench.pulse = lambda k, draw: None
    first = bench.run(4).engine.estimate().frequency
    assert bench.run(600).engine.estimate().frequency == pytest.approx(first, abs=1e-9)


def test_a_known_cause_shifts_the_frequency_and_not_the_past() -> None:
    bench = Bench(white(1e-6)).run(2000)
    bench.pulse = lambda k, draw: None
    bench.run(10)
    before = bench.engine.estimate()
    bench.engine.shift(MonoNs(bench.k * NS), 1e-7)
    after = bench.engine.estimate()
    assert after.frequency == pytest.approx(before.frequency + 1e-7, abs=1e-12)
    assert after.offset == pytest.approx(before.offset, abs=1e-9)


def test_the_drift_file_s_frequency_is_in_force_at_once() -> None:
    bench = Bench(lambda k, draw: None if k < 20 else draw.gauss(0, 1e-6), crystal=30e-6, drift=FrequencyEstimate(-30e-6, 1e-8)).run(60)
    assert bench.worst(60) < 3e-6


def test_a_member_agrees_with_the_equations_of_kalman() -> None:
    """Two steps of a three-state filter against plain matrix arithmetic."""
    member = Member(1e-9, 1e-11)
    member.begin(1e-3, 2e-6, 1e-4, 1e-6, 0.0)
    p = [[1e-8, 0.0, 0.0], [0.0, 1e-12, 0.0], [0.0, 0.0, (1e-11 * 30) ** 2]]
    x = [1e-3, 2e-6, 0.0]
    for offset in (1.1e-3, 0.9e-3):
        f = [[1.0, 1.0, 0.5], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]]
        x = [sum(f[i][j] * x[j] for j in range(3)) for i in range(3)]
        p = [[sum(f[i][a] * p[a][b] * f[j][b] for a in range(3) for b in range(3)) for j in range(3)] for i in range(3)]
        p[1][1] += 1e-18
        p[2][2] += 1e-22
        member.predict(1.0, 0.0)
        total = p[0][0] + 1e-12
        gain = [p[i][0] / total for i in range(3)]
        innovation = offset - x[0]
        x = [x[i] + gain[i] * innovation for i in range(3)]
        p = [[p[i][j] - gain[i] * p[0][j] for j in range(3)] for i in range(3)]
        member.update(offset, 1e-12)
    assert [member.theta, member.f, member.d] == pytest.approx(x, rel=1e-6)
    assert [member.phase_variance, member.frequency_variance] == pytest.approx([p[0][0], p[1][1]], rel=1e-4)


def test_a_long_step_of_a_member_is_many_short_ones() -> None:
    long, short = Member(1e-9, 0.0), Member(1e-9, 0.0)
    for member in (long, short):
        member.begin(0.0, 1e-6, 1e-6, 1e-8, 1e-15)
    long.predict(64.0, 5e-6)
    for _ in range(64):
        short.predict(1.0, 5e-6 / 64)
    assert long.theta == pytest.approx(short.theta, rel=1e-9)
    assert long.phase_variance == pytest.approx(short.phase_variance, rel=1e-9)
    assert long.frequency_variance == pytest.approx(short.frequency_variance, rel=1e-9)


def test_a_jury_s_weights_are_shares() -> None:
    jury = Jury()
    jury.begin(0.0, 0.0, 1e-6, 1e-7, 0.0)
    draw = random.Random(5)
    for _ in range(300):
        jury.predict(1.0, 0.0)
        jury.update(draw.gauss(0, 1e-6), 1e-12, 1e-12)
    consensus = jury.consensus()
    assert 0.0 <= consensus.drifting <= 1.0
    assert 0.0 < consensus.gain < 1.0
    assert abs(consensus.theta) < 1e-6

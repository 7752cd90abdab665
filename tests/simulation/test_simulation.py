"""The world and the figures: definitions checked by hand, then what the discipline and the whole pipeline reach on seeded noise."""

import math
from statistics import fmean, pstdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum1.clock import ClockLimits
from stratum1.gnss.events import Event, TimeMark
from stratum1.inputs import SampleInput
from stratum1.interchange import LockState, Reading, Steering
from stratum1.simulation import SCENARIOS, Claim, Noise, PipelineLoop, Row, SampleLoop, World, quantile, series, simulate
from stratum1.simulation._run import _first_good, _judge
from stratum1.timescale import UtcNs


class Recorder:
    """A loop that gives prepared steerings and remembers what it saw."""

    def __init__(self, *steerings: Steering | None) -> None:
        self.steerings = list(steerings)
        self.edges: list[tuple[UtcNs, Reading]] = []
        self.marks: list[tuple[Reading, TimeMark]] = []
        self.degrees: list[float | None] = []

    def pulse(self, utc: UtcNs, edge: Reading) -> Steering | None:
        self.edges.append((utc, edge))
        return self.steerings.pop(0) if self.steerings else None

    def tick(self, now: Reading, temperature: float | None) -> Steering | None:
        del now
        self.degrees.append(temperature)
        return None

    def heard(self, now: Reading, events: tuple[Event, ...]) -> Steering | None:
        self.marks.append((now, next(e for e in events if isinstance(e, TimeMark))))
        return None

    def measured(self, event: SampleInput) -> Steering | None:
        del event
        return None

    def claim(self) -> Claim:
        return Claim(1e-3, 1e-4, LockState.LOCKED)


def test_error_follows_the_definition_stamp_by_stamp() -> None:
    """error[k + 1] = error[k] + frequency[k] + steering, read before the correction of pulse k, which acts from k."""
    loop = Recorder(Steering(-20e-6), Steering(-20e-6, 1e-6), Steering(-20e-6, 0.0, 0.1))
    result = simulate([20e-6, 21e-6, 20e-6, 20e-6], [1e-6, -2e-6, 0.0, math.nan], offset=0.1, make_loop=lambda limits: loop)
    errors = [row.true_error for row in result.rows]
    assert errors == pytest.approx([-0.1, -0.1, -0.1 + 2e-6, 2e-6], abs=3e-9)
    offsets = [(utc - edge.clock_ns) / 1e9 for utc, edge in loop.edges]
    assert offsets == pytest.approx([0.1 - 1e-6, 0.1 + 2e-6, 0.1 - 2e-6], abs=3e-9)


def test_bound_is_the_claim_of_a_second_ago_grown_at_its_rate() -> None:
    result = simulate([0.0] * 3, [0.0] * 3, offset=0.0, make_loop=lambda limits: Recorder())
    assert [row.error_bound for row in result.rows] == pytest.approx([1e9, 1.1e-3, 1.1e-3])
    assert [row.state for row in result.rows] == [LockState.COLD, LockState.LOCKED, LockState.LOCKED]


def test_receiver_names_the_second_late_and_falls_silent_with_the_last_pulse() -> None:
    loop = Recorder()
    simulate([0.0] * 50, [math.nan if k == 5 or k > 30 else 0.0 for k in range(50)], offset=0.0, make_loop=lambda limits: loop)
    assert len(loop.marks) == 31
    delays = [(now.clock_ns - mark.utc) / 1e9 for now, mark in loop.marks]
    assert all(0.38 <= d <= 0.42 for d in delays)
    assert max(delays) - min(delays) > 0.02
    assert [mark.trusted for _, mark in loop.marks[:4]] == [False, False, False, True]


def test_temperature_reaches_the_loop() -> None:
    loop = Recorder()
    simulate([0.0] * 3, [0.0] * 3, [40.0, 41.0, 42.0], make_loop=lambda limits: loop)
    assert loop.degrees == [40.0, 41.0, 42.0]


def rows_of(errors: list[float], bound: float = 1.0) -> tuple[Row, ...]:
    return tuple(Row(k, e, bound, LockState.LOCKED) for k, e in enumerate(errors))


def test_figures_by_hand() -> None:
    result = _judge(rows_of([0.5] * 3600 + [1e-6, -3e-6, 1e-6, -1e-6], bound=2e-6))
    assert result.rms == pytest.approx(math.sqrt(3) * 1e-6)
    assert result.max == 3e-6
    assert result.p99 == pytest.approx(1e-6 + 0.97 * 2e-6)
    assert result.frequency_rms == pytest.approx(math.sqrt((16 + 16 + 4) / 3) * 1e-6)
    assert result.bound_coverage == pytest.approx(3 / 3604)
    assert result.states == {LockState.LOCKED: 3604}


def test_time_to_a_microsecond_wants_a_whole_minute() -> None:
    assert _first_good([1.0] * 10 + [0.9e-6] * 59 + [1.0] + [1e-9] * 60) == 70
    assert _first_good([0.9e-6] * 60) == 0
    assert _first_good([0.9e-6] * 59) is None
    assert _first_good([1e-6] * 100) is None, "below, not at"


def test_short_run_leaves_the_figures_of_the_later_hours_open() -> None:
    result = _judge(rows_of([0.0] * 100))
    assert (result.rms, result.p99, result.max, result.frequency_rms, result.t1) == (None, None, None, None, 0)


def test_quantile_interpolates() -> None:
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([0.0, 1.0], 0.99) == pytest.approx(0.99)
    assert quantile([7.0], 0.99) == 7.0
    with pytest.raises(ValueError, match="at least one"):
        quantile([], 0.5)


def test_series_must_fit_together() -> None:
    with pytest.raises(ValueError, match="same length"):
        Noise([0.0], [0.0, 0.0])
    with pytest.raises(ValueError, match="same length"):
        Noise([0.0], [0.0], [])
    with pytest.raises(ValueError, match="at least 1"):
        Noise([], [])


def test_scenarios_draw_what_they_say() -> None:
    late = [p for p in series(SCENARIOS["S3"], 1).pulses if p > 10e-6]
    assert len(late) == pytest.approx(0.01 * 18_001 * math.exp(-0.2), rel=0.3)
    assert sum(map(math.isnan, series(SCENARIOS["S5"], 1).pulses)) == pytest.approx(1800, rel=0.1)
    plain = series(SCENARIOS["S1"], 1)
    assert pstdev(plain.pulses) == pytest.approx(1e-6, rel=0.03)
    steps = [b - a for a, b in zip(plain.frequency, plain.frequency[1:], strict=False)]
    assert pstdev(steps) == pytest.approx(1e-9, rel=0.03)
    assert fmean(series(SCENARIOS["S2"], 1).frequency) == pytest.approx(20e-6, rel=0.05)
    outage = series(SCENARIOS["S4"], 1).pulses
    assert math.isnan(outage[21_601])
    assert not math.isnan(outage[21_600])
    assert series(SCENARIOS["S1"], 1) == plain != series(SCENARIOS["S1"], 2)


@pytest.mark.parametrize(
    ("name", "rms", "p99", "frequency_rms", "tightness"),
    [
        ("S1", 0.26e-6, 0.70e-6, 25e-9, 2.0),
        ("S2", 0.36e-6, 0.95e-6, 70e-9, 2.2),
        ("S3", 0.26e-6, 0.70e-6, 25e-9, 2.2),
        ("S5", 0.29e-6, 0.78e-6, 28e-9, 2.0),
    ],
)
def test_discipline_keeps_the_clock_on_seeded_noise(name: str, rms: float, p99: float, frequency_rms: float, tightness: float) -> None:
    """Five simulated hours. The best-known daemon with its defaults has 0.40, 1.03, 0.40, 0.44 us RMS; the limit is about 0.21, 0.24."""
    noise = series(SCENARIOS[name], 1)
    result = simulate(noise.frequency, noise.pulses)
    assert result.rms is not None
    assert result.p99 is not None
    assert result.frequency_rms is not None
    assert result.t1 is not None
    assert result.rms < rms
    assert result.p99 < p99
    assert result.frequency_rms < frequency_rms
    assert result.t1 < 60
    assert result.bound_coverage > 0.999
    late = result.rows[3600:]
    assert quantile([r.error_bound for r in late], 0.5) < tightness * quantile([abs(r.true_error) for r in late], 0.999)
    assert next(r.second for r in result.rows if r.state is LockState.LOCKED) <= 30


@pytest.mark.parametrize("name", ["S4", "S4T"])
def test_holdover_bound_contains_the_truth_and_is_tighter_than_a_fixed_rate(name: str) -> None:
    noise = series(SCENARIOS[name], 2)
    result = simulate(noise.frequency, noise.pulses)
    assert result.bound_coverage == 1.0
    assert result.states[LockState.HOLDOVER] > 300
    assert result.rows[21_590].state is LockState.LOCKED
    if name == "S4":
        assert result.rows[-1].error_bound < 1.5e-3
        assert result.rows[21_600 + 600].error_bound < 0.3e-3


@pytest.mark.parametrize("name", ["S1", "S7"])
def test_whole_pipeline_numbers_the_pulses_and_locks_within_a_minute(name: str) -> None:
    scenario = SCENARIOS[name]
    noise = series(scenario, 3)
    result = simulate(noise.frequency[:4500], noise.pulses[:4500], offset=scenario.offset, make_loop=PipelineLoop)
    assert result.t1 is not None
    assert result.t1 < 60
    assert result.rms is not None
    assert result.rms < 0.3e-6
    assert result.bound_coverage == 1.0
    assert next(r.second for r in result.rows if r.state is LockState.LOCKED) < 60


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.floats(-400e-6, 400e-6), st.one_of(st.just(1e9), st.floats(-0.4, 0.4))), min_size=1, max_size=80),
    st.floats(-1e8, 1e8),
)
def test_any_series_is_survived(series_: list[tuple[float, float]], offset: float) -> None:
    result = simulate([f for f, _ in series_], [p for _, p in series_], offset=offset)
    assert all(math.isfinite(r.true_error) and math.isfinite(r.error_bound) and r.error_bound > 0 for r in result.rows)


def test_same_seed_same_run() -> None:
    noise = series(SCENARIOS["S5"], 4)
    runs = [simulate(noise.frequency[:300], noise.pulses[:300], make_loop=PipelineLoop, seed=9).rows for _ in range(2)]
    assert runs[0] == runs[1]


def test_world_obeys_the_limits_of_its_clock() -> None:
    world = World(Noise([0.0, 0.0], [0.0, 0.0]), 0.0)
    assert isinstance(world.clock.limits, ClockLimits)
    world.begin(0)
    world.steer(Steering(1.0))
    world.begin(1)
    assert world.true_error == pytest.approx(world.clock.limits.max_frequency, rel=1e-6)
    assert SampleLoop(world.clock.limits).discipline.report().engine == "kalman"

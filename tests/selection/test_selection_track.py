"""What is read from one source's samples: offset, rate, least delay; through steps of our clock, jumps of the server, other routes."""

import math
import random
from collections.abc import Callable
from statistics import fmean

import pytest
from selection_world import CRYSTAL, START

from stratum1.interchange import Leap, Sample
from stratum1.selection._filter import Filter, _mills
from stratum1.selection._track import DelayTrack, PulseTrack
from stratum1.timescale import NS, MonoNs, UtcNs

_SCALE = 1e-4
Track = DelayTrack | PulseTrack


def steady(second: float) -> float:
    """The crystal's error, accumulated, seconds."""
    return CRYSTAL * second


class Line:
    """A server at the end of a line; our clock is the raw one plus whatever it is made to do."""

    def __init__(self, seed: int = 1, crystal: Callable[[float], float] = steady) -> None:
        self.draw = random.Random(seed)
        self.crystal = crystal
        self.track = DelayTrack()
        self.ours = 0.0
        self.server = 0.0
        self.ways = (1e-3, 1e-3)
        self.scales = (_SCALE, _SCALE)

    def ask(self, second: float) -> bool:
        """One exchange; whether its sample was used."""
        late = [self.draw.expovariate(1 / scale) if scale else 0.0 for scale in self.scales]
        there, back = self.ways[0] + late[0], self.ways[1] + late[1]
        raw, clock = self.at(second)
        offset = self.server + second - (clock - START) / NS + (there - back) / 2
        return self.track.add(Sample("s", raw, offset, 1e-6, there + back, 1, b"abcd", 0.0, 0.0, clock, Leap.NONE), clock)

    def at(self, second: float) -> tuple[MonoNs, UtcNs]:
        """Both clocks."""
        raw = second + self.crystal(second)
        return MonoNs(round(raw * NS)), UtcNs(START + round((raw + self.ours) * NS))

    def error(self, second: float) -> float:
        """Of the estimate, seconds."""
        found = self.track.offset_at(*self.at(second))
        assert found is not None
        return found.value - (self.server + second - (self.at(second)[1] - START) / NS)

    def run(self, first: int, count: int, interval: int = 16) -> list[float]:
        """Errors after each exchange."""
        errors = []
        for number in range(first, first + count):
            self.ask(number * interval)
            if number - first >= 4:
                errors.append(self.error(number * interval))
        return errors


def rms(values: list[float]) -> float:
    return math.sqrt(fmean(v * v for v in values))


def test_the_walls_hold_the_estimate_far_better_than_an_average_would() -> None:
    errors = [error for seed in range(6) for error in Line(seed).run(0, 200)[60:]]
    assert rms(errors) < 5e-6
    assert abs(fmean(errors)) < 2e-6
    average = _SCALE / math.sqrt(2) / math.sqrt(64)
    assert rms(errors) < 0.6 * average


def test_the_stated_uncertainty_is_what_is_found() -> None:
    ratios = []
    for seed in range(8):
        line = Line(seed)
        for number in range(150):
            line.ask(number * 16)
            found = line.track.offset_at(*line.at(number * 16))
            if number > 40 and found is not None:
                ratios.append(line.error(number * 16) / math.sqrt(found.variance))
    assert 0.5 < rms(ratios) < 1.5


def test_rate_and_least_delay_are_found() -> None:
    line = Line()
    line.run(0, 200)
    found = line.track.offset_at(*line.at(3200))
    assert found is not None
    assert found.rate == pytest.approx(-CRYSTAL, abs=3e-8)
    assert line.track.delay == pytest.approx(2e-3, abs=1e-5)
    assert line.track.jitter == pytest.approx(_SCALE / math.sqrt(2), rel=0.3)
    assert line.track.wander == 1e-9


def test_a_crystal_in_changing_temperature_is_followed() -> None:
    def warming(second: float) -> float:
        return CRYSTAL * second + 0.5e-6 * 3600 / (2 * math.pi) * (1 - math.cos(2 * math.pi * second / 3600))

    line = Line(crystal=warming)
    errors = line.run(0, 450)
    assert line.track.wander > 1e-9
    assert rms(errors[100:]) < 15e-6


def test_what_our_clock_is_made_to_do_changes_nothing() -> None:
    plain, steered = Line(), Line()
    for number in range(120):
        plain.ask(number * 16)
        steered.ask(number * 16)
        steered.ours += (-1) ** number * (0.3 if number % 10 == 0 else 1e-4)
    assert steered.error(1920) == pytest.approx(plain.error(1920), abs=3e-9)


def test_one_way_that_is_crowded_does_not_pull() -> None:
    line = Line()
    line.scales = (10 * _SCALE, _SCALE)
    assert abs(fmean(line.run(0, 300)[100:])) < 40e-6, "the mean of the samples is off by 450"


def test_spikes_do_not_pull() -> None:
    line = Line()
    line.run(0, 100)
    line.ways = (0.3, 1e-3)
    for number in range(100, 103):
        line.ask(number * 16)
    assert abs(line.error(102 * 16)) < 20e-6


def test_a_server_that_is_set_is_followed_after_four_answers() -> None:
    line = Line()
    line.run(0, 100)
    line.server = 0.05
    assert [line.ask(number * 16) for number in range(100, 104)] == [False, False, False, True]
    line.run(104, 30)
    assert abs(line.error(134 * 16)) < 30e-6


def test_a_single_early_packet_is_outvoted() -> None:
    line = Line()
    line.run(0, 100)
    line.ways = (1e-4, 1e-3)
    assert not line.ask(1600)
    line.ways = (1e-3, 1e-3)
    assert line.ask(1616)
    assert abs(line.error(1616)) < 20e-6


def test_a_longer_route_is_learned() -> None:
    line = Line()
    line.run(0, 100)
    line.ways = (6e-3, 6e-3)
    line.run(100, 60)
    assert line.track.delay == pytest.approx(12e-3, rel=0.01)
    assert abs(line.error(160 * 16)) < 40e-6


def test_a_line_without_jitter_is_not_believed_beyond_its_stamps() -> None:
    line = Line()
    line.scales = (0.0, 0.0)
    line.run(0, 50)
    found = line.track.offset_at(*line.at(800))
    assert found is not None
    assert 1e-8 < math.sqrt(found.variance) < 1e-5
    assert abs(line.error(800)) < 1e-6


def test_a_gap_of_hours_begins_anew() -> None:
    line = Line()
    line.run(0, 50)
    line.ask(50_000)
    assert line.track.offset_at(*line.at(50_000)) is None
    for second in range(50_016, 50_100, 16):
        line.ask(second)
    assert abs(line.error(50_096)) < 3e-4


def test_pulses_are_averaged_and_a_jump_needs_four() -> None:
    track = PulseTrack()
    draw = random.Random(1)

    def pulse(second: int, error: float) -> bool:
        raw = MonoNs(round(second * (1 + CRYSTAL) * NS))
        clock = UtcNs(START + raw)
        offset = second - raw / NS + error + draw.gauss(0, 1e-6)
        return track.add(Sample("p", raw, offset, 1e-6, 0.0, 0, b"GPS\0", 0.0, 0.0, clock, Leap.NONE), clock)

    assert all(pulse(second, 0.0) for second in range(60))
    raw = MonoNs(round(60 * (1 + CRYSTAL) * NS))
    found = track.offset_at(raw, UtcNs(START + raw))
    assert found is not None
    assert found.value == pytest.approx(60 - raw / NS, abs=1e-6)
    assert math.sqrt(found.variance) < 1e-6
    assert [pulse(second, 1e-3) for second in range(60, 65)] == [False, False, False, True, True]
    assert track.delay == 0.0
    assert track.jitter == 1e-6


def test_the_law_of_lateness_in_closed_form() -> None:
    """Against the integral, done plainly: a normal belief, a lateness of an exponential law, stamps without noise."""
    mean, sigma, scale, measured = 0.3, 1.0, 0.7, 1.1
    belief = Filter(0.0, mean, sigma**2, 1e-30)
    likelihood = belief.one_way(1, measured, scale, 0.0)
    step = 1e-4
    grid = [mean - 8 + step * i for i in range(round((measured - mean + 8) / step))]
    weights = [
        math.exp(-((u - mean) ** 2) / 2 / sigma**2) / math.sqrt(2 * math.pi) / sigma * math.exp((u - measured) / scale) / scale
        for u in grid
    ]
    total = sum(weights) * step
    expected = sum(u * w for u, w in zip(grid, weights, strict=True)) * step / total
    variance = sum((u - expected) ** 2 * w for u, w in zip(grid, weights, strict=True)) * step / total
    found = belief.after(0.0)
    assert likelihood == pytest.approx(math.log(total), abs=1e-3)
    assert found.value == pytest.approx(expected, abs=1e-3)
    assert found.variance == pytest.approx(variance, rel=1e-3)


@pytest.mark.parametrize("depth", [-29.999, -30.001])
def test_the_tail_has_no_seam(depth: float) -> None:
    ratio, log = _mills(depth)
    assert ratio == pytest.approx(30.033, abs=0.005)
    assert log == pytest.approx(-depth * depth / 2 - math.log(-depth * math.sqrt(2 * math.pi)), abs=2e-3)

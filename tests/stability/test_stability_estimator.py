"""The streaming figures against their definitions, written out over whole arrays."""

import math
import random
import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum1.stability import PhaseStatistics, StabilityPoint

NAN = float("nan")


def streamed(phases: list[float], longest: int = 4096, step: int = 1) -> dict[int, StabilityPoint]:
    """The points by tau of phases in whole picoseconds; NaN is a second without a measurement."""
    statistics = PhaseStatistics(longest)
    for second, phase in enumerate(phases):
        if not math.isnan(phase):
            statistics.add(second * step, round(phase))
    return {point.tau: point for point in statistics.points()}


def defined(phases: list[float], tau: int) -> tuple[float, int, float, int, float, int]:
    """ADEV, TDEV, MTIE (ratio, seconds, seconds) of picoseconds, each with the values behind it, by the definitions with holes."""
    x = np.array(phases) * 1e-12
    d = x[2 * tau :] - 2 * x[tau:-tau] + x[: -2 * tau]
    squares = d[~np.isnan(d)] ** 2
    adev = math.sqrt(squares.mean() / 2) / tau if len(squares) else NAN
    windows = np.lib.stride_tricks.sliding_window_view(d, tau) if len(d) >= tau else np.empty((0, tau))
    full = windows[2 * (~np.isnan(windows)).sum(axis=1) >= tau]
    means = np.nanmean(full, axis=1) if len(full) else np.empty(0)
    tdev = math.sqrt((means**2).mean() / 6) if len(means) else NAN
    seen = np.lib.stride_tricks.sliding_window_view(x, tau + 1)
    seen = seen[(~np.isnan(seen)).any(axis=1)]
    extents = np.nanmax(seen, axis=1) - np.nanmin(seen, axis=1)
    return adev, len(squares), tdev, len(means), float(extents.max()), len(extents)


def walk(kind: str, n: int, seed: int) -> list[float]:
    """Phases in whole picoseconds: white phase noise, white or random-walk frequency noise, or a ramp of 20 ppm with noise."""
    draw = np.random.default_rng(seed)
    noise = draw.standard_normal(n) * 1e6
    series = {
        "white pm": noise,
        "white fm": np.cumsum(noise),
        "random walk fm": np.cumsum(np.cumsum(noise / 100)),
        "ramp": noise + 20e6 * np.arange(n),
        "far": noise + 1e17,
    }
    return list(np.round(series[kind]).tolist())


def agree(point: StabilityPoint, wanted: tuple[float, int, float, int, float, int]) -> None:
    found = (point.adev, point.adev_samples, point.tdev, point.tdev_samples, point.mtie, point.mtie_samples)
    for mine, theirs in zip(found, wanted, strict=True):
        assert (NAN if mine is None else mine) == pytest.approx(theirs, rel=1e-9, nan_ok=True), (point.tau, found, wanted)


@pytest.mark.parametrize("kind", ["white pm", "white fm", "random walk fm", "ramp"])
def test_it_is_what_the_definitions_give(kind: str) -> None:
    phases = walk(kind, 1500, 1)
    points = streamed(phases)
    assert sorted(points) == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
    for tau in (1, 2, 8, 64, 256):
        agree(points[tau], defined(phases, tau))
    assert points[1024].adev is None
    assert points[1024].mtie_samples == 1500 - 1024


def test_holes_are_left_out_and_never_filled() -> None:
    phases = walk("white fm", 1200, 2)
    draw = random.Random(3)
    for second in draw.sample(range(1, 1199), 150):
        phases[second] = NAN
    phases[400:470] = [NAN] * 70
    points = streamed(phases)
    for tau in (1, 2, 4, 32, 128):
        agree(points[tau], defined(phases, tau))


def test_a_phase_far_from_zero_loses_no_digits() -> None:
    near, far = walk("white pm", 800, 4), walk("far", 800, 4)
    assert max(abs(a + 1e17 - b) for a, b in zip(near, far, strict=True)) <= 16  # 1e5 s: what a float has left there is 16 ps
    for mine, theirs in zip(streamed(near).values(), streamed(far).values(), strict=True):
        assert mine.adev == (None if theirs.adev is None else pytest.approx(theirs.adev, rel=1e-4))
        assert mine.mtie == pytest.approx(theirs.mtie, rel=1e-4)


def test_a_long_gap_a_jump_and_a_step_back_begin_a_new_series() -> None:
    first, second = walk("white pm", 300, 5), walk("white pm", 300, 6)
    alone = [streamed(first), streamed(second)]
    for start, shift in ((2000, 0), (300, 2 * 10**11), (100, 0)):
        statistics = PhaseStatistics(256)
        for k, phase in enumerate(first):
            statistics.add(k, round(phase))
        for k, phase in enumerate(second):
            statistics.add(start + k, round(phase) + shift)
        for point in statistics.points():
            parts = [each[point.tau] for each in alone]
            assert point.adev_samples == sum(part.adev_samples for part in parts)
            assert point.mtie == max(part.mtie or 0.0 for part in parts)


def test_the_same_second_twice_counts_once() -> None:
    statistics = PhaseStatistics(4)
    for second in (0, 0, 1, 1, 2):
        statistics.add(second, 5000 * second**2)
    first = statistics.points()[0]
    assert (first.adev_samples, first.mtie_samples, first.mtie) == (1, 2, 15e-9)
    assert first.adev == pytest.approx(10e-9 / math.sqrt(2))


def test_slopes_are_those_of_the_kind_of_noise() -> None:
    """White phase noise: ADEV falls with tau, TDEV with its root. Random-walk frequency noise: ADEV rises with the root."""
    pm, rw = streamed(walk("white pm", 20_000, 7)), streamed(walk("random walk fm", 20_000, 8))
    for low, high in pairwise([1, 4, 16, 64]):
        assert (pm[low].adev or 0) / (pm[high].adev or 1) == pytest.approx(4, rel=0.1)
        assert (pm[low].tdev or 0) / (pm[high].tdev or 1) == pytest.approx(2, rel=0.2)
        assert (rw[high].adev or 0) / (rw[low].adev or 1) == pytest.approx(2, rel=0.25)


def test_old_values_fade_after_weeks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stratum1.stability._estimator._KEPT", 256)
    statistics = PhaseStatistics(1)
    for second in range(3000):
        statistics.add(second, (100_000 if second % 2 and second < 600 else 0) + (1000 if second % 2 else 0))
    point = statistics.points()[0]
    assert point.adev_samples < 512
    assert point.adev is not None
    assert point.adev < 1e-8
    assert point.mtie == 1e-9


@pytest.mark.parametrize("longest", [0, -1, 3, 100])
def test_only_powers_of_two_are_taken(longest: int) -> None:
    with pytest.raises(ValueError, match=f"longest = {longest}: must be a power of two"):
        PhaseStatistics(longest)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.integers(-(10**12), 10**12) | st.integers(0, 40), st.integers(-(10**30), 10**30) | st.integers(-9, 9))))
def test_nothing_upsets_it_and_every_figure_is_finite(fed: list[tuple[int, int]]) -> None:
    statistics = PhaseStatistics(8)
    for second, phase in fed:
        statistics.add(second, phase)
    for point in statistics.points():
        for value in (point.adev, point.tdev, point.mtie):
            assert value is None or (math.isfinite(value) and value >= 0)


def test_memory_is_bounded_and_a_second_is_cheap() -> None:
    statistics = PhaseStatistics(256)
    began = time.process_time()
    for second in range(20_000):
        statistics.add(second, second % 977)
    assert (time.process_time() - began) / 20_000 < 400e-6  # some 10 us; the limit is for machines that do ten things at once
    held = sum(len(span.highs) + len(span.lows) for span in statistics._spans) + len(statistics._ring)
    assert held <= 1024 + 2 * 257

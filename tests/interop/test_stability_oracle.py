"""The streaming figures against allantools (A. Wallin and others, LGPL), which makes them from whole arrays."""

import allantools
import numpy as np
import pytest

from stratum1.stability import PhaseStatistics

TAUS = [2**i for i in range(12)]


def series(kind: str, n: int, seed: int) -> "np.typing.NDArray[np.float64]":
    """Phases in whole picoseconds."""
    draw = np.random.default_rng(seed)
    noise = draw.standard_normal(n) * 1e6
    made = {"white pm": noise, "white fm": np.cumsum(noise), "random walk fm": np.cumsum(np.cumsum(noise / 1000))}[kind]
    return np.round(made)


@pytest.mark.parametrize("kind", ["white pm", "white fm", "random walk fm"])
def test_without_gaps_it_is_allantools(kind: str) -> None:
    phases = series(kind, 8000, 1)
    statistics = PhaseStatistics(2048)
    for second, phase in enumerate(phases):
        statistics.add(second, int(phase))
    points = {point.tau: point for point in statistics.points()}
    x = phases * 1e-12
    compared = 0
    for name, compute in (("adev", allantools.oadev), ("tdev", allantools.tdev), ("mtie", allantools.mtie)):
        taus, values, _, counts = compute(x, rate=1.0, data_type="phase", taus=TAUS)
        for tau, value, count in zip(taus, values, counts, strict=True):
            point = points[int(tau)]
            assert getattr(point, name) == pytest.approx(value, rel=1e-9)
            assert getattr(point, f"{name}_samples") == count
            compared += 1
    assert compared >= 33


def test_with_gaps_adev_is_that_of_the_triples_that_are_there() -> None:
    """allantools' ADEV for series with gaps takes the same triples (holes are NaN)."""
    phases = series("white fm", 4000, 2)
    holes = np.random.default_rng(3).choice(np.arange(1, 3999), 400, replace=False)
    phases[holes] = np.nan
    statistics = PhaseStatistics(256)
    for second, phase in enumerate(phases):
        if not np.isnan(phase):
            statistics.add(second, int(phase))
    points = {point.tau: point for point in statistics.points()}
    x = phases * 1e-12
    for tau in (1, 4, 16, 64, 256):
        value, _, count = allantools.allantools.calc_gradev_phase(x, 1.0, tau, 1, 0.9, "wp")
        assert points[tau].adev == pytest.approx(value, rel=1e-9)
        assert points[tau].adev_samples == count

"""The seeded noise that figures are compared on: one value a second, the same bits for everybody who runs the same numpy generator.

frequency[k]: error of the crystal over [k, k + 1), s/s, positive is fast. pulses[k]: stamp error of pulse k, seconds, nan: no pulse.
`stratum1.simulation.series` follows the same laws without numpy, with other draws.
"""

import numpy as np
import numpy.typing as npt

from stratum1.simulation import SCENARIOS, Scenario

__all__ = ["Array", "delays", "draw", "series"]

_EPOCH = 20_261_124
Array = npt.NDArray[np.float64]


def series(name: str, seed: int) -> tuple[Array, Array]:
    """Frequency and pulses of a scenario of `stratum1.simulation.SCENARIOS`; S7 has S1's law and draws."""
    return draw(SCENARIOS[name], seed)


def delays(seed: int, server: int, n: int) -> Array:
    """One-way delays of n exchanges with a server, seconds: (n, 2), request and reply."""
    generator = np.random.default_rng([seed, server, _EPOCH])
    return 1e-3 + 100e-6 * generator.exponential(size=(n, 2))


def draw(scenario: Scenario, seed: int) -> tuple[Array, Array]:
    """Frequency and pulses of any scenario; two that differ in their law only have the same draws behind them."""
    generator = np.random.default_rng([seed, _EPOCH])
    n = scenario.seconds
    # the order of the draws is part of the definition
    steps, jitter = generator.standard_normal(n), generator.standard_normal(n)
    kind, late = generator.random(n), generator.exponential(size=n)
    second = np.arange(n)
    frequency = scenario.frequency + np.cumsum(scenario.wander * steps)
    pulses = scenario.jitter * jitter
    if scenario.temperature:
        frequency = frequency + scenario.temperature * np.sin(2 * np.pi * second / scenario.period)
    if scenario.late_share:
        pulses = np.where(kind < scenario.late_share, pulses + scenario.late_mean * late, pulses)
    if scenario.outage is not None:
        pulses = np.where(second > scenario.outage, np.nan, pulses)
    if scenario.missing_share:
        pulses = np.where(kind < scenario.missing_share, np.nan, pulses)
    return frequency, pulses

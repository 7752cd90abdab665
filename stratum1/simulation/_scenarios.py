"""The scenarios that figures are given for, as data, and seeded noise that follows them."""

import random
from dataclasses import dataclass
from math import nan, pi, sin

__all__ = ["SCENARIOS", "Scenario", "Series", "series"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A crystal and a pulse. seconds: length of the run. offset: reference minus our clock at the start, seconds.

    frequency: error of the crystal at the start, s/s, positive is fast; wander: standard deviation of its step each second, s/s.
    temperature: amplitude (s/s) and period (s) of a sinusoid on top. jitter: standard deviation of a stamp, seconds.
    late_share of the pulses are late by an exponential law of mean late_mean (seconds). missing_share of them never come.
    outage: the second after which there are none, None for no outage.
    """

    name: str
    seconds: int = 18_001
    offset: float = 0.1
    frequency: float = 20e-6
    wander: float = 1e-9
    jitter: float = 1e-6
    temperature: float = 0.0
    period: float = 3600.0
    late_share: float = 0.0
    late_mean: float = 50e-6
    missing_share: float = 0.0
    outage: int | None = None


_SIX_HOURS = 6 * 3600

SCENARIOS = {
    each.name: each
    for each in (
        Scenario("S1"),
        Scenario("S2", temperature=0.5e-6),
        Scenario("S3", late_share=0.01),
        Scenario("S4", seconds=_SIX_HOURS + 3601, outage=_SIX_HOURS),
        Scenario("S4T", seconds=_SIX_HOURS + 3601, outage=_SIX_HOURS, temperature=0.5e-6),
        Scenario("S5", missing_share=0.1),
        Scenario("S7", offset=5.0),
    )
}
"""S1 plain, S2 temperature cycle, S3 late pulses, S4 holdover after six hours (S4T with S2's temperature), S5 missing pulses, S7 5 s off.

S6 (no pulse, three servers) needs network sources.
"""


@dataclass(frozen=True, slots=True)
class Series:
    """One value a second: frequency error of the crystal over [k, k + 1) in s/s, error of the stamp of pulse k in seconds (nan: none)."""

    frequency: tuple[float, ...]
    pulses: tuple[float, ...]


def series(scenario: Scenario, seed: int) -> Series:
    """The noise of a scenario, the same for the same seed on every machine."""
    draw = random.Random(seed)  # noqa: S311 (a simulation has to be repeatable)
    frequency, pulses = [], []
    walk = scenario.frequency
    for k in range(scenario.seconds):
        walk += scenario.wander * draw.gauss(0.0, 1.0)
        frequency.append(walk + scenario.temperature * sin(2 * pi * k / scenario.period))
        pulses.append(_pulse(scenario, draw, k))
    return Series(tuple(frequency), tuple(pulses))


def _pulse(scenario: Scenario, draw: random.Random, k: int) -> float:
    error = scenario.jitter * draw.gauss(0.0, 1.0)
    kind, late = draw.random(), draw.expovariate(1.0)
    if (scenario.outage is not None and k > scenario.outage) or kind < scenario.missing_share:
        return nan
    return error + scenario.late_mean * late if kind < scenario.late_share else error

"""What filters that know the noise reach on the same series: the yardsticks of the timing tables.

All are linear Kalman filters of the clock (phase, frequency and, for a temperature cycle, what else they know of it), told the
standard deviation r of a stamp and q of the crystal's step each second, and steering as the discipline does: one correction a second,
computed from pulse k, in force from k to k + 1. The true error is read before the correction of a pulse, so with the phase taken
out within a second (tau = 1) it is the filter's prediction error, which no causal filter that knows no more can make smaller;
tau = 4 is the same filter with the smoother steering that a served clock wants.

A temperature cycle makes "the filter that knows the noise" ambiguous, so there are two:

- The best three-state filter is the yardstick: phase, frequency and a drift that walks. It knows r, q and the cycle's amplitude
  and period, but only uses them to choose its two constants (the q and the q3 that it assumes), by the exact variance of its error.
  It does not know where in the cycle it is, and would follow another cycle of that size as well. Without a cycle it becomes the
  two-state filter, the optimum itself.
- The filter that knows the period is told that there is a sinusoid of this period, with the right variance of its two
  components and no noise on them, and has its phase and amplitude to within nothing after some cycles. No
  crystal on earth is so kind: it is the limit that cannot be reached, not the goal.
"""

from dataclasses import dataclass
from math import isnan, pi
from typing import Protocol

import numpy as np

from bench.noise import Array
from stratum1.simulation import Scenario

__all__ = ["Filter", "Model", "drift_model", "knowing", "knowing_the_period", "rms_of", "steered", "two_state"]

_LIMIT = 500e-6
"""s/s; more is not steered."""
_SETTLED = 30


@dataclass(frozen=True, slots=True)
class Model:
    """A linear model with a second's step. output: what the states add to the clock's phase within a second, used for steering."""

    step: Array
    noise: Array
    start: Array
    output: Array
    r: float


def two_state(r: float, q: float) -> Model:
    """Phase and a frequency that walks."""
    return Model(np.array([[1.0, 1.0], [0.0, 1.0]]), np.diag([0.0, q * q]), np.diag([1e-2, 1e-8]), np.array([0.0, 1.0]), r)


def drift_model(r: float, q: float, q3: float) -> Model:
    """Phase, frequency, and a drift (s/s each second) that walks by q3 a second."""
    step = np.array([[1.0, 1.0, 0.5], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]])
    return Model(step, np.diag([0.0, q * q, q3 * q3]), np.diag([1e-2, 1e-8, 1e-18]), np.array([0.0, 1.0, 0.5]), r)


def period_model(r: float, q: float, amplitude: float, period: float) -> Model:
    """Phase, walking frequency, and a sinusoid of known period on top of it whose two components are unknown at the start."""
    c, s = np.cos(2 * pi / period), np.sin(2 * pi / period)
    step = np.array([[1.0, 1.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, c, s], [0.0, 0.0, -s, c]])
    start = np.diag([1e-2, 1e-8, amplitude**2 / 2, amplitude**2 / 2])
    return Model(step, np.diag([0.0, q * q, 0.0, 0.0]), start, np.array([0.0, 1.0, 1.0, 0.0]), r)


class Filter:
    """A model at work: a stamp in (seconds, nan: none), a rate to steer with out.

    tau: seconds within which the phase is taken out. gate: a stamp this many sigmas off is left out (0: none is), once it has settled.
    """

    def __init__(self, model: Model, tau: float = 1.0, gate: float = 0.0) -> None:
        self._model, self._tau, self._gate = model, tau, gate
        self._state = np.zeros(len(model.step))
        self._covariance = model.start.copy()
        self._seen = 0

    def __call__(self, stamp: float, steering: float) -> float:
        model, state, covariance = self._model, self._state, self._covariance
        if self._seen:
            state = model.step @ state
            state[0] += steering
            covariance = model.step @ covariance @ model.step.T + model.noise
        self._seen += 1
        if not isnan(stamp):
            variance = covariance[0, 0] + model.r**2
            innovation = stamp - state[0]
            if not self._gate or self._seen < _SETTLED or innovation**2 < self._gate**2 * variance:
                gain = covariance[:, 0] / variance
                state = state + gain * innovation
                covariance = covariance - np.outer(gain, covariance[0])
        self._state, self._covariance = state, (covariance + covariance.T) / 2
        return -float(model.output @ state) - float(state[0]) / self._tau


class Steerer(Protocol):
    """Anything that can be steered with."""

    def __call__(self, stamp: float, steering: float) -> float:
        """The rate until the next second, s/s, from a stamp and the rate that was in force."""


def steered(frequency: Array, pulses: Array, steerer: Steerer, offset: float = 1e-4) -> Array:
    """The true error at each second, ours minus truth, seconds."""
    errors = np.empty(len(frequency))
    error, rate = -offset, 0.0
    for k, (crystal, stamp) in enumerate(zip(frequency.tolist(), pulses.tolist(), strict=True)):
        errors[k] = error
        rate = max(-_LIMIT, min(_LIMIT, steerer(error + stamp, rate)))
        error += crystal + rate
    return errors


def knowing(scenario: Scenario, tau: float = 1.0) -> Filter:
    """The yardstick of a scenario; see the module."""
    gate = 4.0 if scenario.late_share else 0.0
    if not scenario.temperature:
        return Filter(two_state(scenario.jitter, scenario.wander), tau, gate)
    q, q3 = best_assumption(scenario)
    return Filter(drift_model(scenario.jitter, q, q3), tau, gate)


def knowing_the_period(scenario: Scenario) -> Filter:
    """The limit that cannot be reached; see the module."""
    if not scenario.temperature:
        return knowing(scenario)
    return Filter(period_model(scenario.jitter, scenario.wander, scenario.temperature, scenario.period))


def best_assumption(scenario: Scenario) -> tuple[float, float]:
    """The q and q3 (s/s, s/s each second) of the three-state filter whose error is smallest under the scenario's law."""
    best = (scenario.wander, scenario.temperature * (2 * pi / scenario.period) ** 1.5)
    width = 1000.0
    while width > 1.05:
        factors = np.geomspace(1 / width, width, 13)
        candidates = [(best[0] * a, best[1] * b) for a in factors for b in factors]
        best = min(candidates, key=lambda pair: rms_of(scenario, *pair))
        width **= 0.4
    return best


def rms_of(scenario: Scenario, q: float, q3: float) -> float:
    """RMS prediction error (seconds) of the three-state filter that assumes q and q3, under the scenario's law, exactly."""
    model = drift_model(scenario.jitter, q, q3)
    covariance = _riccati(model)
    gain = model.step @ covariance[:, 0] / (covariance[0, 0] + model.r**2)
    closed = model.step.copy()
    closed[:, 0] -= gain
    driven = np.zeros((3, 3))
    driven[1, 1] = scenario.wander**2
    driven += scenario.jitter**2 * np.outer(gain, gain)
    variance = np.linalg.solve(np.eye(9) - np.kron(closed, closed), driven.ravel())[0]
    z = np.exp(2j * pi / scenario.period)
    cycle = np.linalg.solve(z * np.eye(3) - closed, np.array([1.0, 0.0, 0.0]))[0]
    return float(np.sqrt(variance + scenario.temperature**2 * abs(cycle) ** 2 / 2))


def _riccati(model: Model) -> Array:
    """The covariance of the prediction that the filter settles at, by doubling (Anderson, 1978)."""
    unit = 1 / model.r**2
    a, h = model.step.T, model.noise * unit
    g = np.zeros_like(h)
    g[0, 0] = 1.0
    for _ in range(64):
        w = np.linalg.inv(np.eye(len(h)) + g @ h)
        grown = a.T @ h @ w @ a
        a, g, h = a @ w @ a, g + a @ w @ g @ a.T, h + grown
        if np.abs(grown).max() <= 1e-13 * np.abs(h).max():
            break
    return h / unit

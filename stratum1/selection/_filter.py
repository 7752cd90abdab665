"""What is known of one source: its time minus our raw clock, the rate of that, and the least delay on the way to it.

Three states, corrected one measurement at a time. A pulse has a normal error: that is a Kalman filter. A packet is late by an
exponential law, each way for itself: earlier than the least delay it can't be, and by how much it is later says little. So the
likelihood of a one-way time z, given the time u that the least delay would have given, is exp((u - z) / scale) / scale for u <= z and 0
for u > z, blurred by the stamps' noise. The belief after it has mean and variance in closed form (a normal law, tilted and cut off),
and is taken as normal again (assumed density filtering). Errors of such an estimate fall with 1/n, those of an average with 1/sqrt(n),
since it is the quickest packets of both ways that hold the belief between them.
"""

import math
from typing import NamedTuple

__all__ = ["Estimate", "Filter"]

_DEEP = -30.0  # below it the normal law's tail is taken from its series
_LEAST, _MOST = 1e-30, 1e30  # of variances


class Estimate(NamedTuple):
    """A value with its variance, and its rate (per second) with the rate's."""

    value: float
    variance: float
    rate: float
    rate_variance: float


class Filter:
    """value: source minus raw clock, seconds; rate: s/s; delay: least one-way delay, seconds. Variances are theirs.

    wander: standard deviation of what the crystal's rate changes by in a second, s/s.
    """

    __slots__ = ("_dd", "_rate", "_value", "_vd", "_vv", "_wander2", "_xd", "_xv", "_xx", "delay")

    def __init__(
        self, wander: float, value: float, variance: float, rate_variance: float, *, delay: float = 0.0, spread: float = 0.0
    ) -> None:
        """spread: standard deviation of the delay."""
        self._wander2 = wander * wander
        self._value, self._rate, self.delay = value, 0.0, delay
        self._xx, self._vv, self._dd = variance, rate_variance, spread * spread
        self._xv = self._xd = self._vd = 0.0

    def after(self, elapsed: float) -> Estimate:
        """What is expected so many seconds later, without a further measurement."""
        noise = self._wander2 * elapsed
        variance = self._xx + elapsed * (2 * self._xv + elapsed * (self._vv + noise / 3))
        return Estimate(self._value + self._rate * elapsed, max(_LEAST, variance), self._rate, self._vv + noise)

    def pass_time(self, elapsed: float, delay_wander: float = 0.0) -> None:
        """Go on by so many seconds. delay_wander: standard deviation of the least delay's change in a second, seconds."""
        later = self.after(elapsed)
        noise = self._wander2 * elapsed
        self._value = later.value
        self._xx = min(_MOST, later.variance)
        self._xv += elapsed * (self._vv + noise / 2)
        self._xd += elapsed * self._vd
        self._vv = min(_MOST, later.rate_variance)
        self._dd = min(_MOST, self._dd + delay_wander * delay_wander * elapsed)

    def deviation(self, sign: int, measured: float, noise: float) -> tuple[float, float]:
        """How far a one-way time is above the expected least one, and the standard deviation of that. sign: as in `one_way`."""
        return measured - sign * self._value - self.delay, math.sqrt(self._spread(sign, noise * noise))

    def normal(self, measured: float, sigma: float) -> None:
        """A measurement of the value itself, with a normal error."""
        spread = self._xx + sigma * sigma
        self._correct((self._xx, self._xv, self._xd), spread, measured - self._value, 0.0)

    def one_way(self, sign: int, measured: float, scale: float, noise: float) -> float:
        """A one-way time: +1 towards the source (value + delay + lateness), -1 back (delay - value + lateness).

        scale: mean lateness, noise: standard deviation of the stamps, seconds. Returns the log of the likelihood, within +-50.
        """
        spread = self._spread(sign, noise * noise)
        expected = sign * self._value + self.delay
        root = math.sqrt(spread)
        depth = (measured - expected - spread / scale) / root
        ratio, log_tail = _mills(depth)
        late = expected + spread / scale - root * ratio
        remaining = 1 / (depth * depth) if depth < _DEEP else 1 - depth * ratio - ratio * ratio
        gains = (sign * self._xx + self._xd, sign * self._xv + self._vd, sign * self._xd + self._dd)
        self._correct(gains, spread, late - expected, max(0.0, min(1.0, remaining)) * spread)
        likelihood = (expected - measured) / scale + spread / (2 * scale * scale) + log_tail - math.log(scale)
        return max(-50.0, min(50.0, likelihood))

    def _spread(self, sign: int, noise: float) -> float:
        return max(_LEAST, self._xx + 2 * sign * self._xd + self._dd + noise)

    def _correct(self, gains: tuple[float, float, float], spread: float, shift: float, left: float) -> None:
        """Move by a shift of what was measured. spread, left: variance of that before and after; gains: its covariance with the states."""
        x, v, d = (gain / spread for gain in gains)
        self._value += x * shift
        self._rate += v * shift
        self.delay += d * shift
        gone = spread - left
        self._xx = max(_LEAST, self._xx - x * x * gone)
        self._vv = max(_LEAST, self._vv - v * v * gone)
        self._dd = max(0.0, self._dd - d * d * gone)
        self._xv = _within(self._xv - x * v * gone, self._xx, self._vv)
        self._xd = _within(self._xd - x * d * gone, self._xx, self._dd)
        self._vd = _within(self._vd - v * d * gone, self._vv, self._dd)


def _within(covariance: float, one: float, other: float) -> float:
    """A covariance that rounding can't make impossible."""
    limit = math.sqrt(one) * math.sqrt(other)
    return max(-limit, min(limit, covariance))


def _mills(depth: float) -> tuple[float, float]:
    """Density over distribution of the normal law, and the log of the distribution."""
    if depth < _DEEP:
        return -depth - 1 / depth, -depth * depth / 2 - math.log(-depth * math.sqrt(2 * math.pi))
    below = 0.5 * math.erfc(-depth / math.sqrt(2))
    return math.exp(-depth * depth / 2) / math.sqrt(2 * math.pi) / below, math.log(below)

"""Which crystal is this? Filters that believe different things run side by side, and those that predict best have the say.

A filter that knows how much its crystal wanders is the best there is for it (`_member`); one that is wrong by a factor of two loses
a tenth. Nobody tells us, and a cycle of temperature is no random walk at all. So members with every wander from 1.5e-11 to 5e-7
(and, with a drift state, every drift of practical use) see the same samples, and each is judged by what it said a second before each
sample: the mean square of its innovations, which is, but for a constant, its likelihood (Ljung, System Identification, chapter 7:
the prediction error method). The estimate is the mean of all, weighted by likelihood (Bayesian model averaging): the least mean square
error that can be had without being told.

Two memories judge together: a long one, which tells members apart that differ by a percent, and a short one, which lets a nimble
member take over within a minute when the crystal does something new (a fan starts), and give back after it.
"""

import math
from dataclasses import dataclass

from ._member import Member

__all__ = ["Consensus", "Jury"]

_WANDERS = tuple(2.0**n for n in range(-36, -20))
_DRIFTS = tuple(10.0 ** (n / 2) for n in range(-26, -16))
_QUIET = 1e-10
"""s/s per square-root second of wander in the members that have a drift."""
_LONG, _SHORT = 6000.0, 64.0
_ORDINARY = math.log(1e-9)
_PRIOR = math.log(10.0)
_NEGLIGIBLE = 1e-4


@dataclass(frozen=True, slots=True)
class Consensus:
    """The weighted mean of all members. Units as in `Member`; variances include how much the members disagree.

    gain: share of an innovation that goes into the phase; wander: geometric mean of the weighted members' frequency noise, s/s per
    square-root second; drifting: the weight of the members with a drift state.
    """

    theta: float
    f: float
    d: float
    phase_variance: float
    frequency_variance: float
    gain: float
    wander: float
    drifting: float


class Jury:
    """All members, fed with the same samples."""

    def __init__(self) -> None:
        self._members = [Member(q, 0.0) for q in _WANDERS] + [Member(_QUIET, s) for s in _DRIFTS]
        self._prior = [_prior(m) for m in self._members]
        self._long = [1.0] * len(self._members)
        self._short = [1.0] * len(self._members)
        self._weights = _normalised(self._prior)
        self._count = 0

    def begin(self, theta: float, f: float, phase_sigma: float, frequency_sigma: float, covariance: float) -> None:
        """Start all members from a measured line; what was learned about the crystal stays."""
        for member in self._members:
            member.begin(theta, f, phase_sigma, frequency_sigma, covariance)
        self._short = [1.0] * len(self._members)

    def predict(self, dt: float, applied: float) -> None:
        """See `Member.predict`."""
        for member in self._members:
            member.predict(dt, applied)

    def update(self, offset: float, variance: float, scale: float) -> None:
        """See `Member.update`; scale: variance of an innovation (s^2) that counts as ordinary."""
        self._count += 1
        a, b = 1.0 / min(_LONG, self._count + 10.0), 1.0 / _SHORT
        for i, member in enumerate(self._members):
            member.update(offset, variance)
            loss = member.innovation**2 / scale
            loss = min(loss, 12.0)
            self._long[i] += (loss - self._long[i]) * a
            self._short[i] += (loss - self._short[i]) * b
        self._weigh()

    def step(self, amount: float) -> None:
        """Our clock was stepped forward by so many seconds."""
        for member in self._members:
            member.theta -= amount

    def shift(self, change: float) -> None:
        """The frequency is higher by so much (s/s) from now on, for a known cause."""
        for member in self._members:
            member.f += change

    def relax(self, share: float) -> None:
        """See `Member.relax`."""
        if share >= 1.0:
            return
        for member in self._members:
            member.relax(share)

    def consensus(self) -> Consensus:
        """What all say together now."""
        pairs = [(w, m) for w, m in zip(self._weights, self._members, strict=True) if w > _NEGLIGIBLE]
        total = sum(w for w, _ in pairs)
        theta = sum(w * m.theta for w, m in pairs) / total
        f = sum(w * m.f for w, m in pairs) / total
        return Consensus(
            theta=theta,
            f=f,
            d=sum(w * m.d for w, m in pairs) / total,
            phase_variance=sum(w * (m.phase_variance + (m.theta - theta) ** 2) for w, m in pairs) / total,
            frequency_variance=sum(w * (m.frequency_variance + (m.f - f) ** 2) for w, m in pairs) / total,
            gain=sum(w * m.gain for w, m in pairs) / total,
            wander=math.exp(sum(w * math.log(m.wander) for w, m in pairs) / total),
            drifting=sum(w for w, m in pairs if m.drift) / total,
        )

    def _weigh(self) -> None:
        long, short = min(_LONG, self._count), min(_SHORT, self._count)
        self._weights = _normalised(
            [p - 0.5 * (long * math.log(a) + short * math.log(b)) for p, a, b in zip(self._prior, self._long, self._short, strict=True)]
        )


def _prior(member: Member) -> float:
    """Log of the weight before anything is known: ordinary crystals wander at 1e-9, give or take a decade; drifts are equally likely."""
    if member.drift:
        return -2.0
    return -0.5 * ((math.log(member.wander) - _ORDINARY) / _PRIOR) ** 2


def _normalised(logs: list[float]) -> list[float]:
    highest = max(logs)
    weights = [math.exp(max(-60.0, value - highest)) for value in logs]
    total = sum(weights)
    return [w / total for w in weights]

"""From those that agree to one offset: which are left out, and what weight each of the rest has (RFC 5905, sections 11.2.2 and 11.2.3)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ._types import SourceOptions

__all__ = ["Candidate", "Outlier", "cluster", "weights"]

_FEWEST = 3
"""Survivors that are kept in any case (RFC 5905: NMIN)."""
_STRATUM = 1e-3
"""Seconds of distance that one stratum counts for, as in chrony: near servers of a high stratum are better than far ones of a low."""
_LEAST_SIGMA = 1e-9


@dataclass(frozen=True, slots=True)
class Candidate:
    """A source that may be used. offset: source minus our clock now; distance: half the width of its interval; seconds."""

    name: str
    offset: float
    sigma: float
    jitter: float
    distance: float
    stratum: int
    is_reference: bool
    options: SourceOptions

    @property
    def interval(self) -> tuple[float, float]:
        """What its word allows."""
        return self.offset - self.distance, self.offset + self.distance

    @property
    def score(self) -> float:
        """The less the better."""
        return self.distance + _STRATUM * self.stratum


@dataclass(frozen=True, slots=True)
class Outlier:
    """One that was left out. away: RMS distance from the others; scatter: the least jitter among them; both in seconds."""

    away: float
    scatter: float


def cluster(candidates: Sequence[Candidate]) -> tuple[list[Candidate], dict[str, Outlier]]:
    """Leave out the one that is furthest from the others, again and again, until that would gain nothing. The best comes first.

    Never left out are reference clocks, and whatever claims the narrowest interval: that the wider ones scatter around another offset than
    its own says something about them, not about it. Were it otherwise, three servers would now and then outvote the pulse.
    """
    left = sorted(candidates, key=lambda each: (each.score, each.name))
    narrowest = min((each.distance for each in left), default=0.0)
    out: dict[str, Outlier] = {}
    while len(left) > _FEWEST:
        away = {each.name: _away(each, left) for each in left}
        doubtful = (each for each in left if not (each.options.prefer or each.is_reference or each.distance <= narrowest))
        worst = max(doubtful, key=lambda each: away[each.name], default=None)
        scatter = min(each.jitter for each in left)
        if worst is None or away[worst.name] <= max(scatter, worst.sigma):
            break
        out[worst.name] = Outlier(away[worst.name], scatter)
        left.remove(worst)
    return left, out


def weights(sigmas: Mapping[str, float]) -> dict[str, float]:
    """Shares of the mean by standard uncertainty, 1 in all: the inverse of each variance."""
    best = max(_LEAST_SIGMA, min(sigmas.values()))
    shares = {name: (best / max(_LEAST_SIGMA, sigma)) ** 2 for name, sigma in sigmas.items()}
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()}


def _away(one: Candidate, others: Sequence[Candidate]) -> float:
    """RFC 5905's selection jitter."""
    return math.sqrt(sum((each.offset - one.offset) ** 2 for each in others) / (len(others) - 1))

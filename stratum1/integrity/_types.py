"""What goes into the guard's settings and what comes out of it."""

from dataclasses import dataclass
from math import isfinite

from stratum1.timescale import MonoNs, UtcNs

__all__ = ["KINDS", "Evidence", "IntegrityReport", "IntegritySettings"]

KINDS = ("pulse", "time", "position", "receiver", "radio", "sources")
"""Groups of evidence, each with a weight."""


@dataclass(frozen=True, slots=True)
class IntegritySettings:
    """What the owner chose.

    limit: score from which the reference is refused. stationary: whether the antenna stays where it is. learn_time: seconds of pulses
    (and of positions) before anything that has to be learned speaks against them. return_after: seconds without evidence after which a
    refused reference is believed again. earliest: the last time that is known to have passed, None for none. ..._weight: what evidence of
    a group counts at most. Raises ValueError for a number out of range.
    """

    enabled: bool = True
    limit: float = 1.0
    stationary: bool = True
    learn_time: float = 900.0
    return_after: float = 300.0
    earliest: UtcNs | None = None
    pulse_weight: float = 1.0
    time_weight: float = 1.0
    position_weight: float = 1.0
    receiver_weight: float = 1.0
    radio_weight: float = 0.7
    sources_weight: float = 1.0

    def __post_init__(self) -> None:
        for name, least, most in (("limit", 0.1, 10.0), ("learn_time", 600.0, 86400.0), ("return_after", 60.0, 86400.0)):
            _check(name, getattr(self, name), least, most)
        for kind in KINDS:
            _check(f"{kind}_weight", self.weight(kind), 0.0, 10.0)

    def weight(self, kind: str) -> float:
        """The weight of a group of `KINDS`."""
        value: float = getattr(self, f"{kind}_weight")
        return value


def _check(name: str, value: float, least: float, most: float) -> None:
    if not (isfinite(value) and least <= value <= most):
        raise ValueError(f"{name.replace('_', '-')} = {value}: allowed are {least:g} to {most:g}")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Something that speaks against the reference. kind: one of `KINDS`; name: which thing of it.

    strength: 0 to 1, a share of the group's weight; value: the number behind it, in the unit that the sentence names; since: raw time.
    No sentence holds a position, only distances.
    """

    kind: str
    name: str
    strength: float
    value: float
    sentence: str
    since: MonoNs


@dataclass(frozen=True, slots=True)
class IntegrityReport:
    """For people. score, limit: of the evidence now; refused_since: raw time, None while trusted; reason: the sentence of the refusal.

    learned: whether pulses have been watched long enough to judge them; watched: seconds of pulses so far; refusals: since the start;
    withheld: single pulses that were kept from the clock because they were far from their place.
    """

    enabled: bool
    score: float
    limit: float
    evidence: tuple[Evidence, ...]
    refused_since: MonoNs | None
    reason: str
    learned: bool
    watched: int
    refusals: int
    withheld: int

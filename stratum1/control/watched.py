"""What is shown of the watch over the reference: whether it can be believed, and how stable it is."""

from dataclasses import dataclass

from stratum1.timescale import UtcNs

__all__ = ["EvidenceStatus", "IntegrityStatus", "StabilityFigure", "StabilityStatus"]


@dataclass(frozen=True, slots=True)
class EvidenceStatus:
    """Something that speaks against a reference. kind: its group, name: which of it; strength: 0 to 1, a share of the group's weight;
    value: the number behind it, in the unit that the sentence names. No sentence holds a position, only distances.
    """

    kind: str
    name: str
    strength: float
    value: float
    sentence: str
    since: UtcNs


@dataclass(frozen=True, slots=True)
class IntegrityStatus:
    """By reference clock. score: of the evidence now; from limit on it is refused. refused_since: None while it is believed.

    reason: the sentence of the refusal, empty for none; learned: whether its pulses were watched long enough to be judged;
    watched: pulses so far; refusals: since the start; withheld: single pulses kept from the clock, far from their place.
    """

    source: str
    enabled: bool
    score: float
    limit: float
    refused_since: UtcNs | None
    reason: str
    evidence: tuple[EvidenceStatus, ...]
    learned: bool
    watched: int
    refusals: int
    withheld: int


@dataclass(frozen=True, slots=True)
class StabilityFigure:
    """Figures over a span of tau seconds: Allan deviation (ratio), time deviation and MTIE (seconds), None where not measured yet.

    ..._samples: how many overlapping values are behind each.
    """

    tau: int
    adev: float | None
    adev_samples: int
    tdev: float | None
    tdev_samples: int
    mtie: float | None
    mtie_samples: int


@dataclass(frozen=True, slots=True)
class StabilityStatus:
    """By reference clock. pulses: its pulses against our crystal as it runs by itself; clock: our steered clock against its pulses."""

    source: str
    pulses: tuple[StabilityFigure, ...]
    clock: tuple[StabilityFigure, ...]

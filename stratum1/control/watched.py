"""What is shown of the watch over the reference: how stable it is."""

from dataclasses import dataclass

__all__ = ["StabilityFigure", "StabilityStatus"]


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

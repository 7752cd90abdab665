"""What is known of the crystal, and how long the time would stay good without a reference."""

from dataclasses import dataclass

__all__ = ["CrystalStatus", "HoldoverStatus", "LearnedLaw"]


@dataclass(frozen=True, slots=True)
class LearnedLaw:
    """A coefficient with its standard uncertainty (None while unknown); used: certain enough to lead the clock in holdover."""

    value: float
    sigma: float | None
    used: bool


@dataclass(frozen=True, slots=True)
class CrystalStatus:
    """What was learned while locked, signs as of the correction applied (positive speeds our clock up).

    frequency_ppm with its standard uncertainty; warmth: change with temperature, ppm a degree; ageing: lasting change, ppm a day;
    learned: seconds over which the crystal's changes are known.
    """

    frequency_ppm: float
    frequency_sigma_ppm: float
    warmth: LearnedLaw
    ageing: LearnedLaw
    learned: float


@dataclass(frozen=True, slots=True)
class HoldoverStatus:
    """Without samples. active: it is so now; age: seconds since the last sample that was used; limit: error bound (seconds) at which we
    stop claiming to know the time; remaining: seconds until then if no sample comes any more, None for a week or more, or not known.
    """

    active: bool
    age: float | None
    limit: float
    remaining: float | None

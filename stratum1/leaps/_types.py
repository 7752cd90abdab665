"""What is said of leap seconds, for people."""

from dataclasses import dataclass

from stratum1.interchange import LeapPlan
from stratum1.timescale import UtcNs

__all__ = ["LeapReport", "Testimony"]


@dataclass(frozen=True, slots=True)
class Testimony:
    """One witness. says: "insert", "delete", "none" (it knows of none) or "nothing" (it does not speak).

    at: the instant right after the leap second, None where it names none. since: since when it has said so, None where it has
    not. text: the same as a sentence.
    """

    witness: str
    says: str
    at: UtcNs | None
    since: UtcNs | None
    text: str


@dataclass(frozen=True, slots=True)
class LeapReport:
    """plan: what will be done. tai_offset: TAI - UTC now, seconds, None if unknown. witnesses: list, receiver, sources.

    origin: where the list comes from, empty without one; expires: the end of its validity. alarms: sentences with their remedy.
    """

    plan: LeapPlan | None
    tai_offset: int | None
    witnesses: tuple[Testimony, ...]
    origin: str
    expires: UtcNs | None
    alarms: tuple[str, ...]

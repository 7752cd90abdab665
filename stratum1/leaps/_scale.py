"""The scale that seconds are counted on: the list, and leap seconds beyond it that are known in other ways."""

from collections.abc import Iterable

from stratum1.interchange import LeapPlan
from stratum1.timescale import LeapEvent, LeapTable, UtcNs

__all__ = ["HALF_SMEAR", "constant", "extended", "near_leap"]

HALF_SMEAR = 43_200 * 1_000_000_000
"""A smear begins at the noon before a leap second and ends at the noon after it."""


def constant(offset: int) -> LeapTable:
    """A scale that knows TAI - UTC of today (seconds) and no more."""
    return LeapTable((UtcNs(0),), (offset,), UtcNs(0))


def extended(base: LeapTable, events: Iterable[LeapEvent]) -> LeapTable:
    """The table with further leap seconds; one that contradicts the table at its end replaces what the table has from there on."""
    starts, offsets = list(base.starts), list(base.offsets)
    for event in sorted(events, key=lambda each: each.at):
        if event.at in starts[1:]:
            i = starts.index(event.at)
            if offsets[i] - offsets[i - 1] == event.sign:
                continue
            del starts[i:], offsets[i:]
        if event.at > starts[-1]:
            starts.append(event.at)
            offsets.append(offsets[-1] + event.sign)
    return LeapTable(tuple(starts), tuple(offsets), base.expires, base.origin)


def near_leap(scale: LeapTable | None, now: UtcNs) -> LeapPlan | None:
    """The leap second of the scale that lies half a day before or after `now` at most: what a smearing listener has to spread."""
    if scale is None:
        return None
    for i in range(len(scale.starts) - 1, 0, -1):
        if abs(scale.starts[i] - now) <= HALF_SMEAR:
            return LeapPlan(scale.starts[i], scale.offsets[i] - scale.offsets[i - 1], scale.offsets[i], ())
        if scale.starts[i] < now:
            break
    return None

"""GPS weeks: conversion, and the repair of dates that a receiver got wrong by whole rollovers."""

from typing import NamedTuple

from ._instants import NS, GpsNs, TaiNs, UtcNs

__all__ = ["GPS_EPOCH", "ROLLOVER_NS", "ROLLOVER_WEEKS", "WEEK_NS", "Repaired", "gps_from_tai", "repair_rollover", "tai_from_gps"]

WEEK_NS = 7 * 86_400 * NS
ROLLOVER_WEEKS = 1024
"""The legacy navigation message sends the week number in 10 bits (IS-GPS-200, 20.3.3.3.1.1)."""
ROLLOVER_NS = ROLLOVER_WEEKS * WEEK_NS
GPS_EPOCH = UtcNs(315_964_800 * NS)
"""1980-01-06T00:00:00Z."""
_GPS_TAI = GPS_EPOCH + 19 * NS  # TAI was 19 s ahead of UTC at the GPS epoch, and GPS time has kept that distance


class Repaired(NamedTuple):
    """A date and how many whole rollovers of 1024 weeks were added to reach it."""

    instant: UtcNs
    rollovers: int


def repair_rollover(instant: UtcNs, floor: UtcNs) -> Repaired:
    """Move an instant forward by as many times 1024 weeks as put it at or after `floor`; one that is there already stays."""
    if instant >= floor:
        return Repaired(instant, 0)
    rollovers = -((instant - floor) // ROLLOVER_NS)
    return Repaired(UtcNs(instant + rollovers * ROLLOVER_NS), rollovers)


def tai_from_gps(instant: GpsNs) -> TaiNs:
    """GPS time runs a constant 19 s behind TAI (IS-GPS-200, 3.3.4)."""
    return TaiNs(instant + _GPS_TAI)


def gps_from_tai(instant: TaiNs) -> GpsNs:
    """The inverse of `tai_from_gps`."""
    return GpsNs(instant - _GPS_TAI)

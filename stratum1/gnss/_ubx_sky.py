"""Satellites in view by UBX: NAV-SAT (generation 8 on) and NAV-SVINFO (before)."""

from typing import Any

from .events import Satellite

__all__ = ["nav_sat", "nav_svinfo"]

_LETTERS = {0: "G", 1: "S", 2: "E", 3: "C", 5: "J", 6: "R", 7: "I"}
"""gnssId (u-blox interface descriptions, "GNSS identifiers"); 4 is IMES, transmitters indoors that are no satellites."""
_RANGES = (
    (1, 32, "G", 0),
    (33, 64, "C", 27),  # 33 to 64 are B6 to B37
    (65, 96, "R", 64),
    (120, 158, "S", 0),
    (159, 163, "C", 158),
    (193, 202, "J", 192),
    (211, 246, "E", 210),
    (255, 255, "R", 0),  # a GLONASS satellite whose slot is not known yet
)
"""svid of generations before the gnssId came (the same, "Satellite numbering"): first and last, letter, and what to take off."""
_USED_SAT, _USED_SVINFO = 0x08, 0x01


def nav_sat(m: Any) -> tuple[Satellite, ...]:
    """The satellites of a NAV-SAT, in order of constellation and number."""
    found = []
    for suffix in (f"_{index:02d}" for index in range(1, m.numSvs + 1)):
        letter = _LETTERS.get(getattr(m, f"gnssId{suffix}"))
        if letter is not None:
            used = bool(getattr(m, f"flags{suffix}")[0] & _USED_SAT)
            found.append(_satellite(m, suffix, letter, getattr(m, f"svId{suffix}"), used))
    return _ordered(found)


def nav_svinfo(m: Any) -> tuple[Satellite, ...]:
    """The same of a NAV-SVINFO."""
    found = []
    for suffix in (f"_{index:02d}" for index in range(1, m.numCh + 1)):
        number = getattr(m, f"svid{suffix}")
        for low, high, letter, offset in _RANGES:
            if low <= number <= high:
                used = bool(getattr(m, f"flags{suffix}")[0] & _USED_SVINFO)
                found.append(_satellite(m, suffix, letter, number - offset, used))
    return _ordered(found)


def _satellite(m: Any, suffix: str, letter: str, number: int, used: bool) -> Satellite:
    """An elevation beyond 90 degrees says that the place is not known; a signal of 0 that it is not heard."""
    elevation, cn0 = getattr(m, f"elev{suffix}"), getattr(m, f"cno{suffix}")
    placed = abs(elevation) <= 90
    azimuth = getattr(m, f"azim{suffix}")
    return Satellite(
        letter, number, azimuth if placed and 0 <= azimuth <= 360 else None, elevation if placed else None, min(cn0, 99) or None, used
    )


def _ordered(found: list[Satellite]) -> tuple[Satellite, ...]:
    """Each satellite once; where a receiver names one twice, the one in use, or the stronger, counts."""
    best: dict[tuple[str, int], Satellite] = {}
    for one in sorted(found, key=lambda each: (each.used, each.cn0 or 0)):
        best[one.constellation, one.number] = one
    return tuple(best[key] for key in sorted(best))

"""Leap seconds spread over a day, for the clients of one listener. Pure.

From the noon before to the noon after (UTC), as Google and Amazon do it: for an inserted second 86,401 SI seconds are shown as
86,400, for a deleted one 86,399. The shown time is UTC outside the day and half a second off at the leap second itself, where it
passes without a step. "linear" changes the rate at noon by 11.6e-6 at once; "cosine" changes it gently and by 18.2e-6 at most.
"""

import math
from enum import StrEnum

from stratum1.interchange import LeapPlan
from stratum1.timescale import NS, UtcNs

__all__ = ["Smear", "ambiguous", "smear_ns", "smear_refid"]

_HALF = 43_200 * NS


class Smear(StrEnum):
    """How a listener shows a leap second."""

    NONE = "none"
    """As UTC does, with leap bits."""
    LINEAR = "linear"
    COSINE = "cosine"


def smear_ns(shape: Smear, leap: LeapPlan | None, served: UtcNs) -> int:
    """What the shown time is ahead of UTC, ns, at a served time that is not `ambiguous`. leap: the one nearby, None for none."""
    if shape is Smear.NONE or leap is None:
        return 0
    before = served < leap.at
    elapsed = served - (leap.at - _HALF) + (0 if before else leap.sign * NS)
    whole = 2 * _HALF + leap.sign * NS
    if not 0 <= elapsed < whole:
        return 0
    share = elapsed / whole
    if shape is Smear.COSINE:
        share = (1 - math.cos(math.pi * share)) / 2
    return round(leap.sign * NS * ((0 if before else 1) - share))


def ambiguous(leap: LeapPlan, served: UtcNs) -> bool:
    """Whether two different instants have this served time: an inserted second counts the one before it once more."""
    return leap.sign > 0 and leap.at - NS <= served < leap.at


def smear_refid(offset_ns: int) -> bytes:
    """What ntpd shows as reference ID while it smears: 254, and what the shown time is ahead of UTC in units of 2^-22 s, signed."""
    return b"\xfe" + (round(offset_ns * (1 << 22) / NS) & 0xFFFFFF).to_bytes(3, "big")

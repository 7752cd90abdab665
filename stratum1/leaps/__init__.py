"""Leap seconds: who announces one, whether it is believed, and what TAI - UTC is. Pure; docs/understand.md tells the rule of the vote."""

from ._calendar import DAY, LAST_DAY, WINDOW, candidate, leap_between, possible
from ._judge import LeapJudge
from ._serving import believed_until, kernel_offset, leap_bits
from ._types import LeapReport, Testimony

__all__ = [
    "DAY",
    "LAST_DAY",
    "WINDOW",
    "LeapJudge",
    "LeapReport",
    "Testimony",
    "believed_until",
    "candidate",
    "kernel_offset",
    "leap_between",
    "leap_bits",
    "possible",
]

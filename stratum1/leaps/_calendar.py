"""When a leap second can be, and whether a clock has just made one."""

from datetime import UTC, datetime, timedelta

from stratum1.interchange import LeapPlan, Reading
from stratum1.timescale import NS, UtcNs

__all__ = ["DAY", "LAST_DAY", "WINDOW", "candidate", "due", "executable", "leap_between", "possible"]

DAY = 86_400 * NS
LAST_DAY = DAY
"""Leap bits are served, heard and handed to the kernel only so long before the leap second: the kernel acts at the next midnight."""
WINDOW = 190 * DAY
"""The IERS announces a leap second about six months ahead (Bulletin C, in January and July); 184 days is the longest half-year."""

_MONTHS = frozenset({1, 4, 7, 10})
"""A leap second comes right before the first of one of these: June and December are preferred, March and September come second
(ITU-R TF.460-6, annex 1, 2.1)."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_JUMP = 1e-3
_LATE = 2 * NS
_LATEST = 253_402_300_000 * NS  # the end of year 9999, which is as far as the calendar goes


def possible(at: UtcNs) -> bool:
    """Whether a leap second may end at this instant: the start of January, April, July or October."""
    if not 0 <= at < _LATEST or at % DAY:
        return False
    date = _EPOCH + timedelta(days=at // DAY)
    return date.day == 1 and date.month in _MONTHS


def executable(at: UtcNs, sign: int) -> bool:
    """Whether a clock can do it at all: one second, at the end of a month."""
    return 0 <= at < _LATEST and at % DAY == 0 and (_EPOCH + timedelta(days=at // DAY)).day == 1 and sign in (-1, 1)


def candidate(now: UtcNs) -> UtcNs | None:
    """The end of the present UTC day where a leap second may be there, else None: RFC 5905's bits speak of that day only."""
    midnight = UtcNs((now // DAY + 1) * DAY)
    return midnight if possible(midnight) else None


def due(plan: LeapPlan) -> UtcNs:
    """Where a clock has to be set: back at the end of the day, or forward a second before it."""
    return plan.at if plan.sign > 0 else UtcNs(plan.at - NS)


def leap_between(plan: LeapPlan | None, before: Reading, now: Reading, jump: float) -> bool:
    """Whether a jump of a clock (seconds, since the reading before) is the leap second of the plan.

    An inserted one sets the clock back by a second where it would come to `at`; a deleted one forward, a second earlier.
    """
    if plan is None or abs(jump + plan.sign) > _JUMP:
        return False
    unstepped = before.clock_ns + now.at_ns - before.at_ns
    return before.clock_ns < due(plan) + _LATE and unstepped >= due(plan) - _LATE

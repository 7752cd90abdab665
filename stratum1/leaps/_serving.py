"""What a plan means for what is served now."""

from stratum1.interchange import Leap, LeapPlan
from stratum1.timescale import NS, UtcNs

from ._calendar import LAST_DAY, due

__all__ = ["believed_until", "kernel_offset", "leap_bits"]

_MOMENT = 2 * NS


def leap_bits(plan: LeapPlan | None, now: UtcNs) -> Leap:
    """The leap indicator of a server that knows the time: it announces in the last day, up to the leap second and not beyond."""
    if plan is None or not 0 < plan.at - now <= LAST_DAY:
        return Leap.NONE
    return Leap.INSERT if plan.sign > 0 else Leap.DELETE


def believed_until(plan: LeapPlan | None, now: UtcNs, valid: int) -> UtcNs:
    """Until when (served time) a state made now may be believed: `valid` ns, but not across the step of a leap second."""
    until = UtcNs(now + valid)
    if plan is None:
        return until
    return min(until, due(plan)) if now <= due(plan) else until


def kernel_offset(tai_offset: int | None, plan: LeapPlan | None, now: UtcNs) -> int | None:
    """TAI - UTC to tell the kernel: nothing (None) close to a leap second, with which the kernel changes it by itself."""
    return None if plan is not None and abs(plan.at - now) < _MOMENT else tai_offset

"""Moments for the outputs: a locked server whose time is some way ahead of the host's CLOCK_REALTIME."""

import time
from typing import Any

from stratum1.interchange import KernelClockId, Leap, LockState, Mapping, TimeState
from stratum1.outputs import Moment
from stratum1.timescale import NS, UtcNs, ns_from_seconds

__all__ = ["moment_at", "moment_now"]


def moment_at(system_ns: int, *, ahead: float = 0.25, tai_offset: int | None = 37, near_leap: bool = False, **changes: Any) -> Moment:
    """At a reading of CLOCK_REALTIME; changes: fields of the TimeState, or of the Moment (jitter, limit, now)."""
    served = UtcNs(system_ns + ns_from_seconds(ahead))
    state: dict[str, Any] = {
        "state": LockState.LOCKED,
        "in_specification": True,
        "leap": Leap.NONE,
        "leap_plan": None,
        "stratum": 1,
        "refid": b"GPS\0",
        "precision": -23,
        "root_delay": 0.0,
        "error_bound": 2e-6,
        "bound_at": served,
        "bound_rate": 15e-6,
        "reference_time": UtcNs(served - NS),
        "valid_until": UtcNs(served + 5 * NS),
        "realtime": Mapping(0, KernelClockId.REALTIME, system_ns, served, 0.0),
        "monotonic": None,
    }
    own: dict[str, Any] = {"now": served, "jitter": 50e-9, "limit": 1e-3}
    own.update({name: changes.pop(name) for name in list(changes) if name in own})
    return Moment(state=TimeState(**{**state, **changes}), tai_offset=tai_offset, near_leap=near_leap, **own)


def moment_now(**changes: Any) -> Moment:
    """Now, by the host's clock."""
    return moment_at(time.clock_gettime_ns(time.CLOCK_REALTIME), **changes)

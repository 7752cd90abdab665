"""Moments for the outputs: a locked server whose time is some way ahead of the host's CLOCK_REALTIME."""

import time
from typing import Any

from testkit.served import locked_at

from stratum1.outputs import Moment
from stratum1.timescale import NS, UtcNs, ns_from_seconds

__all__ = ["moment_at", "moment_now"]


def moment_at(system_ns: int, *, ahead: float = 0.25, tai_offset: int | None = 37, near_leap: bool = False, **changes: Any) -> Moment:
    """At a reading of CLOCK_REALTIME; changes: fields of the TimeState, or of the Moment (jitter, limit, now)."""
    served = UtcNs(system_ns + ns_from_seconds(ahead))
    own: dict[str, Any] = {"now": served, "jitter": 50e-9, "limit": 1e-3}
    own.update({name: changes.pop(name) for name in list(changes) if name in own})
    state = locked_at(served, real_ns=system_ns, lasting_ns=5 * NS, **changes)
    return Moment(state=state, tai_offset=tai_offset, near_leap=near_leap, **own)


def moment_now(**changes: Any) -> Moment:
    """Now, by the host's clock."""
    return moment_at(time.clock_gettime_ns(time.CLOCK_REALTIME), **changes)

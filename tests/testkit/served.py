"""TimeStates of a server that is locked to GPS, for whatever hands time out in a test or a benchmark."""

import time
from dataclasses import replace
from typing import Any

from stratum1.interchange import KernelClockId, Leap, LockState, Mapping, TimeState
from stratum1.timescale import NS, UtcNs

__all__ = ["locked_at", "locked_now", "monotonic_now"]

HOUR_NS = 3600 * NS


def locked_at(served: UtcNs, *, real_ns: int | None = None, lasting_ns: int = HOUR_NS, **changes: Any) -> TimeState:
    """Locked to GPS at a served time, and good for so long; changes: fields that are to be others.

    real_ns: what CLOCK_REALTIME reads at `served`; None: the same.
    """
    state = TimeState(
        state=LockState.LOCKED,
        in_specification=True,
        leap=Leap.NONE,
        leap_plan=None,
        stratum=1,
        refid=b"GPS\0",
        precision=-23,
        root_delay=0.0,
        error_bound=2e-6,
        bound_at=served,
        bound_rate=15e-6,
        reference_time=UtcNs(served - NS),
        valid_until=UtcNs(served + lasting_ns),
        realtime=Mapping(0, KernelClockId.REALTIME, served if real_ns is None else real_ns, served, 0.0),
        monotonic=None,
    )
    return replace(state, **changes)


def locked_now(ahead_ns: int = 0, *, lasting_ns: int = HOUR_NS, **changes: Any) -> TimeState:
    """Locked right now, on a served time that is `ahead_ns` ahead of this host's CLOCK_REALTIME; see `locked_at`."""
    now = time.clock_gettime_ns(time.CLOCK_REALTIME)
    return locked_at(UtcNs(now + ahead_ns), real_ns=now, lasting_ns=lasting_ns, **changes)


def monotonic_now() -> Mapping:
    """This host's CLOCK_REALTIME from a reading of CLOCK_MONOTONIC: the tightest of some bracketed readings."""
    best = (1 << 62, 0, 0)
    for _ in range(16):
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        real = time.clock_gettime_ns(time.CLOCK_REALTIME)
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        best = min(best, (after - before, (before + after) // 2, real))
    return Mapping(0, KernelClockId.MONOTONIC, best[1], UtcNs(best[2]), 0.0)

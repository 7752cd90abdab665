"""TimeStates to serve from, for the tests of this room."""

import time
from dataclasses import replace
from typing import Any

from stratum1.interchange import KernelClockId, Leap, LockState, Mapping, TimeState
from stratum1.server import Outcome, Responder, Sender, Smear, check_state
from stratum1.timescale import NS, UtcNs, from_rfc3339

NOW = from_rfc3339("2026-11-24T12:00:00Z")

LOCKED = TimeState(
    state=LockState.LOCKED,
    in_specification=True,
    leap=Leap.NONE,
    leap_plan=None,
    stratum=1,
    refid=b"GPS\0",
    precision=-23,
    root_delay=0.0,
    error_bound=2e-6,
    bound_at=NOW,
    bound_rate=15e-6,
    reference_time=UtcNs(NOW - NS),
    valid_until=UtcNs(NOW + 60 * NS),
    realtime=Mapping(0, KernelClockId.REALTIME, NOW, NOW, 0.0),
    monotonic=None,
)
"""Locked to GPS at NOW, and good for a minute."""


def locked_now(ahead_ns: int = 0, **changes: Any) -> TimeState:
    """Locked right now, for an hour, on a served time that is `ahead_ns` ahead of this host's REALTIME."""
    now = time.clock_gettime_ns(time.CLOCK_REALTIME)
    served = UtcNs(now + ahead_ns)
    mapping = Mapping(0, KernelClockId.REALTIME, now, served, 0.0)
    state = replace(LOCKED, bound_at=served, reference_time=UtcNs(served - NS), valid_until=UtcNs(served + 3600 * NS), realtime=mapping)
    return replace(state, **changes)


CLIENT = Sender(bytes((192, 0, 2, 7)), 40_000)


def no_chance(octets: int) -> bytes:
    """Random octets that are all zero."""
    return bytes(octets)


def plain_reply(request: bytes, received: UtcNs, sent: UtcNs, state: TimeState, port: int, *, smear: Smear = Smear.NONE) -> Outcome:
    """The outcome by a service without any settings, with random octets of zero."""
    check_state(state)
    return Responder(state, smear=smear).reply(request, Sender(CLIENT.address, port), received, sent, no_chance)

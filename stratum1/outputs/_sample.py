"""Samples for other time daemons: when there may be one, and how the two formats lie in memory. Pure.

Both are made from the mapping of CLOCK_REALTIME, that is from the very pair of readings that our server answers by, so that a
consumer sees what a client would. A sample says nothing of its error bound: these formats have no field for it.
"""

import math
import struct
from dataclasses import dataclass

from stratum1.interchange import Leap, LockState
from stratum1.timescale import NS, UtcNs

from .report import Moment, by_reference_clock

__all__ = ["SHM_SIZE", "SOCK_SIZE", "RealtimeSample", "ShmField", "pack_sock", "sample_of", "shm_fields", "shm_key", "withheld"]

_LEAPS = {Leap.NONE: 0, Leap.INSERT: 1, Leap.DELETE: 2}
_SOCK_MAGIC = 0x534F434B
# struct timeval tv; double offset; int pulse; int leap; int pad; int magic: the sample of chrony's SOCK driver on 64-bit machines
_SOCK = struct.Struct("=qqdiiii")
SOCK_SIZE = _SOCK.size

_SHM_BASE = 0x4E545030
"""The four octets "NTP0"; the unit is added."""
SHM_SIZE = 96
_SHM_MODE = 1
"""The reader compares the count before and after it has copied the rest (ntpd's driver 28)."""


@dataclass(frozen=True, slots=True)
class RealtimeSample:
    """One instant on CLOCK_REALTIME and in our time. precision: log2 of seconds, the error bound rounded up."""

    system_ns: int
    served_ns: UtcNs
    leap: Leap
    precision: int

    @property
    def offset(self) -> float:
        """Our time minus CLOCK_REALTIME, seconds; positive means that CLOCK_REALTIME is behind."""
        return (self.served_ns - self.system_ns) / NS


def withheld(moment: Moment, *, holdover: bool) -> str:
    """Why no sample may be handed out now, empty if one may.

    A consumer takes us for a reference clock, so what other servers told us is not handed on. holdover: whether it may go on then.
    """
    state = moment.state
    reasons = (
        (moment.now > state.valid_until, "our own time has not been renewed in time"),
        (state.realtime is None, "somebody has set the host's clock: it is measured anew"),
        (not state.synchronised, f"the time is not known ({state.state})"),
        (not by_reference_clock(state), "steered by other servers: they are no reference clock to hand out"),
        (state.state is LockState.HOLDOVER and not holdover, "in holdover, and holdover = false"),
        (not state.in_specification, "the error bound is out of specification"),
        (moment.near_leap, "a leap second is near: its label would be ambiguous"),
    )
    return next((text for applies, text in reasons if applies), "")


def sample_of(moment: Moment) -> RealtimeSample:
    """The sample of a moment in which none is withheld."""
    mapping = moment.state.realtime
    if mapping is None:
        raise ValueError("there is no sample without a mapping of CLOCK_REALTIME")
    bound = moment.state.error_bound_at(moment.now)
    precision = max(-30, min(0, math.ceil(math.log2(bound)))) if 0 < bound < math.inf else 0
    return RealtimeSample(mapping.source_ns, mapping.served_ns, moment.state.leap, precision)


def pack_sock(sample: RealtimeSample) -> bytes:
    """The 40 bytes of a sample for chrony's SOCK driver (refclock_sock.h) and ntpd-rs's sock source: no pulse, offset true minus system."""
    seconds, rest = divmod(sample.system_ns, NS)
    return _SOCK.pack(seconds, rest // 1000, sample.offset, 0, _LEAPS[sample.leap], 0, _SOCK_MAGIC)


def shm_key(unit: int) -> int:
    """The System V key of a unit."""
    return _SHM_BASE + unit


@dataclass(frozen=True, slots=True)
class ShmField:
    """Bytes at an offset of the segment."""

    at: int
    data: bytes


def shm_fields(sample: RealtimeSample) -> tuple[ShmField, ...]:
    """What is written between the two turns of the count: all of struct shmTime but mode, count and valid (64-bit time_t).

    mode @0, count @4, clock seconds @8 and us @16, receive seconds @24 and us @32, leap @36, precision @40, nsamples @44, valid @48,
    clock ns @52, receive ns @56, eight unused ints.
    """
    clock_s, clock_ns = divmod(sample.served_ns, NS)
    receive_s, receive_ns = divmod(sample.system_ns, NS)
    return (
        ShmField(0, struct.pack("=i", _SHM_MODE)),
        ShmField(8, struct.pack("=qi4xqi", clock_s, clock_ns // 1000, receive_s, receive_ns // 1000)),
        ShmField(36, struct.pack("=ii", _LEAPS[sample.leap], sample.precision)),
        ShmField(52, struct.pack("=II", clock_ns, receive_ns)),
    )

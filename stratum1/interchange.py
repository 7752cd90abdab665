"""What passes between the rooms (docs/architecture.md, section 6): frozen, slotted values and nothing else.

Signs: an offset is reference minus our clock, so a positive one means that ours is behind; a frequency is the correction
applied, so a positive one speeds our clock up. Times are integer nanoseconds, differences are float seconds.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from .timescale import MonoNs, UtcNs

__all__ = [
    "Environment",
    "KernelClockId",
    "Leap",
    "LeapPlan",
    "LockState",
    "Mapping",
    "Reading",
    "ReferenceHealth",
    "Sample",
    "Steering",
    "TimeState",
]


class Leap(IntEnum):
    """Leap indicator (RFC 5905, section 7.3, figure 9)."""

    NONE = 0
    INSERT = 1
    DELETE = 2
    UNKNOWN = 3


class LockState(StrEnum):
    """What the server knows about the time, in one word."""

    COLD = "cold"
    """Nothing has been heard of any reference since the start."""
    ACQUIRING = "acquiring"
    """A reference is heard, the clock is not yet within its bound."""
    LOCKED = "locked"
    """Steered by the reference clock."""
    HOLDOVER = "holdover"
    """The reference is gone; the clock runs on what it has learned, with a growing bound."""
    NETWORK = "network"
    """Steered by other servers."""
    UNSYNCHRONISED = "unsynchronised"
    """The time was known and is no longer: the bound passed its limit, or a step was refused."""


class KernelClockId(StrEnum):
    """The kernel clock that a stamp was taken with."""

    REALTIME = "realtime"
    MONOTONIC = "monotonic"
    MONOTONIC_RAW = "monotonic-raw"


@dataclass(frozen=True, slots=True)
class Reading:
    """One instant, seen on our monotonic clock and on the clock that we discipline."""

    at_ns: MonoNs
    clock_ns: UtcNs


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement of our clock against a source.

    offset, sigma (one standard deviation of the offset's random error), delay, root_delay and root_dispersion in seconds;
    stratum is the source's own (0 for a reference clock); refid is four octets.
    """

    source: str
    at_ns: MonoNs
    offset: float
    sigma: float
    delay: float
    stratum: int
    refid: bytes
    root_delay: float
    root_dispersion: float
    reference_time: UtcNs
    leap: Leap


@dataclass(frozen=True, slots=True)
class Environment:
    """What the crystal feels: degrees Celsius of the chosen sensor at an instant."""

    at_ns: MonoNs
    temperature: float


@dataclass(frozen=True, slots=True)
class ReferenceHealth:
    """Whether the reference clock can be used now, and the sentence that says why not (empty when it can).

    `heard`: something of it (a byte, an edge) has arrived since the start. `usable`: its samples may steer.
    """

    heard: bool
    usable: bool
    reason: str
    pausing: bool = False
    """Its samples are held back on purpose, around a leap second: their silence means nothing."""


@dataclass(frozen=True, slots=True)
class LeapPlan:
    """A leap second to come: the instant right after it, sign (+1 inserted, -1 deleted), TAI - UTC from then on, and who says so.

    tai_offset is 0 where TAI - UTC is not known. witnesses: "list", "receiver", names of sources.
    """

    at: UtcNs
    sign: int
    tai_offset: int
    witnesses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Steering:
    """What the discipline wants of the clock from now until the next Steering.

    frequency: the whole lasting correction, s/s (not an increment); phase_rate: what is added to it meanwhile to slew a
    phase error out, s/s; step: seconds to add at once, 0.0 for none.
    """

    frequency: float
    phase_rate: float = 0.0
    step: float = 0.0


@dataclass(frozen=True, slots=True)
class Mapping:
    """Served time from a reading of a kernel clock: served_ns + (t - source_ns) * (1 + rate).

    epoch counts the steps of the source clock and ours; a mapping of an older epoch is void. rate is in s/s.
    """

    epoch: int
    source: KernelClockId
    source_ns: int
    served_ns: UtcNs
    rate: float

    def served(self, stamp_ns: int) -> UtcNs:
        """The served time at a stamp of the source clock (exact integers; only the small rate term is a float)."""
        elapsed = stamp_ns - self.source_ns
        return UtcNs(self.served_ns + elapsed + round(elapsed * self.rate))


@dataclass(frozen=True, slots=True)
class TimeState:
    """What everybody serves; published once per update and read without locks.

    stratum: 1 to 15, 16 unsynchronised. root_delay and error_bound in seconds; error_bound held at served time bound_at and
    grows by bound_rate (s/s). precision: log2 of seconds. realtime / monotonic: mappings to served time, None while they are
    void (somebody else stepped the clock): then leap is UNKNOWN. valid_until: after this served time the publisher has
    failed, and the state is to be treated as unsynchronised.
    """

    state: LockState
    in_specification: bool
    leap: Leap
    leap_plan: LeapPlan | None
    stratum: int
    refid: bytes
    precision: int
    root_delay: float
    error_bound: float
    bound_at: UtcNs
    bound_rate: float
    reference_time: UtcNs
    valid_until: UtcNs
    realtime: Mapping | None
    monotonic: Mapping | None
    smeared_leap: LeapPlan | None = None
    """The leap second within twelve hours before or after, for listeners that smear it."""
    tai_offset: int = 0
    """TAI - UTC now, seconds; 0 where it is not known. From `leap_plan.at` on it is one more or less, as its sign says."""

    def error_bound_at(self, served: UtcNs) -> float:
        """The bound of our clock's error at a served time, seconds; it never shrinks on the way."""
        return self.error_bound + self.bound_rate * max(0, served - self.bound_at) / 1e9

    def root_dispersion_at(self, served: UtcNs) -> float:
        """The bound less what root delay carries (RFC 5905, section 11.1: distance = dispersion + delay / 2), seconds, at least 0."""
        return max(0.0, self.error_bound_at(served) - self.root_delay / 2)

    @property
    def synchronised(self) -> bool:
        """Whether a client may believe the served time."""
        return self.leap is not Leap.UNKNOWN and self.stratum < 16

"""What comes into the pipeline from outside, each thing with its time: the daemon feeds it, a recording keeps it, replay feeds it again.

`receiver` counts the receivers of the configuration from 0.
"""

from dataclasses import dataclass

from .gnss.events import Event
from .interchange import Environment, Reading, Sample
from .pps.events import Edge
from .timescale import LeapTable, MonoNs, UtcNs

__all__ = [
    "DisturbedInput",
    "EdgeInput",
    "EnvironmentInput",
    "GnssInput",
    "Input",
    "LeapListInput",
    "LeapStepInput",
    "LineInput",
    "SampleInput",
    "SerialInput",
    "TickInput",
    "TrustInput",
]


@dataclass(frozen=True, slots=True)
class SerialInput:
    """Bytes of the serial line and both clocks when they were read."""

    reading: Reading
    data: bytes
    receiver: int = 0


@dataclass(frozen=True, slots=True)
class LineInput:
    """The serial line was opened (is_open) or lost; text says which or why."""

    at_ns: MonoNs
    is_open: bool
    text: str
    receiver: int = 0


@dataclass(frozen=True, slots=True)
class GnssInput:
    """Decoded events from something that has no bytes (the simulator) and both clocks at their arrival."""

    reading: Reading
    events: tuple[Event, ...]
    receiver: int = 0


@dataclass(frozen=True, slots=True)
class EdgeInput:
    """An edge and both clocks at its stamp."""

    reading: Reading
    edge: Edge
    receiver: int = 0


@dataclass(frozen=True, slots=True)
class TickInput:
    """The second hand: both clocks now; comes about once a second whatever else happens."""

    reading: Reading


@dataclass(frozen=True, slots=True)
class DisturbedInput:
    """Somebody else set the clock that we discipline; offset is how far that put us off, reference minus our clock, in seconds.

    A clock set one second forward: -1.0.
    """

    at_ns: MonoNs
    offset: float


@dataclass(frozen=True, slots=True)
class LeapListInput:
    """There is another list of leap seconds, or none any more."""

    at_ns: MonoNs
    table: LeapTable | None


@dataclass(frozen=True, slots=True)
class LeapStepInput:
    """Our clock has just made the leap second that it was told to make: sign +1 inserted (it was set back), -1 deleted."""

    at_ns: MonoNs
    sign: int


@dataclass(frozen=True, slots=True)
class EnvironmentInput:
    """The chosen sensor was read; about once in some seconds."""

    environment: Environment


@dataclass(frozen=True, slots=True)
class SampleInput:
    """A finished measurement against another server. clock_ns: what our clock read at sample.at_ns, so that the measurement stays good
    when our clock is steered. reach: RFC 5905's register after it (8 polls, the latest in bit 0). poll: log2 of the seconds to the
    next one.

    sample.sigma: of the stamps alone; what delays do to the offset is found out by the selection from many samples. sample.refid: what
    is served as reference ID while this source steers us (section 7.3: the server's IPv4 address, or the hash of its IPv6 address).
    """

    sample: Sample
    clock_ns: UtcNs
    reach: int = 0xFF
    poll: int = 6


@dataclass(frozen=True, slots=True)
class TrustInput:
    """The owner vouches for the reference clocks: whatever spoke against them is no evidence."""

    at_ns: MonoNs


Input = (
    SerialInput
    | LineInput
    | GnssInput
    | EdgeInput
    | TickInput
    | DisturbedInput
    | LeapListInput
    | LeapStepInput
    | EnvironmentInput
    | SampleInput
    | TrustInput
)

"""What comes into the pipeline from outside, each thing with its time: the daemon feeds it, a recording keeps it, replay feeds it again."""

from dataclasses import dataclass

from .gnss.events import Event
from .interchange import Reading
from .pps.events import Edge
from .timescale import MonoNs

__all__ = ["DisturbedInput", "EdgeInput", "GnssInput", "Input", "LineInput", "SerialInput", "TickInput"]


@dataclass(frozen=True, slots=True)
class SerialInput:
    """Bytes of the serial line and both clocks when they were read."""

    reading: Reading
    data: bytes


@dataclass(frozen=True, slots=True)
class LineInput:
    """The serial line was opened (is_open) or lost; text says which or why."""

    at_ns: MonoNs
    is_open: bool
    text: str


@dataclass(frozen=True, slots=True)
class GnssInput:
    """Decoded events from something that has no bytes (the simulator) and both clocks at their arrival."""

    reading: Reading
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class EdgeInput:
    """An edge and both clocks at its stamp."""

    reading: Reading
    edge: Edge


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


Input = SerialInput | LineInput | GnssInput | EdgeInput | TickInput | DisturbedInput

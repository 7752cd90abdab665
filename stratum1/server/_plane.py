"""What every data plane is to the rest of the program, and which one a listener gets.

A plane answers at some listeners with sockets (or hooks of the kernel) of its own. All planes equal the Python responder octet
for octet (stratum1/server/reply.py); they differ in what a request costs and how exact the stamps are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from stratum1.interchange import TimeState

from ._counters import Counters
from ._listen import DataPlane, ListenAddress
from .service import ListenerSettings, ServiceSettings

__all__ = ["Maker", "Plane", "PlaneError", "PlaneReport", "StampKind", "TableUse", "candidates"]


class PlaneError(Exception):
    """This plane can't be had here; the message says why, as the end of a sentence ("the native module is not built")."""


class StampKind(StrEnum):
    """Who took a stamp, the best first."""

    HARDWARE = "hardware"
    """The network card."""
    KERNEL = "kernel"
    DAEMON = "daemon"
    """We did, in our own program."""


@dataclass(frozen=True, slots=True)
class TableUse:
    """How full a table of fixed size is. used and slots: entries."""

    used: int
    slots: int


@dataclass(frozen=True, slots=True)
class PlaneReport:
    """What a plane says of itself at one instant.

    name: as Plane.name. workers: threads that answer. receive, transmit: the best stamps that it can get here (transmit: of replies
    to interleaved clients; the transmit time of all others is the daemon's own). send_delay: seconds from the reading of the clock
    to the kernel's transmit stamp, by which transmit times are advanced; None while it is not measured. rate_limit, interleaved:
    None where there is no such table. notes: sentences that a person may want to know ("eth0: generic mode, ...").
    """

    name: str
    workers: int
    receive: StampKind
    transmit: StampKind
    send_delay: float | None = None
    rate_limit: TableUse | None = None
    interleaved: TableUse | None = None
    notes: tuple[str, ...] = ()


class Plane(Protocol):
    """One data plane, answering at one or more listeners.

    Made by a `Maker`. All methods but `publish` are called by one thread (the event loop's); none of them blocks for long.
    """

    @property
    def name(self) -> str:
        """ "python", "native", "xdp+native", "xdp+python"."""

    @property
    def addresses(self) -> tuple[ListenAddress, ...]:
        """The listeners in the order given, after `start` with the ports that the kernel chose for port 0."""

    @property
    def alive(self) -> bool:
        """Whether every worker runs; for watchdogs."""

    def start(self) -> None:
        """Open every socket, then answer. Raises ListenError where a socket can't be had by any plane, PlaneError where only
        this plane can't; nothing stays open then.
        """

    def stop(self) -> None:
        """Stop answering, at once, and close everything; counters stay readable. Twice does no harm."""

    def publish(self, state: TimeState) -> None:
        """Serve this state from now on. Called with the present state before `start`. Quick; raises nothing."""

    def configure(self, service: ServiceSettings, listeners: Sequence[ListenerSettings]) -> None:
        """Serve by other settings from now on, without a gap; listeners: in the order of `addresses`.

        Tables keep their content while their size and the hash seed stay.
        """

    def counters(self) -> Mapping[str, Counters]:
        """What was counted since the start, by `str` of the listener's address."""

    def report(self) -> PlaneReport:
        """What it says of itself now; cheap."""


Maker = Callable[[Sequence[ListenAddress], ServiceSettings, TimeState], Plane]
"""Makes a plane for listeners (their own settings are in `ListenAddress.settings`). Raises PlaneError."""


def candidates(asked: DataPlane) -> tuple[DataPlane, ...]:
    """The planes to try for a listener, the best first; the Python plane is always the last resort."""
    match asked:
        case DataPlane.PYTHON:
            return (DataPlane.PYTHON,)
        case DataPlane.XDP:
            return (DataPlane.XDP, DataPlane.NATIVE, DataPlane.PYTHON)
        case _:
            return (DataPlane.NATIVE, DataPlane.PYTHON)

"""The XDP plane: the program in the kernel answers plain requests, sockets of another plane everything that it passes up.

The daemon writes states into a map that it has mapped into memory; it needs no privilege but the permissions of the pins that
`stratum1 xdp attach` made as root (stratum1-xdp.service).
"""

import secrets
import socket
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from stratum1.interchange import LeapPlan, TimeState
from stratum1.xdp import PINS, Count, Maps, Word, XdpError

from ._counters import Counters
from ._interfaces import local_addresses, master_of
from ._listen import ListenAddress
from ._plane import Maker, Plane, PlaneError, PlaneReport
from ._xdp_words import Addresses, Entries, UnfitError, entries, limit_words, state_words
from .reply import Record, ServerReason, ServerResponse
from .service import ListenerSettings, ServiceSettings

__all__ = ["XdpPlane"]

_LOOK_EVERY = 2.0
"""Seconds between looks at the host's addresses and at whether the pins are still those that we have open."""
_RECORDS = {
    Count.TIME3: Record(3, ServerReason.SYNCHRONISED, ServerResponse.TIME),
    Count.TIME4: Record(4, ServerReason.SYNCHRONISED, ServerResponse.TIME),
    Count.KISS3: Record(3, ServerReason.RATE_LIMITED, ServerResponse.KISS_RATE),
    Count.KISS4: Record(4, ServerReason.RATE_LIMITED, ServerResponse.KISS_RATE),
    Count.DROP3: Record(3, ServerReason.RATE_LIMITED, ServerResponse.IGNORE),
    Count.DROP4: Record(4, ServerReason.RATE_LIMITED, ServerResponse.IGNORE),
}
_PASSED = {
    Count.PASS_STATE: "no valid state",
    Count.PASS_ACCESS: "access rules",
    Count.PASS_KIND: "no plain request",
}
_Counts = dict[tuple[int, Count], int]


class XdpPlane:
    """See `Plane`."""

    def __init__(
        self,
        listeners: Sequence[ListenAddress],
        service: ServiceSettings,
        state: TimeState,
        *,
        behind: Sequence[Maker],
        directory: Path = PINS,
    ) -> None:
        """behind: makers of the plane that serves what is passed up; the first that can be had does."""
        self._listeners = tuple(listeners)
        self._service = service
        self._state = state
        self._behind = tuple(behind)
        self._directory = directory
        self._sockets: Plane | None = None
        self._maps: Maps | None = None
        self._pinned = (0, 0)
        self._looked = -_LOOK_EVERY
        self._leap: LeapPlan | None = None
        self._addresses: tuple[Addresses, Addresses] = ({}, {})
        self._entries: Entries | None = None
        self._missing = self._unfit = ""
        self._secret = secrets.randbits(64)
        self._refused: list[str] = []
        self._at_first: _Counts = {}
        """What the loaded program had counted when we came."""
        self._earlier: Counter[tuple[int, Count]] = Counter()
        """Counted for us by programs that are loaded no more."""

    @property
    def name(self) -> str:
        """With the name of the plane behind it."""
        return f"xdp+{self._sockets.name}" if self._sockets is not None else "xdp"

    @property
    def addresses(self) -> tuple[ListenAddress, ...]:
        """Where it listens."""
        return self._sockets.addresses if self._sockets is not None else self._listeners

    @property
    def alive(self) -> bool:
        """Whether the sockets are served; without the program they do all."""
        return self._sockets is not None and self._sockets.alive

    def start(self) -> None:
        """Open the maps, then the sockets. Raises PlaneError, ListenError."""
        try:
            self._open()
        except XdpError as error:
            raise PlaneError(str(error)) from error
        try:
            self._sockets = self._start_sockets()
        except BaseException:
            self._close()
            raise
        self.publish(self._state)

    def stop(self) -> None:
        """Stop answering, at once."""
        if self._maps is not None:
            self._maps.void()
            self._close()
        if self._sockets is not None:
            self._sockets.stop()

    def publish(self, state: TimeState) -> None:
        """Serve this state."""
        self._state = state
        if state.leap_plan is not None:
            self._leap = state.leap_plan
        if self._sockets is None:
            return
        self._sockets.publish(state)
        if time.monotonic() - self._looked >= _LOOK_EVERY:
            self._look()
        self._tell()

    def configure(self, service: ServiceSettings, listeners: Sequence[ListenerSettings]) -> None:
        """Serve by other settings: while the maps are changed, the sockets serve alone."""
        self._service = service
        self._listeners = tuple(replace(each, settings=own) for each, own in zip(self._listeners, listeners, strict=True))
        if self._maps is not None:
            self._maps.void()
        if self._sockets is not None:
            self._sockets.configure(service, listeners)
        self._entries = None
        self._fill()
        self._tell()

    def counters(self) -> Mapping[str, Counters]:
        """What was counted, the program's and the sockets' together."""
        counted = dict(self._sockets.counters()) if self._sockets is not None else {}
        counts = self._counts()
        for place, listen in enumerate(self.addresses):
            records = {record: counts[place, count] for count, record in _RECORDS.items() if counts[place, count]}
            counted[str(listen)] = counted.get(str(listen), Counters()) + Counters(records)
        return counted

    def report(self) -> PlaneReport:
        """The sockets' report, with what there is to say about the program."""
        assert self._sockets is not None, "asked before it was started"
        behind = self._sockets.report()
        return replace(behind, name=self.name, notes=(*self._notes(), *behind.notes))

    def _notes(self) -> tuple[str, ...]:
        if self._maps is None:
            return (f"XDP does not answer: {self._missing}",)
        where = [f"XDP at {_name_of(each.index)} in {each.mode} mode" for each in self._maps.interfaces()]
        left_out = self._entries.left_out if self._entries is not None else ()
        limit, room = self._service.rate_limit, self._maps.limit_slots
        if limit is not None and limit.slots > room:
            left_out = (*left_out, f"XDP's rate limit holds {room} addresses, not {limit.slots}: stratum1 xdp attach --slots")
        why = [f"XDP does not answer now: {self._unfit}"] if self._unfit else []
        counts = self._counts()
        sums = [(words, sum(counts[place, count] for place in range(len(self._listeners)))) for count, words in _PASSED.items()]
        passed = ", ".join(f"{number} ({words})" for words, number in sums if number)
        return (*where, *why, *left_out, *self._refused, *([f"passed up to the sockets: {passed}"] if passed else []))

    def _open(self) -> None:
        pin = self._directory / "state"
        self._maps = Maps.open(self._directory)
        self._pinned = _identity(pin)
        self._missing = ""
        self._at_first = self._maps.counts()
        self._entries = None
        self._addresses = ({}, {})
        self._looked = -_LOOK_EVERY

    def _close(self) -> None:
        if self._maps is not None:
            self._earlier = self._counts()
            self._maps.close()
            self._maps = None

    def _look(self) -> None:
        """See whether the program was loaded anew, and which addresses we have now."""
        self._looked = time.monotonic()
        if self._maps is not None and _identity(self._directory / "state") != self._pinned:
            self._close()
            self._missing = "its pins were taken away"
        if self._maps is None:
            try:
                self._open()
            except XdpError as error:
                self._missing = str(error)
                return
        self._find_addresses()
        self._fill()

    def _find_addresses(self) -> None:
        assert self._maps is not None
        try:
            everywhere = _by_interface()
        except OSError:  # the kernel does not tell: the next look sees it
            return
        places = [each.index for each in self._maps.interfaces()]
        here: Addresses = {index: everywhere.get(index, ()) + everywhere.get(master_of(index) or 0, ()) for index in places}
        if (here, everywhere) != self._addresses:
            self._addresses = (here, everywhere)
            self._entries = None

    def _fill(self) -> None:
        """Bring the maps of listeners and rules to what they should be."""
        if self._maps is None or self._entries is not None:
            return
        here, everywhere = self._addresses
        self._maps.void()
        try:
            found = entries(self._bound(), here, [each for some in everywhere.values() for each in some])
            homeless = self._maps.set_listeners(found.listeners)
            self._maps.set_entries("access4", found.access4)
            self._maps.set_entries("access6", found.access6)
        except UnfitError as error:
            self._unfit = str(error)
        except OSError as error:
            self._unfit = f"its maps can't be filled: {error.strerror}"
        else:
            self._entries = (
                replace(found, left_out=(*found.left_out, f"{len(homeless)} addresses are left to the sockets")) if homeless else found
            )

    def _tell(self) -> None:
        """Publish the state to the program, or that there is none that it can use."""
        if self._maps is None or self._entries is None:
            return
        try:
            words = state_words(self._state, self._leap)
        except UnfitError as error:
            self._unfit = str(error)
            self._maps.void()
            return
        self._unfit = ""
        words |= limit_words(self._service.rate_limit, self._service.hash_seed, self._maps.limit_slots)
        self._maps.publish({**words, Word.PORTS: self._entries.ports, Word.SECRET: self._secret})

    def _bound(self) -> tuple[ListenAddress, ...]:
        """The listeners with the ports that they really have."""
        return tuple(replace(each, port=there.port) for each, there in zip(self._listeners, self.addresses, strict=True))

    def _counts(self) -> Counter[tuple[int, Count]]:
        """By listener's place, since the start."""
        counts = self._earlier.copy()
        if self._maps is not None:
            counts.update(self._maps.counts())
            counts.subtract(self._at_first)
        return counts

    def _start_sockets(self) -> Plane:
        for make in self._behind:
            try:
                plane = make(self._listeners, self._service, self._state)
                plane.publish(self._state)
                plane.start()
            except PlaneError as error:
                self._refused.append(str(error))
                continue
            return plane
        raise PlaneError("no plane of sockets can be had")


def _by_interface() -> Addresses:
    """This host's addresses, always in the same order. Raises OSError."""
    found: dict[int, tuple[IPv4Address | IPv6Address, ...]] = {}
    for each in sorted(local_addresses(), key=lambda each: each.address.packed):
        found[each.interface] = (*found.get(each.interface, ()), each.address)
    return found


def _identity(pin: Path) -> tuple[int, int]:
    try:
        status = pin.stat()
    except OSError:
        return (0, 0)
    return (status.st_dev, status.st_ino)


def _name_of(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except OSError:
        return f"an interface that is gone ({index})"

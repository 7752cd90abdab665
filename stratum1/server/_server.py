"""All listeners of one server, each with the data plane that it gets."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ._addresses import own_addresses
from ._cell import StateCell
from ._counters import Counters
from ._interfaces import LocalAddress, local_addresses
from ._listen import DataPlane, ListenAddress, apart
from ._plane import Maker, Plane, PlaneError, PlaneReport, candidates
from ._planes import MAKERS
from .service import ListenerSettings, ServiceSettings

__all__ = ["ListenerReport", "Server"]


@dataclass(frozen=True, slots=True)
class ListenerReport:
    """Who answers at a listener. reason: why it is not the plane that was asked for (or, for "auto", the native one), else empty."""

    listen: ListenAddress
    plane: PlaneReport
    reason: str = ""

    @property
    def asked(self) -> DataPlane:
        """What the configuration asks for."""
        return self.listen.data_plane

    @property
    def fell_back(self) -> bool:
        """Whether a plane was asked for by name and another one answers."""
        return self.asked is not DataPlane.AUTO and bool(self.reason)


@dataclass(frozen=True, slots=True)
class _Running:
    """A plane at work; places: where its listeners stand among all."""

    plane: Plane
    places: tuple[int, ...]
    end: Callable[[], None]
    reason: str

    def stop(self) -> None:
        """No more states, no more answers."""
        self.end()
        self.plane.stop()


class Server:
    """Answers at a number of addresses from one StateCell."""

    def __init__(
        self,
        listeners: Sequence[ListenAddress],
        cell: StateCell,
        service: ServiceSettings | None = None,
        *,
        makers: Mapping[DataPlane, Maker] = MAKERS,
    ) -> None:
        """service: what all listeners share; without it no keys, no rate limit, no NTS."""
        self._listeners = apart(listeners)
        self._cell = cell
        self._service = service or ServiceSettings()
        self._makers = makers
        self._local: frozenset[LocalAddress] = frozenset()
        self._own: frozenset[tuple[bytes, int]] = frozenset()
        self._running: tuple[_Running, ...] = ()

    def start(self) -> None:
        """Open every socket and answer on all. Raises ListenError, leaving none open; call it before privileges are dropped.

        A plane that can't be had is replaced by the next best (see `reports`).
        """
        self._learn_own()
        running: tuple[_Running, ...] = ()
        with contextlib.ExitStack() as started:
            for asked in dict.fromkeys(each.data_plane for each in self._listeners):
                one = self._start_plane(asked)
                started.callback(one.stop)
                running = (*running, one)
            started.pop_all()
        self._running = running

    def stop(self) -> None:
        """Stop answering, at once. The counters stay readable."""
        for each in self._running:
            each.stop()

    @property
    def addresses(self) -> tuple[ListenAddress, ...]:
        """Where it listens, with the ports that the kernel chose for port 0."""
        found = [pair for each in self._running for pair in zip(each.places, each.plane.addresses, strict=True)]
        return tuple(address for _, address in sorted(found, key=lambda pair: pair[0]))

    @property
    def alive(self) -> bool:
        """Whether every worker runs; for watchdogs."""
        return bool(self._running) and all(each.plane.alive for each in self._running)

    @property
    def service(self) -> ServiceSettings:
        """The settings in force."""
        return self._service

    def configure(self, service: ServiceSettings, listeners: Sequence[ListenerSettings] | None = None) -> None:
        """Serve by other settings from now on, without a gap. listeners: in the order given at first; None: as they are.

        Raises ValueError, naming the field, for what no plane could serve by; nothing is changed then.
        """
        service.check()
        self._service = service
        if listeners is not None:
            self._listeners = tuple(replace(each, settings=own) for each, own in zip(self._listeners, listeners, strict=True))
        self._learn_own()
        self._configure()

    def look(self) -> None:
        """See whether this host's addresses are others by now, by which packets in our own name are known."""
        if self._learn_own():
            self._configure()

    def counters(self) -> dict[str, Counters]:
        """What was counted, by listening address as text."""
        counted = {str(each): Counters() for each in self.addresses}
        for running in self._running:
            for name, each in running.plane.counters().items():
                counted[name] += each
        return counted

    def reports(self) -> tuple[ListenerReport, ...]:
        """Who answers at each listener, and why."""
        found: list[tuple[int, ListenerReport]] = []
        for each in self._running:
            report = each.plane.report()
            shown = [ListenerReport(listen, report, each.reason) for listen in each.plane.addresses]
            found += zip(each.places, shown, strict=True)
        return tuple(report for _, report in sorted(found, key=lambda pair: pair[0]))

    def _configure(self) -> None:
        for running in self._running:
            running.plane.configure(self._service, [self._listeners[place].settings for place in running.places])

    def _learn_own(self) -> bool:
        """Find out at which addresses and ports we listen; whether they are others than before."""
        if any(each.is_wildcard for each in self._listeners):
            with contextlib.suppress(OSError):  # where the kernel does not tell, what it told before holds
                self._local = local_addresses()
        own = own_addresses(self._listeners, self._local)
        changed, self._own = own != self._own, own
        self._listeners = tuple(replace(each, settings=replace(each.settings, own=own)) for each in self._listeners)
        return changed

    def _start_plane(self, asked: DataPlane) -> _Running:
        places = tuple(place for place, each in enumerate(self._listeners) if each.data_plane is asked)
        listeners = [self._listeners[place] for place in places]
        reasons: list[str] = []
        for kind in candidates(asked):
            try:
                plane = self._makers[kind](listeners, self._service, self._cell.current)
                end = self._cell.subscribe(plane.publish)
                try:
                    plane.start()
                except BaseException:
                    end()
                    raise
            except PlaneError as error:
                reasons.append(f"{kind}: {error}")
                continue
            return _Running(plane, places, end, "; ".join(reasons))
        raise AssertionError("the Python plane can always be had")

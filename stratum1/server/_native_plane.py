"""The native plane: threads of the Rust module at sockets that are opened here, one thread a core."""

import contextlib
import itertools
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from stratum1.dataplane import MISSING, native
from stratum1.interchange import TimeState

from ._addresses import own_addresses
from ._cards import Card, find_cards
from ._counters import Counters
from ._interfaces import AddressWatch, LocalAddress, local_addresses
from ._listen import ListenAddress, ListenError
from ._native import native_listener, native_service
from ._native_sockets import Place, open_place, places, probe, refused
from ._plane import PlaneError, PlaneReport, StampKind, TableUse
from ._reasons import Protection, Record, ServerReason, ServerResponse
from ._state_words import state_words
from .service import ListenerSettings, ServiceSettings

__all__ = ["NativePlane"]

_REASONS, _RESPONSES, _PROTECTIONS = tuple(ServerReason), tuple(ServerResponse), tuple(Protection)
_Sockets = dict[Place, tuple[int, ...]]


class NativePlane:
    """See `Plane`."""

    name = "native"

    def __init__(self, listeners: Sequence[ListenAddress], service: ServiceSettings, state: TimeState) -> None:
        """Raises PlaneError where the native module is missing."""
        module = native()
        if module is None:
            raise PlaneError(f"there is no native module: {MISSING}")
        self._module = module
        self._listeners = tuple(listeners)
        self._service, self._settings = service, tuple(each.settings for each in listeners)
        self._state = state
        self._local: frozenset[LocalAddress] = frozenset()
        self._sockets: _Sockets = {}
        self._threads = [each.workers or len(os.sched_getaffinity(0)) for each in listeners]
        self._workers: Any = None  # _dataplane.Workers
        self._watch: AddressWatch | None = None
        self._busy = threading.Lock()  # between the event loop (settings) and the thread that hears of addresses
        self._cards: tuple[Card, ...] = ()
        self._notes: dict[str, tuple[str, ...]] = {}  # by what they are about

    @property
    def addresses(self) -> tuple[ListenAddress, ...]:
        """Where it listens."""
        return self._listeners

    @property
    def alive(self) -> bool:
        """Whether every worker runs."""
        return self._workers is not None and self._workers.alive

    def start(self) -> None:
        """Open every socket, then answer. Raises ListenError where a socket can't be had, PlaneError where one can't stamp."""
        twice = [each for place, each in enumerate(self._listeners) if each.port and self._stands_before(place)]
        if twice:
            raise ListenError(f"can't listen at {twice[0]}/udp: it is listed twice")
        self._listeners = tuple(probe(each) for each in self._listeners)
        self._follow()
        with contextlib.ExitStack() as undo:
            undo.callback(self._end_watch)
            workers = self._make_workers()
            undo.callback(workers.stop)
            self._use_cards(workers)
            for place in self._wanted():
                try:
                    self._open(workers, place)
                except OSError as error:
                    if place.host == self._listeners[place.listener].host:
                        raise refused(self._listeners[place.listener], error) from error
            workers.start()
            undo.pop_all()
        self._workers = workers
        if self._watch is not None:
            self._watch.start()
            self._addresses_changed()  # what came while the sockets were opened

    def stop(self) -> None:
        """Stop answering, at once."""
        self._end_watch()
        if self._workers is not None:
            self._workers.stop()

    def publish(self, state: TimeState) -> None:
        """Serve this state."""
        self._state = state
        if self._workers is not None:
            self._workers.publish(self._words())

    def configure(self, service: ServiceSettings, listeners: Sequence[ListenerSettings]) -> None:
        """Serve by other settings. Raises ValueError, and keeps the old ones, for settings that can't be."""
        with self._busy:
            before = self._service, self._settings
            self._service, self._settings = service, tuple(listeners)
            try:
                self._configure()
            except ValueError:
                self._service, self._settings = before
                raise

    def counters(self) -> Mapping[str, Counters]:
        """What was counted, by listener."""
        counted: dict[str, Counters] = {}
        for number, listen in enumerate(self._listeners):
            name, own = str(listen), self._counters(number)
            counted[name] = counted[name] + own if name in counted else own
        return counted

    def report(self) -> PlaneReport:
        """What it says of itself."""
        delay = None if self._workers is None else self._workers.send_delay_ns()
        rate, interleaved = (0, 0) if self._workers is None else self._workers.tables_used(self._served_now())
        limit = self._service.rate_limit
        return PlaneReport(
            self.name,
            max(self._threads),
            StampKind.HARDWARE if self._cards else StampKind.KERNEL,
            StampKind.HARDWARE if any(card.sends for card in self._cards) else StampKind.KERNEL,
            send_delay=None if delay is None else delay / 1e9,
            rate_limit=TableUse(rate, limit.slots) if limit is not None else None,
            interleaved=TableUse(interleaved, self._service.interleaved_slots) if self._service.interleaved_slots else None,
            notes=(*itertools.chain.from_iterable(self._notes.values()), *self._restarts()),
        )

    def _stands_before(self, place: int) -> bool:
        """Whether an earlier listener has the same address and port: the kernel would share the packets out between the two."""
        listen = self._listeners[place]
        return any((each.host, each.port) == (listen.host, listen.port) for each in self._listeners[:place])

    def _served_now(self) -> int:
        now = time.clock_gettime_ns(time.CLOCK_REALTIME)
        return now if self._state.realtime is None else self._state.realtime.served(now)

    def _use_cards(self, workers: Any) -> None:
        """Take the cards' own stamps where their clocks can be read."""
        cards, notes = find_cards(self._module.card_stamps)
        try:
            if cards:
                workers.use_cards([(card.interface, card.clock) for card in cards])
            self._cards = cards
        except OSError as error:
            names = ", ".join(card.name for card in cards)
            notes = (*notes, f"stamps of {names} are not used, for the card's clock can't be read: {error.strerror or error}")
        self._notes["cards"] = notes

    def _make_workers(self) -> Any:
        try:
            return self._module.Workers(max(self._threads), *self._native_settings(), self._words())
        except (ValueError, OSError) as error:
            raise PlaneError(str(error)) from error

    def _native_settings(self) -> tuple[Any, list[Any]]:
        own = own_addresses(self._listeners, self._local)
        return native_service(self._service), [native_listener(replace(each, own=each.own | own)) for each in self._settings]

    def _configure(self) -> None:
        if self._workers is not None:
            self._workers.configure(*self._native_settings())

    def _words(self) -> list[tuple[int, ...]]:
        """The state as each listener shows it."""
        shown = {smear: state_words(self._state, smear) for smear in {each.smear for each in self._listeners}}
        return [shown[each.smear] for each in self._listeners]

    def _wanted(self) -> list[Place]:
        """The sockets that there should be, wildcards first: they make sure that nothing is missed."""
        return sorted(places(self._listeners, self._local), key=lambda place: not place.is_wildcard)

    def _open(self, workers: Any, place: Place) -> None:
        """A socket there for each of the listener's workers. Raises OSError, leaving none."""
        opened = [open_place(place) for _ in range(self._threads[place.listener])]
        by_card = bool(self._cards)
        given = [workers.add(worker, place.listener, each.detach(), by_card) for worker, each in enumerate(opened)]
        self._sockets[place] = tuple(given)

    def _follow(self) -> None:
        """Learn the local addresses, and begin to hear of changes; without them the wildcard sockets do it all."""
        if not any(each.is_wildcard for each in self._listeners):
            return
        try:
            self._watch = AddressWatch(self._addresses_changed)
            self._local = local_addresses()
        except OSError as error:
            self._end_watch()
            self._notes["addresses"] = (f"the kernel does not tell its addresses ({error.strerror or error}): one socket serves them all",)

    def _end_watch(self) -> None:
        if self._watch is not None:
            self._watch.stop()
            self._watch = None

    def _addresses_changed(self) -> None:
        """Match the sockets with the addresses that there are now."""
        workers = self._workers
        with self._busy:  # also while they are read: what is read first has to count first
            try:
                local = local_addresses()
            except OSError:
                return  # the next change brings them
            if workers is None or local == self._local:
                return
            self._local = local
            self._configure()
            wanted = frozenset(self._wanted())
            for place in self._sockets.keys() - wanted:
                for each in self._sockets.pop(place):
                    workers.remove(each)
            self._open_new(workers, wanted - self._sockets.keys())

    def _open_new(self, workers: Any, wanted: frozenset[Place]) -> None:
        failed: list[str] = []
        for place in wanted:
            try:
                self._open(workers, place)
            except OSError as error:  # gone again, or not ours to bind: the wildcard socket serves it
                failed.append(f"no socket of its own for {place.host} ({error.strerror or error}): the one for all addresses serves it")
        self._notes["addresses"] = tuple(failed)

    def _counters(self, number: int) -> Counters:
        if self._workers is None:
            return Counters()
        rows, others, drops = self._workers.counters(number)
        count = dict(zip(self._module.OTHER_COUNTS, others, strict=True))
        records = {
            Record(version, _REASONS[reason], _RESPONSES[response], _PROTECTIONS[protection]): seen
            for version, reason, response, protection, seen in rows
        }
        return Counters(
            records,
            response_send_errors=count["send_errors"],
            receive_errors=count["receive_errors"],
            daemon_receive_stamps=count["receive_daemon"],
            hardware_receive_stamps=count["receive_hardware"],
            kernel_transmit_stamps=count["transmit_kernel"],
            hardware_transmit_stamps=count["transmit_hardware"],
            receive_drops=drops,
        )

    def _restarts(self) -> list[str]:
        panics = self._workers.panics() if self._workers is not None else []
        return [
            f"worker {number} broke off and was started again {count} times, last: {text}"
            for number, (count, text) in enumerate(panics)
            if count
        ]

"""The plane that is always there: the Python responder, with a thread for each socket."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from stratum1.interchange import TimeState

from ._counters import Counters
from ._listen import ListenAddress, open_socket
from ._plane import PlaneReport, StampKind, TableUse
from ._tables import Tables
from ._worker import PythonWorker
from .reply import Responder
from .service import ListenerSettings, ServiceSettings

__all__ = ["PythonPlane"]


class PythonPlane:
    """See `Plane`."""

    name = "python"

    def __init__(self, listeners: Sequence[ListenAddress], service: ServiceSettings, state: TimeState) -> None:
        """Raises ValueError, naming the field, for settings that can't be."""
        self._listeners = tuple(listeners)
        self._service = service
        self._state = state
        self._tables = Tables.of(service)
        self._workers: tuple[PythonWorker, ...] = ()

    @property
    def addresses(self) -> tuple[ListenAddress, ...]:
        """Where it listens."""
        return tuple(worker.listen for worker in self._workers) or self._listeners

    @property
    def alive(self) -> bool:
        """Whether every worker runs."""
        return bool(self._workers) and all(worker.alive for worker in self._workers)

    def start(self) -> None:
        """Open every socket, then answer on all. Raises ListenError, leaving none open."""
        workers: list[PythonWorker] = []
        try:
            for listen in self._listeners:
                opened = open_socket(listen)
                bound = replace(listen, port=opened.getsockname()[1])
                workers.append(PythonWorker(opened, bound, self._service, self._tables, self._state))
        except BaseException:
            for worker in workers:
                worker.stop()
            raise
        self._workers = tuple(workers)
        for worker in workers:
            worker.start()

    def stop(self) -> None:
        """Stop answering, at once."""
        for worker in self._workers:
            worker.stop()

    def publish(self, state: TimeState) -> None:
        """Serve this state."""
        before, self._state = self._state, state
        if self._tables.interleaved is not None and _epoch(before) != _epoch(state):
            self._tables.interleaved.clear()  # what it holds are times before the step
        for worker in self._workers:
            worker.publish(state)

    def configure(self, service: ServiceSettings, listeners: Sequence[ListenerSettings]) -> None:
        """Serve by other settings. Raises ValueError, naming the field, for settings that can't be."""
        tables = self._tables_for(service)
        others = [
            Responder(self._state, service, settings, tables, worker.listen.smear)
            for worker, settings in zip(self._workers, listeners, strict=True)
        ]
        self._tables, self._service = tables, service
        for worker, responder, settings in zip(self._workers, others, listeners, strict=True):
            worker.configure(replace(worker.listen, settings=settings), responder, tables, self._state)

    def counters(self) -> Mapping[str, Counters]:
        """What was counted, by listener."""
        return {str(worker.listen): worker.counters() for worker in self._workers}

    def report(self) -> PlaneReport:
        """What it says of itself."""
        delays = [worker.send_delay for worker in self._workers if worker.send_delay is not None]
        limit, rate, stamps = self._service.rate_limit, self._tables.rate, self._tables.interleaved
        return PlaneReport(
            self.name,
            len(self._workers),
            StampKind.KERNEL,
            StampKind.KERNEL,
            send_delay=sum(delays) / len(delays) if delays else None,
            rate_limit=TableUse(rate.used(self._served_now()), limit.slots) if limit and rate is not None else None,
            interleaved=TableUse(stamps.used, self._service.interleaved_slots) if stamps is not None else None,
        )

    def _served_now(self) -> int:
        now = time.clock_gettime_ns(time.CLOCK_REALTIME)
        return now if self._state.realtime is None else self._state.realtime.served(now)

    def _tables_for(self, service: ServiceSettings) -> Tables:
        """The tables that there are, as far as they fit."""
        old, new = self._service, Tables.of(service)
        if old.hash_seed != service.hash_seed:
            return new
        same_limit = old.rate_limit == service.rate_limit
        same_slots = old.interleaved_slots == service.interleaved_slots
        return Tables(self._tables.rate if same_limit else new.rate, self._tables.interleaved if same_slots else new.interleaved)


def _epoch(state: TimeState) -> int | None:
    return state.realtime.epoch if state.realtime else None

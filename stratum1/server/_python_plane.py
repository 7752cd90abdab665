"""The plane that is always there: the Python responder, with a thread for each socket."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from stratum1.interchange import TimeState

from ._cell import StateCell
from ._counters import Counters
from ._listen import ListenAddress, open_socket
from ._plane import PlaneReport, StampKind
from ._worker import PythonWorker
from .service import ListenerSettings, ServiceSettings

__all__ = ["PythonPlane"]


class PythonPlane:
    """See `Plane`."""

    name = "python"

    def __init__(self, listeners: Sequence[ListenAddress], service: ServiceSettings, state: TimeState) -> None:
        self._listeners = tuple(listeners)
        self._service = service
        self._cell = StateCell(state)
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
                workers.append(PythonWorker(opened, replace(listen, port=opened.getsockname()[1]), self._cell))
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
        self._cell.publish(state)

    def configure(self, service: ServiceSettings, listeners: Sequence[ListenerSettings]) -> None:
        """Serve by other settings."""
        self._service = service

    def counters(self) -> Mapping[str, Counters]:
        """What was counted, by listener."""
        return {str(worker.listen): worker.counters() for worker in self._workers}

    def report(self) -> PlaneReport:
        """What it says of itself."""
        return PlaneReport(self.name, len(self._workers), StampKind.KERNEL, StampKind.DAEMON)

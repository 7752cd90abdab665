"""All listeners of one server."""

from collections.abc import Sequence
from dataclasses import replace

from ._counters import Counters
from ._listen import ListenAddress, open_socket
from ._worker import PythonWorker, StateCell

__all__ = ["Server"]


class Server:
    """Answers at a number of addresses from one StateCell."""

    def __init__(self, listeners: Sequence[ListenAddress], cell: StateCell) -> None:
        self._listeners = tuple(listeners)
        self._cell = cell
        self._workers: tuple[PythonWorker, ...] = ()

    def start(self) -> None:
        """Open every socket, then answer on all. Raises ListenError, leaving none open; call it before privileges are dropped."""
        workers: list[PythonWorker] = []
        try:
            for listen in self._listeners:
                opened = open_socket(listen, v6_only=self._shares_port_with_ipv4(listen))
                bound = replace(listen, port=opened.getsockname()[1])
                workers.append(PythonWorker(opened, bound, self._cell))
        except BaseException:
            for worker in workers:
                worker.stop()
            raise
        self._workers = tuple(workers)
        for worker in workers:
            worker.start()

    def stop(self) -> None:
        """Stop answering, at once. The counters stay readable."""
        for worker in self._workers:
            worker.stop()

    @property
    def addresses(self) -> tuple[ListenAddress, ...]:
        """Where it listens, with the ports that the kernel chose for port 0."""
        return tuple(worker.listen for worker in self._workers)

    @property
    def alive(self) -> bool:
        """Whether every worker runs; for watchdogs."""
        return bool(self._workers) and all(worker.alive for worker in self._workers)

    def counters(self) -> dict[str, Counters]:
        """What was counted, by listening address as text."""
        counted: dict[str, Counters] = {}
        for worker in self._workers:
            name = str(worker.listen)
            counted[name] = counted[name] + worker.counters() if name in counted else worker.counters()
        return counted

    def _shares_port_with_ipv4(self, listen: ListenAddress) -> bool:
        """Whether "[::]" must leave IPv4 to a "0.0.0.0" of the same port."""
        return listen.is_wildcard and any(
            other.is_wildcard and other.host.version == 4 and other.port == listen.port for other in self._listeners
        )

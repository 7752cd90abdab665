"""The thread that keeps a source of edges open for ever."""

import threading
import time
from collections.abc import Callable

from ._device import PpsDevice
from ._errors import PpsError
from ._source import EdgeCallback, OpenSource
from ._tally import PulseStatistics
from .events import EdgeKind
from .report import PpsReport, PpsState

__all__ = ["EdgeReader", "PpsReader"]

_WAIT = 1.5
"""Seconds: longer than a pulse's interval, so that a live source never times out; shorter than anybody waits for `stop`."""
_FIRST_RETRY, _LAST_RETRY = 0.25, 8.0


class EdgeReader:
    """Opens a source, hands its edges on, and opens it again whenever it fails, with growing pauses (0.25 s to 8 s)."""

    def __init__(self, name: str, open_source: Callable[[], OpenSource], on_edge: EdgeCallback, edge: EdgeKind) -> None:
        """name: shown to people. open_source: called in the thread; raises PpsError. edge: the kind that marks the second."""
        self._name = name
        self._open = open_source
        self._on_edge = on_edge
        self._edge = edge
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._statistics = PulseStatistics(edge)
        self._state, self._text = PpsState.STOPPED, ""
        self._since = 0.0
        self._capabilities: tuple[str, ...] = ()
        self._notes: tuple[str, ...] = ()
        self._failures = 0

    def start(self) -> None:
        """Begin to deliver edges in a thread of its own. Returns at once; a second call does nothing."""
        if self._thread is None:
            self._ended.clear()
            self._set(PpsState.OPENING)
            self._thread = threading.Thread(target=self._run, name=f"pps {self._name}", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it, 2 s at most (a FETCH under way ends with the next edge or after 1.5 s)."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(2.0)
            self._thread = None
        self._set(PpsState.STOPPED)

    def report(self) -> PpsReport:
        """The present state and counters; any thread may ask."""
        with self._lock:
            statistics, last = self._statistics, self._statistics.last
            return PpsReport(
                source=self._name,
                state=self._state,
                text=self._sentence(),
                pulses=statistics.pulses,
                missed=statistics.missed,
                last_sequence=last.sequence if last is not None else None,
                jitter=statistics.jitter,
                width=statistics.width,
                capabilities=self._capabilities,
                notes=self._notes,
                failures=self._failures,
            )

    def _sentence(self) -> str:
        if self._state is PpsState.WAITING:
            return (
                f"{self._name} is open and no {self._edge} edge has come for {time.monotonic() - self._since:.0f} s: the receiver "
                "has no fix, the antenna is off, or the pulse goes to another pin."
            )
        return {
            PpsState.STOPPED: f"{self._name} is not being read.",
            PpsState.OPENING: f"{self._name} is being opened.",
            PpsState.PULSING: f"Pulses arrive from {self._name}.",
        }.get(self._state, self._text)

    def _set(self, state: PpsState, text: str = "") -> None:
        with self._lock:
            self._state, self._text, self._since = state, text, time.monotonic()

    def _run(self) -> None:
        pause = _FIRST_RETRY
        while not self._ended.is_set():
            delivered = self._statistics.pulses
            try:
                self._read_until_failure()
            except PpsError as error:
                self._failures += 1
                self._set(PpsState.FAILED, str(error))
            if self._statistics.pulses != delivered:
                pause = _FIRST_RETRY
            self._ended.wait(pause)
            pause = min(2 * pause, _LAST_RETRY)

    def _read_until_failure(self) -> None:
        source = self._open()
        try:
            with self._lock:
                self._capabilities, self._notes = source.capabilities, source.notes
                self._statistics.interrupted()
            self._set(PpsState.WAITING)
            while not self._ended.is_set():
                self._deliver(source)
        finally:
            source.close()

    def _deliver(self, source: OpenSource) -> None:
        edges = source.read(_WAIT)
        if self._ended.is_set():
            return
        with self._lock:
            for edge in edges:
                self._statistics.add(edge)
        if any(edge.kind is self._edge for edge in edges):
            self._set(PpsState.PULSING)
        elif time.monotonic() - self._since > _WAIT and self._state is PpsState.PULSING:
            with self._lock:  # keeps the time of the last pulse
                self._state = PpsState.WAITING
        for edge in edges:
            self._on_edge(edge)


class PpsReader(EdgeReader):
    """Edges of a kernel PPS device, by RFC 2783."""

    def __init__(self, path: str, on_edge: EdgeCallback, edge: EdgeKind = EdgeKind.ASSERT) -> None:
        """path: "/dev/ppsN", which need not exist yet. on_edge: called in the reader's thread. edge: the one that marks the second."""
        super().__init__(path, lambda: PpsDevice(path, edge), on_edge, edge)

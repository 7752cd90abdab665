"""A source of edges, seen by the thread that reads it, and the thread's face to the daemon."""

from collections.abc import Callable
from typing import Protocol

from .events import Edge
from .report import PpsReport

__all__ = ["EdgeCallback", "EdgeSource", "OpenSource"]

EdgeCallback = Callable[[Edge], None]
"""Called in the source's own thread for each edge, soon after it; must not block or raise."""


class OpenSource(Protocol):
    """An open device."""

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What the device can do, in the words of its kernel interface."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Limits that a person may want to lift, each with the remedy."""

    def read(self, timeout: float) -> tuple[Edge, ...]:
        """Wait at most `timeout` seconds for edges. Raises PpsError when the device is of no use any more."""

    def close(self) -> None:
        """Release the device."""


class EdgeSource(Protocol):
    """What the daemon runs: a PPS device, a GPIO line or the simulated pulse."""

    def start(self) -> None:
        """Begin to deliver edges. Returns at once."""

    def stop(self) -> None:
        """Deliver no more edges, and wait for the thread's end (2 s at most; it never keeps the process alive)."""

    def report(self) -> PpsReport:
        """The present state and counters; any thread may ask."""

"""What a server has counted, summed over its listeners."""

import time
from collections.abc import Mapping
from typing import Protocol

from stratum1.server import Counters

__all__ = ["settled", "total"]


class Counting(Protocol):
    """A server, or one of its planes."""

    def counters(self) -> Mapping[str, Counters]:
        """By listener."""


def total(server: Counting) -> Counters:
    """The sum now."""
    return sum(server.counters().values(), Counters())


def settled(server: Counting, received: int) -> Counters:
    """The sum once `received` packets are counted, which happens right after the reply has left; after 5 s whatever it is."""
    deadline = time.monotonic() + 5
    while total(server).received < received and time.monotonic() < deadline:
        time.sleep(0.001)
    return total(server)

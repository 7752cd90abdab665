"""A datagram on its way through the responder. Pure."""

from collections.abc import Callable
from typing import NamedTuple

from stratum1.timescale import NS, UtcNs

from ._reasons import Outcome, Protection, Record, Sender, ServerReason, ServerResponse

__all__ = ["MAX_HOLD_NS", "Ask", "Entropy", "Exchange", "silence"]

MAX_HOLD_NS = NS
"""A request that waited longer is dropped: its sender has given up, and a step of the clock would look the same."""

Entropy = Callable[[int], bytes]
"""Gives so many random octets."""


class Exchange(NamedTuple):
    """One request that is answered. bits: the reply's version and mode; received and sent: served times; random: 64 random bits.

    departed: when the earlier reply left that an interleaved client asks about, None in the basic mode.
    """

    request: bytes
    bits: int
    received: UtcNs
    sent: UtcNs
    random: int
    departed: UtcNs | None = None


class Ask(NamedTuple):
    """One datagram that has passed `judge`. bits: the reply's version and mode."""

    request: bytes
    sender: Sender
    bits: int
    received: UtcNs
    sent: UtcNs
    entropy: Entropy

    @property
    def version(self) -> int:
        """NTP version."""
        return self.bits >> 3

    @property
    def is_stale(self) -> bool:
        """Whether its times do not fit together."""
        return not 0 <= self.sent - self.received <= MAX_HOLD_NS

    def exchange(self, departed: int | None = None) -> Exchange:
        """With its random bits, which are drawn here."""
        random = int.from_bytes(self.entropy(8), "big")
        return Exchange(self.request, self.bits, self.received, self.sent, random, None if departed is None else UtcNs(departed))


def silence(ask: Ask, reason: ServerReason, protection: Protection = Protection.NONE) -> Outcome:
    """Nothing is sent back."""
    return Outcome(Record(ask.version, reason, ServerResponse.IGNORE, protection), None)

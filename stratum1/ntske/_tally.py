"""What was counted, as values. One thread counts, anybody reads a copy."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from stratum1.nts.ke_server import KeOutcome

__all__ = ["KeCounters", "KeTally"]


@dataclass(frozen=True, slots=True)
class KeCounters:
    """Since the start. connections: open now; outcomes: of connections (of a kept one, of each request); aeads, protocols: grants by
    number; cookies: made; handshakes: TLS handshakes that were completed; accept_errors: connections that could not be taken;
    fault: kind and place of the last fault of ours that ended a connection, empty for none.
    """

    connections: int = 0
    accepted: int = 0
    handshakes: int = 0
    cookies: int = 0
    accept_errors: int = 0
    outcomes: Mapping[KeOutcome, int] = field(default_factory=dict)
    aeads: Mapping[int, int] = field(default_factory=dict)
    protocols: Mapping[int, int] = field(default_factory=dict)
    fault: str = ""


class KeTally:
    """The counters of the thread that serves."""

    __slots__ = ("accept_errors", "accepted", "aeads", "connections", "cookies", "fault", "handshakes", "outcomes", "protocols")

    def __init__(self) -> None:
        self.connections = self.accepted = self.handshakes = self.cookies = self.accept_errors = 0
        self.outcomes: dict[KeOutcome, int] = dict.fromkeys(KeOutcome, 0)
        self.aeads: dict[int, int] = {}
        self.protocols: dict[int, int] = {}
        self.fault = ""

    def granted(self, aead: int, protocol: int, cookies: int) -> None:
        """Keys were established."""
        self.aeads[aead] = self.aeads.get(aead, 0) + 1
        self.protocols[protocol] = self.protocols.get(protocol, 0) + 1
        self.cookies += cookies

    def snapshot(self) -> KeCounters:
        """A copy."""
        return KeCounters(
            self.connections,
            self.accepted,
            self.handshakes,
            self.cookies,
            self.accept_errors,
            self.outcomes.copy(),
            self.aeads.copy(),
            self.protocols.copy(),
            self.fault,
        )

"""What is shown of the NTP service: every listener, who answers there, and what was counted."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

__all__ = ["ListenerStatus", "PlaneStatus", "ServerStatus", "TableStatus"]


@dataclass(frozen=True, slots=True)
class TableStatus:
    """A table of fixed size. used, slots: entries; slots 0: there is no such table."""

    used: int = 0
    slots: int = 0


@dataclass(frozen=True, slots=True)
class PlaneStatus:
    """Who answers at a listener. name: "python", "native", "xdp+native"; asked: what the configuration says; reason: why it is
    not what was asked for (for "auto": not the native one), empty when it is; notes: more to know; workers: threads.

    receive, transmit: the best stamps that it gets, "hardware", "kernel" or "daemon". send_delay: seconds by which transmit times
    are advanced, None while not measured. rate_limit, interleaved: the tables of clients.
    """

    name: str = ""
    asked: str = "auto"
    reason: str = ""
    notes: tuple[str, ...] = ()
    workers: int = 0
    receive: str = "daemon"
    transmit: str = "daemon"
    send_delay: float | None = None
    rate_limit: TableStatus = field(default_factory=TableStatus)
    interleaved: TableStatus = field(default_factory=TableStatus)

    @property
    def fell_back(self) -> bool:
        """Whether a plane was asked for by name and another one answers."""
        return self.asked != "auto" and bool(self.reason)


@dataclass(frozen=True, slots=True)
class ListenerStatus:
    """One [[server]] listener; counts of packets since the start. answered: replies sent, of any kind; interleaved: of those, the
    ones in interleaved mode; error: why it can't listen, empty when it does; versions: requests by NTP version; reasons: packets by
    the reason of what was done with them; responses: by what was done; protections: by how they were protected ("none", "mac",
    "nts"); receive_stamps, transmit_stamps: by who took them ("hardware", "kernel", "daemon"); transmit stamps of the first two kinds
    are those taken for interleaved clients. receive_drops: packets that the kernel dropped because the socket was full. smear: "none",
    "linear" or "cosine"; smear_offset: what the time shown there is ahead of UTC now, seconds.
    """

    listen_address: str
    data_plane: str
    received: int = 0
    answered: int = 0
    interleaved: int = 0
    accepted: int = 0
    denied: int = 0
    ignored: int = 0
    rate_limited: int = 0
    response_send_errors: int = 0
    receive_errors: int = 0
    receive_drops: int = 0
    nts_received: int = 0
    nts_accepted: int = 0
    nts_denied: int = 0
    nts_rate_limited: int = 0
    nts_nak: int = 0
    versions: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[str, int] = field(default_factory=dict)
    responses: Mapping[str, int] = field(default_factory=dict)
    protections: Mapping[str, int] = field(default_factory=dict)
    receive_stamps: Mapping[str, int] = field(default_factory=dict)
    transmit_stamps: Mapping[str, int] = field(default_factory=dict)
    plane: PlaneStatus = field(default_factory=PlaneStatus)
    error: str = ""
    smear: str = "none"
    smear_offset: float = 0.0


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """All listeners, and the sum of each counter over them."""

    received: int
    answered: int
    interleaved: int
    accepted: int
    denied: int
    ignored: int
    rate_limited: int
    response_send_errors: int
    receive_errors: int
    receive_drops: int
    nts_received: int
    nts_accepted: int
    nts_denied: int
    nts_rate_limited: int
    nts_nak: int
    listeners: tuple[ListenerStatus, ...]

    @classmethod
    def of(cls, *listeners: ListenerStatus) -> "ServerStatus":
        """Sum the listeners up."""
        sums = {each.name: sum(getattr(listener, each.name) for listener in listeners) for each in fields(cls) if each.name != "listeners"}
        return cls(**sums, listeners=listeners)

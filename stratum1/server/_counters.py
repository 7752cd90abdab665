"""What a server counts: one record a packet, and the sums that people and metrics read."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from .reply import Record, ServerReason, ServerResponse

__all__ = ["Counters", "Tally"]

_ACCEPTED = frozenset({ServerResponse.TIME, ServerResponse.INTERLEAVED})
_IGNORED = frozenset({ServerResponse.IGNORE})
_DENIED = frozenset(ServerResponse) - _ACCEPTED - _IGNORED


@dataclass(frozen=True, slots=True)
class Counters:
    """Packets since the start, of one listener or of several together.

    records: how often each (version, reason, response) was seen; the sums below derive from it. receive_errors: failed reads
    of the socket. daemon_receive_stamps: packets that came without a kernel stamp and were stamped by us. rate_limited and
    nts_...: 0 for a server without a rate limit and without NTS, so that the series exist.
    """

    records: Mapping[Record, int] = field(default_factory=dict)
    response_send_errors: int = 0
    receive_errors: int = 0
    daemon_receive_stamps: int = 0
    rate_limited: int = 0
    nts_received: int = 0
    nts_accepted: int = 0
    nts_denied: int = 0
    nts_rate_limited: int = 0
    nts_nak: int = 0

    @property
    def received(self) -> int:
        """All packets; accepted, denied, ignored and rate limited ones add up to it."""
        return sum(self.records.values())

    @property
    def accepted(self) -> int:
        """Packets answered with the time (or with "unsynchronised")."""
        return self._responses(_ACCEPTED)

    @property
    def denied(self) -> int:
        """Packets answered with a refusal."""
        return self._responses(_DENIED)

    @property
    def ignored(self) -> int:
        """Packets met with silence."""
        return self._responses(_IGNORED)

    @property
    def kernel_receive_stamps(self) -> int:
        """Packets stamped by the kernel on arrival."""
        return self.received - self.daemon_receive_stamps

    @property
    def by_version(self) -> dict[int, int]:
        """Packets by the version they claim, 0 to 7; versions never seen are left out."""
        sums: dict[int, int] = {}
        for record, count in self.records.items():
            sums[record.version] = sums.get(record.version, 0) + count
        return sums

    @property
    def by_reason(self) -> dict[ServerReason, int]:
        """Packets by reason; every reason is there, also with 0."""
        sums = dict.fromkeys(ServerReason, 0)
        for record, count in self.records.items():
            sums[record.reason] += count
        return sums

    def __add__(self, other: "Counters") -> "Counters":
        plain = [name.name for name in fields(self) if name.name != "records"]
        records = Counter(self.records) + Counter(other.records)
        return Counters(dict(records), *(getattr(self, name) + getattr(other, name) for name in plain))

    def _responses(self, responses: frozenset[ServerResponse]) -> int:
        return sum(count for record, count in self.records.items() if record.response in responses)


class Tally:
    """Counts of one worker thread, which alone writes; anybody may take a snapshot.

    No lock is needed: `dict.copy` of these keys runs inside the interpreter in one go, and each integer is replaced whole.
    """

    __slots__ = ("daemon_receive_stamps", "receive_errors", "records", "response_send_errors")

    def __init__(self) -> None:
        self.records: dict[Record, int] = {}
        self.response_send_errors = 0
        self.receive_errors = 0
        self.daemon_receive_stamps = 0

    def snapshot(self) -> Counters:
        """The counts as they stand."""
        return Counters(self.records.copy(), self.response_send_errors, self.receive_errors, self.daemon_receive_stamps)

"""What a server counts: one record a packet, and the sums that people and metrics read."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields

from ._reasons import Protection, Record, ServerReason, ServerResponse

__all__ = ["Counters", "Tally"]

_TIME = frozenset({ServerResponse.TIME, ServerResponse.INTERLEAVED})
_SILENCE = frozenset({ServerResponse.IGNORE})
_NAK = frozenset({ServerResponse.NTS_NAK})
_REFUSALS = frozenset(ServerResponse) - _TIME - _SILENCE - _NAK


@dataclass(frozen=True, slots=True)
class Counters:
    """Packets since the start, of one listener or of several together.

    records: how often each (version, reason, response, protection) was seen; the sums below derive from it. receive_errors: failed
    reads of the socket. daemon_receive_stamps: packets that came without a kernel stamp and were stamped by us;
    hardware_receive_stamps: stamped by the network card. kernel_transmit_stamps, hardware_transmit_stamps: stamps of replies, taken
    for clients in interleaved mode. receive_drops: packets that the kernel dropped because the socket was full; they are in no record.
    """

    records: Mapping[Record, int] = field(default_factory=dict)
    response_send_errors: int = 0
    receive_errors: int = 0
    daemon_receive_stamps: int = 0
    hardware_receive_stamps: int = 0
    kernel_transmit_stamps: int = 0
    hardware_transmit_stamps: int = 0
    receive_drops: int = 0

    @property
    def received(self) -> int:
        """All packets; accepted, denied and ignored ones and NTS NAKs add up to it."""
        return sum(self.records.values())

    @property
    def answered(self) -> int:
        """Packets that got a reply of any kind."""
        return self._sum(lambda record: record.response not in _SILENCE)

    @property
    def accepted(self) -> int:
        """Packets answered with the time (or with "unsynchronised")."""
        return self._sum(lambda record: record.response in _TIME)

    @property
    def interleaved(self) -> int:
        """Of those, the ones answered in interleaved mode."""
        return self._sum(lambda record: record.response is ServerResponse.INTERLEAVED)

    @property
    def denied(self) -> int:
        """Packets answered with a refusal: a kiss of death or a crypto-NAK."""
        return self._sum(lambda record: record.response in _REFUSALS)

    @property
    def ignored(self) -> int:
        """Packets met with silence."""
        return self._sum(lambda record: record.response in _SILENCE)

    @property
    def rate_limited(self) -> int:
        """Packets over the rate limit that were not answered with the time."""
        return self._sum(lambda record: record.reason is ServerReason.RATE_LIMITED)

    @property
    def nts_received(self) -> int:
        """Packets with NTS."""
        return self._nts(lambda _: True)

    @property
    def nts_accepted(self) -> int:
        """Of those, the ones answered with the time."""
        return self._nts(lambda record: record.response in _TIME)

    @property
    def nts_denied(self) -> int:
        """Of those, the ones answered with a kiss of death."""
        return self._nts(lambda record: record.response in _REFUSALS)

    @property
    def nts_rate_limited(self) -> int:
        """Of those, the ones over the rate limit."""
        return self._nts(lambda record: record.reason is ServerReason.RATE_LIMITED)

    @property
    def nts_nak(self) -> int:
        """Of those, the ones answered with an NTS NAK: their cookie or their authenticator was not right."""
        return self._nts(lambda record: record.response in _NAK)

    @property
    def kernel_receive_stamps(self) -> int:
        """Packets stamped by the kernel on arrival."""
        return self.received - self.daemon_receive_stamps - self.hardware_receive_stamps

    @property
    def daemon_transmit_stamps(self) -> int:
        """Replies whose transmit time is our own reading of the clock."""
        return self.accepted - self.interleaved

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

    @property
    def by_response(self) -> dict[ServerResponse, int]:
        """Packets by what was done; every response is there, also with 0."""
        sums = dict.fromkeys(ServerResponse, 0)
        for record, count in self.records.items():
            sums[record.response] += count
        return sums

    @property
    def by_protection(self) -> dict[Protection, int]:
        """Packets by how they were protected; every kind is there, also with 0."""
        sums = dict.fromkeys(Protection, 0)
        for record, count in self.records.items():
            sums[record.protection] += count
        return sums

    def __add__(self, other: "Counters") -> "Counters":
        plain = [name.name for name in fields(self) if name.name != "records"]
        records = Counter(self.records) + Counter(other.records)
        return Counters(dict(records), *(getattr(self, name) + getattr(other, name) for name in plain))

    def _sum(self, counts: Callable[[Record], bool]) -> int:
        return sum(count for record, count in self.records.items() if counts(record))

    def _nts(self, counts: Callable[[Record], bool]) -> int:
        return self._sum(lambda record: record.protection is Protection.NTS and counts(record))


class Tally:
    """Counts of one worker thread, which alone writes; anybody may take a snapshot.

    No lock is needed: the interpreter copies a list in one go, and each integer is replaced whole.
    """

    __slots__ = ("_by_identity", "_cells", "daemon_receive_stamps", "plain", "receive_errors", "response_send_errors")

    def __init__(self) -> None:
        self._cells: dict[Record, _Cell] = {}
        self._by_identity: dict[int, _Cell] = {}
        self.plain = [0] * 256
        """Requests that were answered with the time and without further ado, by their first octet."""
        self.response_send_errors = 0
        self.receive_errors = 0
        self.daemon_receive_stamps = 0

    def count(self, record: Record) -> None:
        """One more. Records that are made once and used again cost least: hashing an enumeration runs Python code."""
        cell = self._by_identity.get(id(record))
        if cell is None:
            cell = self._cells.get(record)
            if cell is None:
                cell = self._cells[record] = _Cell(record)
                self._by_identity[id(record)] = cell  # the cell keeps the record, so no other can get its identity
        cell.count += 1

    def snapshot(self, transmit_stamps: int = 0, receive_drops: int = 0) -> Counters:
        """The counts as they stand, with those that others keep."""
        records = {cell.record: cell.count for cell in list(self._cells.values())}
        for first, count in enumerate(self.plain.copy()):
            if count:
                plain = Record(first >> 3 & 7, ServerReason.SYNCHRONISED, ServerResponse.TIME, Protection.NONE)
                records[plain] = records.get(plain, 0) + count
        return Counters(
            records,
            self.response_send_errors,
            self.receive_errors,
            self.daemon_receive_stamps,
            kernel_transmit_stamps=transmit_stamps,
            receive_drops=receive_drops,
        )


class _Cell:
    """A record and how often it was seen."""

    __slots__ = ("count", "record")

    def __init__(self, record: Record) -> None:
        self.record = record
        self.count = 0

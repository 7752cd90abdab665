"""The NTP service as rows of tables: what was counted, who answers, what was refused and why."""

from collections.abc import Mapping

from stratum1.control import ListenerStatus, ServerStatus, TableStatus
from stratum1.control.words import count, signed_time, time_span

__all__ = ["listener_rows", "plane_rows", "reason_rows"]

_NONE = "–"
_PLAIN = ("synchronised", "unsynchronised")


def listener_rows(server: ServerStatus, rates: Mapping[str, float]) -> list[list[str]]:
    """Counts of each listener. rates: requests a second by listening address."""
    return [_counts(each, rates.get(each.listen_address)) for each in server.listeners]


def plane_rows(server: ServerStatus) -> list[list[str]]:
    """Who answers at each listener, how exact its stamps are, and how full its tables."""
    return [_plane(each) for each in server.listeners]


def reason_rows(server: ServerStatus) -> list[list[str]]:
    """What was refused or ignored, by reason, the most frequent first; all listeners together."""
    sums: dict[str, int] = {}
    for each in server.listeners:
        for reason, number in each.reasons.items():
            sums[reason] = sums.get(reason, 0) + number
    refused = sorted(((number, reason) for reason, number in sums.items() if number and reason not in _PLAIN), reverse=True)
    return [[reason, count(number)] for number, reason in refused]


def _counts(each: ListenerStatus, rate: float | None) -> list[str]:
    numbers = (
        each.received,
        each.answered,
        each.interleaved,
        each.denied,
        each.ignored,
        each.rate_limited,
        each.response_send_errors + each.receive_errors + each.receive_drops,
        each.nts_received,
        each.protections.get("mac", 0),
    )
    versions = ", ".join(f"v{version} {count(number)}" for version, number in each.versions.items() if number)
    return [
        each.listen_address,
        each.error or each.data_plane + _smear(each),
        _NONE if rate is None else f"{rate:.1f}",
        *(count(number) for number in numbers),
        versions or _NONE,
    ]


def _smear(each: ListenerStatus) -> str:
    return "" if each.smear == "none" else f", smears leap seconds ({each.smear}): shows UTC {signed_time(each.smear_offset)}"


def _plane(each: ListenerStatus) -> list[str]:
    plane = each.plane
    asked = "" if plane.asked == plane.name else f" (asked: {plane.asked})"
    return [
        each.listen_address,
        f"{plane.name or each.data_plane}{asked}",
        _stamps(each.receive_stamps),
        _stamps(each.transmit_stamps),
        time_span(plane.send_delay),
        _table(plane.interleaved),
        _table(plane.rate_limit),
        ". ".join((*([plane.reason] if plane.reason else []), *plane.notes)) or _NONE,
    ]


def _stamps(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{kind} {count(number)}" for kind, number in counts.items() if number) or _NONE


def _table(table: TableStatus) -> str:
    return f"{count(table.used)} of {count(table.slots)}" if table.slots else "off"

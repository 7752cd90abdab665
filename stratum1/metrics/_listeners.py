"""What the listeners did, and who answers there."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from stratum1.control import ListenerStatus, ServerStatus

from ._families import NAN, flag, known

__all__ = ["listener_families"]

_COUNTERS: tuple[tuple[str, str, Callable[[ListenerStatus], int]], ...] = (
    ("answered_packets", "Replies sent, of any kind", lambda each: each.answered),
    ("interleaved_packets", "Replies in interleaved mode (RFC 9769)", lambda each: each.interleaved),
    ("receive_drops", "Packets that the kernel dropped because the listener's sockets were full", lambda each: each.receive_drops),
    ("receive_errors", "Failed reads of the listener's sockets", lambda each: each.receive_errors),
)
_SPLIT: tuple[tuple[str, str, str, Callable[[ListenerStatus], Mapping[str, int]]], ...] = (
    ("version_packets", "version", "Requests by NTP version", lambda each: each.versions),
    ("reason_packets", "reason", "Packets by the reason of what was done with them", lambda each: each.reasons),
    ("response_packets", "response", "Packets by what was done with them", lambda each: each.responses),
    ("protection_packets", "protection", "Packets by how they were protected: none, mac, nts", lambda each: each.protections),
    ("receive_stamps", "stamp", "Receive stamps by who took them: hardware, kernel, daemon", lambda each: each.receive_stamps),
    (
        "transmit_stamps",
        "stamp",
        "Transmit times by who took them: daemon for replies in basic mode, hardware and kernel for interleaved clients",
        lambda each: each.transmit_stamps,
    ),
)
_TABLES: tuple[tuple[str, str, Callable[[ListenerStatus], int]], ...] = (
    ("rate_limit_entries", "Clients in the table of the rate limit", lambda each: each.plane.rate_limit.used),
    ("rate_limit_slots", "Size of the table of the rate limit; 0 where it is off", lambda each: each.plane.rate_limit.slots),
    ("interleaved_entries", "Clients in interleaved mode that are remembered", lambda each: each.plane.interleaved.used),
    ("interleaved_slots", "Size of the table of interleaved mode; 0 where it is off", lambda each: each.plane.interleaved.slots),
)


def listener_families(server: ServerStatus) -> Iterator[Metric]:
    """One family each, with a series a listener."""
    yield from _counters(server)
    yield from _planes(server)
    for name, text, value in _TABLES:
        yield _gauge(server, name, text, value)
    yield _gauge(
        server,
        "smear_seconds",
        "What the time shown by a listener that smears a leap second is ahead of UTC now, seconds; NaN where it does not smear",
        lambda each: each.smear_offset if each.smear != "none" else NAN,
    )


def _counters(server: ServerStatus) -> Iterator[Metric]:
    for name, text, value in _COUNTERS:
        family = CounterMetricFamily(f"stratum1_server_{name}", text, labels=["listen_address"])
        for each in server.listeners:
            family.add_metric([each.listen_address], value(each))
        yield family
    for name, label, text, values in _SPLIT:
        family = CounterMetricFamily(f"stratum1_server_{name}", text, labels=["listen_address", label])
        for each in server.listeners:
            for key, count in values(each).items():
                family.add_metric([each.listen_address, key], count)
        yield family


def _planes(server: ServerStatus) -> Iterator[Metric]:
    plane = GaugeMetricFamily(
        "stratum1_server_data_plane",
        "1 for the data plane that answers at a listener; reason: why it is not the one asked for, empty when it is",
        labels=["listen_address", "data_plane", "asked", "reason"],
    )
    for each in server.listeners:
        plane.add_metric([each.listen_address, each.data_plane, each.plane.asked, each.plane.reason], 1)
    yield plane
    yield _gauge(
        server,
        "data_plane_fell_back",
        "1 where a data plane is asked for by name and another one answers",
        lambda each: flag(each.plane.fell_back),
    )
    yield _gauge(server, "workers", "Threads that answer", lambda each: each.plane.workers)
    yield _gauge(
        server,
        "send_delay_seconds",
        "Time from the reading of the clock to the transmit stamp, by which transmit times are advanced, seconds; NaN while not measured",
        lambda each: known(each.plane.send_delay),
    )


def _gauge(server: ServerStatus, name: str, text: str, value: Callable[[ListenerStatus], float]) -> Metric:
    family = GaugeMetricFamily(f"stratum1_server_{name}", text, labels=["listen_address"])
    for each in server.listeners:
        family.add_metric([each.listen_address], value(each))
    return family

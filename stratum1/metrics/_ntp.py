"""The ntp_* families: names, labels and units as ntpd-rs's exporter has them, so that its dashboards fit."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from stratum1.control import ServerStatus, Status

from ._families import gauge

__all__ = ["ntp_families"]

# (metric, field of ListenerStatus, help)
_SERVER = (
    ("ntp_server_received_packets", "received", "Packets received from clients"),
    ("ntp_server_accepted_packets", "accepted", "Packets answered with the time"),
    ("ntp_server_denied_packets", "denied", "Packets refused: answered with a kiss of death or a crypto-NAK"),
    (
        "ntp_server_ignored_packets",
        "ignored",
        "Packets that got no answer: malformed, of a mode that is not served, over the rate limit, or by a rule",
    ),
    ("ntp_server_rate_limited_packets", "rate_limited", "Packets over the client's rate limit that were not answered with the time"),
    ("ntp_server_response_send_errors", "response_send_errors", "Replies that could not be sent"),
    ("ntp_server_nts_received_packets", "nts_received", "NTS packets received from clients"),
    ("ntp_server_nts_accepted_packets", "nts_accepted", "NTS packets answered with the time"),
    ("ntp_server_nts_denied_packets", "nts_denied", "NTS packets refused"),
    (
        "ntp_server_nts_rate_limited_packets",
        "nts_rate_limited",
        "NTS packets over the client's rate limit that were not answered with the time",
    ),
    ("ntp_server_nts_nak_packets", "nts_nak", "NTS packets answered with a NAK: their cookie could not be opened"),
)


def ntp_families(status: Status) -> Iterator[Metric]:
    """System and server."""
    yield from _system(status)
    yield from _server(status.server)


def _system(status: Status) -> Iterator[Metric]:
    time = status.time
    uptime = GaugeMetricFamily(
        "ntp_uptime_seconds", "Time since the daemon started, seconds", labels=["version", "build_commit", "build_commit_date"]
    )
    uptime.add_metric([status.version, status.build_commit, status.build_date], status.uptime)
    yield uptime
    yield gauge("ntp_system_stratum", "Stratum served: 1 to 15, 16 unsynchronised", time.stratum)
    yield gauge(
        "ntp_system_leap_indicator", "Leap indicator served: 0 none, 1 second inserted, 2 second deleted, 3 not synchronised", time.leap
    )
    yield gauge("ntp_system_root_delay_seconds", "Round-trip delay to the primary reference, seconds", time.root_delay)
    yield gauge("ntp_system_root_dispersion_seconds", "Error bound less half of root delay, seconds", time.root_dispersion)
    yield gauge(
        "ntp_system_accumulated_steps_seconds",
        "Sum of the absolute values of all steps of the clock since the start, seconds",
        time.accumulated_steps,
    )
    yield gauge(
        "ntp_system_accumulated_steps_threshold_seconds",
        "Largest step that is made after the first lock, seconds; -1 for no limit",
        -1 if time.step_limit is None else time.step_limit,
    )


def _server(server: ServerStatus) -> Iterator[Metric]:
    for name, field, text in _SERVER:
        family = CounterMetricFamily(name, text, labels=["listen_address"])
        for listener in server.listeners:
            family.add_metric([listener.listen_address], getattr(listener, field))
        yield family

"""The NTP service's part of `Status`: counters and data planes in the words of the model."""

from collections.abc import Sequence

from .control import ListenerStatus, PlaneStatus, ServerStatus, TableStatus
from .interchange import TimeState
from .server import Counters, ListenerReport, TableUse, smear_ns
from .timescale import NS

__all__ = ["listener_status", "plane_status", "server_status"]


def server_status(reports: Sequence[ListenerReport], counters: dict[str, Counters], state: TimeState) -> ServerStatus:
    """All listeners while `state` is served."""
    return ServerStatus.of(*(listener_status(each, counters[str(each.listen)], state) for each in reports))


def listener_status(report: ListenerReport, counters: Counters, state: TimeState) -> ListenerStatus:
    """One listener."""
    smear = report.listen.smear
    return ListenerStatus(
        listen_address=str(report.listen),
        data_plane=report.plane.name,
        plane=plane_status(report),
        received=counters.received,
        answered=counters.answered - counters.response_send_errors,
        interleaved=counters.interleaved,
        accepted=counters.accepted,
        denied=counters.denied,
        ignored=counters.ignored,
        rate_limited=counters.rate_limited,
        response_send_errors=counters.response_send_errors,
        receive_errors=counters.receive_errors,
        receive_drops=counters.receive_drops,
        nts_received=counters.nts_received,
        nts_accepted=counters.nts_accepted,
        nts_denied=counters.nts_denied,
        nts_rate_limited=counters.nts_rate_limited,
        nts_nak=counters.nts_nak,
        versions={str(version): count for version, count in sorted(counters.by_version.items())},
        reasons={str(reason): count for reason, count in counters.by_reason.items()},
        responses={str(response): count for response, count in counters.by_response.items()},
        protections={str(protection): count for protection, count in counters.by_protection.items()},
        receive_stamps={
            "hardware": counters.hardware_receive_stamps,
            "kernel": counters.kernel_receive_stamps,
            "daemon": counters.daemon_receive_stamps,
        },
        transmit_stamps={
            "hardware": counters.hardware_transmit_stamps,
            "kernel": counters.kernel_transmit_stamps,
            "daemon": counters.daemon_transmit_stamps,
        },
        smear=smear.value,
        smear_offset=smear_ns(smear, state.smeared_leap, state.bound_at) / NS,
    )


def plane_status(report: ListenerReport) -> PlaneStatus:
    """Who answers there."""
    plane = report.plane
    return PlaneStatus(
        name=plane.name,
        asked=report.asked.value,
        reason=report.reason,
        notes=plane.notes,
        workers=plane.workers,
        receive=plane.receive.value,
        transmit=plane.transmit.value,
        send_delay=plane.send_delay,
        rate_limit=_table(plane.rate_limit),
        interleaved=_table(plane.interleaved),
    )


def _table(use: TableUse | None) -> TableStatus:
    return TableStatus(use.used, use.slots) if use else TableStatus()

"""The stratum1_nts_* families: key establishment, its certificate, the master keys."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from stratum1.control import NtsKeStatus
from stratum1.timescale import NS, UtcNs

from ._families import counter, counters, flag, gauge

__all__ = ["nts_families"]

_NONE: Mapping[str, int] = {}


def nts_families(nts: NtsKeStatus | None) -> Iterator[Metric]:
    """All of it; without [nts-ke] there are none."""
    if nts is None:
        return
    yield gauge("stratum1_nts_ke_serving", "1 while keys are established, 0 while clients are refused", flag(nts.state == "serving"))
    yield gauge("stratum1_nts_ke_connections", "Connections open now", nts.connections)
    yield counter("stratum1_nts_ke_accepted_connections", "Connections since the start", nts.accepted)
    yield counter("stratum1_nts_ke_accept_errors", "Connections that could not be taken", nts.accept_errors)
    yield counter("stratum1_nts_ke_handshakes", "TLS handshakes that were completed", nts.handshakes)
    yield counters("stratum1_nts_ke_outcomes", "What became of connections", "outcome", nts.outcomes)
    yield counter("stratum1_nts_ke_cookies", "Cookies given to clients by key establishment", nts.cookies)
    yield counters("stratum1_nts_ke_aeads", "Keys established, by AEAD (its number at IANA)", "aead", nts.aeads)
    yield counters("stratum1_nts_ke_protocols", "Keys established, by next protocol (0 NTPv4, 32769 NTPv5)", "protocol", nts.protocols)
    certificate = nts.certificate
    yield gauge(
        "stratum1_nts_certificate_expiry_timestamp_seconds",
        "Unix time at which the certificate expires; NaN while there is none",
        _unix(certificate.not_after if certificate else None),
    )
    yield gauge("stratum1_nts_master_keys", "Master keys that open cookies", nts.key.accepted)
    yield gauge(
        "stratum1_nts_key_rotation_timestamp_seconds",
        "Unix time of the last change of the master key; NaN for none",
        _unix(nts.key.rotated),
    )
    yield _info(nts)


def _info(nts: NtsKeStatus) -> Metric:
    family = GaugeMetricFamily("stratum1_nts_ke_info", "1, with who does TLS and where", labels=["listen_address", "tls"])
    family.add_metric([nts.listen_address, nts.tls], 1)
    return family


def _unix(instant: UtcNs | None) -> float | None:
    return None if instant is None else instant / NS

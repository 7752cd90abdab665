"""What is shown of NTS key establishment: certificate, keys, counters, and the lines for clients to copy."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from stratum1.timescale import UtcNs

__all__ = ["CertificateStatus", "MasterKeyStatus", "NtsKeStatus", "nts_alarms"]


@dataclass(frozen=True, slots=True)
class CertificateStatus:
    """The certificate in force. names: whom it is for; kind: of its key; fingerprint: SHA-256 in hexadecimal."""

    names: tuple[str, ...]
    kind: str
    not_before: UtcNs
    not_after: UtcNs
    fingerprint: str


@dataclass(frozen=True, slots=True)
class MasterKeyStatus:
    """The keys of cookies. current: id of the one that seals, in hexadecimal; accepted: how many open; fleet: whether they are drawn
    from a shared secret; rotated, next_rotation: None while the time is not known.
    """

    current: str
    accepted: int
    fleet: bool
    rotated: UtcNs | None
    next_rotation: UtcNs | None


@dataclass(frozen=True, slots=True)
class NtsKeStatus:
    """[nts-ke]. state: "serving", "waiting" (for the time) or "problem"; reason: the sentence, empty while all is well.

    tls: who does TLS. connections: open now; since the start accepted connections, handshakes, cookies, accept_errors, outcomes of
    connections by name, grants by AEAD and by next protocol (numbers as text). own_authority: whether the certificate is of our own
    making, then authority_fingerprint is that of its authority. clients: lines to copy, by program.
    """

    listen_address: str
    state: str
    reason: str
    tls: str
    connections: int
    accepted: int
    handshakes: int
    cookies: int
    accept_errors: int
    outcomes: Mapping[str, int]
    aeads: Mapping[str, int]
    protocols: Mapping[str, int]
    certificate: CertificateStatus | None
    own_authority: bool
    authority_fingerprint: str
    key: MasterKeyStatus
    clients: Mapping[str, str] = field(default_factory=dict)

    @property
    def issued(self) -> int:
        """Connections that got cookies."""
        return self.outcomes.get("issued", 0)

    @property
    def failed(self) -> int:
        """Connections that did not get what they came for."""
        return sum(self.outcomes.values()) - self.issued - self.outcomes.get("pool-list", 0)


def nts_alarms(status: NtsKeStatus | None, now: UtcNs) -> list[str]:
    """What needs a person. now: served time."""
    if status is None or status.state == "waiting":
        return []
    found = [f"NTS key establishment: {status.reason}"] if status.reason else []
    if status.certificate is not None and not status.own_authority and status.certificate.not_after < now:
        found.append(
            f"NTS key establishment: the certificate for {', '.join(status.certificate.names)} has expired: clients refuse it; renew it"
        )
    return found

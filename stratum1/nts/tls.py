"""What key establishment asks of TLS: a pump of octets with a key exporter. Types only; who does it is in `stratum1.ntske`.

A session never touches a socket: what came from the peer is given to `receive`, what is to be sent to it is taken from `outgoing`.
TLS 1.3 only, ALPN "ntske/1" (RFC 8915, section 3).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

__all__ = ["ALPN", "EXPORT_LABEL", "TlsBackend", "TlsClient", "TlsError", "TlsServer", "TlsSession"]

ALPN = b"ntske/1"
EXPORT_LABEL = b"EXPORTER-network-time-security"
"""RFC 8915, section 5.1."""


class TlsError(Exception):
    """The peer does not speak TLS 1.3 as we need it, or a certificate is not believed; the message says why.

    `outgoing` of the session may still have an alert for the peer.
    """


class TlsSession(Protocol):
    """One connection's TLS."""

    @property
    def handshaking(self) -> bool:
        """Whether the handshake is still under way: no key can be exported yet."""

    @property
    def alpn(self) -> bytes | None:
        """The protocol agreed upon, None without one."""

    @property
    def peer_certificate(self) -> bytes | None:
        """The peer's leaf (DER), verified against the authority that we were given; None without one."""

    @property
    def closed(self) -> bool:
        """Whether the peer has said that it sends no more (close_notify)."""

    def receive(self, data: bytes) -> None:
        """Take what came from the peer. Raises the backend's error."""

    def plaintext(self) -> bytes:
        """What the peer has said since the last call."""

    def send(self, data: bytes) -> None:
        """Say something, once the handshake is over."""

    def outgoing(self) -> bytes:
        """What has to be sent to the peer now."""

    def close(self) -> None:
        """Queue close_notify."""

    def export(self, label: bytes, context: bytes, length: int) -> bytes:
        """Key material (RFC 8446, section 7.5). Raises the backend's error, as before the handshake is over."""


class TlsServer(Protocol):
    """A server's certificate chain and key, ready for any number of sessions."""

    def session(self) -> TlsSession:
        """A new connection."""


class TlsClient(Protocol):
    """The authorities that a client believes, ready for any number of sessions."""

    def session(self, server_name: str) -> TlsSession:
        """A new connection to a server that has to prove this name (or address)."""


@dataclass(frozen=True, slots=True)
class TlsBackend:
    """One way to do TLS. name: for people; error: what its sessions raise.

    server(certificate chain PEM, key PEM, PEM of the authority that clients' certificates must come from or None) and
    client(PEM of authorities) raise `error` for what can't be.
    """

    name: str
    server: Callable[[bytes, bytes, bytes | None], TlsServer]
    client: Callable[[bytes], TlsClient]
    error: type[Exception]

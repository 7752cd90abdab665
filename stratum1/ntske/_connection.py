"""One client of key establishment: TLS, state machine and what is still to be sent. Knows its socket, not the other connections."""

import os
import socket
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from stratum1.nts.ke_server import Decision, Grant, KeOutcome, KePolicy, KeServer, Reply
from stratum1.nts.records import KEY_LENGTHS
from stratum1.nts.tls import ALPN, EXPORT_LABEL, TlsServer, TlsSession

from ._tally import KeTally

__all__ = ["Connection", "KeService", "Seal"]

_CHUNK = 16384
_TLS_OCTETS = 32768  # what a handshake may take beside the request: a client's certificate chain has a few thousand
_NONCE = 16

Seal = Callable[[int, int, bytes, bytes, bytes], bytes]
"""Makes a cookie: protocol, AEAD, client-to-server key, server-to-client key, 16 octets of nonce."""


@dataclass(frozen=True, slots=True)
class KeService:
    """What new connections get; replaced whole. tls: None while there is no certificate that is good.

    errors: what TLS raises for a peer's faults; seal: bound to the ring of master keys; admits: judges a client's certificate (DER),
    None where none is asked for.
    """

    tls: TlsServer | None
    errors: tuple[type[Exception], ...]
    policy: KePolicy
    seal: Seal
    admits: Callable[[bytes | None], bool] | None = None


class Connection:
    """From accept to close. `over`: to be closed now; `unsent`: waits for the socket to take more."""

    __slots__ = (
        "_octets",
        "_server",
        "_service",
        "_session",
        "_tally",
        "address",
        "ending",
        "fd",
        "last",
        "over",
        "sock",
        "started",
        "unsent",
    )

    def __init__(
        self, sock: socket.socket, address: bytes | str, session: TlsSession, service: KeService, *, tally: KeTally, now: float
    ) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.address = address
        self.started = self.last = now
        self.ending = self.over = False
        self.unsent = b""
        self._service = service
        self._tally = tally
        self._session = session
        self._server: KeServer | None = None
        self._octets = 0

    def readable(self, now: float) -> None:
        """Take what has come and answer it."""
        try:
            data = self.sock.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._octets += len(data)
        if not data:
            self._gone()
            return
        self.last = now
        try:
            self._session.receive(data)
        except self._service.errors:
            self._broken()
            return
        if self.ending:
            self.over = self._session.closed or self._octets > _TLS_OCTETS
        elif self._octets > _TLS_OCTETS + self._service.policy.max_request:
            self._finish(KeOutcome.NO_TLS if self._session.handshaking else KeOutcome.BAD_REQUEST)
            self.over = True
        else:
            self._converse()

    def writable(self) -> None:
        """Send what the socket had no room for."""
        self._send(b"")

    def expire(self, now: float) -> None:
        """The time is up: an error for half a request, nothing for half a handshake."""
        if self.ending or self._server is None:
            if not self.ending:
                self._finish(KeOutcome.HANDSHAKE_TIMEOUT)
            self.over = True
            return
        self.last = self.started = now  # to take its leave, it has as long again
        reply = self._server.time_out()
        if reply is None:
            self._end()
        else:
            self._act(reply)

    def fail(self, fault: BaseException) -> None:
        """A fault of ours, which is counted and told by its kind and place (its text might hold a secret)."""
        if not self.ending:
            self._finish(KeOutcome.INTERNAL)
        place = traceback.extract_tb(fault.__traceback__)[-1]
        self._tally.fault = f"{type(fault).__name__} at {os.path.basename(place.filename)}:{place.lineno}"
        self.over = True

    def _converse(self) -> None:
        session = self._session
        if session.handshaking:
            self._send(session.outgoing())
            return
        if self._server is None and not self._welcome():
            return
        server = self._server
        said = session.plaintext()
        decision = server.feed(said) if said and server is not None else None
        while decision is not None and server is not None:
            self._act(decision)
            decision = None if self.ending or self.over else server.feed(b"")
        if not self.ending:
            self._send(session.outgoing())
            if session.closed:
                self._gone()

    def _welcome(self) -> bool:
        """The handshake is done: whether the client may ask."""
        self._tally.handshakes += 1
        if self._session.alpn != ALPN:
            self._finish(KeOutcome.NO_ALPN)
        elif self._service.admits is not None and not self._service.admits(self._session.peer_certificate):
            self._finish(KeOutcome.NOT_ADMITTED)
        else:
            self._server = KeServer(self._service.policy)
            return True
        self._end()
        return False

    def _act(self, decision: Decision) -> None:
        """Answer a request; more may follow only where the decision keeps the connection."""
        if isinstance(decision, Grant):
            answer, outcome = self._grant(decision), KeOutcome.ISSUED
            if answer is None:
                decision = KeServer.failed()
        if isinstance(decision, Reply):
            answer, outcome = decision.octets, decision.outcome
        try:
            self._session.send(answer or b"")
        except self._service.errors:
            self._broken()
            return
        self._finish(outcome)
        if decision.keep:
            self._octets, self.started = 0, self.last
        else:
            self._end()

    def _grant(self, grant: Grant) -> bytes | None:
        """Export keys, make cookies; None where that fails."""
        service, length = self._service, KEY_LENGTHS[grant.aead]
        try:
            c2s, s2c = grant.fixed_keys or (self._session.export(EXPORT_LABEL, each, length) for each in grant.contexts)
            nonces = os.urandom(_NONCE * grant.cookies)
            seal, protocol, aead = service.seal, grant.protocol, grant.aead
            cookies = [seal(protocol, aead, c2s, s2c, nonces[at : at + _NONCE]) for at in range(0, len(nonces), _NONCE)]
        except service.errors:
            return None
        except ValueError:
            return None
        self._tally.granted(grant.aead, grant.protocol, grant.cookies)
        return grant.answer(cookies)

    def _end(self) -> None:
        """Say that no more comes from us, and wait for the client's own end."""
        self.ending = True
        self._octets = 0
        with suppress(*self._service.errors):
            self._session.close()
        self._send(self._session.outgoing())
        self.over = self.over or (self._session.closed and not self.unsent)

    def _gone(self) -> None:
        """The peer sends no more."""
        if not self.ending and not (self._server is not None and self._server.idle):
            self._finish(KeOutcome.LOST)
        self.over = True

    def _broken(self) -> None:
        """What came is no TLS of ours: let the alert go out, if it goes at once."""
        if not self.ending:
            self._finish(KeOutcome.NO_TLS if self._session.handshaking else KeOutcome.LOST)
        self._send(self._session.outgoing())
        self.over = True

    def _finish(self, outcome: KeOutcome) -> None:
        self._tally.outcomes[outcome] += 1

    def _send(self, data: bytes) -> None:
        data = self.unsent + data if self.unsent else data
        if not data:
            return
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.over, sent = True, len(data)
        self.unsent = data[sent:]

"""The client's shell of key establishment: one blocking connection, with a time limit."""

import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

from stratum1.nts.aead import Aead
from stratum1.nts.client import NtsKeys
from stratum1.nts.ke_client import KeClient, KeClientError, KeResult, request
from stratum1.nts.tls import ALPN, EXPORT_LABEL, TlsError, TlsSession

from ._backend import choose_backend
from ._files import PrivateFileError, read_private

__all__ = ["Established", "KeError", "believed_authorities", "establish_keys"]

_SYSTEM = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
_CHUNK = 65536


class KeError(Exception):
    """No keys came of it; the message says why."""


@dataclass(frozen=True, slots=True)
class Established:
    """What came of it: keys, cookies and whom to ask, and the address that the keys came from."""

    keys: NtsKeys
    result: KeResult
    address: str
    port: int
    backend: str
    seconds: float = field(default=0.0)


def believed_authorities(file: Path | None) -> bytes:
    """PEM of the authorities to believe: those in a file, or the system's. Raises KeError."""
    for path in [file] if file is not None else [Path(each) for each in _SYSTEM]:
        try:
            data = read_private(path)
        except PrivateFileError as error:
            raise KeError(str(error)) from None
        if data is not None:
            return data
    where = f"{file}: there is no such file" if file is not None else "this system has no list of authorities (package ca-certificates)"
    raise KeError(f"{where}; name the file with the server's authority")


def establish_keys(
    host: str, port: int, authorities: bytes, timeout: float, *, aeads: tuple[int, ...] = (15, 30, 17, 16), backend: str = "auto"
) -> Established:
    """Ask a server for keys and cookies, within `timeout` seconds. authorities: PEM. Raises KeError."""
    began = time.monotonic()
    try:
        chosen = choose_backend(backend)
    except TlsError as error:
        raise KeError(str(error)) from error
    try:
        session = chosen.client(authorities).session(host)
        with _connect(host, port, began + timeout) as sock:
            peer = sock.getpeername()
            result = _converse(sock, session, began + timeout, aeads)
        if session.alpn != ALPN:
            raise KeError("the server speaks TLS, but not ntske/1")
        aead = Aead(result.aead)
        c2s, s2c = (session.export(EXPORT_LABEL, each, aead.key_length) for each in result.contexts)
    except (TlsError, chosen.error) as error:
        raise KeError(f"TLS: {error}") from error
    except KeClientError as error:
        raise KeError(str(error)) from error
    except TimeoutError as error:
        raise KeError(f"no answer within {timeout:g} s") from error
    except (OSError, UnicodeError) as error:
        raise KeError(_plain(error)) from error
    return Established(NtsKeys(aead, c2s, s2c), result, peer[0], peer[1], chosen.name, time.monotonic() - began)


def _connect(host: str, port: int, deadline: float) -> socket.socket:
    """A connection to the first of the host's addresses that takes one; each has its share of the time. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failed: OSError = TimeoutError()
    for tried, (family, kind, protocol, _, address) in enumerate(found):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(left / (len(found) - tried))
            sock.connect(address)
        except OSError as error:
            sock.close()
            failed = error
        else:
            return sock
    raise failed


def _converse(sock: socket.socket, session: TlsSession, deadline: float, aeads: tuple[int, ...]) -> KeResult:
    client, asked = KeClient(aeads), False
    sock.sendall(session.outgoing())
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        sock.settimeout(left)
        data = sock.recv(_CHUNK)
        if not data:
            raise KeError("the server closed the connection" + (" without an answer" if asked else " in the handshake"))
        try:
            session.receive(data)
        finally:  # an alert is for the peer
            _send(sock, session)
        if session.handshaking:
            continue
        if not asked:
            asked = True
            session.send(request(aeads))
            _send(sock, session)
        result = client.feed(session.plaintext())
        if result is not None:
            session.close()
            _send(sock, session)
            return result
        if session.closed:
            raise KeError("the server ended its answer in the middle")


def _send(sock: socket.socket, session: TlsSession) -> None:
    data = session.outgoing()
    if data:
        sock.sendall(data)


def _plain(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens at this TCP port (key establishment has 4460 where nobody changed it)"
    return getattr(error, "strerror", None) or str(error)

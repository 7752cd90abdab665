"""Certificates, a listener on loopback and a blocking client, for tests of key establishment."""

import contextlib
import random
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from stratum1.nts.cookies import CookieJar
from stratum1.nts.ke_client import KeClient, KeResult, request
from stratum1.nts.ke_server import KeOutcome, KePolicy
from stratum1.nts.keyring import KeyRing, Rotation, fit
from stratum1.nts.tls import TlsBackend, TlsSession
from stratum1.ntske._authority import key_pem, make_authority, make_leaf
from stratum1.ntske._backend import choose_backend
from stratum1.ntske._connection import KeService
from stratum1.ntske._cookies import cookie_sealer
from stratum1.ntske._listener import KeLimits, KeListener, open_listener
from stratum1.ntske._tls_openssl import OpenSslClient
from stratum1.timescale import UtcNs, from_rfc3339

BUILT = from_rfc3339("2026-11-24")
NOW = from_rfc3339("2026-11-25T12:00:00Z")


@dataclass(frozen=True)
class Issued:
    """A leaf of a test's own authority, all PEM."""

    authority: bytes
    chain: bytes
    key: bytes = field(repr=False)


@cache
def issued(*names: str) -> Issued:
    authority, authority_key = make_authority("test", BUILT)
    leaf, key = make_leaf(authority, authority_key, names or ("localhost", "127.0.0.1", "::1"), BUILT, host_now())
    return Issued(authority.public_bytes(Encoding.PEM), leaf.public_bytes(Encoding.PEM), key_pem(key))


def host_now() -> UtcNs:
    """TLS libraries look at the host's clock, whatever ours says."""
    return UtcNs(time.clock_gettime_ns(time.CLOCK_REALTIME))


@cache
def client_certificate(common_name: str, *names: str) -> Issued:
    """A client's leaf, from an authority of its own."""
    authority, authority_key = make_authority("clients", BUILT)
    key = ec.generate_private_key(ec.SECP256R1())
    begin = datetime.now(UTC) - timedelta(days=1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False)
    leaf = builder.sign(authority_key, SHA256())
    return Issued(authority.public_bytes(Encoding.PEM), leaf.public_bytes(Encoding.PEM), key_pem(key))


@cache
def short_key() -> Issued:
    """A certificate that is its own authority, with a key that no TLS takes any more: RSA of 1024 bits."""
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "short")])
    begin = datetime.now(UTC) - timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
    chain = builder.not_valid_before(begin).not_valid_after(begin + timedelta(days=30)).sign(key, SHA256()).public_bytes(Encoding.PEM)
    return Issued(chain, chain, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@cache
def ring(seed: int = 1) -> KeyRing:
    return fit(None, Rotation(), random.Random(seed).randbytes).ring


def backends() -> list[str]:
    """The ways to do TLS that are here: pyOpenSSL always, rustls where the native module is."""
    return ["openssl", *(["rustls"] if choose_backend().name == "rustls" else [])]


def outcomes(listener: KeListener) -> dict[KeOutcome, int]:
    """Those that it has counted."""
    return {outcome: count for outcome, count in listener.counters().outcomes.items() if count}


def make_service(backend: TlsBackend, policy: KePolicy | None = None, **changes: object) -> KeService:
    leaf = issued()
    tls = backend.server(leaf.chain, leaf.key, changes.pop("client_authority", None))  # type: ignore[arg-type]
    return KeService(tls, (backend.error,), policy or KePolicy(), cookie_sealer(ring()), **changes)  # type: ignore[arg-type]


@contextlib.contextmanager
def listening(service: KeService, limits: KeLimits | None = None, host: str = "127.0.0.1") -> Iterator[KeListener]:
    listener = KeListener(open_listener(host, 0), service, limits or KeLimits())
    listener.start()
    try:
        yield listener
    finally:
        listener.stop()


class Client:
    """TLS over a blocking socket."""

    def __init__(self, port: int, session: TlsSession | None = None, host: str = "127.0.0.1") -> None:
        self.session = session or OpenSslClient(issued().authority).session("localhost")
        self.sock = socket.create_connection((host, port), timeout=10)
        self.raw = b""
        self.flush()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def flush(self) -> None:
        self.sock.sendall(self.session.outgoing())

    def shake_hands(self) -> None:
        while self.session.handshaking:
            assert self.pump(), "the server has gone"

    def pump(self) -> bool:
        """Take what comes next; False at the end."""
        data = self.sock.recv(65536)
        if data:
            self.session.receive(data)
            self.flush()
        return bool(data)

    def say(self, octets: bytes) -> None:
        self.session.send(octets)
        self.flush()

    def hear(self) -> bytes:
        """All that is said until the server's close_notify."""
        said = self.session.plaintext()
        while not self.session.closed and self.pump():
            said += self.session.plaintext()
        return said


def establish(client: Client, octets: bytes | None = None) -> KeResult:
    """A whole key establishment."""
    client.shake_hands()
    client.say(octets or request())
    result = KeClient().feed(client.hear())
    assert result is not None
    assert client.session.closed
    return result


def opened(cookie: bytes, seed: int = 1) -> object:
    return CookieJar(ring(seed)).open(cookie)

"""TLS as key establishment needs it, by each backend that is here: TLS 1.3 only, ALPN, exporter, certificates of both sides."""

import contextlib
import hashlib
import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID
from ke_world import BUILT, Issued, backends, client_certificate, host_now, issued, listening, make_service
from OpenSSL import SSL, crypto

from stratum1.nts.tls import ALPN, EXPORT_LABEL, TlsBackend, TlsError, TlsSession
from stratum1.ntske import KeError, establish_keys
from stratum1.ntske._authority import make_authority, make_leaf
from stratum1.ntske._backend import choose_backend
from stratum1.ntske._clients import admission
from stratum1.ntske._names import proves
from stratum1.ntske._tls_openssl import OpenSslClient, OpenSslSession

CONTEXT = bytes.fromhex("0000000f00")


@pytest.fixture(params=backends())
def backend(request: pytest.FixtureRequest) -> TlsBackend:
    return choose_backend(request.param)


def exchange(client: TlsSession, server: TlsSession, steps: int = 6, piece: int = 1 << 20) -> None:
    """Carry octets to and fro, in pieces."""
    for _ in range(steps):
        for one, other in ((client, server), (server, client)):
            data = one.outgoing()
            for at in range(0, len(data), piece):
                other.receive(data[at : at + piece])


def client_for(leaf: Issued, name: str = "localhost", own: Issued | None = None) -> OpenSslSession:
    return OpenSslClient(leaf.authority, *((own.chain, own.key) if own else ())).session(name)


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_both_ends_talk_and_export_the_same_keys(backend: TlsBackend, piece: int) -> None:
    leaf = issued()
    client, server = client_for(leaf), backend.server(leaf.chain, leaf.key, None).session()
    assert client.handshaking
    assert server.handshaking
    exchange(client, server, piece=piece)
    assert not client.handshaking
    assert not server.handshaking
    assert client.alpn == server.alpn == ALPN
    assert server.peer_certificate is None
    keys = client.export(EXPORT_LABEL, CONTEXT, 32)
    assert keys == server.export(EXPORT_LABEL, CONTEXT, 32)
    assert len(keys) == 32
    assert keys != server.export(EXPORT_LABEL, CONTEXT[:-1] + b"\1", 32)
    client.send(b"question" * 3000)
    exchange(client, server, piece=piece)
    assert server.plaintext() == b"question" * 3000
    assert server.plaintext() == b""
    server.send(b"answer")
    server.close()
    exchange(client, server, piece=piece)
    assert client.plaintext() == b"answer"
    assert client.closed
    assert not server.closed
    client.close()
    exchange(client, server, piece=piece)
    assert server.closed


def test_the_clients_of_both_kinds_find_the_servers_of_both(backend: TlsBackend) -> None:
    leaf = issued()
    for each in backends():
        client = backend.client(leaf.authority).session("127.0.0.1")
        server = choose_backend(each).server(leaf.chain, leaf.key, None).session()
        exchange(client, server)
        assert not client.handshaking
        assert client.export(EXPORT_LABEL, CONTEXT, 16) == server.export(EXPORT_LABEL, CONTEXT, 16)


@pytest.mark.parametrize("name", ["elsewhere.example", "127.0.0.2"])
def test_a_client_refuses_a_server_of_another_name(backend: TlsBackend, name: str) -> None:
    leaf = issued()
    client, server = backend.client(leaf.authority).session(name), backend.server(leaf.chain, leaf.key, None).session()
    with pytest.raises((TlsError, backend.error)):
        exchange(client, server)
    assert client.handshaking


def test_a_client_refuses_a_server_of_another_authority(backend: TlsBackend) -> None:
    leaf = issued()
    client = backend.client(client_certificate("x").authority).session("localhost")
    with pytest.raises((TlsError, backend.error)):
        exchange(client, backend.server(leaf.chain, leaf.key, None).session())


def test_older_tls_is_refused(backend: TlsBackend) -> None:
    leaf = issued()
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    connection = SSL.Connection(context, None)
    connection.set_connect_state()
    server = backend.server(leaf.chain, leaf.key, None).session()
    with pytest.raises(backend.error):
        exchange(OpenSslSession(connection), server)
    assert server.outgoing()[:1] == b"\x15"  # an alert


@pytest.mark.parametrize("offered", [[], [b"http/1.1"]])
def test_without_our_protocol_there_is_none(backend: TlsBackend, offered: list[bytes]) -> None:
    leaf = issued()
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    if offered:
        context.set_alpn_protos(offered)
    connection = SSL.Connection(context, None)
    connection.set_connect_state()
    server = backend.server(leaf.chain, leaf.key, None).session()
    try:
        exchange(OpenSslSession(connection), server)
    except (TlsError, backend.error):
        return  # refused by an alert
    assert server.alpn is None


@pytest.mark.parametrize(
    "garbage", [b"\x00" * 100, b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 70000, b"\x80\x2e\x01\x00\x02"]
)
def test_what_is_no_tls_is_refused_or_waited_for(backend: TlsBackend, garbage: bytes) -> None:
    leaf = issued()
    server = backend.server(leaf.chain, leaf.key, None).session()
    with contextlib.suppress(backend.error):
        server.receive(garbage)
    assert server.handshaking
    assert server.plaintext() == b""


def test_clients_prove_themselves_where_an_authority_is_given(backend: TlsBackend) -> None:
    leaf, own = issued(), client_certificate("client one", "one.example.org")
    tls = backend.server(leaf.chain, leaf.key, own.authority)
    client, server = client_for(leaf, own=own), tls.session()
    exchange(client, server)
    assert not server.handshaking
    assert server.peer_certificate is not None
    for stranger in (client_for(leaf), client_for(leaf, own=client_certificate("of another authority"))):
        server = tls.session()
        with pytest.raises((TlsError, backend.error)):
            exchange(stranger, server)
        assert server.handshaking


@pytest.mark.parametrize("chain", [b"", b"rubbish", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_bad_certificate_is_an_error_of_ours(backend: TlsBackend, chain: bytes) -> None:
    with pytest.raises(backend.error):
        backend.server(chain, issued().key, None)


def test_a_key_of_another_certificate_is_an_error_of_ours(backend: TlsBackend) -> None:
    with pytest.raises(backend.error):
        backend.server(issued().chain, issued("another").key, None)


def test_no_key_is_exported_before_the_handshake(backend: TlsBackend) -> None:
    leaf = issued()
    with pytest.raises(backend.error):
        backend.server(leaf.chain, leaf.key, None).session().export(EXPORT_LABEL, CONTEXT, 32)


def odd_certificates() -> list[x509.Certificate]:
    """One with an alternative name of a kind that nobody reads, and one that has its alternative names twice."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, begin = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "odd")]), datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
    builder = builder.not_valid_before(begin).not_valid_after(begin + timedelta(days=30))
    x400 = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, bytes.fromhex("3002a300"))
    names = [x509.DNSName("a.example")]
    both = builder.add_extension(x509.SubjectAlternativeName(names), False).add_extension(x509.IssuerAlternativeName(names), False)
    twice = both.sign(key, SHA256()).public_bytes(Encoding.DER).replace(bytes.fromhex("0603551d12"), bytes.fromhex("0603551d11"))
    return [builder.add_extension(x400, False).sign(key, SHA256()), x509.load_der_x509_certificate(twice)]


def test_a_certificate_with_names_that_can_t_be_read_is_for_nobody() -> None:
    for odd in odd_certificates():
        assert not proves(odd, "a.example")
        assert not admission(("a.example",))(odd.public_bytes(Encoding.DER))


def of_version_2(directory: Path, purpose: x509.ObjectIdentifier) -> tuple[bytes, bytes, SSL.Context]:
    """An authority (PEM), a leaf for localhost (DER) that says it is of X.509 version 2, and a context of OpenSSL that has it."""
    authority, authority_key = make_authority("test", BUILT)
    leaf, key = make_leaf(authority, authority_key, ("localhost",), BUILT, host_now())
    body = leaf.tbs_certificate_bytes.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020101"), 1)
    server, wanted = (x509.ExtendedKeyUsage([each]).public_bytes() for each in (ExtendedKeyUsageOID.SERVER_AUTH, purpose))
    body = body.replace(server, wanted)
    signature = authority_key.sign(body, ec.ECDSA(SHA256()))
    whole = body + bytes.fromhex("300a06082a8648ce3d040302") + b"\x03" + bytes((len(signature) + 1, 0)) + signature
    der = b"\x30\x82" + len(whole).to_bytes(2, "big") + whole
    context = SSL.Context(SSL.TLS_METHOD)
    (directory / "leaf.der").write_bytes(der)
    context.use_certificate_file(directory / "leaf.der", crypto.FILETYPE_ASN1)
    context.use_privatekey(key)
    return authority.public_bytes(Encoding.PEM), der, context


def test_a_server_s_certificate_that_can_t_be_read_is_not_believed(tmp_path: Path) -> None:
    authority, _, context = of_version_2(tmp_path, ExtendedKeyUsageOID.SERVER_AUTH)
    connection = SSL.Connection(context, None)
    connection.set_accept_state()
    with pytest.raises(TlsError, match="can't be read"):
        exchange(OpenSslClient(authority).session("localhost"), OpenSslSession(connection))


def test_a_client_s_certificate_that_can_t_be_read_is_admitted_by_its_fingerprint_only(tmp_path: Path, backend: TlsBackend) -> None:
    authority, der, context = of_version_2(tmp_path, ExtendedKeyUsageOID.CLIENT_AUTH)
    context.set_alpn_protos([ALPN])
    connection = SSL.Connection(context, None)
    connection.set_connect_state()
    session = backend.server(issued().chain, issued().key, authority).session()
    try:
        exchange(OpenSslSession(connection), session)
    except (TlsError, backend.error):
        assert backend.name == "rustls"  # it does not take such a one at all
    else:
        assert session.peer_certificate == der
    assert not admission(("localhost",))(der)
    assert admission(("sha256:" + hashlib.sha256(der).hexdigest(),))(der)


def test_each_address_of_a_server_has_its_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.ExitStack() as held, listening(make_service(choose_backend("openssl"))) as served:
        mute = held.enter_context(socket.socket())
        mute.bind(("127.0.0.1", 0))
        mute.listen(0)
        for _ in range(4):  # more than its queue takes: who comes next hears nothing at all
            waits = held.enter_context(socket.socket())
            waits.setblocking(False)
            waits.connect_ex(mute.getsockname())
        row = socket.AF_INET, socket.SOCK_STREAM, 0, ""
        rows = [(*row, mute.getsockname()), (*row, ("127.0.0.1", served.port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: rows)
        began = time.monotonic()
        established = establish_keys("localhost", 0, issued().authority, 2.0)
        assert established.port == served.port
        assert 0.9 < time.monotonic() - began < 2.0
        rows[1] = rows[0]
        began = time.monotonic()
        with pytest.raises(KeError, match=r"no answer within 0\.4 s"):
            establish_keys("localhost", 0, issued().authority, 0.4)
        assert time.monotonic() - began < 0.8


def test_a_backend_that_is_not_there_says_why() -> None:
    if choose_backend().name == "rustls":
        assert choose_backend("openssl").name == "openssl"
    else:
        with pytest.raises(TlsError, match="native module"):
            choose_backend("rustls")


@pytest.mark.parametrize(
    ("names", "asked", "good"),
    [
        (("a.example.org",), "a.example.org", True),
        (("A.example.org",), "a.EXAMPLE.org.", True),
        (("a.example.org",), "b.example.org", False),
        (("*.example.org",), "b.example.org", True),
        (("*.example.org",), "c.b.example.org", False),
        (("*.example.org",), "example.org", False),
        (("*.org",), "example.org", False),
        (("192.0.2.1",), "192.0.2.1", True),
        (("192.0.2.1",), "192.0.2.2", False),
        (("2001:db8::1",), "2001:DB8:0::1", True),
        (("localhost",), "127.0.0.1", False),
    ],
)
def test_whom_a_certificate_is_for(names: tuple[str, ...], asked: str, good: bool) -> None:
    assert proves(x509.load_pem_x509_certificate(issued(*names).chain), asked) is good

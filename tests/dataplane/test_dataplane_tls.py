"""TLS of the native module: two sessions over memory, and a stranger in place of one."""

import ssl
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from tls_certificates import Authority, Identity, Key

from stratum1.dataplane import native

dataplane = native()
pytestmark = pytest.mark.skipif(dataplane is None, reason="the native module was not built")

LABEL = b"EXPORTER-network-time-security"
AUTHORITY = Authority("authority")
LEAF = AUTHORITY.issue("time.example", "192.0.2.1", "2001:db8::1")


def server(identity: Identity = LEAF, client_authority: bytes | None = None):  # type: ignore[no-untyped-def]
    return dataplane.TlsServer(identity.pem, identity.key_pem(), client_authority)


def pump(client, peer) -> None:  # type: ignore[no-untyped-def]
    """All that the two have to say to each other."""
    for _ in range(20):
        to_server, to_client = client.outgoing(), peer.outgoing()
        if not to_server and not to_client:
            return
        peer.receive(to_server)
        client.receive(to_client)
    raise AssertionError("they talk for ever")


def connected(name: str = "time.example", **of_server: object):  # type: ignore[no-untyped-def]
    client, peer = dataplane.TlsClient(AUTHORITY.pem).session(name), server(**of_server).session()  # type: ignore[arg-type]
    pump(client, peer)
    return client, peer


def test_a_handshake_gives_both_the_same_keys() -> None:
    client, peer = connected()
    for session in (client, peer):
        assert not session.handshaking
        assert session.alpn == b"ntske/1"
        assert not session.closed
    assert client.peer_certificate == LEAF.der
    assert peer.peer_certificate is None
    context = b"\0\0\0\x0f\0"
    assert client.export(LABEL, context, 32) == peer.export(LABEL, context, 32)
    assert len(peer.export(LABEL, context, 64)) == 64
    assert peer.export(LABEL, context, 32) != peer.export(LABEL, b"\0\0\0\x0f\1", 32)


def test_what_is_said_arrives_and_the_end_too() -> None:
    client, peer = connected()
    client.send(b"request")
    pump(client, peer)
    assert peer.plaintext() == b"request"
    assert peer.plaintext() == b""
    peer.send(b"reply")
    peer.close()
    pump(client, peer)
    assert client.plaintext() == b"reply"
    assert client.closed
    assert not peer.closed
    client.close()
    pump(client, peer)
    assert peer.closed
    peer.receive(b"anything")  # nobody listens any more


def test_octets_may_come_one_by_one() -> None:
    client, peer = dataplane.TlsClient(AUTHORITY.pem).session("time.example"), server().session()
    client.send(b"said early")
    while client.handshaking or peer.handshaking:
        for octet in client.outgoing():
            peer.receive(bytes([octet]))
        for octet in peer.outgoing():
            client.receive(bytes([octet]))
    peer.receive(client.outgoing())
    assert peer.plaintext() == b"said early"


@pytest.mark.parametrize("name", ["time.example", "time.example.", "192.0.2.1", "2001:db8::1"])
def test_names_and_addresses_are_proved(name: str) -> None:
    assert not connected(name)[0].handshaking


@pytest.mark.parametrize("name", ["other.example", "192.0.2.2"])
def test_another_name_is_not_believed(name: str) -> None:
    with pytest.raises(dataplane.TlsError, match="certificate not valid for name"):
        connected(name)


def test_another_authority_is_not_believed_and_the_server_is_told() -> None:
    client, peer = dataplane.TlsClient(Authority("other").pem).session("time.example"), server().session()
    with pytest.raises(dataplane.TlsError, match="UnknownIssuer"):
        pump(client, peer)
    with pytest.raises(dataplane.TlsError, match="fatal alert"):
        peer.receive(client.outgoing())


@pytest.mark.parametrize(
    ("key", "form"),
    [
        (ec.generate_private_key(ec.SECP256R1()), PrivateFormat.TraditionalOpenSSL),
        (ec.generate_private_key(ec.SECP384R1()), PrivateFormat.PKCS8),
        (ed25519.Ed25519PrivateKey.generate(), PrivateFormat.PKCS8),
        (rsa.generate_private_key(65537, 2048), PrivateFormat.TraditionalOpenSSL),
        (rsa.generate_private_key(65537, 2048), PrivateFormat.PKCS8),
    ],
)
def test_every_kind_of_key_serves(key: Key, form: PrivateFormat) -> None:
    leaf = AUTHORITY.issue("time.example", key=key)
    client, peer = dataplane.TlsClient(AUTHORITY.pem).session("time.example"), dataplane.TlsServer(leaf.pem, leaf.key_pem(form)).session()
    pump(client, peer)
    assert client.peer_certificate == leaf.der


def test_a_client_shows_its_certificate() -> None:
    theirs = Authority("of clients")
    card = theirs.issue("pool.example")
    client = dataplane.TlsClient(AUTHORITY.pem, card.pem, card.key_pem()).session("time.example")
    peer = server(client_authority=theirs.pem).session()
    pump(client, peer)
    assert peer.peer_certificate == card.der


@pytest.mark.parametrize("card", [None, AUTHORITY.issue("pool.example")])
def test_a_client_of_another_authority_or_none_is_refused(card: Identity | None) -> None:
    own = (card.pem, card.key_pem()) if card else ()
    client = dataplane.TlsClient(AUTHORITY.pem, *own).session("time.example")
    peer = server(client_authority=Authority("of clients").pem).session()
    with pytest.raises(dataplane.TlsError, match="certificate"):
        pump(client, peer)
    assert peer.outgoing(), "an alert says why"


class Python:
    """A client by Python's own ssl, over memory."""

    def __init__(self, version: ssl.TLSVersion, protocols: list[str]) -> None:
        context = ssl.create_default_context(cadata=AUTHORITY.pem.decode("ascii"))
        context.maximum_version = version
        if protocols:
            context.set_alpn_protocols(protocols)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = context.wrap_bio(self.incoming, self.outgoing, server_hostname="time.example")

    def hello(self) -> bytes:
        """The first octets."""
        with pytest.raises(ssl.SSLWantReadError):
            self.session.do_handshake()
        return self.outgoing.read()


def by_python(version: ssl.TLSVersion, protocols: list[str]) -> bytes:
    return Python(version, protocols).hello()


def test_openssl_speaks_with_it() -> None:
    client, peer = Python(ssl.TLSVersion.TLSv1_3, ["ntske/1"]), server().session()
    peer.receive(client.hello())
    client.incoming.write(peer.outgoing())
    client.session.do_handshake()
    client.session.write(b"request")
    peer.receive(client.outgoing.read())
    assert peer.plaintext() == b"request"
    assert client.session.selected_alpn_protocol() == "ntske/1"
    assert client.session.cipher() == ("TLS_AES_128_GCM_SHA256", "TLSv1.3", 128)


def test_tls_1_2_is_refused() -> None:
    peer = server().session()
    with pytest.raises(dataplane.TlsError, match=r"does not speak TLS 1\.3"):
        peer.receive(by_python(ssl.TLSVersion.TLSv1_2, ["ntske/1"]))
    assert peer.outgoing()


def test_another_protocol_is_refused_and_none_is_told() -> None:
    peer = server().session()
    with pytest.raises(dataplane.TlsError, match="no protocol ntske/1"):
        peer.receive(by_python(ssl.TLSVersion.TLSv1_3, ["h2"]))
    without = server().session()
    without.receive(by_python(ssl.TLSVersion.TLSv1_3, []))
    assert without.alpn is None


def test_no_tickets_are_sent() -> None:
    _, peer = connected()
    assert peer.outgoing() == b""


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=600), max_size=6), st.booleans())
def test_arbitrary_octets_end_in_an_error_at_most(parts: list[bytes], after_hello: bool) -> None:
    peer = server().session()
    if after_hello:
        peer.receive(dataplane.TlsClient(AUTHORITY.pem).session("time.example").outgoing())
    with suppress(dataplane.TlsError):
        for each in parts:
            peer.receive(each)
    assert peer.handshaking
    assert len(peer.outgoing()) < 1 << 16
    assert peer.plaintext() == b""


def test_a_session_holds_no_more_than_64_kib() -> None:
    client, peer = connected()
    for _ in range(4):
        client.send(bytes(16000))
        peer.receive(client.outgoing())
    client.send(bytes(16000))
    with pytest.raises(dataplane.TlsError, match="65536 octets"):
        peer.receive(client.outgoing())
    client, peer = connected()
    for _ in range(4):
        peer.send(bytes(16000))
    with pytest.raises(dataplane.TlsError, match="65536 octets wait"):
        peer.send(bytes(16000))
    assert len(peer.outgoing()) < 66_500


def test_a_hello_without_end_is_refused() -> None:
    peer = server().session()
    record = bytes([22, 3, 3, 0x40, 0])
    hello = bytes([1, 0xFF, 0xFF, 0xFF]) + bytes((1 << 14) - 4)
    with pytest.raises(dataplane.TlsError, match="no TLS"):
        peer.receive(record + hello)


def test_nothing_is_exported_too_early_or_too_much() -> None:
    peer = server().session()
    with pytest.raises(dataplane.TlsError, match="before the handshake"):
        peer.export(LABEL, b"", 32)
    client, _ = connected()
    for label, length, field in ((b"", 32, "label"), (bytes(250), 32, "label"), (LABEL, 0, "length"), (LABEL, 1025, "length")):
        with pytest.raises(dataplane.TlsError, match=f"^{field}"):
            client.export(label, b"", length)


OTHER_KEY = AUTHORITY.issue("time.example").key_pem()
BROKEN = LEAF.key_pem().replace(b"-----END", b"--END")
LOCKED = LEAF.key_pem(encryption=BestAvailableEncryption(b"secret"))


@pytest.mark.parametrize(
    ("chain", "key", "authority", "message"),
    [
        (LEAF.pem, OTHER_KEY, None, "key: it does not belong to the certificate"),
        (b"", OTHER_KEY, None, "certificate: there is no certificate in it"),
        (LEAF.pem, b"text", None, "key: there is no private key in it"),
        (LEAF.pem, LEAF.pem, None, "key: there is no private key in it"),
        (LEAF.pem, LOCKED, None, "key: it is encrypted"),
        (LEAF.pem, BROKEN, None, "key: it is no PEM"),
        (LEAF.key_pem(), LEAF.key_pem(), None, "certificate: there is no certificate in it"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", OTHER_KEY, None, "certificate: it is no X.509"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n", OTHER_KEY, None, "certificate: it is no PEM"),
        (LEAF.pem, b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", None, "key: it can't be used; ECDSA"),
        (LEAF.pem, LEAF.key_pem(), b"", "client authority: there is no certificate in it"),
        (
            LEAF.pem,
            LEAF.key_pem(),
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "client authority: number 1 in it can't be used",
        ),
    ],
)
def test_what_can_not_serve_is_refused_by_part(chain: bytes, key: bytes, authority: bytes | None, message: str) -> None:
    with pytest.raises(dataplane.TlsError) as caught:
        dataplane.TlsServer(chain, key, authority)
    assert str(caught.value).startswith(message)


def test_what_can_not_be_a_client_is_refused_by_part() -> None:
    for arguments, message in (((b"",), "authority: "), ((AUTHORITY.pem, LEAF.pem), "key: it is missing")):
        with pytest.raises(dataplane.TlsError, match=f"^{message}"):
            dataplane.TlsClient(*arguments)
    with pytest.raises(dataplane.TlsError, match=r"^server_name: a host name or an address is expected"):
        dataplane.TlsClient(AUTHORITY.pem).session("no name")


def test_threads_handshake_side_by_side() -> None:
    server_side, client_side = server(), dataplane.TlsClient(AUTHORITY.pem)
    keys: list[bytes] = []

    def work() -> None:
        for _ in range(10):
            client, peer = client_side.session("time.example"), server_side.session()
            pump(client, peer)
            assert client.export(LABEL, b"", 32) == peer.export(LABEL, b"", 32)
            keys.append(peer.export(LABEL, b"", 32))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(set(keys)) == 40


UNDER_MDWE = """
import ctypes, mmap, sys
from pathlib import Path
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(65, 1, 0, 0, 0) != 0:  # PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN
    sys.exit(77)
try:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
except OSError:
    pass
else:
    sys.exit("memory may still be writable and executable")
from stratum1.dataplane import native
dataplane = native()
chain, key, authority = (Path(name).read_bytes() for name in sys.argv[1:])
peer, client = dataplane.TlsServer(chain, key).session(), dataplane.TlsClient(authority).session("time.example")
for _ in range(4):
    peer.receive(client.outgoing())
    client.receive(peer.outgoing())
assert not peer.handshaking and client.export(b"label", b"", 32) == peer.export(b"label", b"", 32)
print("done")
"""


def test_it_works_where_no_memory_is_writable_and_executable(tmp_path: Path) -> None:
    names = {"chain": LEAF.pem, "key": LEAF.key_pem(), "authority": AUTHORITY.pem}
    for name, text in names.items():
        (tmp_path / name).write_bytes(text)
    command = [sys.executable, "-c", UNDER_MDWE, *(str(tmp_path / name) for name in names)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 77:
        pytest.skip("this kernel is older than 6.3 and has no PR_SET_MDWE")
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "done", "")

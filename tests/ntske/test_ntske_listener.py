"""The listener of key establishment on loopback: whole establishments, and clients that are slow, endless, huge or mute."""

import contextlib
import socket
import time
from dataclasses import replace

import pytest
from ke_world import Client, backends, client_certificate, establish, issued, listening, make_service, opened, outcomes
from OpenSSL import SSL
from testkit.waiting import until

from stratum1.nts.aead import Aead
from stratum1.nts.cookies import Session
from stratum1.nts.ke_client import request
from stratum1.nts.ke_server import KeOutcome, KePolicy
from stratum1.nts.records import MessageReader, Record, RecordKind, encode
from stratum1.nts.tls import EXPORT_LABEL, TlsBackend
from stratum1.ntske._backend import choose_backend
from stratum1.ntske._clients import admission
from stratum1.ntske._listener import KeLimits
from stratum1.ntske._tls_openssl import OpenSslClient, OpenSslSession

QUICK = KeLimits(idle=0.3, total=0.6)
END = Record(RecordKind.END, critical=True)
BAD_REQUEST = (Record(RecordKind.ERROR, b"\0\1", critical=True),)


@pytest.fixture(params=backends())
def backend(request: pytest.FixtureRequest) -> TlsBackend:
    return choose_backend(request.param)


@pytest.fixture
def openssl() -> TlsBackend:
    return choose_backend("openssl")


def message(octets: bytes) -> tuple[Record, ...] | None:
    return MessageReader(65536).feed(octets)


@pytest.mark.parametrize("aead", list(Aead))
def test_cookies_hold_the_keys_that_the_client_exports(backend: TlsBackend, aead: Aead) -> None:
    with listening(make_service(backend, KePolicy(aeads=(aead.value,)))) as listener, Client(listener.port) as client:
        result = establish(client)
        c2s, s2c = (client.session.export(EXPORT_LABEL, each, aead.key_length) for each in result.contexts)
        assert len(result.cookies) == len(set(result.cookies)) == 8
        assert {opened(each) == Session(aead, c2s, s2c) for each in result.cookies} == {True}
        until(lambda: listener.counters().outcomes[KeOutcome.ISSUED])
    counted = listener.counters()
    assert (counted.accepted, counted.handshakes, counted.cookies) == (1, 1, 8)
    assert counted.aeads == {aead.value: 1}
    assert counted.protocols == {0: 1}


def test_ipv6_and_many_clients_one_after_the_other(backend: TlsBackend) -> None:
    with listening(make_service(backend), host="::") as listener:
        for host in ("127.0.0.1", "::1") * 10:
            with Client(listener.port, host=host) as client:
                establish(client)
        assert outcomes(listener) == {KeOutcome.ISSUED: 20}
        until(lambda: listener.counters().connections == 0)


def test_a_request_octet_by_octet_in_records_of_its_own(backend: TlsBackend) -> None:
    with listening(make_service(backend)) as listener, Client(listener.port) as client:
        client.shake_hands()
        for octet in request():
            client.say(bytes([octet]))
        assert message(client.hear()) is not None
        assert outcomes(listener) == {KeOutcome.ISSUED: 1}


@pytest.mark.parametrize(
    ("octets", "outcome"),
    [
        (encode(END), KeOutcome.BAD_REQUEST),
        (encode(Record(0x777, critical=True), END), KeOutcome.UNKNOWN_CRITICAL),
        (b"\x12\x34\xff\xff", KeOutcome.BAD_REQUEST),
        (bytes(5000), KeOutcome.BAD_REQUEST),
    ],
)
def test_errors_are_told_and_the_connection_ended(backend: TlsBackend, octets: bytes, outcome: KeOutcome) -> None:
    with listening(make_service(backend)) as listener, Client(listener.port) as client:
        client.shake_hands()
        client.say(octets)
        found = message(client.hear())
        assert found is not None
        assert found[0].kind == RecordKind.ERROR
        assert client.session.closed
        assert outcomes(listener) == {outcome: 1}


@pytest.mark.parametrize("said", [b"", request()[:-1]])
def test_half_a_request_is_error_1_when_the_time_is_up(backend: TlsBackend, said: bytes) -> None:
    with listening(make_service(backend), QUICK) as listener, Client(listener.port) as client:
        client.shake_hands()
        if said:
            client.say(said)
        assert message(client.hear()) == BAD_REQUEST
        assert client.session.closed
        assert outcomes(listener) == {KeOutcome.TIMEOUT: 1}


def test_a_drop_now_and_then_does_not_keep_a_connection(backend: TlsBackend) -> None:
    """Slowloris: never idle, never done."""
    with listening(make_service(backend), QUICK) as listener, Client(listener.port) as client:
        client.shake_hands()
        started = time.monotonic()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may end between two drops
            for octet in encode(Record(0x1000, bytes(100))):
                client.say(bytes([octet]))
                time.sleep(0.05)
                if time.monotonic() - started > 1.5:
                    break
            assert message(client.hear()) == BAD_REQUEST
        until(lambda: outcomes(listener) == {KeOutcome.TIMEOUT: 1})
        assert time.monotonic() - started < 4


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x02\x00\x01"])
def test_half_a_handshake_is_given_up(backend: TlsBackend, said: bytes) -> None:
    with listening(make_service(backend), QUICK) as listener, socket.create_connection(("127.0.0.1", listener.port)) as mute:
        mute.settimeout(5)
        mute.sendall(said)
        assert mute.recv(100) == b""
        assert outcomes(listener) == {KeOutcome.HANDSHAKE_TIMEOUT: 1}
        assert listener.counters().handshakes == 0


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n\r\n", bytes(200)])
def test_what_is_no_tls_ends_at_once(backend: TlsBackend, said: bytes) -> None:
    with listening(make_service(backend)) as listener, socket.create_connection(("127.0.0.1", listener.port)) as other:
        other.settimeout(5)
        other.sendall(said)
        until(lambda: outcomes(listener) == {KeOutcome.NO_TLS: 1})
        until(lambda: listener.counters().connections == 0)


def test_tls_for_another_protocol_gets_no_keys(backend: TlsBackend) -> None:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    connection = SSL.Connection(context, None)
    connection.set_connect_state()
    with listening(make_service(backend)) as listener, Client(listener.port, OpenSslSession(connection)) as client:
        client.shake_hands()
        client.say(request())
        assert client.hear() == b""
        until(lambda: outcomes(listener) == {KeOutcome.NO_ALPN: 1})


def test_an_endless_client_is_cut_off(backend: TlsBackend) -> None:
    with listening(make_service(backend)) as listener, socket.create_connection(("127.0.0.1", listener.port)) as endless:
        endless.settimeout(5)
        # handshake records that never make a whole message
        fragment = b"\x16\x03\x01\x40\x00" + b"\x01\x00\xff\xff" + bytes(0x4000 - 4)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            endless.sendall(fragment * 2000)
        until(lambda: sum(outcomes(listener).values()) == 1)
        assert set(outcomes(listener)) <= {KeOutcome.NO_TLS}


def test_a_client_that_reads_nothing_holds_nothing(backend: TlsBackend) -> None:
    with listening(make_service(backend, KePolicy(cookies=64)), QUICK) as listener, Client(listener.port) as client:
        client.shake_hands()
        client.say(request())
        time.sleep(1.0)
        until(lambda: listener.counters().connections == 0)
        assert outcomes(listener) == {KeOutcome.ISSUED: 1}


def test_clients_that_vanish_are_counted(backend: TlsBackend) -> None:
    with listening(make_service(backend)) as listener:
        Client(listener.port).sock.close()
        client = Client(listener.port)
        client.shake_hands()
        client.sock.close()
        until(lambda: outcomes(listener) == {KeOutcome.LOST: 2})


def test_one_address_has_so_many_places_and_others_theirs(openssl: TlsBackend) -> None:
    limits = KeLimits(connections=8, per_address=3, idle=30, total=30)
    with listening(make_service(openssl), limits, host="::") as listener:
        held = [socket.create_connection(("127.0.0.1", listener.port)) for _ in range(3)]
        until(lambda: listener.counters().connections == 3)
        with socket.create_connection(("127.0.0.1", listener.port)) as fourth:
            fourth.settimeout(5)
            assert fourth.recv(1) == b""
        with Client(listener.port, host="::1") as client:
            establish(client)
        assert outcomes(listener) == {KeOutcome.TOO_MANY: 1, KeOutcome.ISSUED: 1}
        for each in held:
            each.close()
        until(lambda: listener.counters().connections == 0)
        with Client(listener.port) as client:  # the places are free again
            establish(client)


def test_a_full_house_gives_way_to_the_living(openssl: TlsBackend) -> None:
    limits = KeLimits(connections=20, per_address=100, idle=30, total=30)
    with listening(make_service(openssl), limits) as listener:
        held = [socket.create_connection(("127.0.0.1", listener.port)) for _ in range(20)]
        until(lambda: listener.counters().connections == 20)
        with socket.create_connection(("127.0.0.1", listener.port)) as hasty:
            hasty.settimeout(5)
            assert hasty.recv(1) == b""  # nobody has been silent for long
        time.sleep(0.6)
        for _ in range(5):
            with Client(listener.port) as client:
                establish(client)
        counted = outcomes(listener)
        assert counted[KeOutcome.ISSUED] == 5
        assert counted[KeOutcome.TOO_MANY] == 1
        assert counted[KeOutcome.HANDSHAKE_TIMEOUT] >= 1
        assert listener.counters().connections <= 20
        for each in held:
            each.close()


def test_a_thousand_mute_connections_leave_others_served(openssl: TlsBackend) -> None:
    limits = KeLimits(connections=64, per_address=1000, idle=5, total=5)
    with listening(make_service(openssl), limits) as listener:
        held = [socket.create_connection(("127.0.0.1", listener.port)) for _ in range(300)]
        until(lambda: listener.counters().accepted == 300)
        assert listener.counters().connections == 64
        time.sleep(0.6)
        with Client(listener.port) as client:
            establish(client)
        for each in held:
            each.close()


def test_without_a_certificate_connections_are_refused_at_once(openssl: TlsBackend) -> None:
    service = make_service(openssl)
    with listening(replace(service, tls=None)) as listener:
        with socket.create_connection(("127.0.0.1", listener.port)) as early:
            early.settimeout(5)
            assert early.recv(1) == b""
        listener.configure(service)
        with Client(listener.port) as client:
            establish(client)
        assert outcomes(listener) == {KeOutcome.NO_CERTIFICATE: 1, KeOutcome.ISSUED: 1}


@pytest.mark.parametrize(
    ("rules", "good"),
    [
        ((), True),
        (("one.example.org",), True),
        (("*.example.org",), True),
        (("two.example.org", "client one"), False),
        (("sha256:" + "00" * 32,), False),
        (("itself",), True),
    ],
)
def test_access_rules_judge_client_certificates(backend: TlsBackend, rules: tuple[str, ...], good: bool) -> None:
    import hashlib  # noqa: PLC0415
    import ssl  # noqa: PLC0415

    own = client_certificate("client one", "one.example.org")
    print_of_it = hashlib.sha256(ssl.PEM_cert_to_DER_cert(own.chain.decode())).hexdigest()
    rules = tuple(f"SHA256:{print_of_it.upper()}" if each == "itself" else each for each in rules)
    service = make_service(backend, client_authority=own.authority, admits=admission(rules))
    session = OpenSslClient(issued().authority, own.chain, own.key).session("localhost")
    with listening(service) as listener, Client(listener.port, session) as client:
        if good:
            establish(client)
        else:
            client.shake_hands()
            client.say(request())
            assert client.hear() == b""
        until(lambda: outcomes(listener) == {KeOutcome.ISSUED if good else KeOutcome.NOT_ADMITTED: 1})


def test_names_of_clients_are_common_names_where_there_are_no_others() -> None:
    import ssl  # noqa: PLC0415

    der = ssl.PEM_cert_to_DER_cert(client_certificate("client two").chain.decode())
    assert admission(("client two",))(der)
    assert not admission(("client",))(der)
    assert not admission(("client two",))(None)
    assert not admission(("client two",))(b"rubbish")


def test_a_pool_keeps_its_connection_and_brings_its_keys(backend: TlsBackend) -> None:
    policy = KePolicy(tokens=(b"the pool",), aeads=(15, 17))
    token, keep = Record(RecordKind.TOKEN, b"the pool"), Record(RecordKind.KEEP_ALIVE)
    keys = bytes(range(64))
    fixed = (
        Record(RecordKind.NEXT_PROTOCOL, b"\0\0", critical=True),
        Record(RecordKind.AEAD, b"\0\x0f"),
        Record(RecordKind.FIXED_KEYS, keys),
    )
    with listening(make_service(backend, policy), KeLimits(idle=5, total=5)) as listener, Client(listener.port) as client:
        client.shake_hands()
        answers = []
        for records in ((Record(RecordKind.AEAD_LIST),), fixed, fixed):
            client.say(encode(token, keep, *records, END))
            said = b""
            while message(said) is None:
                client.pump()
                said += client.session.plaintext()
            answers.append(message(said))
        assert answers[0] == (keep, Record(RecordKind.AEAD_LIST, bytes.fromhex("000f0020 00110040"), critical=True))
        for answer in answers[1:]:
            assert answer is not None
            cookies = [each.body for each in answer if each.kind == RecordKind.COOKIE]
            assert {opened(each) == Session(Aead(15), keys[:32], keys[32:]) for each in cookies} == {True}
        client.say(encode(token, *fixed, END))  # the last one does not ask to be kept
        client.hear()
        assert client.session.closed
        until(lambda: outcomes(listener) == {KeOutcome.LISTED: 1, KeOutcome.ISSUED: 3})


def test_a_pool_that_leaves_or_falls_silent_is_not_lost(openssl: TlsBackend) -> None:
    asked = encode(Record(RecordKind.TOKEN, b"the pool"), Record(RecordKind.KEEP_ALIVE), Record(RecordKind.AEAD_LIST), END)
    with listening(make_service(openssl, KePolicy(tokens=(b"the pool",))), QUICK) as listener:
        for leaves in (True, False):
            with Client(listener.port) as client:
                client.shake_hands()
                client.say(asked)
                while not client.session.plaintext():
                    client.pump()
                if leaves:
                    client.session.close()
                    client.flush()
                else:
                    assert client.hear() == b""
                    assert client.session.closed  # the server says that it ends
        until(lambda: listener.counters().connections == 0)
        assert outcomes(listener) == {KeOutcome.LISTED: 2}

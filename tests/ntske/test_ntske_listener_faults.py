"""The listener of key establishment when something of ours fails: keys, ports, descriptors, and at its end."""

import socket
from collections.abc import Callable
from dataclasses import replace

import pytest
from ke_world import Client, establish, listening, make_service, outcomes
from testkit.waiting import until

from stratum1.nts.ke_client import request
from stratum1.nts.ke_server import KeOutcome
from stratum1.nts.records import MessageReader, Record, RecordKind
from stratum1.nts.tls import TlsBackend
from stratum1.ntske._backend import choose_backend
from stratum1.ntske._listener import KeListenError, open_listener


@pytest.fixture
def openssl() -> TlsBackend:
    return choose_backend("openssl")


def test_a_key_that_can_t_be_exported_is_an_internal_error(openssl: TlsBackend) -> None:
    def broken(*_: object) -> bytes:
        raise ValueError("no")

    service = replace(make_service(openssl), seal=broken)
    with listening(service) as listener, Client(listener.port) as client:
        client.shake_hands()
        client.say(request())
        assert MessageReader(65536).feed(client.hear()) == (Record(RecordKind.ERROR, b"\0\2", critical=True),)
        assert outcomes(listener) == {KeOutcome.INTERNAL: 1}


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt])
def test_a_fault_of_ours_ends_one_connection_and_no_other(openssl: TlsBackend, fault: type[BaseException]) -> None:
    def broken(*_: object) -> bytes:
        raise fault("a secret")

    service = make_service(openssl)
    with listening(service) as listener, Client(listener.port) as other:
        other.shake_hands()
        listener.configure(replace(service, seal=broken))
        with Client(listener.port) as client:
            client.shake_hands()
            client.say(request())
            while client.pump():
                pass
        assert listener.alive
        establish(other)
        until(lambda: outcomes(listener) == {KeOutcome.INTERNAL: 1, KeOutcome.ISSUED: 1})
        told = listener.counters().fault
        assert told.startswith(f"{fault.__name__} at test_ntske_listener_faults.py:")
        assert "secret" not in told


def test_a_port_that_is_taken_or_not_ours_is_told_with_a_remedy() -> None:
    with open_listener("127.0.0.1", 0) as first, pytest.raises(KeListenError, match="is taken"):
        open_listener("127.0.0.1", first.getsockname()[1])
    with pytest.raises(KeListenError, match="no interface"):
        open_listener("192.0.2.77", 4460)


def test_without_descriptors_it_waits_and_serves_again(openssl: TlsBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(make_service(openssl)) as listener:
        taken: Callable[[], object] = listener._socket.accept
        failing = iter([True] * 3)

        def accept() -> object:
            if next(failing, False):
                raise OSError(24, "Too many open files")
            return taken()

        class Wrapped:
            """The socket, whose accept fails for a while."""

            def __getattr__(self, name: str) -> object:
                return accept if name == "accept" else getattr(real, name)

        real = listener._socket
        monkeypatch.setattr(listener, "_socket", Wrapped())
        with Client(listener.port) as client:
            establish(client)
        monkeypatch.undo()
    assert listener.counters().accept_errors == 3


def test_stop_closes_everything(openssl: TlsBackend) -> None:
    with listening(make_service(openssl)) as listener:
        client = Client(listener.port)
        port = listener.port
        until(lambda: listener.counters().connections == 1)
        assert listener.alive
    assert not listener.alive
    client.sock.settimeout(5)
    while client.sock.recv(65536):
        pass
    client.sock.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)

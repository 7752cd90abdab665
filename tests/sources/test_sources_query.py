"""`stratum1 query` over real sockets: against our own server, and against servers that lie, mumble or say nothing."""

import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from ipaddress import ip_address

import pytest
import typer
from testkit.served import locked_now

from stratum1.cli.query import query as command
from stratum1.interchange import Leap, TimeState
from stratum1.ntp import Mode, Packet
from stratum1.server import ListenAddress, Server, StateCell
from stratum1.sources import QueryError, query
from stratum1.sources.protocol import Target
from stratum1.timescale import NS, NtpTimestamp, UtcNs, ntp_timestamp

AHEAD = 7_250_000_000
"""Our test server's time is this much ahead of the host's, ns."""


def state() -> TimeState:
    return locked_now(AHEAD, error_bound=1e-4, bound_rate=0.0)


@contextmanager
def serving(host: str, served: TimeState) -> Iterator[int]:
    server = Server([ListenAddress(ip_address(host), 0)], StateCell(served))
    server.start()
    try:
        yield server.addresses[0].port
    finally:
        server.stop()


@contextmanager
def answering(*replies: Callable[[bytes], bytes | None]) -> Iterator[int]:
    """A server on 127.0.0.1 that sends these, in this order, to each request."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("127.0.0.1", 0))

        def run() -> None:
            while True:
                request, sender = opened.recvfrom(2048)
                if request == b"end":
                    return
                for make in replies:
                    octets = make(request)
                    if octets is not None:
                        opened.sendto(octets, sender)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield opened.getsockname()[1]
        finally:
            opened.sendto(b"end", opened.getsockname())
            thread.join()


def sound(request: bytes, **changes: object) -> bytes:
    now = ntp_timestamp(UtcNs(time.clock_gettime_ns(time.CLOCK_REALTIME)))
    origin = NtpTimestamp(int.from_bytes(request[40:48], "big"))
    packet = Packet(4, Mode.SERVER, stratum=2, refid=b"\x7f\0\0\1", origin=origin, receive=now, transmit=now)
    return replace(packet, **changes).to_bytes()  # type: ignore[arg-type]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_offset_and_bound_of_our_own_server(host: str) -> None:
    with serving(host, state()) as port:
        answer = query(Target(host, port))
    told = answer.measurement
    assert (answer.address, answer.port) == (host, port)
    assert (told.stratum, told.refid_text, told.synchronised) == (1, "GPS", True)
    assert 0 < told.delay < 0.5
    # both clocks are this host's, so the truth is known, and it is within the bound
    assert abs(told.offset - AHEAD / NS) <= told.error_bound < 0.5
    assert told.sent < told.returned
    assert told.received <= told.answered


def test_noise_before_the_answer_is_passed_over() -> None:
    noise = (
        lambda request: b"",
        lambda request: b"hello",
        lambda request: request,  # reflected
        lambda request: sound(request, origin=NtpTimestamp(5)),
        lambda request: sound(request, origin=NtpTimestamp(5), stratum=0, refid=b"DENY"),
        sound,
    )
    with answering(*noise) as port:
        assert query(Target("127.0.0.1", port)).measurement.refid_text == "127.0.0.1"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda request: None, "nothing came within 0.05 s"),
        (lambda request: b"hello", "no NTP packet"),
        (lambda request: sound(request, origin=NtpTimestamp(5)), "another request"),
        (lambda request: sound(request, stratum=0, refid=b"RATE"), "refuses with RATE: we asked too often"),
        (lambda request: sound(request, stratum=99), "stratum 99"),
        (lambda request: sound(request, transmit=NtpTimestamp(0)), "no receive or transmit"),
    ],
)
def test_what_is_no_answer_is_said_in_words(answer: Callable[[bytes], bytes | None], said: str) -> None:
    with answering(answer) as port, pytest.raises(QueryError, match=said):
        query(Target("127.0.0.1", port), timeout=0.05)


def test_tries_are_bounded_in_number_and_time() -> None:
    asked: list[bytes] = []

    def listen(request: bytes) -> None:
        asked.append(request)

    with answering(listen) as port:
        began = time.monotonic()
        with pytest.raises(QueryError, match="does not answer"):
            query(Target("127.0.0.1", port), timeout=0.1, attempts=4)
        assert 0.4 <= time.monotonic() - began < 2
    assert len(asked) == 4
    assert len({request[40:48] for request in asked}) == 4  # a fresh secret each time
    assert {request[:40] for request in asked} == {bytes.fromhex("23000020") + bytes(36)}


def test_an_answer_to_the_second_request_is_taken() -> None:
    seen: list[bytes] = []

    def late(request: bytes) -> bytes | None:
        seen.append(request)
        return sound(request) if len(seen) > 1 else None

    with answering(late) as port:
        assert query(Target("127.0.0.1", port), timeout=0.2).measurement.stratum == 2


def unused_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def test_nobody_there_is_said_at_once() -> None:
    began = time.monotonic()
    with pytest.raises(QueryError, match="nothing listens at this port"):
        query(Target("127.0.0.1", unused_port()), timeout=5)
    assert time.monotonic() - began < 2


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(QueryError, match="can't be resolved"):
        query(Target("a" * 64))  # no label is longer than 63, so no name server is asked


app = typer.Typer()
app.command()(command)


def run(*arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error, which click's own runner keeps apart in some versions only."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err, pytest.raises(SystemExit) as ended:
        app(list(arguments))
    return int(ended.value.code or 0), out.getvalue(), err.getvalue()


def test_command_json() -> None:
    with serving("127.0.0.1", state()) as port:
        status, out, _ = run(f"127.0.0.1:{port}", "--json")
    told = json.loads(out)
    assert status == 0
    assert (told["stratum"], told["refid"], told["leap"], told["synchronised"]) == (1, "GPS", 0, True)
    assert abs(told["offset"] - AHEAD / NS) <= told["error_bound"]
    for name in ("origin_time", "receive_time", "transmit_time", "destination_time", "reference_time"):
        assert told[name].endswith("Z")
    assert told["origin_time"] < told["destination_time"] < told["receive_time"] <= told["transmit_time"]


def test_command_for_people() -> None:
    with serving("::1", state()) as port:
        status, out, _ = run(f"[::1]:{port}")
    assert status == 0
    for words in ("stratum         1", "GPS", "T1 sent", "T4 back", "offset          +7.2", "ours is behind", "error bound"):
        assert words in out


def test_command_on_a_server_that_does_not_know_the_time() -> None:
    with serving("127.0.0.1", replace(state(), leap=Leap.UNKNOWN, stratum=16)) as port:
        status, out, err = run(f"127.0.0.1:{port}", "--json")
    told = json.loads(out)
    assert status == 1
    assert (told["leap"], told["stratum"], told["refid"], told["synchronised"], told["reference_time"]) == (3, 0, "", False, None)
    assert "does not know the time" in err


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["127.0.0.1", "--nts", "--ca", "/nowhere/ca.pem"], 1, "/nowhere/ca.pem: there is no such file"),
        (["127.0.0.1", "--ca", "/nowhere/ca.pem"], 2, "add --nts"),
        (["127.0.0.1:{}", "--nts", "--timeout", "0.1"], 1, "no keys were established: nothing listens"),
        (["host:port"], 2, "no port"),
        (["127.0.0.1", "--timeout", "0"], 2, "timeout"),
        ([], 2, "HOST"),
        (["127.0.0.1:{}", "--timeout", "0.1"], 1, "nothing listens"),
    ],
)
def test_command_errors(arguments: list[str], status: int, said: str) -> None:
    assert run(*(argument.format(unused_port()) for argument in arguments))[0] == status
    assert said in run(*(argument.format(unused_port()) for argument in arguments))[2]

"""Datagrams in batches on loopback, the kernel's transmit stamps, and the send delay that they tell."""

import os
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from itertools import islice

import pytest
from served_states import LOCKED
from testkit.served import locked_now
from testkit.stamps import SO_TIMESTAMPNS, kernel_stamps

from stratum1.interchange import Mapping
from stratum1.ntp import Mode, Packet, parse
from stratum1.server import Counters, ListenAddress, PythonWorker, ServerResponse, open_socket
from stratum1.server._datagrams import BATCH, Datagrams
from stratum1.server._departures import Departures
from stratum1.server._tables import Tables
from stratum1.server._worker import Entropy, random_numbers
from stratum1.server.reply import Responder
from stratum1.server.service import ServiceSettings
from stratum1.timescale import NS, NtpTimestamp, UtcNs, utc_from_ntp

REQUEST = Packet(4, Mode.CLIENT, transmit=NtpTimestamp(1)).to_bytes()


@pytest.fixture(scope="module", autouse=True)
def stamping_kernel() -> Iterator[None]:
    with kernel_stamps():
        yield


def opened(host: str) -> socket.socket:
    return open_socket(ListenAddress(ip_address(host), 0))


def client_of(server: socket.socket, host: str) -> socket.socket:
    client = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(5)
    client.connect((host, server.getsockname()[1]))
    return client


@pytest.mark.parametrize(("listens", "asked"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.3"), ("::1", "::1"), ("::", "127.0.0.2")])
def test_a_batch_keeps_datagrams_and_replies_apart(listens: str, asked: str) -> None:
    with opened(listens) as server, client_of(server, asked) as client:
        datagrams = Datagrams(server, wildcard=ip_address(listens).is_unspecified)
        sent = [os.urandom(size) for size in (48, 0, 1, 2048, 68, 2049, 60_000, *range(100, 116))]
        before = time.clock_gettime_ns(time.CLOCK_REALTIME)
        for each in sent:
            client.send(each)
        taken: list[tuple[bytes, bytes, int, int]] = []
        while len(taken) < len(sent):
            count = datagrams.receive()
            assert count <= BATCH
            taken += [datagrams.take(number) for number in range(count)]
            for number in range(1, count, 2):  # every other one is answered
                datagrams.answer(number, taken[number - count][0][:100])
            assert datagrams.send() == 0
        own = client.getsockname()
        assert [each[0] for each in taken] == [each[:2049] for each in sent]
        assert {each[1] for each in taken} == {ip_address(own[0]).packed}
        assert {each[2] for each in taken} == {own[1]}
        stamps = [each[3] for each in taken]
        assert stamps == sorted(stamps)
        assert before < stamps[0] < before + NS
        answered = [each[:100] for start in range(0, len(sent), BATCH) for each in sent[start : start + BATCH][1::2]]
        assert [client.recv(3000) for _ in answered] == answered  # connected: they come from where they were asked


def test_a_batch_with_nothing_to_say_sends_nothing_and_a_closed_socket_is_an_error() -> None:
    with opened("127.0.0.1") as server, client_of(server, "127.0.0.1") as client:
        datagrams = Datagrams(server, wildcard=False)
        client.send(b"x")
        assert datagrams.receive() == 1
        assert datagrams.send() == 0
    with pytest.raises(OSError, match="Bad file descriptor"):
        datagrams.receive()


@pytest.mark.parametrize(("listens", "asked"), [("127.0.0.1", "127.0.0.1"), ("::", "127.0.0.1"), ("::", "::1")])
def test_stamps_of_what_left_come_by_their_number(listens: str, asked: str) -> None:
    left: list[tuple[int, int]] = []
    with opened(listens) as server, client_of(server, asked) as client:
        datagrams = Datagrams(server, wildcard=ip_address(listens).is_unspecified)
        departures = Departures(server, lambda key, stamp: left.append((key, stamp)))
        for key in range(5):
            for stamped in (False, True):  # one that asks for no stamp between any two that do
                client.send(REQUEST)
                before = time.clock_gettime_ns(time.CLOCK_REALTIME)
                datagrams.receive()
                datagrams.answer(0, REQUEST, stamped=stamped)
                if stamped:
                    departures.expect(key, before)
                assert datagrams.send() == 0
            for _ in range(100):
                departures.collect()
                if not departures.awaited:
                    break
                time.sleep(0.01)
            assert left[-1][0] == key
            assert before < left[-1][1] <= time.clock_gettime_ns(time.CLOCK_REALTIME)
        assert departures.stamps == 5
        assert departures.delay is not None
        assert 0 < departures.delay < 1_000_000


def test_a_reply_that_was_not_sent_does_not_mix_the_numbers_up() -> None:
    left: list[int] = []
    with opened("127.0.0.1") as server, client_of(server, "127.0.0.1") as client:
        datagrams = Datagrams(server, wildcard=False)
        departures = Departures(server, lambda key, _: left.append(key))
        departures.expect(1, None)  # as if it had been refused: the kernel numbered nothing
        departures.restart()
        client.send(REQUEST)
        datagrams.receive()
        datagrams.answer(0, REQUEST, stamped=True)
        departures.expect(2, None)
        datagrams.send()
        for _ in range(100):
            departures.collect()
            if left:
                break
            time.sleep(0.01)
    assert left == [2]


def test_stamps_that_never_come_are_forgotten() -> None:
    with opened("127.0.0.1") as server:
        departures = Departures(server, lambda *_: None)
        for key in range(5000):
            departures.expect(key, None)
        departures.collect()
        assert len(departures._awaited) == 1024


@pytest.fixture
def worker() -> Iterator[PythonWorker]:
    server = opened("127.0.0.1")
    service = ServiceSettings(interleaved_slots=256)
    listen = ListenAddress(ip_address("127.0.0.1"), server.getsockname()[1])
    made = PythonWorker(server, listen, service, Tables.of(service), locked_now())
    made.start()
    yield made
    made.stop()


def test_an_interleaved_client_learns_when_the_reply_before_really_left(worker: PythonWorker) -> None:
    """Four replies: what the third and later ones say of their predecessors lies between the earlier transmit time and its arrival."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        client.connect(("127.0.0.1", worker.listen.port))
        origin, arrivals, replies = NtpTimestamp(0), list[int](), list[Packet]()
        for number in range(1, 6):
            client.send(Packet(4, Mode.CLIENT, origin=origin, receive=NtpTimestamp(number), transmit=NtpTimestamp(100 + number)).to_bytes())
            octets, ancillary, _, _ = client.recvmsg(100, 100)
            arrivals.append(int.from_bytes(ancillary[0][2][:8], "little") * NS + int.from_bytes(ancillary[0][2][8:], "little"))
            replies.append(parse(octets))
            origin = replies[-1].receive
    assert [each.origin for each in replies[:2]] == [101, 102]
    for before, arrived, reply, number in zip(replies[1:], arrivals[1:], replies[2:], range(3, 6), strict=False):
        assert reply.origin == number  # its receive timestamp, not its transmit one: interleaved
        near = UtcNs(arrived)
        assert utc_from_ntp(before.receive, near) < utc_from_ntp(reply.transmit, near) <= arrived + 1000
    counted = worker.counters()
    assert (counted.interleaved, counted.by_response[ServerResponse.TIME]) == (3, 2)
    assert counted.kernel_transmit_stamps >= 3
    assert worker.send_delay is not None


def test_settings_change_without_a_gap(worker: PythonWorker) -> None:
    worker.publish(replace(locked_now(), stratum=3))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.connect(("127.0.0.1", worker.listen.port))
        client.send(REQUEST)
        assert parse(client.recv(100)).stratum == 3
        state = replace(locked_now(), stratum=4)
        worker.configure(worker.listen, Responder(state), Tables(), state)
        client.send(REQUEST)
        assert parse(client.recv(100)).stratum == 4
        worker.publish(replace(locked_now(), stratum=5, realtime=None))
        client.send(REQUEST)
        assert parse(client.recv(100)).leap == 3


def test_served_time_of_a_clock_that_runs_otherwise(worker: PythonWorker) -> None:
    now = time.clock_gettime_ns(time.CLOCK_REALTIME)
    assert LOCKED.realtime is not None
    fast = Mapping(0, LOCKED.realtime.source, now - 100 * NS, UtcNs(now), 0.1)  # 10 s more by now
    worker.publish(replace(locked_now(ahead_ns=10 * NS), realtime=fast))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.connect(("127.0.0.1", worker.listen.port))
        client.send(REQUEST)
        packet = parse(client.recv(100))
    assert 110 * NS <= utc_from_ntp(packet.receive, UtcNs(now)) - now < 115 * NS


def test_packets_that_a_full_socket_drops_are_counted() -> None:
    server = opened("127.0.0.1")
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
    made = PythonWorker(server, ListenAddress(ip_address("127.0.0.1"), server.getsockname()[1]), ServiceSettings(), Tables(), locked_now())
    with client_of(server, "127.0.0.1") as client:
        for _ in range(200):
            client.send(REQUEST)
    dropped = made.counters().receive_drops
    assert 100 < dropped < 200
    made.start()
    deadline = time.monotonic() + 5
    while made.counters().received < 200 - dropped and time.monotonic() < deadline:
        time.sleep(0.01)
    made.stop()
    counted = made.counters()
    assert (counted.received, counted.receive_drops) == (200 - dropped, dropped)
    assert (counted + Counters(receive_drops=1)).receive_drops == dropped + 1


def test_entropy_never_gives_the_same_octets_twice() -> None:
    entropy = Entropy()
    drawn = [entropy(size) for size in (8, 1, 16, 4096, 8, *[8] * 2000)]
    assert [len(each) for each in drawn[:5]] == [8, 1, 16, 4096, 8]
    assert len(set(drawn)) == len(drawn)


def test_random_numbers_have_64_bits_and_no_end() -> None:
    drawn = list(islice(random_numbers(), 2000))
    assert len(set(drawn)) == len(drawn)
    assert max(drawn) >> 63 == 1
    assert not max(drawn) >> 64
    assert all(850 < sum(number >> bit & 1 for number in drawn) < 1150 for bit in range(64))

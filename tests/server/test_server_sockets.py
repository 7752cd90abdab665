"""The socket path on loopback: stamps, addresses, counters, stopping, and the words for a listener that can't be opened."""

import contextlib
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from testkit.counting import settled, total
from testkit.loopback import free_port
from testkit.served import locked_now
from testkit.stamps import kernel_stamps

from stratum1.interchange import Leap, Mapping, TimeState
from stratum1.ntp import Mode, Packet, parse
from stratum1.server import (
    MAX_REQUEST,
    ListenAddress,
    ListenError,
    PythonWorker,
    Record,
    Server,
    ServerReason,
    ServerResponse,
    StateCell,
    open_socket,
    parse_listen,
    udp_port_owner,
)
from stratum1.server._tables import Tables
from stratum1.server.service import ServiceSettings
from stratum1.timescale import NS, NtpTimestamp, UtcNs, utc_from_ntp

REQUEST = Packet(4, Mode.CLIENT, transmit=NtpTimestamp(1)).to_bytes()
Start = Callable[..., Server]


@pytest.fixture(scope="module", autouse=True)
def stamping_kernel() -> Iterator[None]:
    with kernel_stamps():
        yield


@pytest.fixture
def start() -> Iterator[Start]:
    servers: list[Server] = []

    def _start(*hosts: str, state: TimeState | None = None, cell: StateCell | None = None, port: int = 0) -> Server:
        server = Server([ListenAddress(ip_address(host), port) for host in hosts], cell or StateCell(state or locked_now()))
        server.start()
        servers.append(server)
        return server

    yield _start
    for server in servers:
        server.stop()


def client(host: str) -> socket.socket:
    opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    opened.settimeout(5)
    return opened


def ask(host: str, port: int, request: bytes = REQUEST) -> tuple[bytes, str]:
    """The reply and the address that it came from."""
    with client(host) as opened:
        opened.sendto(request, (host, port))
        reply, sender = opened.recvfrom(2048)
        assert sender[1] == port
        return reply, sender[0]


def port_of(server: Server) -> int:
    return server.addresses[0].port


@pytest.mark.parametrize(
    ("listens", "asked"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.2"),
        ("0.0.0.0", "127.0.0.3"),
        ("::1", "::1"),
        ("::", "::1"),
        ("::", "127.0.0.1"),
        ("::", "127.0.0.2"),
        ("::", "127.0.0.3"),
    ],
)
def test_the_reply_leaves_from_the_address_that_was_asked(start: Start, listens: str, asked: str) -> None:
    server = start(listens)
    octets, sender = ask(asked, port_of(server))
    assert sender == asked
    packet = parse(octets)
    assert (packet.leap, packet.stratum, packet.refid, packet.origin) == (0, 1, b"GPS\0", 1)


def test_times_are_the_served_ones_and_in_order(start: Start) -> None:
    ahead = 12_345 * NS
    server = start("127.0.0.1", state=locked_now(ahead_ns=ahead))
    before = time.clock_gettime_ns(time.CLOCK_REALTIME)
    packet = parse(ask("127.0.0.1", port_of(server))[0])
    after = time.clock_gettime_ns(time.CLOCK_REALTIME)
    near = UtcNs(before + ahead)
    received, sent = utc_from_ntp(packet.receive, near), utc_from_ntp(packet.transmit, near)
    assert before <= received - ahead < sent - ahead <= after


def test_receive_stamps_are_the_kernels(start: Start) -> None:
    cell = StateCell(locked_now())
    server = start("127.0.0.1", cell=cell)
    for _ in range(20):
        ask("127.0.0.1", port_of(server))
    counted = settled(server, 20)
    assert (counted.kernel_receive_stamps, counted.daemon_receive_stamps) == (20, 0)


def test_a_packet_without_a_kernel_stamp_is_stamped_and_counted() -> None:
    opened = open_socket(parse_listen(f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}"))
    opened.setsockopt(socket.SOL_SOCKET, 37, 0)

    host, port = opened.getsockname()
    worker = worker_at(opened)
    worker.start()
    try:
        before = time.clock_gettime_ns(time.CLOCK_REALTIME)
        packet = parse(ask(host, port)[0])
        assert before < utc_from_ntp(packet.receive, UtcNs(before)) < before + NS
    finally:
        worker.stop()
    assert worker.counters().daemon_receive_stamps == 1
    assert worker.counters().kernel_receive_stamps == 0


def worker_at(opened: socket.socket) -> PythonWorker:
    host, port = opened.getsockname()
    return PythonWorker(opened, ListenAddress(ip_address(host), port), ServiceSettings(), Tables(), locked_now())


def test_a_new_state_is_served_at_once_and_without_restart(start: Start) -> None:
    state = locked_now()
    cell = StateCell(state)
    server = start("127.0.0.1", cell=cell)
    assert parse(ask("127.0.0.1", port_of(server))[0]).leap == 0
    cell.publish(replace(state, leap=Leap.INSERT))
    assert parse(ask("127.0.0.1", port_of(server))[0]).leap == 1
    cell.publish(replace(state, realtime=None))
    packet = parse(ask("127.0.0.1", port_of(server))[0])
    assert (packet.leap, packet.stratum) == (3, 0)
    cell.publish(replace(state, valid_until=state.bound_at))
    assert parse(ask("127.0.0.1", port_of(server))[0]).leap == 3


def test_a_state_that_cannot_be_served_is_refused_and_the_old_one_kept() -> None:
    state = locked_now()
    cell = StateCell(state)
    with pytest.raises(ValueError, match="refid"):
        cell.publish(replace(state, refid=b""))
    assert cell.current is state


def test_the_mappings_rate_is_applied(start: Start) -> None:
    now = time.clock_gettime_ns(time.CLOCK_REALTIME)
    state = locked_now()
    assert state.realtime is not None
    # 1000 s ago the clocks agreed, and the served one has run 1 % faster since: 10 s ahead
    slow = Mapping(0, state.realtime.source, now - 1000 * NS, UtcNs(now - 1000 * NS), 0.01)
    server = start("127.0.0.1", state=replace(state, realtime=slow))
    packet = parse(ask("127.0.0.1", port_of(server))[0])
    assert 10 * NS < utc_from_ntp(packet.transmit, UtcNs(now)) - now < 10.5 * NS


def test_hostile_packets_get_silence_and_each_its_record(start: Start) -> None:
    server = start("127.0.0.1")
    port = port_of(server)
    own = parse(ask("127.0.0.1", port)[0]).to_bytes()
    hostile = {
        b"": ServerReason.TOO_SHORT,
        b"\x16\x02\0\x01" + bytes(8): ServerReason.CONTROL,
        b"\x17\0\x03\x2a" + bytes(4): ServerReason.PRIVATE,
        own: ServerReason.NOT_A_REQUEST,
        b"\x2b" + bytes(47): ServerReason.VERSION,
        REQUEST + bytes(8): ServerReason.TRAILING_OCTETS,
        REQUEST + bytes(MAX_REQUEST): ServerReason.TOO_LONG,
        REQUEST + bytes(60_000): ServerReason.TOO_LONG,
    }
    with client("127.0.0.1") as opened:
        for request in hostile:
            opened.sendto(request, ("127.0.0.1", port))
        opened.sendto(REQUEST, ("127.0.0.1", port))
        assert parse(opened.recv(2048)).origin == 1  # the first thing that comes back answers the last thing sent
    counted = settled(server, 10)
    assert (counted.received, counted.accepted, counted.ignored, counted.denied) == (10, 2, 8, 0)
    for reason in ServerReason:
        assert counted.by_reason[reason] == list(hostile.values()).count(reason) + 2 * (reason is ServerReason.SYNCHRONISED)


def test_random_datagrams_of_every_length_leave_the_server_well(start: Start) -> None:
    server = start("::")
    generator = random.Random(7)
    with client("127.0.0.1") as opened:
        for size in (*range(0, 200, 3), 1000, 1500, MAX_REQUEST, MAX_REQUEST + 1, 20_000, 65_507):
            opened.sendto(generator.randbytes(size), ("127.0.0.1", port_of(server)))
    assert parse(ask("::1", port_of(server))[0]).stratum == 1
    assert server.alive


def test_counters_by_listener_and_version(start: Start) -> None:
    server = start("127.0.0.1", "127.0.0.2", "::1")
    for listen in server.addresses:
        for version in (3, 4, 4):
            ask(str(listen.host), listen.port, bytes([version << 3 | 3]) + bytes(47))
    assert settled(server, 9).accepted == 9
    by_address = server.counters()
    assert list(by_address) == [str(listen) for listen in server.addresses]
    for counted in by_address.values():
        assert counted.by_version == {3: 1, 4: 2}
        assert counted.records[Record(4, ServerReason.SYNCHRONISED, ServerResponse.TIME)] == 2
        assert counted.rate_limited == counted.nts_received == 0


def test_snapshots_while_counting_are_consistent(start: Start) -> None:
    server = start("127.0.0.1")
    seen: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            counted = total(server)
            assert counted.received == counted.accepted + counted.denied + counted.ignored
            seen.append(counted.received)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for version in range(5):
        for _ in range(20):
            with client("127.0.0.1") as opened:
                opened.sendto(bytes([version << 3 | 3]) + bytes(47), ("127.0.0.1", port_of(server)))
                if version:
                    opened.recv(100)
    done.set()
    watcher.join()
    assert seen == sorted(seen)
    assert settled(server, 100).received == 100


def test_a_reply_to_a_broadcast_leaves_from_our_own_address(start: Start) -> None:
    server = start("0.0.0.0")
    with client("127.0.0.1") as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        opened.sendto(REQUEST, ("127.255.255.255", port_of(server)))
        reply, sender = opened.recvfrom(100)
    assert (parse(reply).origin, sender[0]) == (1, "127.0.0.1")
    assert settled(server, 1).response_send_errors == 0


def test_replies_that_cannot_be_sent_are_counted_and_stop_nothing() -> None:
    opened = open_socket(parse_listen(f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}"))
    with contextlib.suppress(OSError):  # ENOTCONN, and yet nothing can be sent any more (EPIPE)
        opened.shutdown(socket.SHUT_WR)
    host, port = opened.getsockname()
    worker = worker_at(opened)
    worker.start()
    with client(host) as asking:
        for _ in range(3):
            asking.sendto(REQUEST, (host, port))
        deadline = time.monotonic() + 5
        while worker.counters().received < 3 and time.monotonic() < deadline:
            time.sleep(0.001)
    assert worker.alive
    worker.stop()
    counted = worker.counters()
    assert (counted.received, counted.accepted, counted.response_send_errors, counted.receive_errors) == (3, 3, 3, 0)


def test_stop_is_prompt_and_frees_the_port(start: Start) -> None:
    server = start("127.0.0.1", "::1")
    port = port_of(server)
    assert server.alive
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 0.5
    assert not server.alive
    again = start("127.0.0.1", port=port)
    assert port_of(again) == port
    server.stop()  # a second time does no harm


def test_both_wildcards_share_a_port(start: Start) -> None:
    server = start("::", "0.0.0.0", port=free_port(socket.SOCK_DGRAM))
    for asked in ("::1", "127.0.0.2"):
        assert ask(asked, port_of(server))[1] == asked
    settled(server, 2)
    assert [counted.received for counted in server.counters().values()] == [1, 1]


def test_a_taken_port_names_who_has_it_and_leaves_nothing_open(start: Start) -> None:
    taken = port_of(start("127.0.0.1"))
    other = free_port(socket.SOCK_DGRAM)
    server = Server([parse_listen(f"127.0.0.2:{other}"), parse_listen(f"127.0.0.1:{taken}")], StateCell(locked_now()))
    with pytest.raises(ListenError, match=rf"127\.0\.0\.1:{taken}/udp: the port is taken by .*\(pid {os.getpid()}\).*systemctl disable"):
        server.start()
    start("127.0.0.2", port=other)


def test_port_owner() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as opened:
        opened.bind(("::1", 0))
        port = opened.getsockname()[1]
        owner = udp_port_owner(port)
    assert owner == f"{Path('/proc/self/comm').read_text().strip()} (pid {os.getpid()})"
    assert udp_port_owner(port) is None
    assert udp_port_owner(123, proc=Path("/nowhere")) is None


def test_a_privileged_port_without_the_capability_says_which_one() -> None:
    code = (
        "from stratum1.server import open_socket, parse_listen, ListenError\n"
        "try: open_socket(parse_listen('127.0.0.1:123'))\n"
        "except ListenError as error: print(error)\n"
    )
    # a network namespace of its own, where the host's ip_unprivileged_port_start does not reach
    own_user = [] if os.geteuid() == 0 else ["--map-root-user"]
    bare = ["unshare", *own_user, "--net", "setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    ran = subprocess.run([*bare, sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert "CAP_NET_BIND_SERVICE" in ran.stdout


def test_an_address_that_is_not_ours_is_explained() -> None:
    with pytest.raises(ListenError, match=r"no interface of this host has the address 192\.0\.2\.1"):
        open_socket(parse_listen("192.0.2.1:11123"))


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("[::]:123", "::", 123), ("0.0.0.0:123", "0.0.0.0", 123), ("127.0.0.1:11123", "127.0.0.1", 11123), (" [::1]:1 ", "::1", 1)],
)
def test_listen_addresses(text: str, host: str, port: int) -> None:
    listen = parse_listen(text)
    assert listen == ListenAddress(ip_address(host), port)
    assert str(listen) == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":123",
        "::123",
        "[::]",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "localhost:123",
        "[127.0.0.1]:123",
        "::1:123",
        "1.2.3.4:+5",
    ],
)
def test_listen_addresses_that_are_none_say_what_is_expected(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|no IP address|brackets"):
        parse_listen(text)

"""The native plane on loopback: what it answers, stamps, counts and survives."""

import os
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from testkit.counting import settled, total
from testkit.served import locked_now
from testkit.stamps import SO_TIMESTAMPNS, kernel_stamps

from stratum1.interchange import Leap, Mapping, TimeState
from stratum1.ntp import Mode, Packet, parse
from stratum1.server import (
    MAX_REQUEST,
    ListenAddress,
    ListenError,
    PlaneError,
    Record,
    ServerReason,
    ServerResponse,
    Smear,
    StampKind,
)
from stratum1.server._native_plane import NativePlane
from stratum1.server.service import AccessAction, AccessRule, ListenerSettings, ServiceSettings
from stratum1.timescale import NS, NtpTimestamp, UtcNs, utc_from_ntp

REQUEST = Packet(4, Mode.CLIENT, transmit=NtpTimestamp(1)).to_bytes()
Start = Callable[..., NativePlane]


@pytest.fixture(scope="module", autouse=True)
def stamping_kernel() -> Iterator[None]:
    with kernel_stamps():
        yield


@pytest.fixture
def start() -> Iterator[Start]:
    planes: list[NativePlane] = []

    def _start(
        *listeners: str | ListenAddress, state: TimeState | None = None, service: ServiceSettings | None = None, workers: int = 0
    ) -> NativePlane:
        listens = [ListenAddress(ip_address(each), 0, workers=workers) if isinstance(each, str) else each for each in listeners]
        plane = NativePlane(listens, service or ServiceSettings(), state or locked_now())
        planes.append(plane)
        plane.start()
        return plane

    yield _start
    for plane in planes:
        plane.stop()


class Client:
    """A connected socket with the kernel's receive stamps."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.settimeout(5)
        self._socket.connect((host, port))

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, request: bytes) -> None:
        self._socket.send(request)

    def ask(self, request: bytes = REQUEST) -> tuple[Packet, int]:
        """The reply and when it came in (REALTIME, ns). A connected socket takes it only from the address that was asked."""
        self._socket.send(request)
        octets, ancillary, _, _ = self._socket.recvmsg(2048, 64)
        ((_, _, stamp),) = ancillary
        seconds, fraction = struct.unpack("=qq", stamp)
        return parse(octets), seconds * NS + fraction


def port_of(plane: NativePlane) -> int:
    return plane.addresses[0].port


def ask(plane: NativePlane, host: str = "127.0.0.1", request: bytes = REQUEST) -> Packet:
    with Client(host, port_of(plane)) as client:
        return client.ask(request)[0]


@pytest.mark.parametrize(
    ("listens", "asked"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.2"),
        ("::1", "::1"),
        ("::", "::1"),
        ("::", "127.0.0.1"),
        ("::", "127.0.0.3"),
    ],
)
def test_the_reply_leaves_from_the_address_that_was_asked(start: Start, listens: str, asked: str) -> None:
    packet = ask(start(listens), asked)
    assert (packet.leap, packet.stratum, packet.refid, packet.origin) == (0, 1, b"GPS\0", 1)


def test_times_are_the_served_ones_and_in_order(start: Start) -> None:
    ahead = 12_345 * NS
    plane = start("127.0.0.1", state=locked_now(ahead_ns=ahead))
    before = time.clock_gettime_ns(time.CLOCK_REALTIME)
    packet = ask(plane)
    after = time.clock_gettime_ns(time.CLOCK_REALTIME)
    received, sent = (utc_from_ntp(each, UtcNs(before + ahead)) - ahead for each in (packet.receive, packet.transmit))
    assert before <= received < sent <= after
    assert settled(plane, 1).kernel_receive_stamps == 1


def test_interleaved_replies_carry_the_kernels_transmit_stamps(start: Start) -> None:
    plane = start("127.0.0.1")
    origin, gaps, shifts = NtpTimestamp(1), [], []  # an odd origin asks to be remembered
    with Client("127.0.0.1", port_of(plane)) as client:
        last: tuple[Packet, int] | None = None
        for number in range(1, 21):
            mine = NtpTimestamp(number << 8 | 1)
            reply, arrived = client.ask(Packet(4, Mode.CLIENT, origin=origin, receive=mine, transmit=NtpTimestamp(number)).to_bytes())
            if last is not None:  # the first one has no stamp from before
                before, arrived_before = last
                assert reply.origin == mine
                sent = utc_from_ntp(reply.transmit, UtcNs(arrived))
                assert sent > utc_from_ntp(before.receive, UtcNs(arrived))
                gaps.append(arrived_before - sent)
                shifts.append(sent - utc_from_ntp(before.transmit, UtcNs(arrived)))
            origin, last = reply.receive, (reply, arrived)
    # the kernel stamps a reply as it leaves and again as it comes in, a moment later; 2^-23 s are random
    assert -120 < sorted(gaps)[10] < 10_000
    assert len(set(shifts)) > 10  # the transmit times that were foretold are not the kernel's
    counted = settled(plane, 20)
    assert counted.records == {
        Record(4, ServerReason.SYNCHRONISED, ServerResponse.TIME): 1,
        Record(4, ServerReason.SYNCHRONISED, ServerResponse.INTERLEAVED): 19,
    }
    assert counted.kernel_transmit_stamps == 20


def test_transmit_times_are_advanced_by_the_delay_that_was_measured(start: Start) -> None:
    plane = start("127.0.0.1")
    assert plane.report().send_delay is None
    early = []
    with Client("127.0.0.1", port_of(plane)) as client:
        for _ in range(200):
            reply, arrived = client.ask()
            early.append(arrived - utc_from_ntp(reply.transmit, UtcNs(arrived)))
    delay = plane.report().send_delay
    assert delay is not None
    assert 1e-7 < delay < 1e-3
    # what is left is the way over loopback after the stamp, however slow the machine
    assert abs(sorted(early[100:])[50]) < max(20_000, 1e9 * delay)


def test_a_step_of_the_served_time_empties_the_interleaved_table(start: Start) -> None:
    state = locked_now()
    plane = start("127.0.0.1", state=state, workers=2)
    assert state.realtime is not None
    with Client("127.0.0.1", port_of(plane)) as client:

        def again(origin: NtpTimestamp) -> Packet:
            return client.ask(Packet(4, Mode.CLIENT, origin=origin, receive=NtpTimestamp(7), transmit=NtpTimestamp(9)).to_bytes())[0]

        first = again(NtpTimestamp(1))
        second = again(first.receive)
        assert (first.origin, second.origin) == (9, 7)
        stepped = Mapping(1, state.realtime.source, state.realtime.source_ns, UtcNs(state.realtime.served_ns + NS), 0.0)
        plane.publish(replace(state, realtime=stepped))
        third = again(second.receive)
        assert third.origin == 9
        # each worker empties the table when it sees the step, the last of them maybe after this: from then on nothing is lost
        last, deadline = again(third.receive), time.monotonic() + 5
        while last.origin != 7 and time.monotonic() < deadline:
            last = again(last.receive)
        assert last.origin == 7


def test_settings_that_can_t_be_leave_nothing_open(start: Start) -> None:
    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises(PlaneError, match="interleaved_slots"):
        start("0.0.0.0", service=ServiceSettings(interleaved_slots=1000))
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_new_state_is_served_at_once(start: Start) -> None:
    state = locked_now()
    plane = start("127.0.0.1", ListenAddress(ip_address("127.0.0.2"), 0, Smear.LINEAR), state=state)
    assert ask(plane).leap == 0
    plane.publish(replace(state, leap=Leap.INSERT))
    assert ask(plane).leap == 1
    with Client("127.0.0.2", plane.addresses[1].port) as client:  # one that smears announces none
        assert client.ask()[0].leap == 0
    plane.publish(replace(state, realtime=None))
    packet = ask(plane)
    assert (packet.leap, packet.stratum) == (3, 0)
    plane.publish(replace(state, valid_until=state.bound_at))
    assert ask(plane).leap == 3


def test_settings_are_replaced_while_it_runs(start: Start) -> None:
    plane = start("127.0.0.1", "127.0.0.2")
    here = AccessRule(ip_network("127.0.0.0/8"), AccessAction.DENY)
    assert ask(plane).stratum == 1
    plane.configure(ServiceSettings(), [ListenerSettings(access=(here,)), ListenerSettings()])
    refused = ask(plane)
    assert (refused.stratum, refused.refid) == (0, b"DENY")
    with Client("127.0.0.2", plane.addresses[1].port) as client:
        assert client.ask()[0].stratum == 1
    with pytest.raises(ValueError, match="interleaved_slots"):
        plane.configure(ServiceSettings(interleaved_slots=1000), [ListenerSettings(), ListenerSettings()])
    assert ask(plane).refid == b"DENY"
    plane.configure(ServiceSettings(), [ListenerSettings(), ListenerSettings()])
    assert ask(plane).stratum == 1


def test_packets_in_our_own_name_meet_silence(start: Start) -> None:
    plane = start("0.0.0.0")
    port = port_of(plane)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:  # the port may be shared by those of the same user
        forger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        forger.bind(("127.0.0.1", port))
        forger.sendto(REQUEST, ("127.0.0.2", port))
        assert settled(plane, 1).by_reason[ServerReason.OWN_ADDRESS] == 1


def test_hostile_packets_get_silence_and_each_its_record(start: Start) -> None:
    plane = start("127.0.0.1", workers=1)
    hostile = {
        b"": ServerReason.TOO_SHORT,
        b"\x16\x02\0\x01" + bytes(8): ServerReason.CONTROL,
        b"\x17\0\x03\x2a" + bytes(4): ServerReason.PRIVATE,
        ask(plane).to_bytes(): ServerReason.NOT_A_REQUEST,
        b"\x2b" + bytes(47): ServerReason.VERSION,
        REQUEST + bytes(MAX_REQUEST): ServerReason.TOO_LONG,
        REQUEST + bytes(60_000): ServerReason.TOO_LONG,
    }
    with Client("127.0.0.1", port_of(plane)) as client:
        for request in hostile:
            client.send(request)
        assert client.ask()[0].origin == 1  # the first thing that comes back answers the last thing sent
    counted = settled(plane, 9)
    assert (counted.received, counted.accepted, counted.ignored) == (9, 2, 7)
    for reason in ServerReason:
        assert counted.by_reason[reason] == list(hostile.values()).count(reason) + 2 * (reason is ServerReason.SYNCHRONISED)


def test_random_datagrams_of_every_length_leave_it_well(start: Start) -> None:
    plane = start("::")
    generator = random.Random(7)
    sizes = (*range(0, 200, 3), 1000, 1500, MAX_REQUEST, MAX_REQUEST + 1, 20_000, 65_507)
    with Client("127.0.0.1", port_of(plane)) as client:
        for size in sizes:
            client.send(generator.randbytes(size))
    assert ask(plane, "::1").stratum == 1
    assert settled(plane, len(sizes) + 1).received == len(sizes) + 1
    assert plane.alive
    assert plane.report().notes == ()


def test_many_clients_at_once_are_all_answered_and_counted(start: Start) -> None:
    plane = start("127.0.0.1", "::1", workers=2)
    answered: list[int] = []

    def hammer(listen: ListenAddress) -> None:
        for _ in range(10):
            with Client(str(listen.host), listen.port) as client:
                answered.append(sum(client.ask()[0].stratum for _ in range(20)))

    threads = [threading.Thread(target=hammer, args=(listen,)) for listen in plane.addresses * 4]
    for thread in threads:
        thread.start()
    state = locked_now()
    for _ in range(50):  # states and settings come meanwhile
        plane.publish(replace(state, error_bound=state.error_bound + 1e-9))
        plane.configure(ServiceSettings(), [ListenerSettings(), ListenerSettings()])
    for thread in threads:
        thread.join()
    assert answered == [20] * 80
    counted = settled(plane, 1600)
    assert (counted.accepted, counted.response_send_errors, counted.receive_errors) == (1600, 0, 0)
    assert [each.received for each in plane.counters().values()] == [800, 800]


def test_a_worker_that_panics_is_started_again_and_told_of(start: Start) -> None:
    plane = start("127.0.0.1", workers=1)
    assert ask(plane).stratum == 1
    assert plane._workers is not None
    plane._workers.provoke_panic(0)
    deadline = time.monotonic() + 5
    while not plane.report().notes and time.monotonic() < deadline:
        time.sleep(0.001)
    (note,) = plane.report().notes
    assert note == "worker 0 broke off and was started again 1 times, last: a test asked for it"
    assert ask(plane).stratum == 1
    assert plane.alive
    assert settled(plane, 2).received == 2


def test_a_full_socket_drops_and_says_so(start: Start) -> None:
    plane = start("127.0.0.1", workers=1)
    before = total(plane).receive_drops
    assert before == 0
    flood = REQUEST + bytes(60_000)
    with Client("127.0.0.1", port_of(plane)) as client:
        deadline = time.monotonic() + 5
        while not total(plane).receive_drops and time.monotonic() < deadline:
            for _ in range(200):
                client.send(flood)
    assert total(plane).receive_drops > 0
    plane.stop()
    assert total(plane).receive_drops > 0


def test_stop_is_prompt_frees_the_port_and_keeps_the_counters(start: Start) -> None:
    plane = start("127.0.0.1", "::")
    port = port_of(plane)
    ask(plane)
    assert plane.alive
    began = time.monotonic()
    plane.stop()
    assert time.monotonic() - began < 0.5
    assert not plane.alive
    assert total(plane).received == 1
    plane.stop()
    start(ListenAddress(ip_address("127.0.0.1"), port))


def test_a_port_that_somebody_has_is_not_shared(start: Start) -> None:
    plane = start("127.0.0.1")
    with pytest.raises(ListenError, match="the port is taken by"):
        start(ListenAddress(ip_address("127.0.0.1"), port_of(plane)))
    with pytest.raises(ListenError, match="twice"):
        start(*[ListenAddress(ip_address("127.0.0.2"), port_of(plane))] * 2)
    assert ask(plane).stratum == 1


def test_what_it_says_of_itself(start: Start) -> None:
    report = start("127.0.0.1", workers=3).report()
    assert (report.name, report.workers, report.receive, report.transmit) == ("native", 3, StampKind.KERNEL, StampKind.KERNEL)

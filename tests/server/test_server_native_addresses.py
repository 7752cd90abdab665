"""Which sockets the native plane opens, and how it follows addresses that come and go."""

import os
import socket
import struct
import time
from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lone_network import IN_NAMESPACE, change_address, in_namespace, set_mtu
from testkit.served import locked_now
from testkit.waiting import until

from stratum1.server import ListenAddress
from stratum1.server._addresses import own_addresses
from stratum1.server._interfaces import AddressWatch, DumpInterruptedError, LocalAddress, local_addresses, parse_addresses
from stratum1.server._native_plane import NativePlane
from stratum1.server._native_sockets import MAX_OWN_SOCKETS, Place, places
from stratum1.server.service import ServiceSettings

REQUEST = b"\xe3" + bytes(46) + b"\x01"
inside = pytest.mark.skipif(not IN_NAMESPACE, reason="needs root for a network namespace")


def local(text: str, interface: int = 2) -> LocalAddress:
    return LocalAddress(ip_address(text), interface)


def listen(text: str, *, v6_only: bool = False) -> ListenAddress:
    return ListenAddress(ip_address(text), 123, v6_only=v6_only)


LOCAL = frozenset({local("127.0.0.1", 1), local("::1", 1), local("192.0.2.1"), local("2001:db8::1"), local("fe80::1"), local("fe80::1", 3)})


def test_a_wildcard_has_a_socket_for_each_address_beside_its_own() -> None:
    hosts = {(str(each.host), each.scope) for each in places([listen("::")], LOCAL)}
    ipv6 = {("::", 0), ("::1", 0), ("2001:db8::1", 0), ("fe80::1", 2), ("fe80::1", 3)}
    ipv4 = {("0.0.0.0", 0), ("127.0.0.1", 0), ("192.0.2.1", 0)}
    assert hosts == ipv6 | ipv4
    assert {(str(each.host), each.scope) for each in places([listen("::", v6_only=True)], LOCAL)} == ipv6
    assert {(str(each.host), each.scope) for each in places([listen("0.0.0.0")], LOCAL)} == ipv4


def test_an_address_that_a_listener_names_is_that_listeners() -> None:
    found = places([listen("0.0.0.0"), listen("192.0.2.1")], LOCAL)
    assert found == {Place(0, ip_address("0.0.0.0"), 123), Place(0, ip_address("127.0.0.1"), 123), Place(1, ip_address("192.0.2.1"), 123)}


def test_sockets_of_their_own_are_limited() -> None:
    many = frozenset(local(f"10.0.{number}.1") for number in range(MAX_OWN_SOCKETS + 5))
    assert len(places([listen("0.0.0.0")], many)) == MAX_OWN_SOCKETS + 1


def test_own_addresses_are_those_listened_at() -> None:
    own = own_addresses([listen("0.0.0.0"), listen("2001:db8::1")], LOCAL)
    assert own == {(ip_address(text).packed, 123) for text in ("127.0.0.1", "192.0.2.1", "2001:db8::1")}
    assert {address for address, _ in own_addresses([listen("::")], LOCAL)} == {each.address.packed for each in LOCAL}
    assert {len(address) for address, _ in own_addresses([listen("::", v6_only=True)], LOCAL)} == {16}
    assert own_addresses([replace(listen("::1"), port=0)], LOCAL) == frozenset()


def message(kind: int, body: bytes, flags: int = 0) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body + bytes(-len(body) % 4)


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def told(family: int, *attributes: bytes, flags: int = 0) -> bytes:
    return message(20, struct.pack("=BBBBI", family, 24, flags, 0, 5) + b"".join(attributes))


def test_answers_of_the_kernel_are_read() -> None:
    v4, far, v6 = (ip_address(text) for text in ("192.0.2.1", "192.0.2.9", "2001:db8::1"))
    data = b"".join(
        (
            told(socket.AF_INET, attribute(1, far.packed), attribute(2, v4.packed), attribute(3, b"eth0\0")),
            told(socket.AF_INET6, attribute(1, v6.packed)),
            told(socket.AF_INET6, attribute(1, ip_address("fe80::1").packed), flags=0x40),
            told(socket.AF_INET6, attribute(1, ip_address("fe80::2").packed), attribute(8, struct.pack("=I", 0x448))),
            told(socket.AF_INET, attribute(1, v6.packed)),
            told(99, attribute(1, v4.packed)),
        )
    )
    found = [LocalAddress(v4, 5), LocalAddress(v6, 5)]
    assert parse_addresses(data) == (found, False)
    assert parse_addresses(data + message(3, bytes(4))) == (found, True)
    with pytest.raises(OSError, match="Operation not permitted"):
        parse_addresses(message(2, struct.pack("=i", -1)))


@given(st.binary(max_size=200))
@example(told(socket.AF_INET, attribute(1, bytes(4)))[:-3])
def test_any_octets_are_read_to_an_end(data: bytes) -> None:
    for octets in (data, told(socket.AF_INET, data), message(20, data)):
        try:
            found, _ = parse_addresses(octets)
        except (OSError, DumpInterruptedError):
            continue
        assert len(found) <= len(octets)


def test_loopback_is_among_the_addresses() -> None:
    assert local("127.0.0.1", socket.if_nametoindex("lo")) in local_addresses()


@inside
def test_changes_are_told_until_it_is_stopped() -> None:
    def call() -> None:
        seen: list[frozenset[LocalAddress]] = []
        watch = AddressWatch(lambda: seen.append(local_addresses()))
        watch.start()
        change_address("192.0.2.1")
        until(lambda: bool(seen) and local("192.0.2.1", 1) in seen[-1])
        change_address("192.0.2.1", present=False)
        until(lambda: local("192.0.2.1", 1) not in seen[-1])
        watch.stop()
        watch.stop()
        count = len(seen)
        change_address("192.0.2.2")
        time.sleep(0.1)
        assert len(seen) == count

    in_namespace(call)


def reaches_itself(host: str, scope: int) -> bool:
    """Whether the kernel has a route to its own new address yet."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as talker:
        talker.settimeout(0.05)
        try:
            talker.bind((host, 0, 0, scope) if ":" in host else (host, 0))
            talker.sendto(b"", talker.getsockname())
            talker.recv(1)
        except OSError:
            return False
        return True


def ask(host: str, port: int, count: int = 1, scope: int = 0) -> None:
    """Ask from a fresh socket; a connected one takes the reply only from the address that was asked."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.connect((host, port, 0, scope) if family == socket.AF_INET6 else (host, port))
        for _ in range(count):
            client.send(REQUEST)
            assert len(client.recv(100)) == 48


@inside
def test_addresses_come_and_go_while_it_serves() -> None:
    def call() -> None:
        plane = NativePlane([ListenAddress(ip_address("::"), 0, workers=2)], ServiceSettings(), locked_now())
        plane.start()
        try:
            port = plane.addresses[0].port
            serve_changes(plane, port)
        finally:
            plane.stop()

    in_namespace(call)


def serve_changes(plane: NativePlane, port: int) -> None:
    def has(text: str) -> bool:
        return any(str(place.host) == text for place in plane._sockets)

    asked = 0
    for text in ("192.0.2.1", "2001:db8::1", "fe80::5"):
        assert not has(text)
        change_address(text)
        scope = 1 if text.startswith("fe80") else 0
        until(lambda text=text, scope=scope: reaches_itself(text, scope))  # type: ignore[misc]
        ask(text, port, 20, scope)  # by the wildcard at first, by its own socket in the end
        until(lambda text=text: has(text))  # type: ignore[misc]
        ask(text, port, 20, scope)
        asked += 40
    descriptors = len(os.listdir("/proc/self/fd"))
    for text in ("192.0.2.1", "2001:db8::1", "fe80::5"):
        change_address(text, present=False)
        until(lambda text=text: not has(text))  # type: ignore[misc]
        ask("127.0.0.1", port)
        asked += 1
    until(lambda: len(os.listdir("/proc/self/fd")) == descriptors - 6)
    (counted,) = plane.counters().values()
    until(lambda: sum(each.received for each in plane.counters().values()) == asked)
    assert (counted.accepted, counted.response_send_errors) == (counted.received, 0)
    assert plane.report().notes == ()


@inside
def test_no_packet_is_lost_while_sockets_come_and_go() -> None:
    def call() -> None:
        plane = NativePlane([ListenAddress(ip_address("0.0.0.0"), 0, workers=2)], ServiceSettings(), locked_now())
        plane.start()
        port, asked = plane.addresses[0].port, 0
        try:
            for number in range(5):
                text = f"192.0.2.{number}"
                place = Place(0, ip_address(text), port)
                change_address(text)
                while place not in plane._sockets:  # each asks anew, so that both workers are met
                    ask(text, port)
                    asked += 1
                change_address(text, present=False)
                while place in plane._sockets:
                    ask("127.0.0.1", port)
                    asked += 1
            (counted,) = plane.counters().values()
            assert asked >= 10
            assert counted.accepted == asked
        finally:
            plane.stop()

    in_namespace(call)


@inside
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_replies_longer_than_the_path_bears_leave_in_fragments(host: str) -> None:
    def call() -> None:
        set_mtu(1500)
        plane = NativePlane([ListenAddress(ip_address("::"), 0)], ServiceSettings(), locked_now())
        plane.start()
        try:
            identifier = struct.pack("!HH", 0x0104, 1904) + bytes(range(256)) * 7 + bytes(108)  # is echoed
            with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(5)
                client.connect((host, plane.addresses[0].port))
                for request in (REQUEST + identifier, REQUEST, REQUEST + identifier):
                    client.send(request)
                    assert client.recv(4096)[48:] == request[48:]
            (counted,) = plane.counters().values()
            assert counted.response_send_errors == 0
        finally:
            plane.stop()

    in_namespace(call)

"""What the eBPF program leaves to the sockets, and whom it limits; fed frames by BPF_PROG_TEST_RUN."""

import random
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from xdp_frames import CLIENT4, CLIENT6, HERE4, HERE6, Frame, Reply, request
from xdp_machine import DROP, LISTEN, PASS, SERVED, TX, Machine, equals_python, loaded, locked

from stratum1.interchange import Leap, LeapPlan
from stratum1.server import Smear, parse_listen
from stratum1.server._xdp_words import entries, state_words
from stratum1.server.service import AccessAction, AccessRule, ListenerSettings, RateLimit
from stratum1.timescale import NS, UtcNs
from stratum1.xdp import Count, Word


@pytest.fixture
def machine() -> Iterator[Machine]:
    with loaded() as opened:
        yield opened


NOT_PLAIN: dict[str, Frame] = {
    "version 1": Frame(request(1)),
    "version 2": Frame(request(2)),
    "version 5": Frame(request(5)),
    "mode 1": Frame(request(mode=1)),
    "mode 4": Frame(request(mode=4)),
    "mode 6": Frame(request(mode=6)),
    "mode 7": Frame(request(mode=7)),
    "an origin": Frame(request(origin=1)),
    "an old origin": Frame(request(origin=0xE0000000_00000000)),
    "asking for version 5": Frame(request()[:16] + b"NTP5DRFT" + request()[24:]),
    "a MAC": Frame(request() + bytes(20)),
    "an extension field": Frame(request() + bytes(28)),
    "too short": Frame(request()[:47]),
    "nothing": Frame(b""),
    "a tail": Frame(request(), tail=b"\0"),
    "UDP too long": Frame(request(), udp_length=60),
    "UDP too short": Frame(request(), udp_length=52),
    "IPv4 too short": Frame(request(), ip_length=72),
    "IPv4 options": Frame(request(), version_length=0x46),
    "IP version 6 in IPv4": Frame(request(), version_length=0x65),
    "a first fragment": Frame(request(), fragment=0x2000),
    "a last fragment": Frame(request(), fragment=0x0007),
    "the evil bit": Frame(request(), fragment=0x8000),
    "wrong IPv4 checksum": Frame(request(), ip_checksum=0x1234),
    "wrong UDP checksum": Frame(request(), checksum=0x1234),
    "TCP": Frame(request(), protocol=6),
    "a VLAN": Frame(request(), vlan=7),
    "another Ethernet type": Frame(request(), ethertype=0x88F7),
    "IPv6 type around IPv4": Frame(request(), ethertype=0x86DD),
    "another port": Frame(request(), port=124),
    "another address": Frame(request(), destination=ip_address("192.0.2.2")),
    "from port 0": Frame(request(), source_port=0),
    "to a multicast station": Frame(request(), to=bytes.fromhex("01005e000101")),
    "broadcast": Frame(request(), to=b"\xff" * 6),
    "from a multicast station": Frame(request(), sender=bytes.fromhex("01005e000101")),
    "from 0.0.0.1": Frame(request(), source=ip_address("0.0.0.1")),
    "from loopback": Frame(request(), source=ip_address("127.0.0.1")),
    "from a multicast address": Frame(request(), source=ip_address("224.0.1.1")),
    "from everybody": Frame(request(), source=ip_address("255.255.255.255")),
    "from ourselves": Frame(request(), source=HERE4),
    "from our own port": Frame(request(), source=HERE4, source_port=123),
}
NOT_PLAIN6: dict[str, Frame] = {
    "no UDP checksum": Frame(request(), checksum=0),
    "wrong UDP checksum": Frame(request(), checksum=0x1234),
    "a hop-by-hop header": Frame(request(), protocol=0),
    "a fragment header": Frame(request(), protocol=44),
    "IPv6 too short": Frame(request(), ip_length=52),
    "IPv6 too long": Frame(request(), ip_length=60),
    "IPv4 type around IPv6": Frame(request(), ethertype=0x0800),
}


@pytest.mark.parametrize("frame", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_what_is_not_plain_goes_up_as_it_was(machine: Machine, frame: Frame) -> None:
    machine.serve(locked())
    machine.passes(frame)
    assert set(machine.counted()) <= {Count.PASS_KIND}


@pytest.mark.parametrize("frame", NOT_PLAIN6.values(), ids=NOT_PLAIN6)
def test_what_is_not_plain_in_ipv6_goes_up_as_it_was(machine: Machine, frame: Frame) -> None:
    machine.serve(locked())
    machine.passes(frame.with_source(CLIENT6))


@pytest.mark.parametrize("source", ["::", "::1", "ff02::1", str(HERE6)])
def test_odd_sources_of_ipv6_go_up(machine: Machine, source: str) -> None:
    machine.serve(locked())
    machine.passes(Frame(request()).with_source(ip_address(source)))


def test_our_other_address_and_port_is_not_answered_but_its_other_ports_are(machine: Machine) -> None:
    found = entries((LISTEN, parse_listen("203.0.113.9:1123")), {1: (HERE4,)}, (HERE4, ip_address("203.0.113.9")))
    machine.serve(locked())
    machine.maps.set_listeners(found.listeners)
    words = state_words(locked(), None)
    machine.maps.publish({**words, Word.PORTS: found.ports})
    other = ip_address("203.0.113.9")
    machine.passes(Frame(request(), source=other, source_port=1123))
    machine.passes(Frame(request(), source=other, source_port=123))
    machine.answer(Frame(request(), source=other, source_port=1124))
    machine.answer(Frame(request(), source=CLIENT4, source_port=123))


def test_ipv4_without_checksum_is_answered_with_one(machine: Machine) -> None:
    machine.serve(locked())
    machine.answer(Frame(request(), checksum=0))


def test_service_class_and_hops_of_a_reply_are_our_own(machine: Machine) -> None:
    machine.serve(locked())
    machine.answer(Frame(request(), service=0xB9, ttl=1))
    machine.answer(replace(Frame(request()).with_source(CLIENT6), service=0xB9, ttl=1))


def test_garbage_goes_up_as_it_was(machine: Machine) -> None:
    """Random octets, and valid frames with octets changed, cut or added anywhere: never harm, never another verdict than Python's."""
    draw = random.Random(7)
    machine.serve(locked())
    for _ in range(500):
        machine.passes(draw.randbytes(draw.randint(14, 1500)))
    answered = 0
    for number in range(3000):
        if number % 200 == 0:  # a state holds for some seconds only
            machine.serve(locked())
        whole = bytearray(Frame(draw.choice([request(), request(3)])).with_source(draw.choice([CLIENT4, CLIENT6])).octets)
        for _ in range(draw.randint(0, 2)):
            whole[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        if draw.random() < 0.2:
            whole = whole[: draw.randint(14, len(whole))] + draw.randbytes(draw.randint(0, 3))
        octets = bytes(whole)
        verdict, after = machine.run(octets)
        if verdict == PASS:
            assert after == octets
            continue
        assert verdict == TX
        answered += 1
        assert len(after) == len(octets)
        found = Reply.read(after)
        assert found.payload[0] & 7 == 4
    assert 600 < answered < 2400


def test_a_listener_of_one_address_goes_before_the_wildcard(machine: Machine) -> None:
    own = replace(
        parse_listen("192.0.2.1:123"), settings=ListenerSettings(access=(AccessRule(ip_network("0.0.0.0/0"), AccessAction.DENY),))
    )
    machine.serve(locked(), LISTEN, own)
    machine.passes(Frame(request()))
    machine.answer(Frame(request()).with_source(CLIENT6))
    assert machine.counted(1) == {Count.PASS_ACCESS: 1}
    assert machine.counted(0) == {Count.TIME4: 1}


def test_only_who_is_allowed_is_answered(machine: Machine) -> None:
    rules = {
        "0.0.0.0/0": AccessAction.DENY,
        "198.51.100.0/24": AccessAction.ALLOW,
        "198.51.100.8/32": AccessAction.IGNORE,
        "198.51.100.9/32": AccessAction.REQUIRE_NTS,
        "2001:db8:7::/48": AccessAction.IGNORE,
        "2001:db8:7::7/128": AccessAction.ALLOW,
    }
    access = tuple(AccessRule(ip_network(network), action) for network, action in rules.items())
    machine.serve(locked(), replace(LISTEN, settings=ListenerSettings(access=access)))
    for allowed in ("198.51.100.7", "2001:db8:7::7", "2001:db8:8::7"):
        machine.answer(Frame(request()).with_source(ip_address(allowed)))
    for refused in ("203.0.113.1", "198.51.100.8", "198.51.100.9", "2001:db8:7::8"):
        machine.passes(Frame(request()).with_source(ip_address(refused)))
    assert machine.counted() == {Count.TIME4: 3, Count.PASS_ACCESS: 4}
    machine.serve(locked())  # the rules are gone
    machine.answer(Frame(request()).with_source(ip_address("203.0.113.1")))


def test_a_listener_that_requires_nts_is_left_to_the_sockets(machine: Machine) -> None:
    machine.serve(locked(), replace(LISTEN, settings=ListenerSettings(require_nts=True)))
    machine.passes(Frame(request()))
    assert machine.counted() == {}


def test_a_smearing_listener_shows_no_leap_and_goes_up_near_one(machine: Machine) -> None:
    smeared = replace(LISTEN, smear=Smear.LINEAR)
    state = locked(leap=Leap.INSERT)
    machine.serve(state, smeared)
    frame = Frame(request())
    equals_python(machine.answer(frame), frame, state, Smear.LINEAR)
    near = locked(leap=Leap.INSERT, smeared_leap=LeapPlan(UtcNs(SERVED + 3600 * NS), 1, 38, ("list",)))
    machine.serve(near, smeared)
    machine.passes(frame)
    machine.serve(near)
    equals_python(machine.answer(frame), frame, near)


def test_over_the_limit_the_odds_decide(machine: Machine) -> None:
    limit = RateLimit(interval_ns=1 << 33, burst=8, leak=64, kiss=64, slots=256)
    machine.serve(locked(), limit=limit)
    frame = Frame(request(poll=4))
    verdicts = [machine.run(frame) for _ in range(1008)]
    assert [verdict for verdict, _ in verdicts[:8]] == [TX] * 8
    over = verdicts[8:]
    dropped = [after for verdict, after in over if verdict == DROP]
    answers = [Reply.read(after).payload for verdict, after in over if verdict == TX]
    kisses = [answer for answer in answers if answer[12:16] == b"RATE"]
    assert 400 < len(dropped) < 600
    assert 170 < len(kisses) < 330
    assert 170 < len(answers) - len(kisses) < 330
    assert {(kiss[:16], kiss[16:24]) for kiss in kisses} == {(bytes.fromhex("e40004e7" + "00010000" * 2) + b"RATE", bytes(8))}
    assert all(kiss[24:32] == frame.payload[40:48] for kiss in kisses)
    machine.answer(Frame(request(), source=ip_address("198.51.100.8")))
    counted = machine.counted()
    assert (counted[Count.KISS4], counted[Count.DROP4]) == (len(kisses), len(dropped))


def test_tokens_come_back_and_ipv6_clients_are_networks(machine: Machine) -> None:
    limit = RateLimit(interval_ns=1 << 24, burst=1, leak=0, kiss=0, slots=256)
    machine.serve(locked(), limit=limit)
    first, neighbour, other = (Frame(request()).with_source(ip_address(f"2001:db8:{end}")) for end in ("1::1", "1::2", "2::1"))
    assert [machine.run(each)[0] for each in (first, first, neighbour, other)] == [TX, DROP, DROP, TX]
    time.sleep(0.02)
    assert machine.run(neighbour)[0] == TX


def test_what_goes_up_takes_tokens_too(machine: Machine) -> None:
    """So a client that mixes interleaved and basic requests has one bucket here, and is never dropped here for the former."""
    limit = RateLimit(interval_ns=1 << 33, burst=4, leak=0, kiss=0, slots=256)
    machine.serve(locked(), limit=limit)
    for _ in range(6):
        machine.passes(Frame(request(origin=0xE0000000_00000001)))
    assert machine.run(Frame(request()))[0] == DROP


def test_the_table_keeps_whom_it_has_seen_last(machine: Machine) -> None:
    """256 slots and thousands of clients: everybody's first request is answered, and who floods meanwhile is not forgotten."""
    limit = RateLimit(interval_ns=1 << 33, burst=2, leak=0, kiss=0, slots=256)
    flood = Frame(request(), source=ip_address("203.0.113.1"))
    verdicts = []
    for number in range(3000):
        if number % 200 == 0:
            machine.serve(locked(), limit=limit)
        assert machine.run(Frame(request(), source=ip_address(0x0A000000 + number)))[0] == TX
        verdicts.append(machine.run(flood)[0])
    assert verdicts.count(TX) < 300

"""Whom the eBPF program allows and whom it limits: any rules judged as Python judges them, and what stands in the limit's table."""

import random
import struct
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from xdp_frames import Frame, request
from xdp_machine import DROP, LISTEN, PASS, SEED, TX, Machine, loaded, locked

from stratum1.server._access import AccessList
from stratum1.server._tables import mix64
from stratum1.server.service import AccessAction, AccessRule, ListenerSettings, RateLimit
from stratum1.xdp import Count
from stratum1.xdp._bpf import map_memory

LIMIT = RateLimit(interval_ns=1 << 33, burst=3, leak=0, kiss=0, slots=256)
CLIENT = ip_address("198.51.100.7")
DAY = 86_400 * 10**9
STAMP = (1 << 40) - 1


@pytest.fixture
def machine() -> Iterator[Machine]:
    with loaded() as opened:
        yield opened


class Group:
    """The four slots of CLIENT's group."""

    def __init__(self, machine: Machine) -> None:
        hashed = mix64(SEED ^ int(CLIENT))
        self.tag = hashed >> 48
        self._at = hashed % LIMIT.slots // 4 * 32
        self._memory = map_memory(machine.maps._descriptors["limits"], 32 * (LIMIT.slots // 4))

    def read(self) -> list[tuple[int, int]]:
        """Tag and stamp of each."""
        slots = struct.unpack_from("<4Q", self._memory, self._at)
        assert all(slot & 0xFF == 0 for slot in slots)
        return [(slot >> 48, slot >> 8 & STAMP) for slot in slots]

    def write(self, slots: list[tuple[int, int]]) -> None:
        """ns of CLOCK_MONOTONIC at which the bucket of each tag is full."""
        words = [tag << 48 | (full_at >> 10 & STAMP) << 8 for tag, full_at in slots]
        self._memory[self._at : self._at + 32] = struct.pack("<4Q", *words)


def test_any_rules_are_judged_as_python_judges_them(machine: Machine) -> None:
    """Prefixes of all lengths, many around the 16 bits that the program looks at first; addresses at both ends of each, and others."""
    draw = random.Random(23)
    answered = passed = 0
    for _ in range(40):
        version = draw.choice([4, 6])
        bits = 32 if version == 4 else 128
        base = 0xC633_6400 if version == 4 else 0x2001_0DB8 << 96
        lengths = [draw.choice([draw.randint(0, bits), draw.randint(12, 20), 16]) for _ in range(draw.randint(1, 12))]
        networks = [ip_network(((base ^ draw.getrandbits(bits) >> draw.randint(0, bits)), length), strict=False) for length in lengths]
        rules = [AccessRule(network, draw.choice([AccessAction.ALLOW, *AccessAction])) for network in networks]
        settings = ListenerSettings(access=tuple(rules))
        judge = AccessList(settings)
        machine.serve(locked(), replace(LISTEN, settings=settings))
        near = [end for network in networks for end in (network[0], network[-1])]
        for _ in range(40):
            last = int(draw.choice(near)) ^ (1 << draw.randrange(bits) if draw.random() < 0.5 else 0)
            address = ip_address(last.to_bytes(bits // 8, "big"))
            if address.is_loopback or address.is_unspecified or address.packed[0] in (0, 127) or address.packed[0] >= 224:
                continue  # goes up in any case
            verdict = machine.run(Frame(request()).with_source(address))[0]
            allowed = judge.action(address.packed) is AccessAction.ALLOW
            assert verdict == (TX if allowed else PASS), (address, rules)
            answered, passed = answered + allowed, passed + (not allowed)
    assert answered > 200
    assert passed > 200
    assert machine.counted() == {Count.TIME4: answered, Count.PASS_ACCESS: passed}


def test_a_slot_is_what_the_sockets_rule_says(machine: Machine) -> None:
    machine.serve(locked(), limit=LIMIT)
    group = Group(machine)
    before = time.monotonic_ns() >> 10
    assert machine.run(Frame(request(), source=CLIENT))[0] == TX
    after = time.monotonic_ns() >> 10
    ((tag, stamp),) = [slot for slot in group.read() if slot != (0, 0)]
    assert tag == group.tag
    assert before <= stamp - (LIMIT.interval_ns >> 10) <= after
    assert machine.run(Frame(request(), source=CLIENT))[0] == TX
    assert (group.tag, stamp + (LIMIT.interval_ns >> 10)) in group.read()


@pytest.mark.parametrize("age", [0, DAY, 6 * DAY, 7 * DAY, 12 * DAY, 13 * DAY, 100 * DAY])
@pytest.mark.parametrize("place", range(4))
def test_a_stamp_of_any_time_ago_is_a_full_bucket(machine: Machine, age: int, place: int) -> None:
    machine.serve(locked(), limit=LIMIT)
    group = Group(machine)
    slots = [(group.tag ^ 1 + other, 0) for other in range(4)]
    slots[place] = (group.tag, time.monotonic_ns() - age)
    group.write(slots)
    assert [machine.run(Frame(request(), source=CLIENT))[0] for _ in range(4)] == [TX, TX, TX, DROP]
    assert [tag for tag, _ in group.read()] == [tag for tag, _ in slots]


@pytest.mark.parametrize("age", [0, DAY, 6 * DAY, 7 * DAY, 12 * DAY])
@pytest.mark.parametrize("place", range(4))
def test_a_newcomer_takes_the_place_of_the_bucket_that_is_full_for_longest(machine: Machine, age: int, place: int) -> None:
    machine.serve(locked(), limit=LIMIT)
    group = Group(machine)
    now = time.monotonic_ns()
    slots = [(group.tag ^ 1 + other, now + (2 + other) * LIMIT.interval_ns // 4) for other in range(4)]
    slots[place] = (slots[place][0], now - age)
    group.write(slots)
    assert machine.run(Frame(request(), source=CLIENT))[0] == TX
    assert [tag for tag, _ in group.read()] == [group.tag if other == place else tag for other, (tag, _) in enumerate(slots)]

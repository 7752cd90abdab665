"""The native responder against the Python one: every octet of the reply, the record, the saved key and the number of random octets drawn.

Both get the same requests in the same order, so that their tables hold the same.
"""

import random
from dataclasses import dataclass, replace
from typing import Any

import pytest
from generated_requests import Asked, Maker
from generated_scenes import edges_of, make_scene, make_state
from served_states import LOCKED

from stratum1.dataplane import native
from stratum1.interchange import TimeState
from stratum1.server import Protection, Record, Responder, Sender, ServerReason, ServerResponse
from stratum1.server._native import native_listener, native_service
from stratum1.server._state_words import STATE_WORDS, state_words
from stratum1.server._tables import Tables
from stratum1.server.service import RateLimit
from stratum1.timescale import NS, UtcNs

_MODULE = native()
_REASONS, _RESPONSES, _PROTECTIONS = list(ServerReason), list(ServerResponse), list(Protection)
_SCENE = 250
"""Requests to one server before the next one."""
_DRAWN = 160
"""More random octets than a request can make anybody draw: 1 + 8 + 8 * 16 + 16."""


@dataclass
class Drawn:
    """Random octets that a test has chosen."""

    octets: bytes
    at: int = 0

    def __call__(self, count: int) -> bytes:
        self.at += count
        return self.octets[self.at - count : self.at]


class Pair:
    """Both responders of one server, each with its own tables."""

    def __init__(self, seed: int, **service: Any) -> None:
        """service: settings that are not left to chance."""
        self.seed = seed
        self.chance = random.Random(seed)
        scene = make_scene(self.chance)
        self.scene = replace(scene, service=replace(scene.service, **service))
        self.maker = Maker(self.scene, self.chance, self.scene.start)
        self.tables = Tables.of(self.scene.service)
        state = make_state(self.chance, self.maker.now)
        self.maker.edges = edges_of(state)
        self.python = Responder(state, self.scene.service, self.scene.listener, self.tables, self.scene.smear)
        service, listener = native_service(self.scene.service), native_listener(self.scene.listener)
        self.native = _MODULE.PureResponder(service, listener, state_words(state, self.scene.smear))
        self.seen: dict[Record, int] = {}
        self.told = 0.8  # how often the tables learn when a reply left

    def run(self, count: int) -> None:
        for number in range(count):
            if self.chance.random() < 0.02:
                self.publish(make_state(self.chance, self.maker.now))
            if self.chance.random() < 0.002:
                self.native.clear()
                if self.tables.interleaved is not None:
                    self.tables.interleaved.clear()
            self.ask(self.maker.make(), number)

    def publish(self, state: TimeState) -> None:
        self.maker.edges = edges_of(state)
        self.python = self.python.renewed(state)
        self.native.publish(state_words(state, self.scene.smear))

    def ask(self, asked: Asked, number: int) -> bytes | None:
        """Have one request answered by both; the reply."""
        octets = self.chance.randbytes(_DRAWN)
        drawn = Drawn(octets)
        outcome = self.python.reply(asked.request, asked.sender, asked.received, asked.sent, drawn)
        told = self.native.reply(asked.request, asked.sender, asked.received, asked.sent, octets)
        version, reason, response, protection, reply, saved, count = told
        record = Record(version, _REASONS[reason], _RESPONSES[response], _PROTECTIONS[protection])
        expected = (outcome.record, outcome.reply, outcome.saved, drawn.at)
        assert (record, reply, saved, count) == expected, f"scene {self.seed}, request {number}: {asked.request.hex()}"
        assert reply is None or len(reply) <= len(asked.request)
        assert drawn.at <= _DRAWN
        self.seen[record] = self.seen.get(record, 0) + 1
        self.maker.answered(asked, reply, saved)
        if saved is not None and self.chance.random() < self.told:
            left = asked.sent + self.chance.randrange(-1000, 20_000)
            self.native.sent(saved, left)
            if self.tables.interleaved is not None:
                self.tables.interleaved.sent(saved, left)
        return outcome.reply


def compare(scenes: range) -> dict[Record, int]:
    """Compare in many scenes; how often each record was seen."""
    seen: dict[Record, int] = {}
    for seed in scenes:
        pair = Pair(seed)
        pair.run(_SCENE)
        for record, count in pair.seen.items():
            seen[record] = seen.get(record, 0) + count
    return seen


def test_the_enumerations_have_the_same_order() -> None:
    assert [str(reason) for reason in ServerReason] == _MODULE.REASONS
    assert [str(response) for response in ServerResponse] == _MODULE.RESPONSES
    assert [str(protection) for protection in Protection] == _MODULE.PROTECTIONS
    assert _MODULE.STATE_WORDS == STATE_WORDS


def test_both_take_stamps_to_served_time_alike() -> None:
    chance = random.Random(1)
    for seed in range(200):
        pair = Pair(seed)
        state = make_state(chance, pair.maker.now)
        pair.publish(state)
        for mapping, monotonic in ((state.realtime, False), (state.monotonic, True)):
            stamp = (mapping.source_ns if mapping else 0) + chance.randrange(-(10**11), 10**11)
            assert pair.native.served(stamp, monotonic) == (mapping.served(stamp) if mapping else None)


def test_both_give_the_same_octets_and_records() -> None:
    seen = compare(range(80))
    assert {record.reason for record in seen} == set(ServerReason)
    assert {record.response for record in seen} == set(ServerResponse)
    for response in ServerResponse:  # each often enough to mean something
        assert sum(count for record, count in seen.items() if record.response is response) > 30, response


_LIMIT = RateLimit(interval_ns=1 << 22, burst=2, leak=0, kiss=0, slots=256)


@pytest.mark.parametrize(
    ("limit", "steps", "told"),
    [
        pytest.param(_LIMIT, (0, 10_000, 1 << 20), 0.8, id="as it is"),
        pytest.param(replace(_LIMIT, interval_ns=1 << 30, burst=1), (*(0,) * 300, 1 << 28), 0.8, id="buckets that are full at one instant"),
        pytest.param(None, (*(0,) * 300, 1 << 22), 0.0, id="replies that leave at one instant"),
    ],
)
def test_full_tables_forget_the_same(limit: RateLimit | None, steps: tuple[int, ...], told: float) -> None:
    for seed in range(4):
        pair = Pair(seed, rate_limit=limit, interleaved_slots=256)
        pair.told = told
        clients = [Sender(pair.chance.randbytes(pair.chance.choice((4, 16))), 40_000) for _ in range(600)]
        pair.publish(replace(LOCKED, reference_time=UtcNs(pair.maker.now - NS), valid_until=UtcNs(pair.maker.now + 3600 * NS)))
        saved: list[tuple[Sender, bytes]] = []
        for number in range(2000):
            pair.maker.now += pair.chance.choice(steps)
            sender, receive = (
                pair.chance.choice(saved) if saved and pair.chance.random() < 0.5 else (pair.chance.choice(clients), b"12345671")
            )
            request = b"\x23" + bytes(23) + receive + pair.chance.randbytes(16)
            asked = Asked(request, sender, UtcNs(pair.maker.now), UtcNs(pair.maker.now + 20_000))
            reply = pair.ask(asked, number)
            if reply is not None:
                saved.append((sender, reply[32:40]))
                del saved[:-400]
        table = pair.tables.interleaved
        assert table is not None
        assert table.used > 200 or limit != _LIMIT or pair.scene.listener.access  # full groups were met


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_million_requests() -> None:
    compare(range(1000, 1000 + 1_000_000 // _SCENE))

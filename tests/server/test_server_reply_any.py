"""Whatever comes: no exception, no reply that is longer than its request, none to a reply, chance only as it is told.

And the fast path is the same as the long way.
"""

from dataclasses import replace

import pytest
from asking import HERE, HERE6, KEYS, RECEIVED, REQUEST, RING, SENT, UID, Desk, NtsClient, extension, rule
from asking5 import DRAFT_FIELD, ask5
from hypothesis import example, given, settings
from hypothesis import strategies as st
from served_states import LOCKED, NOW

from stratum1.interchange import Leap, LeapPlan, TimeState
from stratum1.nts.aead import Aead
from stratum1.server import Outcome, Record, Responder, Sender, ServerReason, ServerResponse, Smear
from stratum1.server._tables import Tables
from stratum1.server.service import AccessAction, ListenerSettings, RateLimit, ServiceSettings
from stratum1.timescale import NS, UtcNs

FULL = ServiceSettings(KEYS, RateLimit(burst=2, slots=256), 256, True, RING, 12345)
NEAR_LEAP = replace(LOCKED, smeared_leap=LeapPlan(UtcNs(NOW + 3600 * NS), 1, 38, ()), tai_offset=37)
STATES = st.sampled_from(
    [LOCKED, replace(LOCKED, leap=Leap.UNKNOWN, stratum=16, refid=bytes(4)), replace(LOCKED, realtime=None), NEAR_LEAP]
)
LISTENERS = st.sampled_from(
    [
        ListenerSettings(),
        ListenerSettings(require_nts=True),
        ListenerSettings((rule("192.0.2.0/24", AccessAction.DENY), rule("2001:db8::/32", AccessAction.IGNORE))),
        ListenerSettings(own=frozenset({(HERE.address, 123)})),
    ]
)
SENDERS = st.builds(Sender, st.sampled_from([HERE.address, HERE6.address, b"\1\2\3\4"]), st.sampled_from([0, 1, 123, 40_000]))
SOUND = [REQUEST, REQUEST + UID, ask5(), ask5(1, 2, 77, DRAFT_FIELD + UID + extension(0xF505, bytes(4)))]
SOUND += [NtsClient(aead).request(placeholders) for aead in Aead for placeholders in (0, 7)]
SOUND += [NtsClient(aead, version5=True).request(3, ask5()) for aead in Aead]
SOUND += [
    packet + key.key_id.to_bytes(4, "big") + key.digest(packet)[: key.kind.lengths[0]] for key in KEYS.values() for packet in SOUND[:2]
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A sound request with some of its octets changed, cut, doubled or followed by others."""
    octets = bytearray(draw(st.sampled_from(SOUND)))
    for _ in range(draw(st.integers(0, 4))):
        octets[draw(st.integers(0, len(octets) - 1))] = draw(st.integers(0, 255))
    start, end = sorted((draw(st.integers(0, len(octets))), draw(st.integers(0, len(octets)))))
    match draw(st.integers(0, 4)):
        case 0:
            del octets[start:]
        case 1:
            octets += octets[start:end]
        case 2:
            octets += draw(st.binary(max_size=120))
        case _:
            pass
    return bytes(octets)


HOSTILE = (
    st.binary(max_size=300)
    | st.builds(lambda first, rest: bytes([first]) + REQUEST[1:] + rest, st.integers(0, 255), st.binary(max_size=120))
    | st.builds(lambda first, size: bytes([first]) * size, st.integers(0, 255), st.integers(0, 65_507))
    | st.builds(lambda first, rest: bytes([first, *bytes(47)]) + b"".join(extension(*one) for one in rest), st.sampled_from([0x23, 0x2B]),
                st.lists(st.tuples(st.integers(0, 0x800) | st.integers(0xF500, 0xF5FF), st.binary(min_size=12, max_size=150)), max_size=9))
    | mutated()
)  # fmt: skip


def _check(desk: Desk, request: bytes, sender: Sender, outcome: Outcome) -> None:
    record, reply, saved = outcome
    assert 0 <= record.version <= 7
    assert (reply is None) == (record.response is ServerResponse.IGNORE)
    assert sum(desk.drawn) <= 1 + 8 + 8 * 16 + 16
    assert desk.drawn == sorted(desk.drawn[:1]) + desk.drawn[1:]
    if reply is None:
        assert desk.drawn in ([], [1])
        assert saved is None
        return
    assert next(octets for octets in desk.drawn if octets != 1) == 8
    assert len(reply) <= len(request)
    assert len(reply) % 4 == 0
    assert sender.port != 0
    assert reply[0] >> 3 & 7 == request[0] >> 3 & 7
    assert reply[0] & 7 == (2 if request[0] & 7 == 1 else 4)
    assert reply[32:40] != reply[40:48]
    if record.version < 5 and record.response is not ServerResponse.INTERLEAVED:
        assert reply[24:32] == request[40:48]
    # a reply is not a request, wherever it comes from
    for port in (123, 40_000):
        assert desk.ask(reply, Sender(sender.address, port)).reply is None


@settings(deadline=None, max_examples=1500)
@given(request=HOSTILE, state=STATES, sender=SENDERS, listener=LISTENERS, chance=st.binary(max_size=24), repeat=st.integers(1, 3))
@example(request=b"\x23" * 65_507, state=LOCKED, sender=HERE, listener=ListenerSettings(), chance=b"", repeat=1)
def test_whatever_comes(request: bytes, state: TimeState, sender: Sender, listener: ListenerSettings, chance: bytes, repeat: int) -> None:
    smear = Smear.LINEAR if state is NEAR_LEAP else Smear.NONE
    desk = Desk(FULL, listener, state, smear, chance)
    for _ in range(repeat):
        desk.drawn.clear()
        outcome = desk.ask(request, sender)
    drawn = list(desk.drawn)
    _check(desk, request, sender, outcome)
    assert drawn == desk.drawn[: len(drawn)]


@settings(deadline=None)
@given(request=mutated(), received=st.integers(-(2**62), 2**62), held=st.integers(-(2**62), 2**62))
def test_no_time_is_too_strange(request: bytes, received: int, held: int) -> None:
    desk = Desk(FULL)
    outcome = desk.ask(request, HERE, UtcNs(received), UtcNs(received + held))
    if outcome.record.response in (ServerResponse.TIME, ServerResponse.INTERLEAVED):
        assert 0 <= held <= NS


# the fast path

SERVICES = [
    ServiceSettings(),
    FULL,
    ServiceSettings(interleaved_slots=0),
    ServiceSettings(rate_limit=RateLimit(burst=1, slots=256, leak=0)),
]


@settings(deadline=None, max_examples=400)
@given(
    first=st.sampled_from([0x0B, 0x13, 0x1B, 0x23, 0xE3]) | st.integers(0, 255),
    middle=st.binary(min_size=47, max_size=47) | st.just(bytes(47)) | st.just(bytes(15) + b"NTP5DRFT" + bytes(24)),
    state=STATES | st.just(replace(LOCKED, reference_time=UtcNs(0))) | st.just(replace(LOCKED, bound_rate=1e-3, error_bound=1e-5)),
    sender=SENDERS,
    listener=LISTENERS,
    service=st.sampled_from(SERVICES),
    late=st.integers(-3 * NS, 70 * NS) | st.integers(0, NS) | st.integers(-NS - 2000, -NS + 2000),
    chance=st.binary(min_size=16, max_size=16),
)
def test_the_fast_path_is_the_long_way(
    first: int,
    middle: bytes,
    state: TimeState,
    sender: Sender,
    listener: ListenerSettings,
    service: ServiceSettings,
    late: int,
    chance: bytes,
) -> None:
    request = bytes([first]) + middle
    quick, slow = Desk(service, listener, state, chance=chance), Desk(service, listener, state, chance=chance)
    slow.responder._steady = (1 << 200, 1 << 200, b"")  # so that nothing is fast
    for order in range(4):
        received = UtcNs(NOW + order * late)
        plain = quick.responder.plain(request, *sender, received, UtcNs(received + 999), lambda: int.from_bytes(quick.entropy(8)))
        expected = slow.ask(request, sender, received, UtcNs(received + 999))
        if plain is None:
            assert quick.ask(request, sender, received, UtcNs(received + 999)) == expected
        else:
            assert Outcome(Record(first >> 3 & 7, ServerReason.SYNCHRONISED, ServerResponse.TIME), plain) == expected
        assert quick.drawn == slow.drawn


def test_the_fast_path_is_taken_by_nearly_all() -> None:
    # a state is replaced several times a second, and its reference time is that of the last pulse
    responder, at = Desk(FULL, state=replace(LOCKED, reference_time=NOW)).responder, UtcNs(NOW + 1000)
    for request in (REQUEST, b"\xe3" + REQUEST[1:], b"\x1b" + bytes(47), b"\x13" + bytes(47)):
        assert responder.plain(request, b"\1\2\3" + request[:1], 5, at, UtcNs(at + 1), int) is not None
    assert responder.plain(REQUEST, HERE6.address, 5, at, UtcNs(at + 1), int) is not None


@pytest.mark.parametrize("rate", [0.0, 15e-6, 1e-3])
def test_the_fast_path_keeps_up_with_a_growing_bound(rate: float) -> None:
    desk = Desk(state=replace(LOCKED, bound_rate=rate))
    for late in range(0, 60 * NS, NS // 7):
        at = UtcNs(NOW + late)
        assert desk.responder.plain(REQUEST, *HERE, at, at, int) is not None
        assert desk.answer(received=at, sent=at).root_dispersion / 65536 >= LOCKED.error_bound + rate * late / NS


def test_a_renewed_responder_keeps_rules_and_tables() -> None:
    tables = Tables.of(FULL)
    responder = Responder(LOCKED, FULL, ListenerSettings(require_nts=True), tables)
    renewed = responder.renewed(replace(LOCKED, stratum=2))
    outcome = renewed.reply(NtsClient().request(), HERE, RECEIVED, SENT, bytes)
    assert outcome.reply is not None
    assert outcome.reply[1] == 2
    assert renewed.reply(REQUEST, HERE, RECEIVED, SENT, bytes).record == Record(4, ServerReason.NTS_REQUIRED, ServerResponse.KISS_RSTR)
    assert renewed.reply(REQUEST, HERE, RECEIVED, SENT, lambda count: b"\xff" * count).record.reason is ServerReason.RATE_LIMITED

"""Access rules, kisses and the rate limit: who is answered, who is told why not, and that nobody can mute anybody else."""

from dataclasses import replace

import pytest
from asking import HERE, HERE6, RECEIVED, REQUEST, SENT, UID, Desk, NtsClient, rule
from hypothesis import given
from hypothesis import strategies as st
from served_states import NOW

from stratum1.ntp import Mode, Packet, parse
from stratum1.server import Outcome, Protection, Record, Sender, ServerReason, ServerResponse
from stratum1.server._access import AccessList
from stratum1.server._rules import Rules
from stratum1.server._smear import Smear
from stratum1.server._tables import RateTable, Tables, network_hash
from stratum1.server.service import AccessAction, ListenerSettings, RateLimit, ServiceSettings
from stratum1.timescale import NS, UtcNs

ALLOW, DENY, IGNORE, NTS = AccessAction.ALLOW, AccessAction.DENY, AccessAction.IGNORE, AccessAction.REQUIRE_NTS


def kiss(reply: bytes | None) -> tuple[str, int, int, int, int]:
    """Code, leap, stratum, and poll of a kiss; it says nothing of the time but its timestamps."""
    assert reply is not None
    packet = parse(reply)
    assert (packet.root_delay, packet.root_dispersion, packet.reference) == (65_536, 65_536, 0)
    return packet.refid.decode(), packet.leap, packet.stratum, packet.poll, len(reply)


@pytest.mark.parametrize(
    ("address", "action"),
    [
        ("192.0.2.7", DENY),
        ("192.0.2.8", ALLOW),
        ("192.0.3.1", IGNORE),
        ("10.0.0.1", ALLOW),
        ("2001:db8::1", NTS),
        ("2001:db8:0:5::1", DENY),
        ("2001:db9::1", IGNORE),
    ],
)
def test_the_longest_prefix_decides(address: str, action: AccessAction) -> None:
    rules = (
        *(rule("192.0.0.0/16", IGNORE), rule("192.0.2.0/24", ALLOW), rule("192.0.2.7/32", DENY)),
        *(rule("::/0", IGNORE), rule("2001:db8::/32", NTS), rule("2001:db8:0:5::/64", DENY)),
    )
    packed = rule(address, ALLOW).network.network_address.packed
    assert AccessList(ListenerSettings(rules)).action(packed) is action


def test_of_equal_networks_the_later_rule_holds_and_require_nts_is_for_whom_is_allowed() -> None:
    listed = AccessList(
        ListenerSettings((rule("10.0.0.0/8", DENY), rule("10.0.0.0/8", ALLOW), rule("0.0.0.0/0", IGNORE)), require_nts=True)
    )
    assert listed.action(bytes((10, 1, 1, 1))) is NTS
    assert listed.action(bytes((11, 1, 1, 1))) is IGNORE
    assert listed.action(bytes(16)) is NTS


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32), st.sampled_from(list(AccessAction))), max_size=20), st.data())
def test_it_is_the_longest_prefix_for_any_rules(drawn: list[tuple[int, int, AccessAction]], data: st.DataObject) -> None:
    rules = {(base >> 32 - size << 32 - size, size): action for base, size, action in drawn}
    listed = AccessList(ListenerSettings(tuple(rule(f"{base >> 24}.{base >> 16 & 255}.{base >> 8 & 255}.{base & 255}/{size}", action)
                                               for (base, size), action in rules.items())))  # fmt: skip
    near = st.sampled_from([base for base, _ in rules]).map(lambda base: base ^ 1) if rules else st.nothing()
    address = data.draw(st.integers(0, 2**32 - 1) | near)
    holding = [(size, action) for (base, size), action in rules.items() if address >> 32 - size << 32 - size == base]
    assert listed.action(address.to_bytes(4, "big")) is max(holding, default=(0, ALLOW), key=lambda found: found[0])[1]


def test_denied_is_told_and_ignored_is_not() -> None:
    desk = Desk(listener=ListenerSettings((rule("192.0.2.7/32", DENY), rule("2001:db8::/32", IGNORE))))
    outcome = desk.ask(REQUEST)
    assert outcome.record == Record(4, ServerReason.ACCESS_DENIED, ServerResponse.KISS_DENY)
    assert kiss(outcome.reply) == ("DENY", 3, 0, 6, 48)
    assert desk.ask(REQUEST, HERE6) == Outcome(Record(4, ServerReason.ACCESS_IGNORED, ServerResponse.IGNORE), None)


def test_facts_kod_origin_matches_and_mode_1_and_replies_get_none() -> None:
    """FACTS, KoD: stratum 0 and the code in the refid, only with the request's origin; replies are never answered."""
    desk = Desk(listener=ListenerSettings((rule("0.0.0.0/0", DENY),)))
    packet = desk.answer()
    assert (packet.mode, packet.origin) == (Mode.SERVER, 0xFEDCBA9876543210)
    assert 0 < packet.transmit - packet.receive < 1 << 20
    assert desk.ask(b"\x21" + REQUEST[1:]) == Outcome(Record(4, ServerReason.ACCESS_DENIED, ServerResponse.IGNORE), None)
    assert desk.ask(packet.to_bytes()).record.reason is ServerReason.NOT_A_REQUEST


@pytest.mark.parametrize(("silent", "response"), [(False, ServerResponse.KISS_RSTR), (True, ServerResponse.IGNORE)])
@pytest.mark.parametrize("everywhere", [False, True])
def test_where_nts_is_required_plain_requests_are_refused(silent: bool, response: ServerResponse, everywhere: bool) -> None:
    rules = () if everywhere else (rule("192.0.2.0/24", NTS),)
    desk = Desk(listener=ListenerSettings(rules, require_nts=everywhere, nts_only_silence=silent))
    for request in (REQUEST, REQUEST + UID, REQUEST + bytes(3) + b"\1" + b"d" * 16, b"\x1b" + REQUEST[1:]):
        outcome = desk.ask(request)
        assert outcome.record == Record(request[0] >> 3 & 7, ServerReason.NTS_REQUIRED, response)
        if not silent:
            assert kiss(outcome.reply) == ("RSTR", 3, 0, 6, 48)


def test_our_own_listening_address_is_never_answered() -> None:
    desk = Desk(listener=ListenerSettings(own=frozenset({(HERE.address, 123)})))
    assert desk.ask(REQUEST, Sender(HERE.address, 123)) == Outcome(Record(4, ServerReason.OWN_ADDRESS, ServerResponse.IGNORE), None)
    assert desk.ask(REQUEST, Sender(HERE.address, 124)).reply is not None
    assert desk.ask(REQUEST, Sender(bytes(4), 123)).reply is not None


LIMIT = RateLimit(interval_ns=1 << 30, burst=4, leak=64, kiss=32, slots=256)


def at(seconds: float) -> UtcNs:
    return UtcNs(RECEIVED + round(seconds * (1 << 30)))


def test_a_burst_is_answered_and_then_one_request_an_interval() -> None:
    table = RateTable(LIMIT)
    answered = [table.allowed(77 << 32, at(moment)) for moment in (0, 0, 0, 0, 0, 0.5, 1.0, 1.0, 1.5, 2.0, 100, 100, 100, 100, 100)]
    assert answered == [True] * 4 + [False, False, True, False, False, True] + [True] * 4 + [False]


def test_facts_rate_limit_leaks() -> None:
    """FACTS, rate limit: of what is over it, leak of 256 are answered, kiss of 256 are told, the rest meets silence."""
    seen: dict[ServerResponse, int] = {}
    for octet in range(256):
        desk = Desk(ServiceSettings(rate_limit=replace(LIMIT, burst=1)), chance=bytes([octet]))
        desk.chance = bytes(8) + desk.chance
        assert desk.ask(REQUEST).record.reason is ServerReason.SYNCHRONISED
        outcome = desk.ask(REQUEST)
        seen[outcome.record.response] = seen.get(outcome.record.response, 0) + 1
        if outcome.record.response is ServerResponse.TIME:
            assert outcome.record == Record(4, ServerReason.SYNCHRONISED, ServerResponse.TIME)
            assert desk.drawn == [8, 1, 8]
        else:
            assert outcome.record.reason is ServerReason.RATE_LIMITED
            assert desk.drawn == ([8, 1, 8] if outcome.reply else [8, 1])
    assert seen == {ServerResponse.TIME: 64, ServerResponse.KISS_RATE: 32, ServerResponse.IGNORE: 160}


@pytest.mark.parametrize(("interval", "poll"), [(1 << 20, -9), (31_250_000, -5), (1_000_000_000, 0), (1_000_000_001, 1), (1 << 36, 7)])
def test_facts_poll_is_raised_to_the_rate_limit(interval: int, poll: int) -> None:
    """FACTS, poll: the server echoes it; with RATE it is no less than the interval of the limit, log2 s, signed."""
    limit = RateLimit(interval_ns=interval, burst=1, leak=0, kiss=256, slots=256)
    for asked in (-128, -1, 3, 127):
        desk = Desk(ServiceSettings(rate_limit=limit))
        request = Packet(4, Mode.CLIENT, poll=asked).to_bytes()
        assert desk.answer(request).poll == asked
        assert kiss(desk.ask(request).reply)[:4] == ("RATE", 3, 0, max(asked, poll))


@pytest.mark.parametrize("interval", [1 << 20, 3 << 20, 1_000_000_000, 999_999_999, 1 << 36])
def test_the_poll_of_an_interval_is_the_shortest_that_is_no_shorter(interval: int) -> None:
    poll = Rules(ServiceSettings(rate_limit=replace(LIMIT, interval_ns=interval)), ListenerSettings(), Tables(), Smear.NONE).least_poll
    assert 2.0**poll * NS >= interval > 2.0 ** (poll - 1) * NS


def test_a_packet_over_the_limit_that_carries_a_cookie_is_counted_as_nts() -> None:
    desk = Desk(ServiceSettings(rate_limit=RateLimit(interval_ns=1 << 30, burst=1, leak=0, kiss=0, slots=256)))
    assert desk.ask(NtsClient().request()).record.reason is ServerReason.NTS_NOT_SERVED
    assert desk.ask(NtsClient().request()).record == Record(4, ServerReason.RATE_LIMITED, ServerResponse.IGNORE, Protection.NTS)
    assert desk.ask(REQUEST + UID).record == Record(4, ServerReason.RATE_LIMITED, ServerResponse.IGNORE)
    assert desk.ask(b"\x1b" + REQUEST[1:]).record == Record(3, ServerReason.RATE_LIMITED, ServerResponse.IGNORE)


def test_one_ipv6_network_is_one_client_and_others_are_not_touched() -> None:
    desk = Desk(ServiceSettings(rate_limit=replace(LIMIT, burst=1, leak=0, kiss=0)))
    neighbour = Sender(HERE6.address[:8] + bytes(7) + b"\x99", 1)
    other = Sender(HERE6.address[:7] + b"\x02" + bytes(8), 1)
    reasons = [desk.ask(REQUEST, sender).record.reason for sender in (HERE6, neighbour, other, HERE)]
    assert [reason is ServerReason.RATE_LIMITED for reason in reasons] == [False, True, False, False]


def test_being_over_the_limit_does_not_prolong_it() -> None:
    desk = Desk(ServiceSettings(rate_limit=replace(LIMIT, burst=1, leak=0, kiss=0)))
    assert desk.ask(REQUEST).reply
    for step in range(1, 1000):
        assert desk.ask(REQUEST, received=at(step / 1000), sent=UtcNs(at(step / 1000) + 1)).reply is None
    assert desk.ask(REQUEST, received=at(1), sent=UtcNs(at(1) + 1)).reply


def test_a_clock_that_was_set_back_limits_nobody() -> None:
    table = RateTable(replace(LIMIT, burst=1))
    assert table.allowed(5 << 32, at(0))
    assert table.allowed(5 << 32, at(-3600))


def test_the_fullest_bucket_makes_room_and_memory_does_not_grow() -> None:
    table = RateTable(replace(LIMIT, burst=1))
    same_group = [tag << 32 | 8 for tag in range(1, 6)]
    assert all(table.allowed(hashed, at(0.001 * order)) for order, hashed in enumerate(same_group))
    assert not table.allowed(same_group[4], at(0.1))
    assert table.allowed(same_group[0], at(0.1)), "the first was pushed out by the fifth"
    for number in range(5000):
        table.allowed(network_hash(1, number.to_bytes(4, "big")), at(1))
    assert table.used(at(1)) == table.slots == 256
    assert table.used(at(3600)) == 0, "all are full again"


def test_of_a_large_table_it_is_estimated_how_full_it_is() -> None:
    table = RateTable(RateLimit(slots=1 << 18))
    for number in range(20_000):
        table.allowed(network_hash(1, number.to_bytes(4, "big")), at(1))
    assert table.used(at(1)) == pytest.approx(20_000, rel=0.15)
    assert table.used(at(1)) != 20_000


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (ServiceSettings(rate_limit=RateLimit(interval_ns=1)), "interval_ns: 1 is not within"),
        (ServiceSettings(rate_limit=RateLimit(burst=0)), "burst"),
        (ServiceSettings(rate_limit=RateLimit(leak=200, kiss=57)), r"leak \+ kiss: 257"),
        (ServiceSettings(rate_limit=RateLimit(slots=300)), "slots: 300 is no power of two"),
        (ServiceSettings(interleaved_slots=128), "interleaved_slots: 128 is not within"),
        (ServiceSettings(hash_seed=1 << 64), "hash_seed"),
        (ServiceSettings(reference_ids=b""), "reference_ids: 0 octets, not 512"),
    ],
)
def test_settings_that_cannot_be_are_named(settings: ServiceSettings, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Tables.of(settings)


def test_a_refused_request_is_not_looked_into() -> None:
    desk = Desk(listener=ListenerSettings((rule("0.0.0.0/0", IGNORE),)))
    for request in (REQUEST + bytes(8), NtsClient().request()):
        assert desk.ask(request).record.reason is ServerReason.ACCESS_IGNORED
    assert desk.drawn == []
    assert desk.ask(REQUEST, received=SENT, sent=NOW).record.reason is ServerReason.ACCESS_IGNORED

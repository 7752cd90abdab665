"""What the eBPF program is told, checked by integer arithmetic as the program does it, against what the values themselves say."""

from dataclasses import replace
from fractions import Fraction
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from served_states import LOCKED, NOW

from stratum1.interchange import KernelClockId, Leap, LeapPlan, Mapping
from stratum1.server import Smear, parse_listen
from stratum1.server._xdp_words import UnfitError, entries, limit_words, state_words
from stratum1.server.service import AccessAction, AccessRule, ListenerSettings, RateLimit
from stratum1.timescale import NS, UtcNs, ntp_short, utc_from_ntp
from stratum1.xdp import FLAG_SMEAR, FLAG_USABLE, LISTENER_RULES4, LISTENER_SMEAR, VALID_BITS, Word, access_key, listener_key

SOURCE = 86_400 * NS
MONOTONIC = Mapping(0, KernelClockId.MONOTONIC, SOURCE, NOW, 0.0)
GOOD = replace(LOCKED, monotonic=MONOTONIC, valid_until=UtcNs(NOW + 4 * NS))
EVERYWHERE = parse_listen("[::]:123")
HERE4, HERE6 = ip_address("192.0.2.1"), ip_address("2001:db8::1")


def told(words: dict[Word, int], at: int) -> int:
    """The served time at a reading of CLOCK_MONOTONIC, as the program computes it, NTP's 64 bits."""
    elapsed = at - words[Word.SOURCE]
    assert 0 <= elapsed < holds(words)
    scale = words[Word.MULTIPLIER]
    for product in ((elapsed >> 16) * scale, (elapsed & 0xFFFF) * scale):
        assert product < 1 << 64
    return words[Word.BASE] + ((elapsed >> 16) * scale >> 28) + ((elapsed & 0xFFFF) * scale >> 44) & (1 << 64) - 1


def dispersion(words: dict[Word, int], at: int) -> int:
    elapsed = at - words[Word.SOURCE]
    assert elapsed * (words[Word.GROWTH] >> VALID_BITS) < 1 << 64
    bound = words[Word.BOUND] + (elapsed * (words[Word.GROWTH] >> VALID_BITS) >> 25)
    return (bound + (1 << 28) - 1) >> 28 if bound > 0 else 1


def holds(words: dict[Word, int]) -> int:
    return words[Word.GROWTH] & (1 << VALID_BITS) - 1


@given(rate=st.floats(-0.1, 0.1), elapsed=st.integers(0, 4 * NS), served=st.integers(NOW - 2**60, NOW + 2**60))
def test_the_served_time_is_within_a_nanosecond_of_the_mapping(rate: float, elapsed: int, served: int) -> None:
    mapping = Mapping(0, KernelClockId.MONOTONIC, SOURCE, UtcNs(served), rate)
    state = replace(GOOD, monotonic=mapping, bound_at=UtcNs(served), valid_until=UtcNs(served + 5 * NS))
    words = state_words(state, None)
    found = utc_from_ntp(told(words, SOURCE + elapsed), UtcNs(served))  # type: ignore[arg-type]  # a timestamp
    exact = served + elapsed + Fraction(rate) * elapsed
    assert abs(found - exact) <= 1
    assert abs(found - mapping.served(SOURCE + elapsed)) <= 1


@given(
    rate=st.floats(-0.1, 0.1),
    bound_at=st.integers(NOW - 100 * NS, NOW + 2 * NS),
    bound=st.floats(0, 1),
    growth=st.floats(0, 1e-3),
    delay=st.floats(0, 1),
    later=st.integers(0, NS),
)
def test_the_root_dispersion_is_a_bound_and_no_larger_than_needed(
    *, rate: float, bound_at: int, bound: float, growth: float, delay: float, later: int
) -> None:
    state = replace(
        GOOD,
        monotonic=replace(MONOTONIC, rate=rate),
        bound_at=UtcNs(bound_at),
        error_bound=bound,
        bound_rate=growth,
        root_delay=delay,
        valid_until=UtcNs(NOW + 6 * NS),
    )
    words = state_words(state, None)
    at = words[Word.SOURCE] + later
    served = state.monotonic.served(at) if state.monotonic else 0
    expected = ntp_short(state.root_dispersion_at(UtcNs(served))) or 1
    assert expected <= dispersion(words, at) <= expected + 1


def test_header_and_reference() -> None:
    state = replace(GOOD, leap=Leap.DELETE, stratum=3, precision=-20, refid=b"\1\2\3\4", root_delay=1 / 65536)
    words = state_words(state, None)
    assert words[Word.HEADER] == FLAG_USABLE | 0xEC_0C_03_80
    assert words[Word.REFID] == 0x0100_0000_0403_0201
    assert state_words(replace(state, precision=-40), None)[Word.HEADER] >> 16 & 0xFF == 0
    assert state_words(replace(state, precision=3), None)[Word.HEADER] >> 16 & 0xFFFF == 31
    assert state_words(replace(state, smeared_leap=LeapPlan(UtcNs(NOW), 1, 38, ())), None)[Word.HEADER] & FLAG_SMEAR


def test_a_state_holds_until_it_says_and_never_longer_than_the_program_can_count() -> None:
    assert holds(state_words(GOOD, None)) == 4 * NS + 1
    assert holds(state_words(replace(GOOD, valid_until=UtcNs(NOW + 3600 * NS)), None)) == (1 << 33) - 1
    assert holds(state_words(replace(GOOD, valid_until=UtcNs(NOW - 3600 * NS)), None)) == 1
    fast = replace(GOOD, monotonic=replace(MONOTONIC, rate=0.1), valid_until=UtcNs(NOW + NS))
    assert abs(holds(state_words(fast, None)) - NS / 1.1) <= 2


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"leap": Leap.UNKNOWN}, "not known"),
        ({"stratum": 16}, "not known"),
        ({"stratum": 0}, "not known"),
        ({"monotonic": None}, "no mapping"),
        ({"monotonic": replace(MONOTONIC, rate=0.2)}, "beyond its numbers"),
        ({"error_bound": 20.0}, "beyond its numbers"),
        ({"bound_rate": 0.01}, "beyond its numbers"),
    ],
)
def test_what_the_program_must_not_tell_is_left_to_the_sockets(changes: dict[str, object], why: str) -> None:
    with pytest.raises(UnfitError, match=why):
        state_words(replace(GOOD, **changes), None)  # type: ignore[arg-type]  # a field of the state


@pytest.mark.parametrize("sign", [1, -1])
def test_around_a_leap_second_the_sockets_answer_alone(sign: int) -> None:
    plan = LeapPlan(UtcNs(NOW + 2 * NS), sign, 38, ("list",))
    assert holds(state_words(GOOD, plan)) == NS + 1
    for after in (NS, 2 * NS, 4 * NS):
        with pytest.raises(UnfitError, match="leap second"):
            state_words(replace(GOOD, bound_at=UtcNs(NOW + after)), plan)
    assert state_words(replace(GOOD, bound_at=UtcNs(NOW + 5 * NS), valid_until=UtcNs(NOW + 9 * NS)), plan)


def test_the_rate_limit_in_the_units_of_the_program() -> None:
    assert limit_words(None, 7, 65536) == {}
    words = limit_words(RateLimit(interval_ns=NS // 32, burst=128, leak=64, kiss=32, slots=65536), 7, 4096)
    assert words[Word.INTERVAL] == NS // 32 >> 10
    assert words[Word.BURST] == 127 * (NS // 32) >> 10
    assert words[Word.ODDS] == 64 | 96 << 16 | 4095 << 32
    assert (words[Word.SEED], words[Word.KISS_POLL]) == (7, 0xFB)  # 2^-5 s
    assert limit_words(RateLimit(interval_ns=1 << 36), 7, 65536)[Word.KISS_POLL] == 7


def test_wildcards_are_spelt_out_and_a_single_address_goes_first() -> None:
    own = replace(parse_listen("192.0.2.1:123"), smear=Smear.LINEAR)
    found = entries((EVERYWHERE, own), {5: (HERE4, HERE6)}, (HERE4, HERE6, ip_address("127.0.0.1")))
    assert found.listeners[listener_key(5, 123, HERE4)] == 1 | LISTENER_SMEAR
    assert found.listeners[listener_key(5, 123, HERE6)] == 0
    assert listener_key(5, 123, ip_address("127.0.0.1")) not in found.listeners
    assert listener_key(0, 123, ip_address("127.0.0.1")) in found.listeners
    assert (found.ports, found.left_out) == (0x7B00, ())


def test_ipv6_alone_takes_no_ipv4() -> None:
    found = entries((replace(EVERYWHERE, v6_only=True),), {5: (HERE4, HERE6)}, ())
    assert list(found.listeners) == [listener_key(5, 123, HERE6)]


def test_what_the_program_does_not_serve_is_named() -> None:
    strict = replace(parse_listen("192.0.2.1:123"), settings=ListenerSettings(require_nts=True))
    many = [parse_listen(f"192.0.2.1:{port}") for port in range(1001, 1006)]
    found = entries((strict, *many), {5: (HERE4,)}, ())
    assert len(found.listeners) == 4
    assert [sentence.partition(":123: ")[2] or sentence.partition(": ")[0] for sentence in found.left_out] == [
        "NTS is required, which the sockets serve",
        "192.0.2.1:1005",
    ]
    assert len(entries([parse_listen(f"192.0.2.{host}:123") for host in range(1, 30)], {}, ()).left_out) == 13


def test_rules_are_told_by_listener_and_of_two_for_one_network_the_later_one() -> None:
    rules = (
        AccessRule(ip_network("192.0.2.0/24"), AccessAction.DENY),
        AccessRule(ip_network("192.0.2.0/24"), AccessAction.ALLOW),
        AccessRule(ip_network("2001:db8::/32"), AccessAction.IGNORE),
    )
    plain = parse_listen("192.0.2.9:123")
    found = entries((plain, replace(EVERYWHERE, settings=ListenerSettings(access=rules[:2]))), {5: (HERE4,)}, ())
    assert found.access4 == {access_key(1, ip_network("192.0.2.0/24")): 0}
    assert found.access6 == {}
    assert found.listeners == {listener_key(5, 123, HERE4): 1 | LISTENER_RULES4}
    assert entries((replace(EVERYWHERE, settings=ListenerSettings(access=rules)),), {}, ()).access6 == {
        access_key(0, ip_network("2001:db8::/32")): 2
    }

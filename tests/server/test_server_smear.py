"""A leap second spread over a day: continuous, at its due place, the same for all three times of a reply, and never announced."""

import socket
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from served_states import LOCKED, plain_reply
from testkit.served import locked_now

from stratum1.interchange import KernelClockId, Leap, LeapPlan, Mapping, TimeState
from stratum1.ntp import Mode, Packet, parse
from stratum1.server import Server, ServerReason, Smear, StateCell, parse_listen, smear_ns
from stratum1.timescale import NS, NtpTimestamp, UtcNs, from_rfc3339, ntp_short_seconds, utc_from_ntp

END = from_rfc3339("2027-07-01")
NOON, NEXT_NOON = UtcNs(END - 43_200 * NS), UtcNs(END + 43_200 * NS)
REQUEST = Packet(4, Mode.CLIENT, transmit=NtpTimestamp(1)).to_bytes()
SHAPES = [Smear.LINEAR, Smear.COSINE]


def plan(sign: int) -> LeapPlan:
    return LeapPlan(END, sign, 37 + sign, ("list",))


def true_seconds(sign: int) -> list[tuple[int, UtcNs]]:
    """SI seconds since noon, and UTC as clocks count it, without the second that is counted twice."""
    length = 86_400 + sign
    pairs = [(k, UtcNs(NOON + k * NS if k < 43_200 - (sign < 0) else NOON + (k - sign) * NS)) for k in range(-2, length + 3)]
    return [(k, utc) for k, utc in pairs if not (sign > 0 and END - NS <= utc < END)]


def state(now: UtcNs, sign: int, **changes: object) -> TimeState:
    mapping = Mapping(0, KernelClockId.REALTIME, now, now, 0.0)
    made = replace(LOCKED, bound_at=now, reference_time=UtcNs(now - NS), valid_until=UtcNs(now + 4 * NS), realtime=mapping)
    return replace(made, leap=Leap.INSERT if sign > 0 else Leap.DELETE, smeared_leap=plan(sign), **changes)  # type: ignore[arg-type]


def ask(now: UtcNs, sign: int, smear: Smear) -> Packet:
    octets = plain_reply(REQUEST, now, UtcNs(now + 20_000), state(now, sign), 40_000, smear=smear).reply
    assert octets is not None
    return parse(octets)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sign", [1, -1])
def test_shown_time_runs_without_a_step_from_noon_to_noon(shape: Smear, sign: int) -> None:
    shown = [(k, utc + smear_ns(shape, plan(sign), utc)) for k, utc in true_seconds(sign)]
    assert shown[0][1] == NOON - 2 * NS
    assert shown[-1][1] == NEXT_NOON + 2 * NS
    steepest = 0.0
    for (k, before), (later, after) in pairwise(shown):
        rate = (after - before) / ((later - k) * NS) - 1
        assert -sign * rate >= -1e-9
        steepest = max(steepest, abs(rate))
    expected = 1 / (86_400 + sign)
    assert steepest == pytest.approx(expected if shape is Smear.LINEAR else expected * 3.14159265 / 2, rel=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sign", [1, -1])
def test_it_is_half_a_second_off_in_the_middle(shape: Smear, sign: int) -> None:
    before = UtcNs(END - NS - 1)
    assert smear_ns(shape, plan(sign), before) == pytest.approx(-sign * NS / 2, abs=50_000)
    assert smear_ns(shape, plan(sign), END) == pytest.approx(sign * NS / 2, abs=50_000)
    quarter = smear_ns(shape, plan(sign), UtcNs(END - 21_600 * NS))
    assert quarter == pytest.approx(-sign * NS * (0.25 if shape is Smear.LINEAR else 0.146447), abs=20_000)


def test_nothing_is_added_without_a_smear_or_far_away() -> None:
    assert smear_ns(Smear.NONE, plan(1), END) == 0
    assert smear_ns(Smear.LINEAR, None, END) == 0
    for at in (NOON, UtcNs(NOON - 1), NEXT_NOON, UtcNs(0), UtcNs(2**62)):
        assert smear_ns(Smear.LINEAR, plan(1), at) == 0


@given(st.integers(-(2**62), 2**62), st.sampled_from(SHAPES), st.sampled_from([1, -1]))
def test_it_is_never_more_than_half_a_second(at: int, shape: Smear, sign: int) -> None:
    assert abs(smear_ns(shape, plan(sign), UtcNs(at))) <= NS // 2 + 12_000


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("ahead", [-7200, 3600])
def test_all_times_of_a_reply_are_smeared_and_no_leap_is_announced(shape: Smear, sign: int, ahead: int) -> None:
    now = UtcNs(END + ahead * NS)
    packet = ask(now, sign, shape)
    plain = ask(now, sign, Smear.NONE)
    offset = smear_ns(shape, plan(sign), now)
    assert abs(offset) > NS // 4
    for field in ("receive", "transmit", "reference"):
        told = utc_from_ntp(getattr(packet, field), now) - utc_from_ntp(getattr(plain, field), now)
        assert told == pytest.approx(offset, abs=20_000), field
    assert (packet.leap, plain.leap) == (0, 1 if sign > 0 else 2)
    assert packet.root_dispersion == plain.root_dispersion
    assert ntp_short_seconds(packet.root_dispersion) < 1e-3, "else no client would believe it"
    assert packet.refid[0] == 254
    assert int.from_bytes(packet.refid[1:], "big", signed=True) / (1 << 22) == pytest.approx(offset / NS, abs=1e-6)
    assert (plain.refid, packet.stratum) == (b"GPS\0", 1)


def test_outside_the_day_a_smearing_listener_serves_utc() -> None:
    now = UtcNs(END - 50_000 * NS)
    octets = plain_reply(REQUEST, now, UtcNs(now + 1), replace(state(now, 1), smeared_leap=None), 40_000, smear=Smear.LINEAR).reply
    assert octets is not None
    assert parse(octets).refid == b"GPS\0"
    assert parse(octets).leap == 0


@pytest.mark.parametrize("ahead_ns", [-NS, -1])
def test_the_second_that_is_counted_twice_is_not_told(ahead_ns: int) -> None:
    now = UtcNs(END + ahead_ns - (20_000 if ahead_ns == -1 else 0))
    outcome = plain_reply(REQUEST, now, UtcNs(now + 20_000), state(now, 1), 40_000, smear=Smear.LINEAR)
    assert outcome.record.reason is ServerReason.UNSYNCHRONISED
    assert plain_reply(REQUEST, now, UtcNs(now + 20_000), state(now, 1), 40_000).record.reason is ServerReason.SYNCHRONISED


def test_listeners_of_one_server_may_differ() -> None:
    seen = locked_now()
    leap = LeapPlan(UtcNs(seen.bound_at + 3600 * NS), 1, 38, ())
    cell = StateCell(replace(seen, leap=Leap.INSERT, smeared_leap=leap))
    server = Server([replace(parse_listen("127.0.0.1:1"), port=0), replace(parse_listen("127.0.0.1:1"), port=0, smear=Smear.COSINE)], cell)
    server.start()
    try:
        packets = []
        for address in server.addresses:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(5)
                client.sendto(REQUEST, ("127.0.0.1", address.port))
                packets.append(parse(client.recv(512)))
        assert [packet.leap for packet in packets] == [1, 0]
        behind = utc_from_ntp(packets[1].transmit, seen.bound_at) - utc_from_ntp(packets[0].transmit, seen.bound_at)
        assert behind == pytest.approx(-0.4957 * NS, abs=0.1 * NS)
    finally:
        server.stop()

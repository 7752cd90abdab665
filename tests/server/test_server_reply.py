"""The pure reply: which packets are answered, what stands in the answer, and that nothing else ever is."""

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from served_states import LOCKED, NOW, plain_reply

from stratum1.interchange import KernelClockId, Leap, Mapping, TimeState
from stratum1.ntp import ExtensionField, Mac, Mode, Packet, parse, refid_of_address
from stratum1.server import MAX_HOLD_NS, MAX_REQUEST, Outcome, Protection, Record, ServerReason, ServerResponse, check_state
from stratum1.timescale import NS, NtpTimestamp, UtcNs, ntp_short_seconds, ntp_timestamp, utc_from_ntp

RECEIVED = UtcNs(NOW + 5 * NS + 123)
SENT = UtcNs(RECEIVED + 30_000)
CLIENT_PORT = 40_000
BELOW_PRECISION = -1 << 9
"""Drops the bits of a timestamp below 2^-23 s, which are random in a reply (and zero here)."""
REQUEST = Packet(4, Mode.CLIENT, poll=6, precision=32, transmit=NtpTimestamp(0xFEDCBA9876543210)).to_bytes()


def ask(request: bytes, state: TimeState = LOCKED, port: int = CLIENT_PORT) -> Outcome:
    return plain_reply(request, RECEIVED, SENT, state, port)


def answer(request: bytes = REQUEST, state: TimeState = LOCKED) -> Packet:
    octets = ask(request, state).reply
    assert octets is not None
    return parse(octets)


def test_locked_reply_field_by_field() -> None:
    outcome = ask(REQUEST)
    assert outcome.record == Record(4, ServerReason.SYNCHRONISED, ServerResponse.TIME)
    packet = answer()
    assert packet == Packet(
        version=4,
        mode=Mode.SERVER,
        leap=0,
        stratum=1,
        poll=6,
        precision=-23,
        root_dispersion=packet.root_dispersion,
        refid=b"GPS\0",
        reference=ntp_timestamp(LOCKED.reference_time),
        origin=NtpTimestamp(0xFEDCBA9876543210),
        receive=NtpTimestamp(ntp_timestamp(RECEIVED) & BELOW_PRECISION | 1),
        transmit=NtpTimestamp(ntp_timestamp(SENT) & BELOW_PRECISION),
    )


def test_locked_reply_octet_for_octet() -> None:
    assert answer().to_bytes().hex(" ", 4) == (
        "240106e9 00000000 00000006 47505300 eeaffabf 00000000 fedcba98 76543210 eeaffac5 00000201 eeaffac5 0001f800"
    )


@pytest.mark.parametrize("version", range(8))
@pytest.mark.parametrize("mode", range(8))
def test_every_version_and_mode(version: int, mode: int) -> None:
    outcome = ask(bytes([version << 3 | mode]) + REQUEST[1:])
    expected = None
    if version in (1, 2, 3, 4):
        expected = {Mode.CLIENT: Mode.SERVER, Mode.SYMMETRIC_ACTIVE: Mode.SYMMETRIC_PASSIVE}.get(Mode(mode))
        if version == 1 and mode == Mode.RESERVED:
            expected = Mode.SERVER
    assert outcome.record.version == version
    if expected is None:
        assert outcome.reply is None
        assert outcome.record.response is ServerResponse.IGNORE
        reasons = {6: ServerReason.CONTROL, 7: ServerReason.PRIVATE}
        otherwise = ServerReason.NOT_A_REQUEST if version in (1, 2, 3, 4) else ServerReason.VERSION
        assert outcome.record.reason is reasons.get(mode, otherwise)
    else:
        assert outcome.reply is not None
        packet = parse(outcome.reply)
        assert (packet.version, packet.mode) == (version, expected)


def test_version_1_without_a_mode_counts_as_a_client_unless_it_comes_from_port_123() -> None:
    """FACTS, NTPv1: version 1, mode 0 from a port other than 123 counts as a client; mode 0 is never sent."""
    request = b"\x08" + REQUEST[1:]
    assert ask(request, port=40_000).record == Record(1, ServerReason.SYNCHRONISED, ServerResponse.TIME)
    assert ask(request, port=123).record == Record(1, ServerReason.NOT_A_REQUEST, ServerResponse.IGNORE)
    assert ask(b"\x0b" + REQUEST[1:], port=123).reply is not None


def test_our_own_reply_is_never_answered() -> None:
    """FACTS, KoD: servers never answer replies."""
    for request in (REQUEST, b"\x21" + REQUEST[1:], b"\x08" + REQUEST[1:]):
        octets = ask(request).reply
        assert octets is not None
        assert ask(octets, port=123).record.reason is ServerReason.NOT_A_REQUEST


@pytest.mark.parametrize("first", [0x16, 0x1E, 0x26, 0x0F, 0x17, 0x27, 0x97, 0xFF])
@pytest.mark.parametrize("size", [1, 8, 12, 48, 192, 468, MAX_REQUEST + 1])
def test_modes_6_and_7_get_nothing_at_any_length(first: int, size: int) -> None:
    outcome = ask(bytes([first]) + bytes(size - 1))
    assert outcome.reply is None
    assert outcome.record.reason in (ServerReason.CONTROL, ServerReason.PRIVATE)


@pytest.mark.parametrize("poll", [-128, -1, 0, 4, 17, 127])
def test_poll_is_echoed(poll: int) -> None:
    """FACTS, poll: the server echoes the client's poll; log2 s, signed."""
    assert answer(Packet(4, Mode.CLIENT, poll=poll).to_bytes()).poll == poll


@pytest.mark.parametrize("bits", [0, 1, 2**63, 2**64 - 1])
def test_origin_is_the_requests_transmit_bits(bits: int) -> None:
    assert answer(Packet(4, Mode.CLIENT, transmit=NtpTimestamp(bits)).to_bytes()).origin == bits


@pytest.mark.parametrize("leap", [Leap.NONE, Leap.INSERT, Leap.DELETE])
@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_leap_is_told_to_every_version(leap: Leap, version: int) -> None:
    """FACTS, leap bits: 1 = 61 s, 2 = 59 s; what `TimeState` says (in the last day only) goes to all versions."""
    assert answer(Packet(version, Mode.CLIENT).to_bytes(), replace(LOCKED, leap=leap)).leap == leap


@pytest.mark.parametrize(
    ("state", "sent"),
    [
        (replace(LOCKED, leap=Leap.UNKNOWN), SENT),
        (replace(LOCKED, stratum=16), SENT),
        (replace(LOCKED, stratum=0), SENT),
        (replace(LOCKED, realtime=None), SENT),
        (replace(LOCKED, valid_until=UtcNs(SENT - 1)), SENT),
    ],
)
def test_what_we_do_not_know_we_do_not_claim(state: TimeState, sent: UtcNs) -> None:
    """FACTS, unsynchronised reply: wire stratum 0, leap 3, refid 0; root delay and dispersion of 1 s as chrony sends them."""
    outcome = plain_reply(REQUEST, RECEIVED, sent, state, CLIENT_PORT)
    assert outcome.record == Record(4, ServerReason.UNSYNCHRONISED, ServerResponse.TIME)
    assert outcome.reply is not None
    packet = parse(outcome.reply)
    assert (packet.leap, packet.stratum, packet.refid, packet.reference) == (3, 0, bytes(4), 0)
    assert (packet.root_delay, packet.root_dispersion) == (65_536, 65_536)
    assert packet.origin == 0xFEDCBA9876543210
    assert (packet.receive, packet.transmit) == (ntp_timestamp(RECEIVED) & BELOW_PRECISION | 1, ntp_timestamp(SENT) & BELOW_PRECISION)


def test_a_state_is_good_up_to_and_with_its_last_instant() -> None:
    assert answer(state=replace(LOCKED, valid_until=SENT)).leap == 0


@settings(deadline=None)
@given(
    bound=st.floats(0, 20_000) | st.floats(0, 1e-3) | st.just(0.0),
    delay=st.floats(0, 2) | st.floats(0, 1e-4),
    rate=st.floats(0, 1e-3),
    late=st.integers(0, 50 * NS),
)
def test_the_wire_never_promises_more_than_the_bound(bound: float, delay: float, rate: float, late: int) -> None:
    """FACTS, dispersion: a bound and no deviation, which grows with the rate of the state."""
    state = replace(LOCKED, error_bound=bound, root_delay=delay, bound_rate=rate)
    sent = UtcNs(NOW + late)
    octets = plain_reply(REQUEST, sent, sent, state, CLIENT_PORT).reply
    assert octets is not None
    packet = parse(octets)
    assert packet.root_dispersion >= 1
    dispersion = ntp_short_seconds(packet.root_dispersion)
    # up, but by less than one step of 2^-16 s (and the smallest step instead of 0)
    truth = state.root_dispersion_at(sent)
    assert truth <= dispersion <= max(truth, 0) + 2**-16
    assert dispersion + ntp_short_seconds(packet.root_delay) / 2 >= state.error_bound_at(sent) * (1 - 1e-12)


@pytest.mark.parametrize(
    ("stratum", "refid"),
    [(1, b"GPS\0"), (1, b"GNSS"), (1, b"PPS\0"), (2, bytes((192, 0, 2, 1))), (2, refid_of_address(ip_address("2001:db8::1")))],
)
def test_refid_is_that_of_the_source(stratum: int, refid: bytes) -> None:
    """FACTS, refid: ASCII, zero padded, at stratum 1; the IPv4 address, or the start of the MD5 of the IPv6 address, above."""
    packet = answer(state=replace(LOCKED, stratum=stratum, refid=refid))
    assert (packet.stratum, packet.refid) == (stratum, refid)


def test_root_delay_is_rounded_up() -> None:
    assert answer(state=replace(LOCKED, root_delay=1e-9)).root_delay == 1
    assert answer(state=replace(LOCKED, root_delay=0.5)).root_delay == 32_768


def test_an_unbounded_dispersion_saturates() -> None:
    assert answer(state=replace(LOCKED, error_bound=1e300)).root_dispersion == 0xFFFFFFFF


@pytest.mark.parametrize("held", [-1, -NS, MAX_HOLD_NS + 1])
def test_times_that_contradict_each_other_are_not_sent(held: int) -> None:
    outcome = plain_reply(REQUEST, RECEIVED, UtcNs(RECEIVED + held), LOCKED, CLIENT_PORT)
    assert outcome == Outcome(Record(4, ServerReason.STALE, ServerResponse.IGNORE), None)


def test_the_reference_time_is_never_after_the_reply() -> None:
    # an update may bear a time ahead of a clock that is being slewed back
    packet = answer(state=replace(LOCKED, reference_time=UtcNs(SENT + 1000)))
    assert packet.reference == packet.transmit == ntp_timestamp(SENT) & BELOW_PRECISION


def test_after_2036_the_next_era_is_served() -> None:
    later = UtcNs(2_085_978_497 * NS)  # one second into era 1
    state = replace(LOCKED, bound_at=later, valid_until=UtcNs(later + NS), reference_time=UtcNs(later - 2 * NS))
    octets = plain_reply(REQUEST, later, later, state, CLIENT_PORT).reply
    assert octets is not None
    packet = parse(octets)
    assert packet.transmit >> 32 == 1
    assert utc_from_ntp(packet.transmit, near=later) == later + 1  # an instant on the second: receive, and what is after it
    assert utc_from_ntp(packet.reference, near=later) == later - 2 * NS  # still in era 0


def test_unknown_extension_fields_are_skipped_and_answered_without_any() -> None:
    fields = (ExtensionField(0xF323, bytes(12)), ExtensionField(0x0104, b"u" * 28))
    outcome = ask(Packet(4, Mode.CLIENT, extensions=fields).to_bytes())
    assert outcome.record == Record(4, ServerReason.SYNCHRONISED, ServerResponse.TIME)
    assert outcome.reply is not None
    assert len(outcome.reply) == 48


@pytest.mark.parametrize("fields", [(), (ExtensionField(0x0104, b"u" * 32),)])
def test_version_4_with_a_mac_gets_a_crypto_nak(fields: tuple[ExtensionField, ...]) -> None:
    request = Packet(4, Mode.CLIENT, transmit=NtpTimestamp(77), extensions=fields, mac=Mac(7, b"d" * 16))
    outcome = ask(request.to_bytes())
    assert outcome.record == Record(4, ServerReason.UNKNOWN_KEY, ServerResponse.CRYPTO_NAK, Protection.MAC)
    assert outcome.reply is not None
    packet = parse(outcome.reply)
    assert packet.mac is not None
    assert packet.mac.is_crypto_nak
    assert (packet.origin, packet.extensions, len(outcome.reply)) == (77, (), 52)


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("size", [8, 16, 20, 64])
def test_older_versions_with_a_mac_get_silence(version: int, size: int) -> None:
    request = Packet(version, Mode.CLIENT, mac=Mac(7, b"d" * size))
    assert ask(request.to_bytes()) == Outcome(Record(version, ServerReason.UNKNOWN_KEY, ServerResponse.IGNORE, Protection.MAC), None)


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_a_crypto_nak_is_not_answered(version: int) -> None:
    request = Packet(version, Mode.CLIENT, mac=Mac(0, b""))
    assert ask(request.to_bytes()) == Outcome(Record(version, ServerReason.PEER_CRYPTO_NAK, ServerResponse.IGNORE, Protection.MAC), None)


@pytest.mark.parametrize(
    ("request_octets", "port", "reason"),
    [
        (b"", 40_000, ServerReason.TOO_SHORT),
        (b"\x23", 40_000, ServerReason.TOO_SHORT),
        (REQUEST[:47], 40_000, ServerReason.TOO_SHORT),
        (REQUEST + bytes(MAX_REQUEST - 47), 40_000, ServerReason.TOO_LONG),
        (REQUEST, 0, ServerReason.SOURCE_PORT),
        (b"", 0, ServerReason.SOURCE_PORT),
        (REQUEST + b"\0", 40_000, ServerReason.UNALIGNED),
        (REQUEST + bytes(8), 40_000, ServerReason.TRAILING_OCTETS),
        (REQUEST + bytes(28), 40_000, ServerReason.BAD_EXTENSION),
        (REQUEST + b"\0\1\0\x1a" + bytes(24), 40_000, ServerReason.BAD_EXTENSION),
        (REQUEST + b"\0\1\xff\xfc" + bytes(24), 40_000, ServerReason.BAD_EXTENSION),
    ],
)
def test_malformed_packets_have_their_reason(request_octets: bytes, port: int, reason: ServerReason) -> None:
    outcome = ask(request_octets, port=port)
    assert (outcome.record.reason, outcome.record.response, outcome.reply) == (reason, ServerResponse.IGNORE, None)


STATES = st.sampled_from([LOCKED, replace(LOCKED, leap=Leap.UNKNOWN, stratum=16, refid=bytes(4)), replace(LOCKED, realtime=None)])
HOSTILE = (
    st.binary(max_size=300)
    | st.builds(lambda first, rest: bytes([first]) + REQUEST[1:] + rest, st.integers(0, 255), st.binary(max_size=120))
    | st.builds(lambda first, size: bytes([first]) * size, st.integers(0, 255), st.integers(0, 65_507))
    | st.builds(
        lambda kind, size: REQUEST + bytes([0, kind, size >> 8, size & 255]) + bytes(max(0, size - 4)),
        st.integers(0, 255),
        st.integers(0, 4000),
    )
)


@settings(deadline=None, max_examples=600)
@given(request=HOSTILE, state=STATES, port=st.sampled_from([0, 1, 123, 40_000]))
@example(request=b"\x23" * 65_507, state=LOCKED, port=40_000)
def test_whatever_comes_the_reply_is_silence_or_valid_and_no_longer(request: bytes, state: TimeState, port: int) -> None:
    outcome = ask(request, state, port)
    assert isinstance(outcome.record.reason, ServerReason)
    assert 0 <= outcome.record.version <= 7
    assert (outcome.reply is None) == (outcome.record.response is ServerResponse.IGNORE)
    if outcome.reply is not None:
        assert len(outcome.reply) <= len(request)
        assert request[0] & 7 in (0, 1, 3)
        packet = parse(outcome.reply)
        assert packet.mode in (Mode.SERVER, Mode.SYMMETRIC_PASSIVE)
        assert outcome.reply[24:32] == request[40:48]
        assert port != 0


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"refid": b"GPS"}, "refid"),
        ({"stratum": 17}, "stratum"),
        ({"stratum": -1}, "stratum"),
        ({"root_delay": -1e-9}, "root_delay"),
        ({"error_bound": float("nan")}, "error_bound"),
        ({"error_bound": float("inf")}, "error_bound"),
        ({"bound_rate": -1.0}, "bound_rate"),
        ({"realtime": Mapping(0, KernelClockId.REALTIME, NOW, NOW, float("nan"))}, "mapping of realtime"),
        ({"monotonic": Mapping(0, KernelClockId.MONOTONIC, 0, NOW, float("inf"))}, "mapping of monotonic"),
    ],
)
def test_a_state_that_no_reply_can_be_made_from_is_our_own_mistake(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        check_state(replace(LOCKED, **changes))

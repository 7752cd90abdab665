"""Version 5 of NTP, draft 09: header, timescales, interleaved mode, extension fields, refusals, and the way up from version 4."""

import struct
from dataclasses import replace

import pytest
from asking import HERE, KEYS, RECEIVED, RING, SENT, UID, Desk, NtsClient, extension
from asking5 import CLIENT_COOKIE, DRAFT, DRAFT_FIELD, ON, Header, ask5, read
from hypothesis import given
from hypothesis import strategies as st
from served_states import LOCKED, NOW

from stratum1.interchange import KernelClockId, Leap, LeapPlan, Mapping
from stratum1.nts.cookies import CookieJar
from stratum1.server import Outcome, Protection, Record, Sender, ServerReason, ServerResponse, Smear, smear_ns
from stratum1.server._stamps import Grain
from stratum1.server._tables import mix64
from stratum1.timescale import NS, UtcNs, from_rfc3339, ntp_timestamp

TAI = replace(LOCKED, tai_offset=37)


def test_header_field_by_field() -> None:
    request = ask5()
    outcome = Desk(ON).ask(request)
    assert outcome == Outcome(Record(5, ServerReason.SYNCHRONISED, ServerResponse.TIME), outcome.reply)
    header, fields = read(outcome, request)
    dispersion = -int(-LOCKED.root_dispersion_at(SENT) * 2**28 // 1)
    assert header == Header(
        *(0x2C, 1, 6, -23, 0, dispersion, 0, 0, 1, 0, CLIENT_COOKIE),
        *(Grain(-23).receive(RECEIVED, 0), Grain(-23).transmit(SENT, 0)),
    )
    assert list(fields) == [0xF5FF]


def test_it_is_off_by_default() -> None:
    assert Desk().ask(ask5()) == Outcome(Record(5, ServerReason.VERSION, ServerResponse.IGNORE), None)


@pytest.mark.parametrize(
    ("mode", "reason"),
    [(1, "not-a-request"), (2, "not-a-request"), (4, "not-a-request"), (0, "not-a-request"), (6, "control"), (7, "private")],
)
def test_facts_ntpv5_header_modes_3_and_4_only(mode: int, reason: str) -> None:
    """FACTS, NTPv5 header: only mode 3 is answered, with mode 4."""
    outcome = Desk(ON).ask(ask5(first=0x28 | mode))
    assert outcome == Outcome(Record(5, ServerReason(reason), ServerResponse.IGNORE), None)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (b"", ServerReason.V5_DRAFT),
        (extension(0xF5FF, b"draft-ietf-ntp-ntpv5-08"), ServerReason.V5_DRAFT),
        (extension(0xF5FF, DRAFT + b"\0"), ServerReason.V5_DRAFT),
        (extension(0xF5FF, DRAFT[:-1]), ServerReason.V5_DRAFT),
        (extension(0xF5FF, b"x") + DRAFT_FIELD, ServerReason.V5_DRAFT),
        (UID, ServerReason.V5_DRAFT),
        (b"\xf5\xff\0\3", ServerReason.V5_MALFORMED),
        (DRAFT_FIELD + b"\xf5\1\0\x09abcd", ServerReason.V5_MALFORMED),
        (DRAFT_FIELD + b"\xf5\1\0\0", ServerReason.V5_MALFORMED),
        (DRAFT_FIELD + extension(0xF502, bytes(20)) + extension(0xF501, b""), ServerReason.V5_MALFORMED),
    ],
)
def test_facts_ntpv5_drafts_must_match_exactly(fields: bytes, reason: ServerReason) -> None:
    """FACTS, NTPv5 drafts: the string in F5FF must match exactly; it is not ended by a zero."""
    assert Desk(ON).ask(ask5(fields=fields)) == Outcome(Record(5, reason, ServerResponse.IGNORE), None)


def test_an_unknown_time_is_not_claimed() -> None:
    for scale in (0, 1, 2):
        request = ask5(scale, flags=2, cookie=77)
        outcome = Desk(ON, state=replace(TAI, leap=Leap.UNKNOWN)).ask(request)
        assert outcome == Outcome(Record(5, ServerReason.UNSYNCHRONISED, ServerResponse.TIME), outcome.reply)
        header, _ = read(outcome, request)
        assert header[:10] == (0xEC, 0, 6, -23, 1 << 28, 1 << 28, 0, 0, 0, 0)
        assert header.receive == Grain(-23).receive(RECEIVED, 0)


@pytest.mark.parametrize(("asked", "told", "ahead"), [(0, 0, 0), (1, 1, 37), (2, 0, 0), (3, 0, 0), (200, 0, 0)])
def test_timescales(asked: int, told: int, ahead: int) -> None:
    request = ask5(asked)
    outcome = Desk(ON, state=replace(TAI, leap=Leap.INSERT)).ask(request)
    assert outcome.record.reason is (ServerReason.SYNCHRONISED if asked == told else ServerReason.V5_TIMESCALE)
    header, _ = read(outcome, request)
    assert (header.timescale, header.first >> 6) == (told, 1)
    assert header.receive == Grain(-23).receive(UtcNs(RECEIVED + ahead * NS), 0)
    assert header.transmit == Grain(-23).transmit(UtcNs(SENT + ahead * NS), 0)


def test_tai_is_not_served_where_it_is_not_known() -> None:
    assert Desk(ON).ask(ask5(1)).record.reason is ServerReason.V5_TIMESCALE


END = from_rfc3339("2027-01-01")


@pytest.mark.parametrize(("before", "offset"), [(3 * NS, 37), (-1, 38), (-NS, 38)])
def test_tai_goes_on_through_a_leap_second(before: int, offset: int) -> None:
    state = replace(TAI, leap_plan=LeapPlan(END, 1, 38, ()), valid_until=UtcNs(END + 9 * NS))
    at = UtcNs(END - before)
    outcome = Desk(ON, state=state).ask(ask5(1), received=at, sent=at)
    assert read(outcome, ask5())[0].receive == Grain(-23).receive(UtcNs(at + offset * NS), 0)


def test_the_second_that_is_counted_twice_has_no_tai() -> None:
    state = replace(TAI, leap_plan=LeapPlan(END, 1, 38, ()), valid_until=UtcNs(END + 9 * NS))
    at = UtcNs(END - NS // 2)
    request = ask5(1, fields=DRAFT_FIELD + extension(0xF509, b"\1" + bytes(11)))
    outcome = Desk(ON, state=state).ask(request, received=at, sent=at)
    assert outcome.record.reason is ServerReason.UNSYNCHRONISED
    assert read(outcome, request)[1][0xF509] == b"\1" + bytes(11)
    assert Desk(ON, state=state).ask(ask5(0), received=at, sent=at).record.reason is ServerReason.SYNCHRONISED


@pytest.mark.parametrize(("asked", "told", "leap"), [(0, 0, 1), (1, 1, 1), (2, 3, 0), (3, 3, 0)])
def test_a_smearing_listener_serves_what_is_asked_for(asked: int, told: int, leap: int) -> None:
    """Per-listener timescale: smeared UTC for who asks for it (or for what we do not have), UTC and TAI for who asks for them."""
    plan = LeapPlan(UtcNs(NOW + 3600 * NS), 1, 38, ())
    state = replace(TAI, leap=Leap.INSERT, leap_plan=plan, smeared_leap=plan)
    request = ask5(asked, fields=DRAFT_FIELD + b"".join(extension(0xF509, bytes([code]) + bytes(11)) for code in (0, 1, 3)))
    desk = Desk(ON, smear=Smear.LINEAR, state=state)
    outcome = desk.ask(request)
    header, _ = read(outcome, request)
    assert (header.timescale, header.first >> 6) == (told, leap)
    ahead = {0: 0, 1: 37 * NS, 3: smear_ns(Smear.LINEAR, plan, RECEIVED)}
    assert ahead[3] < -NS // 4
    assert header.receive == Grain(-23).receive(UtcNs(RECEIVED + ahead[told]), 0)
    assert outcome.reply is not None
    seconds = [struct.unpack_from("!HHBBHQ", outcome.reply, 76 + 16 * place) for place in range(3)]
    assert seconds == [(0xF509, 16, code, 0, 0, Grain(-23).receive(UtcNs(RECEIVED + ahead[code]), 0)) for code in (0, 1, 3)]


def test_the_era_is_told() -> None:
    later = UtcNs(2_085_978_496 * NS - 30 * NS)  # half a minute before era 1: TAI is there already
    state = replace(TAI, bound_at=later, valid_until=UtcNs(later + NS), reference_time=later)
    request = ask5(1, fields=DRAFT_FIELD + extension(0xF509, bytes(12)))
    header, fields = read(Desk(ON, state=state).ask(request, received=later, sent=later), request)
    assert (header.era, header.receive >> 32) == (1, 7)
    assert (fields[0xF509][1], fields[0xF509][4:8]) == (0, b"\xff\xff\xff\xe2")


def test_root_delay_and_dispersion_have_28_bits_and_are_rounded_up() -> None:
    for delay, octets in ((1e-9, 1), (0.5, 1 << 27), (15.99999, 4294964612), (16.0, 0xFFFFFFFF), (1e9, 0xFFFFFFFF)):
        header, _ = read(Desk(ON, state=replace(LOCKED, root_delay=delay, error_bound=delay)).ask(ask5()), ask5())
        assert header.delay == pytest.approx(octets, abs=1)
        assert header.delay >= min(delay * 2**28, 0xFFFFFFFF)
        assert header.dispersion >= 1


def test_interleaved_mode_by_cookie() -> None:
    """FACTS, NTPv5 header: flag 2 asks for the interleaved mode, the server cookie names the reply whose transmit time is wanted."""
    desk = Desk(replace(ON, interleaved_slots=256), state=TAI)
    first = desk.ask(ask5(flags=2))
    header, _ = read(first, ask5())
    assert (header.flags, header.server_cookie, first.record.response) == (1, header.receive, ServerResponse.TIME)
    assert first.saved is not None
    assert desk.tables.interleaved is not None
    desk.tables.interleaved.sent(first.saved, UtcNs(SENT + 777))
    later = UtcNs(RECEIVED + NS), UtcNs(SENT + NS)
    second = desk.ask(ask5(1, flags=2, cookie=header.server_cookie), HERE, *later)
    assert second.record.response is ServerResponse.INTERLEAVED
    told, _ = read(second, ask5())
    assert told.flags == 3
    assert told.transmit == Grain(-23).transmit(UtcNs(SENT + 777 + 37 * NS), 0)
    assert told.receive == Grain(-23).receive(UtcNs(later[0] + 37 * NS), 0)
    once_more = desk.ask(ask5(flags=2, cookie=header.server_cookie), HERE, *later)
    assert read(once_more, ask5())[0].flags == 1
    assert desk.ask(ask5(cookie=header.server_cookie)).saved is None
    assert desk.tables.interleaved.used == 2


def test_cookies_are_the_clients_own() -> None:
    desk = Desk(ON)
    cookie = read(desk.ask(ask5(flags=2)), ask5())[0].server_cookie
    assert desk.ask(ask5(flags=2, cookie=cookie), Sender(b"\1\2\3\4", 5)).record.response is ServerResponse.TIME


MAPPED = replace(TAI, monotonic=Mapping(5, KernelClockId.MONOTONIC, 1000 * NS, NOW, 1e-5))


def test_facts_ntpv5_efs_are_answered_with_equal_length() -> None:
    """FACTS, NTPv5 EFs: F501 to F509; the reply is as long as the request."""
    fields = (
        extension(0xF505, bytes(4))
        + DRAFT_FIELD
        + extension(0xF503, b"\0\x10" + bytes(62))
        + extension(0xF507, bytes(8))
        + extension(0xF508, bytes(12))
        + extension(0xF509, b"\1" + bytes(11))
        + extension(0xF506, bytes(12) + b"delay567" + b"ID" + b"cs")
        + extension(0x1234, b"unknown")
    )
    request = ask5(fields=fields)
    header, told = read(Desk(ON, state=MAPPED).ask(request), request)
    assert list(told) == [0xF5FF, 0xF505, 0xF504, 0xF507, 0xF508, 0xF509, 0xF506, 0xF501]
    assert told[0xF505] == b"\x00\x1f\0\0"
    assert told[0xF504] == bytes(range(16, 80))
    assert told[0xF507] == struct.pack("!Q", ntp_timestamp(LOCKED.reference_time))
    elapsed = RECEIVED - NOW
    mono = 1000 * NS + elapsed - round(elapsed * 1e-5)
    assert told[0xF508] == struct.pack("!IQ", mix64(5) >> 32, (mono << 32) // NS)
    assert told[0xF509] == struct.pack("!BBHQ", 1, 0, 0, Grain(-23).receive(UtcNs(RECEIVED + 37 * NS), 0))
    assert told[0xF506] == b"delay567ID" + bytes(14)
    assert told[0xF501] == bytes(8)
    assert header.timescale == 0


@pytest.mark.parametrize(
    "field",
    [
        extension(0xF503, b"\1\xfe" + bytes(1)),
        extension(0xF503, b"\1\xfd" + bytes(2)),
        extension(0xF503, b"\xff\xff" + bytes(2)),
        extension(0xF503, bytes(513)),
        extension(0xF505, bytes(5)),
        extension(0xF506, bytes(20)),
        extension(0xF507, bytes(12)),
        extension(0xF508, bytes(12)),
        extension(0xF509, b"\2" + bytes(11)),
        extension(0xF509, bytes(8)),
        extension(0x0104, bytes(31)),
        UID + UID,
        extension(0xF504, bytes(64)),
        extension(0xF501, bytes(11)),
    ],
)
def test_what_cannot_be_answered_is_padding_in_the_reply(field: bytes) -> None:
    request = ask5(fields=DRAFT_FIELD + field)
    assert list(read(Desk(ON).ask(request), request)[1]) == [0xF5FF, 0xF501]


def test_the_end_of_the_filter_and_odd_lengths() -> None:
    request = ask5(fields=DRAFT_FIELD + extension(0xF503, b"\1\xfb" + bytes(3)))
    assert read(Desk(ON).ask(request), request)[1][0xF504] == bytes([251, 252, 253, 254, 255])


def test_a_lone_identifier_is_echoed_in_its_place() -> None:
    request = ask5(fields=extension(0xF505, bytes(4)) + UID + DRAFT_FIELD)
    assert list(read(Desk(ON).ask(request), request)[1]) == [0xF5FF, 0xF505, 0x0104]


@pytest.mark.parametrize("number", KEYS)
def test_a_mac_is_a_field_and_the_last_one(number: int) -> None:
    key = KEYS[number]
    cut = key.kind.lengths[0]
    clear = ask5(fields=DRAFT_FIELD + extension(0xF555, bytes(20)))
    request = clear + extension(0xF502, number.to_bytes(4, "big") + key.digest(clear)[:cut])
    outcome = Desk(ON).ask(request)
    assert outcome.record == Record(5, ServerReason.SYNCHRONISED, ServerResponse.TIME, Protection.MAC)
    _, fields = read(outcome, request)
    assert list(fields) == [0xF5FF, 0xF501, 0xF502]
    assert outcome.reply is not None
    assert fields[0xF502][4:] == key.digest(outcome.reply[: -8 - cut])[:cut]
    for wrong, reason in ((bytes(4), ServerReason.UNKNOWN_KEY), (number.to_bytes(4, "big"), ServerReason.BAD_MAC)):
        bad = Desk(ON).ask(clear + extension(0xF502, wrong + b"d" * cut))
        assert bad == Outcome(Record(5, reason, ServerResponse.IGNORE, Protection.MAC), None)


def test_facts_ntpv5_over_nts_with_cookies_of_its_own() -> None:
    """FACTS, NTPv5 over NTS: the keys of next protocol 0x8001 are told apart from version 4's by the cookie."""
    client = NtsClient(version5=True)
    head = ask5(flags=2, fields=extension(0xF505, bytes(4)) + DRAFT_FIELD + extension(0x7777, bytes(21)))
    request = client.request(2, head=head)
    outcome = Desk(ON).ask(request + b"\xf5\x01\0\x04junk")
    assert outcome.record == Record(5, ServerReason.SYNCHRONISED, ServerResponse.TIME, Protection.NTS)
    assert outcome.reply is not None
    assert len(outcome.reply) == len(request)
    assert outcome.reply[48:120] == DRAFT_FIELD + extension(0xF505, b"\0\x1f\0\0") + UID
    cookies = client.cookies(outcome.reply, clear=120)
    assert [CookieJar(RING).open(cookie) for cookie in cookies] == [client.session] * 3


@given(
    scale=st.integers(0, 255),
    flags=st.integers(0, 0xFFFF),
    fields=st.lists(st.tuples(st.integers(0xF501, 0xF509) | st.just(0x0104) | st.integers(0, 0xFFFF), st.binary(max_size=80)), max_size=12),
    known=st.booleans(),
)
def test_any_fields_get_a_reply_of_equal_length(scale: int, flags: int, fields: list[tuple[int, bytes]], known: bool) -> None:
    request = ask5(scale, flags, 1, DRAFT_FIELD + b"".join(extension(kind, value) for kind, value in fields))
    outcome = Desk(ON, state=MAPPED if known else replace(MAPPED, stratum=16)).ask(request)
    if outcome.reply is not None:
        assert outcome.record.response in (ServerResponse.TIME, ServerResponse.NTS_NAK)
        read(outcome, request)

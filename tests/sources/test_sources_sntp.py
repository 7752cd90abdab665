"""What a reply means: signs, sums, bounds, and every reason to refuse one."""

from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stratum1.interchange import Leap
from stratum1.ntp import Mac, Mode, Packet, parse, refid_of_name
from stratum1.sources.protocol import (
    BadReplyTimesError,
    BadStratumError,
    KissOfDeathError,
    MalformedReplyError,
    NotAReplyError,
    OriginMismatchError,
    RefusedKeyError,
    ReplyError,
    Target,
    build_request,
    measure,
    parse_target,
)
from stratum1.timescale import NS, NtpShort, NtpTimestamp, UtcNs, from_rfc3339, ntp_timestamp

SENT = from_rfc3339("2026-11-24T12:00:00Z")
ASKED = NtpTimestamp(0x1122334455667788)
MS = 1_000_000


def reply_at(received: int = SENT + 40 * MS, answered: int = SENT + 41 * MS) -> Packet:
    """A sound reply of a stratum 1 server."""
    return Packet(
        4,
        Mode.SERVER,
        stratum=1,
        poll=6,
        precision=-23,
        root_delay=NtpShort(655),
        root_dispersion=NtpShort(6554),
        refid=refid_of_name("PPS"),
        reference=ntp_timestamp(UtcNs(SENT - NS)),
        origin=ASKED,
        receive=ntp_timestamp(UtcNs(received)),
        transmit=ntp_timestamp(UtcNs(answered)),
    )


def test_a_request_tells_nothing_about_us() -> None:
    request = build_request(ASKED)
    assert request == bytes.fromhex("23000020") + bytes(36) + bytes.fromhex("1122334455667788")
    assert parse(request).mode == Mode.CLIENT


def test_times_sums_and_signs() -> None:
    # 10 ms each way, 1 ms in the server, whose clock is 30 ms ahead of ours: ours is behind, the offset positive
    told = measure(reply_at().to_bytes(), ASKED, SENT, UtcNs(SENT + 21 * MS))
    assert (told.sent, told.received, told.answered, told.returned) == (SENT, SENT + 40 * MS, SENT + 41 * MS, SENT + 21 * MS)
    assert told.offset == pytest.approx(0.030, abs=1e-12)
    assert told.delay == pytest.approx(0.020, abs=1e-12)
    assert told.error_bound == pytest.approx(0.010 + 655 / 65536 / 2 + 6554 / 65536, abs=1e-12)
    assert (told.leap, told.stratum, told.refid_text, told.poll, told.precision) == (Leap.NONE, 1, "PPS", 6, -23)
    assert told.reference_time == SENT - NS
    assert told.synchronised


def test_a_server_behind_us_gives_a_negative_offset() -> None:
    told = measure(reply_at(SENT - 40 * MS, SENT - 39 * MS).to_bytes(), ASKED, SENT, UtcNs(SENT + 21 * MS))
    assert told.offset == pytest.approx(-0.050, abs=1e-12)


def test_the_bound_does_not_shrink_with_a_negative_delay() -> None:
    told = measure(reply_at(SENT + 1, SENT + 5 * MS).to_bytes(), ASKED, SENT, UtcNs(SENT + 4 * MS))
    assert told.delay < 0
    assert told.error_bound == pytest.approx(655 / 65536 / 2 + 6554 / 65536, abs=1e-12)


@settings(deadline=None)
@given(
    offset=st.integers(-60 * 365 * 86_400 * NS, 60 * 365 * 86_400 * NS),
    there=st.integers(0, NS),
    inside=st.integers(0, NS),
    back=st.integers(0, NS),
)
def test_the_true_offset_is_within_half_the_delay(offset: int, there: int, inside: int, back: int) -> None:
    received = SENT + offset + there
    told = measure(reply_at(received, received + inside).to_bytes(), ASKED, SENT, UtcNs(SENT + there + inside + back))
    assert abs(told.offset - offset / NS) <= told.delay / 2 + max(1e-9, abs(offset) / NS * 1e-15)
    assert told.delay == pytest.approx((there + back) / NS, abs=2e-9)


def test_across_the_era_of_2036() -> None:
    before = from_rfc3339("2036-02-07T06:28:15.9Z")
    after = UtcNs(before + NS)
    told = measure(reply_at(after, after).to_bytes(), ASKED, before, UtcNs(before + 100 * MS))
    assert told.offset == pytest.approx(0.95, abs=1e-9)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"mode": Mode.CLIENT}, NotAReplyError),
        ({"mode": Mode.SYMMETRIC_PASSIVE}, NotAReplyError),
        ({"mode": Mode.BROADCAST}, NotAReplyError),
        ({"origin": NtpTimestamp(ASKED + 1)}, OriginMismatchError),
        ({"origin": NtpTimestamp(0)}, OriginMismatchError),
        ({"stratum": 17}, BadStratumError),
        ({"stratum": 255}, BadStratumError),
        ({"stratum": 0, "refid": b"DENY"}, KissOfDeathError),
        ({"stratum": 0, "refid": b"RSTR"}, KissOfDeathError),
        ({"stratum": 0, "refid": b"RATE", "leap": 3}, KissOfDeathError),
        ({"receive": NtpTimestamp(0)}, BadReplyTimesError),
        ({"transmit": NtpTimestamp(0)}, BadReplyTimesError),
        ({"transmit": ntp_timestamp(UtcNs(SENT + 39 * MS))}, BadReplyTimesError),
        ({"mac": Mac(0, b"")}, RefusedKeyError),
    ],
)
def test_replies_that_are_refused(changes: dict[str, object], error: type[ReplyError]) -> None:
    octets = replace(reply_at(), **changes).to_bytes()  # type: ignore[arg-type]
    with pytest.raises(error):
        measure(octets, ASKED, SENT, UtcNs(SENT + 21 * MS))


def test_a_forged_kiss_is_not_believed() -> None:
    forged = replace(reply_at(), origin=NtpTimestamp(1), stratum=0, refid=b"DENY")
    with pytest.raises(OriginMismatchError):
        measure(forged.to_bytes(), ASKED, SENT, UtcNs(SENT + 21 * MS))


def test_our_own_step_backwards_is_noticed() -> None:
    with pytest.raises(BadReplyTimesError, match="our own clock"):
        measure(reply_at().to_bytes(), ASKED, SENT, UtcNs(SENT - 1))


@pytest.mark.parametrize(
    "changes",
    [
        {"leap": 3, "stratum": 0, "refid": bytes(4), "reference": NtpTimestamp(0)},
        {"leap": 3, "stratum": 0, "refid": b"INIT"},
        {"leap": 3},
        {"stratum": 16},
        {"stratum": 0},
    ],
)
def test_a_server_that_does_not_know_the_time_is_read_and_not_believed(changes: dict[str, object]) -> None:
    told = measure(replace(reply_at(), **changes).to_bytes(), ASKED, SENT, UtcNs(SENT + 21 * MS))  # type: ignore[arg-type]
    assert not told.synchronised
    assert (told.reference_time is None) == ("reference" in changes)


HEAD = reply_at().to_bytes()


@settings(deadline=None, max_examples=400)
@given(
    st.binary(max_size=200)
    | st.binary(max_size=60).map(lambda rest: HEAD[:32] + rest)
    | st.binary(max_size=60).map(lambda rest: HEAD + rest)
)
@example(b"")
@example(HEAD * 1000)
def test_arbitrary_octets_are_a_measurement_or_a_named_error(octets: bytes) -> None:
    try:
        told = measure(octets, ASKED, SENT, UtcNs(SENT + 21 * MS))
    except ReplyError:
        return
    assert parse(octets).origin == ASKED
    assert told.answered >= told.received
    assert told.error_bound >= 0


def test_octets_that_are_no_packet_say_so() -> None:
    with pytest.raises(MalformedReplyError, match="47 octets of 48"):
        measure(HEAD[:47], ASKED, SENT, SENT)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("time.example.org", Target("time.example.org", 123)),
        ("127.0.0.1:11123", Target("127.0.0.1", 11123)),
        ("::1", Target("::1", 123)),
        ("[::1]", Target("::1", 123)),
        ("[2001:db8::1]:11123", Target("2001:db8::1", 11123)),
        ("fe80::1%eth0", Target("fe80::1%eth0", 123)),
        (" localhost:1 ", Target("localhost", 1)),
    ],
)
def test_targets(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize(
    "text", ["", ":123", "host:", "host:0", "host:65536", "host:x", "host:-1", "[::1", "[::1]123", "[x]:1", "1:2:3", "a b"]
)
def test_targets_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|no port|no IPv6"):
        parse_target(text)

"""Version 5 of NTP: what is refused and how, and the way up from version 4."""

import struct
from dataclasses import replace

import pytest
from asking import KEYS, RECEIVED, REQUEST, UID, Desk, NtsClient, extension, rule
from asking5 import CLIENT_COOKIE, DRAFT, DRAFT_FIELD, ON, ask5, read
from served_states import LOCKED

from stratum1.server import Outcome, Protection, Record, ServerReason, ServerResponse
from stratum1.server.service import AccessAction, ListenerSettings, RateLimit, ServiceSettings
from stratum1.timescale import UtcNs, ntp_timestamp


@pytest.mark.parametrize("version5", [False, True])
def test_nts_nak_is_a_flag(version5: bool) -> None:
    client = NtsClient(version5=version5)
    request = client.request(head=ask5())
    spoilt = request[:-1] + b"?" if version5 else request
    outcome = Desk(ON).ask(spoilt)
    reason = ServerReason.NTS_BAD_AUTHENTICATOR if version5 else ServerReason.NTS_BAD_COOKIE
    assert outcome.record == Record(5, reason, ServerResponse.NTS_NAK, Protection.NTS)
    header, fields = read(outcome, request)
    assert header[:10] == (0xEC, 0, 6, -23, 1 << 28, 1 << 28, 0, 0, 4, 0)
    assert header.client_cookie == CLIENT_COOKIE
    assert list(fields) == [0xF5FF, 0x0104, 0xF501]


@pytest.mark.parametrize(
    ("listener", "service", "poll", "reason", "response", "told"),
    [
        (ListenerSettings((rule("0.0.0.0/0", AccessAction.DENY),)), ON, 6, "access-denied", "kiss-deny", 127),
        (ListenerSettings(require_nts=True), ON, 6, "nts-required", "kiss-rstr", 127),
        (ListenerSettings(), replace(ON, rate_limit=RateLimit(1 << 33, 1, 0, 256, 256)), 6, "rate-limited", "kiss-rate", 7),
        (ListenerSettings(), replace(ON, rate_limit=RateLimit(1 << 36, 1, 0, 256, 256)), -128, "rate-limited", "kiss-rate", 7),
        (ListenerSettings(), replace(ON, rate_limit=RateLimit(1 << 33, 1, 0, 256, 256)), 126, "rate-limited", "kiss-rate", 126),
    ],
)
def test_facts_poll_127_is_go_away(
    listener: ListenerSettings, service: ServiceSettings, poll: int, reason: str, response: str, told: int
) -> None:
    """FACTS, NTPv5 EFs: there are no codes: poll 127 = go away; a longer poll is what the rate limit wants."""
    desk, request = Desk(service, listener), ask5(poll=poll, fields=UID + DRAFT_FIELD)
    if reason == "rate-limited":
        assert desk.ask(request).record.reason is ServerReason.SYNCHRONISED
    outcome = desk.ask(request)
    assert outcome.record == Record(5, ServerReason(reason), ServerResponse(response))
    header, fields = read(outcome, request)
    assert header[:4] == (0xEC, 0, told, -23)
    assert (header.flags, header.server_cookie, header.client_cookie) == (0, 0, CLIENT_COOKIE)
    assert list(fields) == [0xF5FF, 0xF501]


def test_refusals_that_are_silence_stand_before_anything_is_read() -> None:
    desk = Desk(ON, ListenerSettings((rule("0.0.0.0/0", AccessAction.IGNORE),)))
    assert desk.ask(ask5(fields=b"\0\0\0\0")) == Outcome(Record(5, ServerReason.ACCESS_IGNORED, ServerResponse.IGNORE), None)
    assert Desk(ON, ListenerSettings(require_nts=True, nts_only_silence=True)).ask(ask5()).reply is None


def test_stale_times_are_not_told() -> None:
    outcome = Desk(ON).ask(ask5(), sent=UtcNs(RECEIVED - 1))
    assert outcome == Outcome(Record(5, ServerReason.STALE, ServerResponse.IGNORE), None)


UPGRADE = b"NTP5DRFT"


@pytest.mark.parametrize(
    ("fields", "upgraded"),
    [
        (b"", True),
        (UID, True),
        (extension(0xF5FF, DRAFT + b"\0"), True),
        (extension(0xF5FF, b"draft-ietf-ntp-ntpv5-08\0"), False),
    ],
)
def test_facts_ntpv5_drafts_upgrade_from_version_4(fields: bytes, upgraded: bool) -> None:
    """FACTS, NTPv5 drafts: upgrade = version 4 with the reference timestamp NTP5DRFT, given back by who speaks the draft."""
    request = REQUEST[:16] + UPGRADE + REQUEST[24:] + fields
    outcome = Desk(ON).ask(request)
    assert outcome.record == Record(4, ServerReason.SYNCHRONISED, ServerResponse.TIME)
    assert outcome.reply is not None
    assert (outcome.reply[16:24] == UPGRADE) is upgraded
    assert outcome.reply[48:] == (fields if upgraded else b"")
    assert outcome.reply[24:32] == REQUEST[40:48]
    plain = Desk(replace(ON, ntpv5=False)).ask(request)
    assert plain.reply is not None
    assert plain.reply[16:24] == struct.pack("!Q", ntp_timestamp(LOCKED.reference_time))


def test_the_upgrade_is_under_the_mac() -> None:
    request = REQUEST[:16] + UPGRADE + REQUEST[24:]
    outcome = Desk(ON).ask(request + b"\0\0\0\1" + KEYS[1].digest(request))
    assert outcome.reply is not None
    assert outcome.reply[16:24] == UPGRADE
    assert outcome.reply[52:] == KEYS[1].digest(outcome.reply[:48])

"""NTS in requests and replies: RFC 8915, section 5, and each row of what implementations get wrong."""

import struct
from dataclasses import replace

import pytest
from asking import RECEIVED, REQUEST, RING, UID, Desk, NtsClient, extension
from hypothesis import given
from hypothesis import strategies as st
from served_states import LOCKED

from stratum1.interchange import Leap
from stratum1.ntp import Mode, parse
from stratum1.nts.aead import Aead
from stratum1.nts.cookies import CookieJar, seal_cookie
from stratum1.nts.keyring import KeyRing, MasterKey
from stratum1.server import MAX_REQUEST, Outcome, Protection, Record, ServerReason, ServerResponse
from stratum1.server.service import ListenerSettings, RateLimit, ServiceSettings
from stratum1.timescale import UtcNs

SERVED = ServiceSettings(nts=RING)
AEADS = list(Aead)
CLIENTS = [NtsClient(aead) for aead in AEADS]
CLIENT = CLIENTS[0]
MALFORMED = Outcome(Record(4, ServerReason.NTS_MALFORMED, ServerResponse.IGNORE, Protection.NTS), None)


def nak_of(outcome: Outcome, reason: ServerReason, uid: bytes = UID) -> None:
    """FACTS, NTS NAK: kiss NTSN, stratum 0, leap 3, the unique identifier only: no cookie, no authenticator."""
    assert outcome.record == Record(4, reason, ServerResponse.NTS_NAK, Protection.NTS)
    assert outcome.reply is not None
    packet = parse(outcome.reply[:48])
    assert (packet.leap, packet.stratum, packet.refid, packet.mode, packet.origin) == (3, 0, b"NTSN", 4, 0xFEDCBA9876543210)
    assert outcome.reply[48:] == uid


@pytest.mark.parametrize("placeholders", range(8))
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.aead.name)
def test_facts_reply_has_a_cookie_for_each_asked_inside_the_ciphertext_and_equal_length(client: NtsClient, placeholders: int) -> None:
    """FACTS, reply: cookies = 1 + placeholders, inside the ciphertext only; as long as the request; UID echoed."""
    desk = Desk(SERVED, chance=bytes(range(256)))
    request = client.request(placeholders)
    outcome = desk.ask(request)
    assert outcome.record == Record(4, ServerReason.SYNCHRONISED, ServerResponse.TIME, Protection.NTS)
    assert outcome.reply is not None
    assert len(outcome.reply) == len(request)
    assert outcome.reply[48 : 48 + len(UID)] == UID
    cookies = client.cookies(outcome.reply)
    assert len(cookies) == 1 + placeholders
    assert all(CookieJar(RING).open(cookie) == client.session for cookie in cookies)
    assert len(set(cookies)) == len(cookies)
    assert desk.drawn == [8] + [16] * (1 + placeholders) + [client.aead.nonce_length]
    assert outcome.reply[:24] == Desk().answer().to_bytes()[:24]


def test_facts_cookie_sizes() -> None:
    """FACTS, cookie sizes: 100 octets for AEAD 15, a packet of 228 as chrony's."""
    assert len(CLIENT.cookie) == 100
    assert len(CLIENT.request()) == 228


def test_new_cookies_are_under_the_current_key_and_old_ones_open() -> None:
    old = seal_cookie(RING.accepted[0], CLIENT.session, b"o" * 16)
    outcome = Desk(SERVED).ask(CLIENT.sealed(REQUEST + UID + extension(0x0204, old)))
    assert outcome.reply is not None
    assert [cookie[:3] for cookie in CLIENT.cookies(outcome.reply)] == [b"\0\0\2"]


def test_facts_placeholders_may_be_encrypted() -> None:
    """FACTS, request: placeholders MAY be encrypted; their body is ignored; other fields in there are skipped."""
    room = extension(0x7777, bytes(4 * len(CLIENT.placeholder)))
    inner = 2 * extension(0x0304, b"?" * 100) + extension(0x9999, b"") + extension(0x0204, b"x" * 100) + extension(0x0104, bytes(32))
    request = CLIENT.sealed(REQUEST + UID + room + extension(0x0204, CLIENT.cookie) + CLIENT.placeholder, inner)
    outcome = Desk(SERVED).ask(request)
    assert outcome.reply is not None
    assert len(CLIENT.cookies(outcome.reply)) == 4
    assert len(outcome.reply) == len(request)


def test_facts_cpu_abuse_cookies_are_capped() -> None:
    """FACTS, CPU abuse: eight placeholders (in clear, encrypted or mixed) are too many; those of another length are no bargain."""
    desk = Desk(SERVED)
    assert desk.ask(CLIENT.request(8)) == MALFORMED
    assert desk.ask(CLIENT.request(inner=8 * CLIENT.placeholder)) == MALFORMED
    assert desk.ask(CLIENT.request(4, inner=4 * CLIENT.placeholder)) == MALFORMED
    for size in (0, 96, 104, 164):
        wrong = extension(0x0304, bytes(size))
        if size >= 12:
            assert desk.ask(CLIENT.sealed(REQUEST + UID + extension(0x0204, CLIENT.cookie) + wrong)) == MALFORMED
        assert desk.ask(CLIENT.request(inner=wrong)) == MALFORMED
    assert desk.drawn == []


COOKIE = extension(0x0204, CLIENT.cookie)


@pytest.mark.parametrize(
    "fields",
    [
        COOKIE,
        UID,
        UID + UID + COOKIE,
        UID + COOKIE + COOKIE,
        extension(0x0104, bytes(28)) + COOKIE,
        UID + extension(0x0104, bytes(28)) + COOKIE,
    ],
    ids=["no identifier", "no cookie", "two identifiers", "two cookies", "short identifier", "also a short identifier"],
)
def test_facts_request_has_exactly_one_of_each(fields: bytes) -> None:
    """FACTS, request: exactly one UID (at least 32 octets), one cookie, one authenticator."""
    assert Desk(SERVED).ask(CLIENT.sealed(REQUEST + fields)) == MALFORMED


def test_a_cookie_without_an_authenticator_is_malformed() -> None:
    for request in (REQUEST + UID + COOKIE, REQUEST + UID + COOKIE + b"\0\0\0\1" + b"d" * 16):
        assert Desk(SERVED).ask(request) == MALFORMED


@pytest.mark.parametrize(("nonce", "sealed"), [(16, 200), (200, 16), (0xFFFF, 0xFFFF), (15, 25), (25, 15)])
def test_an_authenticator_whose_lengths_do_not_fit_is_malformed(nonce: int, sealed: int) -> None:
    authenticator = extension(0x0404, struct.pack("!HH", nonce, sealed) + bytes(36))
    assert Desk(SERVED).ask(REQUEST + UID + COOKIE + authenticator) == MALFORMED


def test_facts_after_the_aeef_everything_is_discarded() -> None:
    """FACTS, after the AEEF: fields there are unauthenticated: discarded, whatever they are."""
    request = CLIENT.request()
    for junk in (UID, COOKIE, extension(0x0102, bytes(16)), b"\0\0\0\1" + b"d" * 16, bytes(4), b"\1\2\3\4" * 5, CLIENT.placeholder * 3):
        outcome = Desk(SERVED).ask(request + junk)
        assert outcome.record.reason is ServerReason.SYNCHRONISED
        assert outcome.reply is not None
        assert len(outcome.reply) == len(request)
        assert len(CLIENT.cookies(outcome.reply)) == 1


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.aead.name)
def test_facts_nonce_padding(client: NtsClient) -> None:
    """FACTS, nonce padding: N_REQ = min(16, N_MAX); a request with less of nonce and padding is dropped; N_MAX is 12 for AEAD 30."""
    desk, clear = Desk(SERVED), REQUEST + UID + extension(0x0204, client.cookie)
    short = Outcome(Record(4, ServerReason.NTS_SHORT_NONCE, ServerResponse.IGNORE, Protection.NTS), None)
    if client.aead is Aead.AES_128_GCM_SIV:
        assert desk.ask(client.sealed(clear)).record.reason is ServerReason.SYNCHRONISED
        return
    assert desk.ask(client.sealed(clear, nonce=b"n" * 9)) == short
    assert desk.ask(client.sealed(clear, nonce=b"n" * 8, more=4)) == short
    assert desk.ask(client.sealed(clear, nonce=b"", more=16)) == short
    for nonce, more in ((b"n" * 13, 0), (b"n" * 1, 12), (b"n" * 8, 8), (b"n" * 40, 0), (b"n" * 16, 20)):
        outcome = desk.ask(client.sealed(clear, nonce=nonce, more=more))
        assert outcome.record.reason is ServerReason.SYNCHRONISED, nonce
        assert outcome.reply is not None
        client.cookies(outcome.reply)


def test_gcm_siv_takes_no_nonce_but_of_12_octets() -> None:
    client = NtsClient(Aead.AES_128_GCM_SIV)
    clear = REQUEST + UID + extension(0x0204, client.cookie)
    value = struct.pack("!HH", 16, 16) + bytes(16) + bytes(16)
    nak_of(Desk(SERVED).ask(clear + extension(0x0404, value)), ServerReason.NTS_BAD_AUTHENTICATOR)
    value = struct.pack("!HH", 8, 16) + bytes(8) + bytes(16)
    assert Desk(SERVED).ask(clear + extension(0x0404, value)).record.reason is ServerReason.NTS_SHORT_NONCE


@pytest.mark.parametrize(
    ("inner", "fine"),
    [(b"", True), (extension(0x9999, b""), True), (extension(0x9999, b"four"), True), (b"abc", False), (b"\x99\x99\0\3", False),
     (b"\x99\x99\0\x05abcd", False), (b"\x99\x99\0\x0cabcd", False), (extension(0x9999, b"") + b"\0\0\0\0", False)],
)  # fmt: skip
def test_facts_inner_efs_have_no_minimum_but_are_whole_words(inner: bytes, fine: bool) -> None:
    """FACTS, inner EFs: no 16 or 28 octets minimum inside the ciphertext, still a multiple of 4."""
    outcome = Desk(SERVED).ask(CLIENT.request(inner=inner))
    assert outcome.record.reason is (ServerReason.SYNCHRONISED if fine else ServerReason.NTS_MALFORMED)
    assert (outcome.reply is not None) is fine


def test_facts_nts_nak_reasons() -> None:
    """FACTS, NTS NAK: for what is not authentic and for cookies that can't be opened, by their reason."""
    desk = Desk(SERVED)

    def with_cookie(cookie: bytes) -> Outcome:
        return desk.ask(CLIENT.sealed(REQUEST + UID + extension(0x0204, cookie)))

    foreign, gone = (seal_cookie(MasterKey(number, b"?" * 32), CLIENT.session, bytes(16)) for number in (55, 9))
    nak_of(with_cookie(foreign), ServerReason.NTS_UNKNOWN_COOKIE)
    nak_of(with_cookie(gone), ServerReason.NTS_EXPIRED_KEY)
    nak_of(with_cookie(CLIENT.cookie[:-1] + b"?"), ServerReason.NTS_BAD_COOKIE)
    nak_of(with_cookie(CLIENT.cookie + bytes(4)), ServerReason.NTS_BAD_COOKIE)
    nak_of(with_cookie(NtsClient(version5=True).cookie), ServerReason.NTS_BAD_COOKIE)
    nak_of(desk.ask(replace(CLIENT, aead=Aead.AES_SIV_CMAC_256).request()[:-1] + b"?"), ServerReason.NTS_BAD_AUTHENTICATOR)
    nak_of(Desk().ask(CLIENT.request()), ServerReason.NTS_NOT_SERVED)
    nak_of(Desk().ask(REQUEST + COOKIE), ServerReason.NTS_NOT_SERVED, uid=b"")


@given(flip=st.integers(0, 8 * 228 - 1))
def test_one_changed_bit_anywhere_gets_no_cookie(flip: int) -> None:
    request = bytearray(CLIENT.request())
    request[flip // 8] ^= 1 << flip % 8
    outcome = Desk(SERVED).ask(bytes(request))
    assert outcome.reply is None or len(outcome.reply) <= 48 + len(UID)


def test_after_a_rotation_the_new_ring_decides() -> None:
    new = MasterKey(3, b"n" * 32)
    rotated = ServiceSettings(nts=KeyRing(new, (RING.current, new), frozenset({1, 9})))
    outcome = Desk(rotated).ask(CLIENT.request())
    assert outcome.reply is not None
    assert CLIENT.cookies(outcome.reply)[0][:3] == b"\0\0\3"
    gone = seal_cookie(RING.accepted[0], CLIENT.session, b"o" * 16)
    nak_of(Desk(rotated).ask(CLIENT.sealed(REQUEST + UID + extension(0x0204, gone))), ServerReason.NTS_EXPIRED_KEY)


def test_nts_is_served_where_only_nts_is() -> None:
    desk = Desk(SERVED, ListenerSettings(require_nts=True, nts_only_silence=True))
    assert desk.ask(CLIENT.request()).record.reason is ServerReason.SYNCHRONISED
    assert desk.ask(REQUEST).reply is None


def test_mode_1_gets_no_nts() -> None:
    assert Desk(SERVED).ask(CLIENT.request(head=bytes([4 << 3 | Mode.SYMMETRIC_ACTIVE]) + REQUEST[1:])) == MALFORMED


def test_an_unsynchronised_server_says_so_authentically() -> None:
    outcome = Desk(SERVED, state=replace(LOCKED, leap=Leap.UNKNOWN)).ask(CLIENT.request())
    assert outcome.record == Record(4, ServerReason.UNSYNCHRONISED, ServerResponse.TIME, Protection.NTS)
    assert outcome.reply is not None
    assert (outcome.reply[0], outcome.reply[1]) == (0xE4, 0)
    assert len(CLIENT.cookies(outcome.reply)) == 1


def test_the_rate_limit_comes_before_any_cipher() -> None:
    desk = Desk(replace(SERVED, rate_limit=RateLimit(burst=1, leak=0, kiss=256)))
    assert desk.ask(CLIENT.request()).record.response is ServerResponse.TIME
    outcome = desk.ask(CLIENT.request()[:-1] + b"?")
    assert outcome.record == Record(4, ServerReason.RATE_LIMITED, ServerResponse.KISS_RATE, Protection.NTS)
    assert outcome.reply is not None
    assert len(outcome.reply) == 48


def test_stale_times_are_not_told_by_nts_either() -> None:
    outcome = Desk(SERVED).ask(CLIENT.request(), sent=UtcNs(RECEIVED - 1))
    assert outcome == Outcome(Record(4, ServerReason.STALE, ServerResponse.IGNORE, Protection.NTS), None)


def test_the_largest_request_gets_the_largest_reply() -> None:
    filler = extension(0x7777, bytes(MAX_REQUEST - len(CLIENT.request(7)) - 4))
    request = CLIENT.sealed(REQUEST + UID + filler + COOKIE + 7 * CLIENT.placeholder)
    assert len(request) == MAX_REQUEST
    outcome = Desk(SERVED).ask(request)
    assert outcome.reply is not None
    assert len(outcome.reply) == MAX_REQUEST
    assert len(CLIENT.cookies(outcome.reply)) == 8

"""Symmetric keys, crypto-NAKs, MS-SNTP, Autokey, and the echo of a unique identifier."""

import pytest
from asking import KEYS, REQUEST, UID, Desk, extension
from hypothesis import given
from hypothesis import strategies as st

from stratum1.ntp import KeyKind, Mode, Packet, SymmetricKey
from stratum1.server import Outcome, Protection, Record, ServerReason, ServerResponse
from stratum1.server.service import ServiceSettings

KEYED = ServiceSettings(keys=KEYS)


def head(version: int = 4, mode: int = Mode.CLIENT) -> bytes:
    return bytes([version << 3 | mode]) + REQUEST[1:]


def signed(packet: bytes, key: SymmetricKey, length: int | None = None) -> bytes:
    digest = key.digest(packet)[: key.kind.lengths[0] if length is None else length]
    return packet + key.key_id.to_bytes(4, "big") + digest


@pytest.mark.parametrize("version", [1, 2, 3, 4])
@pytest.mark.parametrize("key", KEYS.values(), ids=lambda key: key.kind.value)
@pytest.mark.parametrize("mode", [Mode.CLIENT, Mode.SYMMETRIC_ACTIVE])
def test_a_right_mac_is_answered_with_one_by_the_same_key(version: int, key: SymmetricKey, mode: int) -> None:
    request = signed(head(version, mode), key)
    outcome = Desk(KEYED).ask(request)
    assert outcome.record == Record(version, ServerReason.SYNCHRONISED, ServerResponse.TIME, Protection.MAC)
    assert outcome.reply is not None
    assert len(outcome.reply) == len(request)
    assert outcome.reply == signed(outcome.reply[:48], key)
    assert outcome.reply[24:32] == REQUEST[40:48]


@pytest.mark.parametrize("key", [KEYS[3], KEYS[4], KEYS[5]], ids=lambda key: key.kind.value)
def test_old_versions_may_send_the_whole_digest_and_get_it(key: SymmetricKey) -> None:
    """chrony asks a version 3 server with the whole digest; version 4 has room for 20 octets only."""
    request = signed(head(3), key, key.kind.whole)
    outcome = Desk(KEYED).ask(request)
    assert outcome.record == Record(3, ServerReason.SYNCHRONISED, ServerResponse.TIME, Protection.MAC)
    assert outcome.reply is not None
    assert outcome.reply == signed(outcome.reply[:48], key, key.kind.whole)


def test_facts_cmac_covers_header_and_extension_fields() -> None:
    """FACTS, CMAC: AES-128, 16 octets, MAC of 20 in all; covers header and extension fields."""
    key = KEYS[6]
    assert key.kind is KeyKind.AES128
    request = signed(REQUEST + extension(0xF323, bytes(12)) + UID, key)
    assert len(request) == 48 + 16 + 36 + 20
    outcome = Desk(KEYED).ask(request)
    assert outcome.reply is not None
    assert outcome.reply[48:84] == UID
    assert outcome.reply == signed(outcome.reply[:84], key)
    changed = request[:60] + b"\1" + request[61:]
    assert Desk(KEYED).ask(changed).record.reason is ServerReason.BAD_MAC


@pytest.mark.parametrize("version", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("mac", "reason"),
    [
        (b"\0\0\0\1" + b"d" * 16, ServerReason.BAD_MAC),
        (b"\0\0\0\2" + b"d" * 16, ServerReason.BAD_MAC),  # SHA-1 makes 20
        (b"\0\0\0\6" + b"d" * 20, ServerReason.BAD_MAC),
        (b"\0\0\0\x63" + b"d" * 16, ServerReason.UNKNOWN_KEY),
        (b"\0\0\0\x63" + b"d" * 20, ServerReason.UNKNOWN_KEY),
    ],
)
def test_what_cannot_be_verified_gets_a_crypto_nak_in_version_4_only(version: int, mac: bytes, reason: ServerReason) -> None:
    outcome = Desk(KEYED).ask(head(version) + mac)
    response = ServerResponse.CRYPTO_NAK if version == 4 else ServerResponse.IGNORE
    assert outcome.record == Record(version, reason, response, Protection.MAC)
    if version == 4:
        assert outcome.reply is not None
        assert outcome.reply[48:] == bytes(4)
        assert outcome.reply[:4] == bytes.fromhex("240106e9")
    else:
        assert outcome.reply is None


@given(flip=st.integers(0, 8 * 68 - 1), number=st.sampled_from([1, 6]))
def test_one_changed_bit_makes_a_mac_wrong(flip: int, number: int) -> None:
    request = bytearray(signed(REQUEST, KEYS[number]))
    request[flip // 8] ^= 1 << flip % 8
    assert Desk(KEYED).ask(bytes(request)).record.reason is not ServerReason.SYNCHRONISED


def test_facts_mac_ambiguity() -> None:
    """FACTS, MAC ambiguity: v4: 20 to 24 octets left are a MAC, 4 zero octets a crypto-NAK, 28 or more a field; v3: all is MAC."""
    desk = Desk(KEYED)
    reasons = {
        REQUEST + bytes(4): ServerReason.PEER_CRYPTO_NAK,
        REQUEST + b"\0\0\0\1": ServerReason.TRAILING_OCTETS,
        REQUEST + bytes(3) + b"\1" + b"x" * 12: ServerReason.TRAILING_OCTETS,
        REQUEST + bytes(3) + b"\1" + b"x" * 16: ServerReason.BAD_MAC,
        REQUEST + bytes(3) + b"\1" + b"x" * 20: ServerReason.BAD_MAC,
        REQUEST + extension(0x7777, bytes(24)): ServerReason.SYNCHRONISED,
        REQUEST + extension(0x7777, bytes(12)): ServerReason.TRAILING_OCTETS,
        REQUEST + extension(0x7777, bytes(20)): ServerReason.UNKNOWN_KEY,
        REQUEST + extension(0x7777, bytes(12)) + bytes(4): ServerReason.MS_SNTP,  # 20 octets with a digest of zeros
        head(3) + extension(0x7777, bytes(24)): ServerReason.UNKNOWN_KEY,
        head(3) + bytes(4): ServerReason.PEER_CRYPTO_NAK,
        head(3) + b"\0\0\0\1": ServerReason.BAD_MAC,
    }
    assert {request: desk.ask(request).record.reason for request in reasons} == reasons


def test_facts_ef_length() -> None:
    """FACTS, EF length: header included, a multiple of 4, at least 16; the last one at least 28 when no MAC follows."""
    desk = Desk()
    for length, reason in {8: ServerReason.BAD_EXTENSION, 30: ServerReason.BAD_EXTENSION, 0xFFFC: ServerReason.BAD_EXTENSION}.items():
        assert desk.ask(REQUEST + b"\x77\x77" + length.to_bytes(2, "big") + bytes(28)).record.reason is reason


@pytest.mark.parametrize(
    "request_octets",
    [
        head(3) + b"\x12\x34\x56\x78" + bytes(16),
        head(4) + b"\x12\x34\x56\x78" + bytes(16),
        head(3) + b"\x12\x34\x56\x78" + bytes(68),
        head(3) + b"x" * 72,
        head(3, Mode.SYMMETRIC_ACTIVE) + bytes(20),
    ],
)
def test_facts_ms_sntp_is_recognised_and_not_answered(request_octets: bytes) -> None:
    """FACTS, MAC ambiguity: v3 with 20 octets and a digest of zeros is MS-SNTP, with 72 its extended form."""
    for service in (KEYED, ServiceSettings()):
        outcome = Desk(service).ask(request_octets)
        assert outcome == Outcome(Record(request_octets[0] >> 3 & 7, ServerReason.MS_SNTP, ServerResponse.IGNORE), None)


@pytest.mark.parametrize("kind", [0x0002, 0x0102, 0x0202, 0x0302, 0x0502, 0x8102, 0x8702, 0xC202])
def test_autokey_is_recognised_and_not_answered(kind: int) -> None:
    request = REQUEST + UID + extension(kind, bytes(16)) + b"\0\1\0\0" + b"d" * 16
    assert Desk(KEYED).ask(request) == Outcome(Record(4, ServerReason.AUTOKEY, ServerResponse.IGNORE), None)


def test_facts_unknown_ef_is_ignored_and_the_request_answered() -> None:
    """FACTS, unknown EF: ignore, still answer."""
    outcome = Desk().ask(REQUEST + extension(0xF323, bytes(24)) + extension(0x4321, bytes(200)))
    assert outcome.record.reason is ServerReason.SYNCHRONISED
    assert outcome.reply is not None
    assert len(outcome.reply) == 48


@pytest.mark.parametrize("size", [28, 32, 64, 900])
@pytest.mark.parametrize("count", [1, 2])
def test_a_lone_unique_identifier_is_echoed(size: int, count: int) -> None:
    """RFC 8915, section 5.3: at least 32 octets; more than one is none."""
    identifier = extension(0x0104, b"i" * size)
    outcome = Desk().ask(REQUEST + extension(0x7777, bytes(12)) + count * identifier + extension(0x7778, bytes(24)))
    assert outcome.reply is not None
    assert outcome.reply[48:] == (identifier if size >= 32 and count == 1 else b"")


def test_version_3_has_no_fields_to_echo() -> None:
    assert Desk().ask(head(3) + UID).record.reason is ServerReason.UNKNOWN_KEY


def test_ntpv1_is_answered_with_a_mode() -> None:
    """FACTS, NTPv1: version 1, mode 0 from a port other than 123 counts as a client; mode 0 is never sent."""
    outcome = Desk(KEYED).ask(signed(head(1, 0), KEYS[1]))
    assert outcome.reply is not None
    assert outcome.reply[0] & 7 == Mode.SERVER


def test_a_crypto_nak_tells_the_time_without_any_field() -> None:
    """As ever, the header is that of a time reply, unauthenticated, and it holds nothing of the request but the origin."""
    desk = Desk(KEYED)
    request = Packet(4, Mode.CLIENT, origin=desk.answer().receive).to_bytes() + UID + b"\0\0\0\x63" + b"d" * 16
    outcome = desk.ask(request)
    assert outcome.record.response is ServerResponse.CRYPTO_NAK
    assert outcome.saved is None
    assert outcome.reply is not None
    assert len(outcome.reply) == 52


def test_keys_under_another_number_are_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="keys: 1 stands at 7"):
        ServiceSettings(keys={7: KEYS[1]}).check()

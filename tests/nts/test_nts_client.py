"""The client's side of NTS in packets, against the responder, and against replies that are not its."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum1.ntp import FieldKind, Mode, Packet, field, request_fields_v4
from stratum1.nts.aead import Aead, Sealer
from stratum1.nts.client import NtsFault, NtsKeys, NtsReplyError, build_nts_request, open_nts_reply

IDENTIFIER = bytes(range(32))
HEADER = Packet(4, Mode.CLIENT, precision=32).to_bytes()
REPLY = Packet(4, Mode.SERVER, stratum=1).to_bytes()
AEADS = list(Aead)


def keys(aead: Aead) -> NtsKeys:
    draw = random.Random(aead.value)
    return NtsKeys(aead, draw.randbytes(aead.key_length), draw.randbytes(aead.key_length))


def made_reply(known: NtsKeys, *cookies: bytes, identifier: bytes = IDENTIFIER) -> bytes:
    nonce = bytes(known.aead.nonce_length)
    covered = REPLY + field(FieldKind.UNIQUE_IDENTIFIER, identifier)
    sealed = Sealer(known.aead, known.s2c).seal(nonce, (covered,), b"".join(field(FieldKind.NTS_COOKIE, each) for each in cookies))
    body = len(nonce).to_bytes(2) + len(sealed).to_bytes(2) + nonce + sealed
    return covered + field(FieldKind.NTS_AUTHENTICATOR, body)


def fault(reply: bytes, known: NtsKeys) -> NtsFault:
    with pytest.raises(NtsReplyError) as raised:
        open_nts_reply(reply, known, IDENTIFIER)
    return raised.value.fault


@pytest.mark.parametrize("aead", AEADS)
def test_a_request_has_its_fields_in_order_and_opens(aead: Aead) -> None:
    known, nonce = keys(aead), bytes(range(aead.nonce_length))
    request = build_nts_request(HEADER, known, b"c" * 99, IDENTIFIER, nonce, placeholders=2)
    places, end = request_fields_v4(request)
    kinds = (FieldKind.UNIQUE_IDENTIFIER, FieldKind.NTS_COOKIE, FieldKind.NTS_PLACEHOLDER, FieldKind.NTS_PLACEHOLDER)
    assert [each.kind for each in places] == [*kinds, FieldKind.NTS_AUTHENTICATOR]
    assert end == len(request)
    assert len({each.length for each in places[1:4]}) == 1
    body = request[places[-1].start + 4 :]
    assert body[:4] == aead.nonce_length.to_bytes(2) + b"\0\x10"
    sealed = body[4 + aead.nonce_length :]
    assert Sealer(aead, known.c2s).open(nonce, (request[: places[-1].start],), sealed) == b""


@pytest.mark.parametrize("aead", AEADS)
def test_an_authentic_reply_brings_its_cookies(aead: Aead) -> None:
    known = keys(aead)
    assert open_nts_reply(made_reply(known, b"one." * 25, b"two." * 25), known, IDENTIFIER).cookies == (b"one." * 25, b"two." * 25)
    assert open_nts_reply(made_reply(known), known, IDENTIFIER).cookies == ()


@pytest.mark.parametrize("aead", AEADS)
def test_an_octet_changed_anywhere_is_noticed(aead: Aead) -> None:
    known = keys(aead)
    reply = made_reply(known, b"cookie..")
    for at in range(len(reply)):
        changed = bytes(octet ^ (at == place) for place, octet in enumerate(reply))
        assert fault(changed, known) in (NtsFault.NOT_AUTHENTIC, NtsFault.MALFORMED, NtsFault.OTHER_REQUEST)


def test_what_follows_the_authenticator_counts_for_nothing() -> None:
    known = keys(AEADS[0])
    junk = field(FieldKind.NTS_COOKIE, b"x" * 28)
    assert open_nts_reply(made_reply(known, b"good") + junk, known, IDENTIFIER).cookies == (b"good",)


def test_the_other_direction_s_key_is_not_ours() -> None:
    known = keys(AEADS[0])
    assert fault(made_reply(replace(known, s2c=known.c2s)), known) is NtsFault.NOT_AUTHENTIC


def test_a_reply_without_an_authenticator_is_none_and_a_nak_is_told() -> None:
    known = keys(AEADS[0])
    named = field(FieldKind.UNIQUE_IDENTIFIER, IDENTIFIER)
    assert fault(REPLY + named, known) is NtsFault.MALFORMED
    nak = Packet(4, Mode.SERVER, leap=3, refid=b"NTSN").to_bytes()
    assert fault(nak + named, known) is NtsFault.NAK
    assert fault(nak, known) is NtsFault.OTHER_REQUEST
    assert fault(nak + field(FieldKind.UNIQUE_IDENTIFIER, b"other" * 8), known) is NtsFault.OTHER_REQUEST
    assert fault(nak + named + named, known) is NtsFault.MALFORMED


@given(st.binary(max_size=200), st.booleans())
def test_no_reply_is_believed_by_chance(rest: bytes, headed: bool) -> None:
    with pytest.raises(NtsReplyError):
        open_nts_reply(REPLY + rest if headed else rest, keys(AEADS[0]), IDENTIFIER)

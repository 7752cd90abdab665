"""The client's side of NTS in NTP packets (RFC 8915, section 5): what is added to a request, and what of a reply can be believed. Pure.

    header | Unique Identifier | Cookie | Placeholders | Authenticator (nonce, nothing encrypted)

Placeholders stay in clear: servers may drop requests with encrypted content, and the RFC asks for none.
"""

import dataclasses
import hmac
import struct
from dataclasses import dataclass
from enum import StrEnum

from stratum1.ntp import HEADER_SIZE, FieldKind, WireError, field, inner_fields, request_fields_v4

from .aead import Aead, Sealer

__all__ = ["NtsFault", "NtsKeys", "NtsReply", "NtsReplyError", "build_nts_request", "open_nts_reply"]

_LENGTHS = struct.Struct("!HH")
_SHORTEST_IDENTIFIER = 32
_NAK = b"NTSN"


class NtsFault(StrEnum):
    """Why a reply is not believed."""

    MALFORMED = "malformed"
    """It has no authenticator, or not the fields of an NTS reply."""
    OTHER_REQUEST = "other-request"
    """Its unique identifier is not that of our request: late, or somebody else's."""
    NOT_AUTHENTIC = "not-authentic"
    """It was not made with our key."""
    NAK = "nak"
    """The server can't open our cookie (section 5.7). Anybody on the way can say so: new keys are due only if no answer comes."""


class NtsReplyError(ValueError):
    """A reply that is not believed."""

    def __init__(self, fault: NtsFault, text: str) -> None:
        super().__init__(text)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class NtsKeys:
    """What an association has."""

    aead: Aead
    c2s: bytes = dataclasses.field(repr=False)
    s2c: bytes = dataclasses.field(repr=False)


@dataclass(frozen=True, slots=True)
class NtsReply:
    """An authentic reply's new cookies."""

    cookies: tuple[bytes, ...] = dataclasses.field(repr=False)


def build_nts_request(header: bytes, keys: NtsKeys, cookie: bytes, identifier: bytes, nonce: bytes, *, placeholders: int = 0) -> bytes:
    """A request. header: 48 octets; identifier: 32 or more random ones; nonce: as many random ones as the AEAD takes.

    placeholders: 0 to 7, how many cookies are wanted beside the one that replaces this one.
    """
    padded = cookie + bytes(-len(cookie) % 4)
    parts = [header, field(FieldKind.UNIQUE_IDENTIFIER, identifier), field(FieldKind.NTS_COOKIE, padded)]
    parts += [field(FieldKind.NTS_PLACEHOLDER, bytes(len(padded)))] * placeholders
    covered = b"".join(parts)
    sealed = Sealer(keys.aead, keys.c2s).seal(nonce, (covered,), b"")
    body = _LENGTHS.pack(len(nonce), len(sealed)) + nonce + bytes(-len(nonce) % 4) + sealed
    return covered + field(FieldKind.NTS_AUTHENTICATOR, body)


def open_nts_reply(reply: bytes, keys: NtsKeys, identifier: bytes) -> NtsReply:
    """What an authentic reply to the request with this identifier brings. What follows the authenticator counts for nothing.

    Raises NtsReplyError.
    """
    if len(reply) < HEADER_SIZE:
        raise NtsReplyError(NtsFault.MALFORMED, "the reply is shorter than a header")
    found, at = _fields(reply)
    if not hmac.compare_digest(found.get(FieldKind.UNIQUE_IDENTIFIER, b""), identifier) or len(identifier) < _SHORTEST_IDENTIFIER:
        raise NtsReplyError(NtsFault.OTHER_REQUEST, "the reply answers another request than ours")
    if FieldKind.NTS_AUTHENTICATOR not in found:
        if reply[1] == 0 and reply[12:16] == _NAK:
            raise NtsReplyError(NtsFault.NAK, "the server does not know our cookie any more (NTS NAK)")
        raise NtsReplyError(NtsFault.MALFORMED, "the reply is not authenticated")
    text = _opened(found[FieldKind.NTS_AUTHENTICATOR], reply[:at], keys)
    if text is None:
        raise NtsReplyError(NtsFault.NOT_AUTHENTIC, "the reply was not made with our key")
    return NtsReply(tuple(_cookies(text)))


def _fields(reply: bytes) -> tuple[dict[int, bytes], int]:
    """The values by type up to the authenticator, and where that begins. Raises NtsReplyError."""
    try:
        places, _ = request_fields_v4(reply, FieldKind.NTS_AUTHENTICATOR)
    except WireError as error:
        raise NtsReplyError(NtsFault.MALFORMED, f"the reply is malformed: {error}") from None
    if sum(each.kind == FieldKind.UNIQUE_IDENTIFIER for each in places) > 1:
        raise NtsReplyError(NtsFault.MALFORMED, "the reply has two unique identifiers")
    return {each.kind: reply[each.start + 4 : each.end] for each in places}, places[-1].start if places else HEADER_SIZE


def _opened(body: bytes, covered: bytes, keys: NtsKeys) -> bytes | None:
    if len(body) < 4:
        return None
    nonce_length, length = _LENGTHS.unpack_from(body)
    begin = 4 + nonce_length + -nonce_length % 4
    if nonce_length == 0 or begin + length > len(body):
        return None
    return Sealer(keys.aead, keys.s2c).open(body[4 : 4 + nonce_length], (covered,), body[begin : begin + length])


def _cookies(text: bytes) -> list[bytes]:
    return [text[each.start + 4 : each.end] for each in inner_fields(text) or () if each.kind == FieldKind.NTS_COOKIE]

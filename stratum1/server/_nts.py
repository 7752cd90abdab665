"""NTS in requests and replies (RFC 8915, section 5). Pure.

A request has, before its authenticator, exactly one unique identifier and one cookie and any number of other fields; up to seven
placeholders ask for more cookies. What follows the authenticator is not authenticated and is discarded.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from stratum1.ntp import HEADER_SIZE, FieldKind, FieldPlace, field, inner_fields
from stratum1.nts.aead import TAG_LENGTH, Sealer
from stratum1.nts.cookies import NONCE_LENGTH, CookieFault, CookieJar, Session, cookie_length

from ._reasons import ServerReason, ServerResponse

__all__ = ["NtsRefusalError", "NtsRequest", "claims_nts", "lone_identifier", "open_request", "seal_reply", "uses_nts"]

_LENGTHS = struct.Struct("!HH")
_MOST_PLACEHOLDERS = 7
_SHORTEST_IDENTIFIER = 32
_FAULTS = {
    CookieFault.UNKNOWN_KEY: ServerReason.NTS_UNKNOWN_COOKIE,
    CookieFault.EXPIRED_KEY: ServerReason.NTS_EXPIRED_KEY,
    CookieFault.BAD: ServerReason.NTS_BAD_COOKIE,
}


class NtsRefusalError(ValueError):
    """A request that is not served by NTS, with the reason for its record."""

    def __init__(self, reason: ServerReason) -> None:
        super().__init__(reason.value)
        self.reason = reason

    @property
    def response(self) -> ServerResponse:
        """What is done about it: a NAK asks for new keys; what no honest client sends gets silence."""
        malformed = self.reason in (ServerReason.NTS_MALFORMED, ServerReason.NTS_SHORT_NONCE)
        return ServerResponse.IGNORE if malformed else ServerResponse.NTS_NAK


class NtsRequest(NamedTuple):
    """An authenticated request. cookies: how many it may have; end: the octet after its authenticator, which the reply reaches too."""

    session: Session
    cookies: int
    end: int


class _Authenticator(NamedTuple):
    """An authenticator field taken apart. room: octets that a reply's nonce may take (RFC 8915, section 5.6)."""

    nonce: bytes
    sealed: bytes
    room: int


def uses_nts(places: Iterable[FieldPlace]) -> bool:
    """Whether a packet with these fields is to be read as NTS."""
    return any(place.kind in (FieldKind.NTS_COOKIE, FieldKind.NTS_AUTHENTICATOR) for place in places)


def claims_nts(request: bytes) -> bool:
    """Whether a version 4 packet has a cookie, as far as its fields can be followed; nothing is verified."""
    at, size = HEADER_SIZE, len(request)
    while size - at >= _LENGTHS.size:
        kind, length = _LENGTHS.unpack_from(request, at)
        if length < _LENGTHS.size or length % 4 or length > size - at:
            return False
        if kind == FieldKind.NTS_COOKIE:
            return True
        at += length
    return False


def lone_identifier(places: Iterable[FieldPlace]) -> FieldPlace | None:
    """The unique identifier, if there is exactly one and it is long enough."""
    found = [place for place in places if place.kind == FieldKind.UNIQUE_IDENTIFIER]
    return found[0] if len(found) == 1 and found[0].length >= _SHORTEST_IDENTIFIER + 4 else None


def open_request(jar: CookieJar | None, request: bytes, places: Sequence[FieldPlace]) -> tuple[CookieJar, NtsRequest]:
    """Verify a request with the fields `places`, of which the last is its first authenticator; returns it and the jar.

    Raises NtsRefusalError with the reason why it is not served.
    """
    if jar is None:
        raise NtsRefusalError(ServerReason.NTS_NOT_SERVED)
    last = places[-1]
    cookies = [place for place in places if place.kind == FieldKind.NTS_COOKIE]
    asked = [place.length for place in places if place.kind == FieldKind.NTS_PLACEHOLDER]
    seal = _take_apart(request[last.start + 4 : last.start + last.length]) if last.kind == FieldKind.NTS_AUTHENTICATOR else None
    if seal is None or len(cookies) != 1 or lone_identifier(places) is None or not _fair(asked, cookies[0].length):
        raise NtsRefusalError(ServerReason.NTS_MALFORMED)
    session = _session(jar, request, cookies[0])
    if not seal.nonce or seal.room < session.aead.nonce_length:
        raise NtsRefusalError(ServerReason.NTS_SHORT_NONCE)
    text = Sealer(session.aead, session.c2s).open(seal.nonce, (request[: last.start],), seal.sealed)
    if text is None:
        raise NtsRefusalError(ServerReason.NTS_BAD_AUTHENTICATOR)
    inner = inner_fields(text)
    asked += [place.length for place in inner or () if place.kind == FieldKind.NTS_PLACEHOLDER]
    if inner is None or not _fair(asked, cookies[0].length):
        raise NtsRefusalError(ServerReason.NTS_MALFORMED)
    return jar, NtsRequest(session, 1 + len(asked), last.end)


def _session(jar: CookieJar, request: bytes, cookie: FieldPlace) -> Session:
    """What a request's cookie holds. Raises NtsRefusalError; also for keys that were made for the other protocol."""
    session = jar.open(request[cookie.start + 4 : cookie.start + cookie.length])
    if isinstance(session, CookieFault):
        raise NtsRefusalError(_FAULTS[session])
    if session.version5 is not (request[0] >> 3 & 7 == 5):
        raise NtsRefusalError(ServerReason.NTS_BAD_COOKIE)
    return session


def seal_reply(clear: bytes, opened: NtsRequest, jar: CookieJar, entropy: Callable[[int], bytes]) -> bytes:
    """The reply: `clear` (header and fields in clear), then the authenticator with new cookies in it, padded to `opened.end`.

    entropy is asked for 16 octets for each cookie and then for the reply's nonce.
    """
    aead, room = opened.session.aead, opened.end - len(clear)
    each = 4 + cookie_length(aead)
    spare = room - 2 * _LENGTHS.size - aead.nonce_length - TAG_LENGTH
    cookies = [jar.seal(opened.session, entropy(NONCE_LENGTH)) for _ in range(min(opened.cookies, spare // each))]
    nonce = entropy(aead.nonce_length)
    text = b"".join(field(FieldKind.NTS_COOKIE, cookie) for cookie in cookies)
    sealed = Sealer(aead, opened.session.s2c).seal(nonce, (clear,), text)
    value = _LENGTHS.pack(len(nonce), len(sealed)) + nonce + sealed
    return clear + field(FieldKind.NTS_AUTHENTICATOR, value + bytes(room - 4 - len(value)))


def _fair(asked: Sequence[int], cookie: int) -> bool:
    """Whether placeholders are as many and as long as they may be."""
    return len(asked) <= _MOST_PLACEHOLDERS and all(length == cookie for length in asked)


def _take_apart(value: bytes) -> _Authenticator | None:
    """The value of an authenticator field (RFC 8915, figure 7); None if its lengths do not fit."""
    if len(value) < _LENGTHS.size:
        return None
    nonce, sealed = _LENGTHS.unpack_from(value)
    begins = _LENGTHS.size + nonce + -nonce % 4
    spare = len(value) - begins - sealed - -sealed % 4
    if spare < 0:
        return None
    return _Authenticator(value[4 : 4 + nonce], value[begins : begins + sealed], nonce + -nonce % 4 + spare)

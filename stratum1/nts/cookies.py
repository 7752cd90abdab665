"""Our cookies: what a client hands back so that we need to remember nothing of it (RFC 8915, section 6). Pure.

    0                   1                   2                   3
    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |            Master key identifier              |     AEAD      |  the head
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |                       Nonce (16 octets)                       |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |   C2S key and S2C key, sealed by AES-SIV-CMAC-256 under the   |
   |   master key with head and nonce as associated data           |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

100 octets for AEAD 15, 132 for 16, 164 for 17, 68 for 30: what the AEAD says is all that there can be. The AEAD is one octet, for
all four identifiers are below 256; its highest bit is set in cookies of version 5 (`Session.version5`), so that a client can't
carry keys that were made for one protocol over to the other.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from .aead import TAG_LENGTH, Aead, Sealer
from .keyring import KeyRing, MasterKey

__all__ = ["NONCE_LENGTH", "CookieFault", "CookieJar", "Session", "cookie_length", "seal_cookie"]

NONCE_LENGTH = 16
"""Octets of a cookie's nonce."""

_HEAD = 4
_VERSION_5 = 0x80
_AEADS = {aead | version: (aead, bool(version)) for aead in Aead for version in (0, _VERSION_5)}


class CookieFault(StrEnum):
    """Why a cookie does not open."""

    UNKNOWN_KEY = "unknown-key"
    """Its master key was never ours: another server's cookie."""
    EXPIRED_KEY = "expired-key"
    """Its master key was ours and is gone."""
    BAD = "bad"
    """Cut, of an AEAD that we do not have, or not made with the key that it names."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a cookie holds. version5: the keys are those of the protocol 0x8001, NTPv5, and not of NTPv4."""

    aead: Aead
    c2s: bytes
    s2c: bytes
    version5: bool = False

    def __repr__(self) -> str:
        return f"Session(aead={self.aead!r}, version5={self.version5})"  # never the keys


def cookie_length(aead: Aead) -> int:
    """Octets of a cookie for an AEAD: always a multiple of 4."""
    return _HEAD + NONCE_LENGTH + TAG_LENGTH + 2 * aead.key_length


class CookieJar:
    """A ring of master keys with each one's cipher set up: seals and opens cookies."""

    __slots__ = ("_accepted", "_current", "_expired")

    def __init__(self, ring: KeyRing) -> None:
        self._current = (ring.current.key_id, _master(ring.current))
        self._accepted = {key.key_id: _master(key) for key in _distinct(ring)}
        self._expired = ring.expired

    def seal(self, session: Session, nonce: bytes) -> bytes:
        """A new cookie under the current master key. nonce: 16 random octets. Raises ValueError for keys or a nonce of other lengths."""
        return _seal(*self._current, session, nonce)

    def open(self, cookie: bytes) -> Session | CookieFault:
        """What a cookie of ours holds, or why it is none."""
        if len(cookie) < _HEAD:
            return CookieFault.BAD
        key_id = int.from_bytes(cookie[:3], "big")
        master = self._accepted.get(key_id)
        if master is None:
            return CookieFault.EXPIRED_KEY if key_id in self._expired else CookieFault.UNKNOWN_KEY
        aead, version5 = _AEADS.get(cookie[3], (None, False))
        if aead is None or len(cookie) != cookie_length(aead):
            return CookieFault.BAD
        keys = master.open(cookie[_HEAD : _HEAD + NONCE_LENGTH], (cookie[:_HEAD],), cookie[_HEAD + NONCE_LENGTH :])
        if keys is None:
            return CookieFault.BAD
        return Session(aead, keys[: aead.key_length], keys[aead.key_length :], version5)


def seal_cookie(master: MasterKey, session: Session, nonce: bytes) -> bytes:
    """One cookie under one master key, as `CookieJar.seal`."""
    return _seal(master.key_id, _master(master), session, nonce)


def _master(key: MasterKey) -> Sealer:
    if not 0 <= key.key_id < 1 << 24:
        raise ValueError(f"master key: its id {key.key_id} is not 0 to 16777215")
    return Sealer(Aead.AES_SIV_CMAC_256, key.secret)


def _distinct(ring: KeyRing) -> Iterable[MasterKey]:
    """The keys that open, the current one among them whether it is listed or not."""
    return {key.key_id: key for key in (*ring.accepted, ring.current)}.values()


def _seal(key_id: int, master: Sealer, session: Session, nonce: bytes) -> bytes:
    if len(nonce) != NONCE_LENGTH:
        raise ValueError(f"nonce: {len(nonce)} octets, not 16")
    if not len(session.c2s) == len(session.s2c) == session.aead.key_length:
        raise ValueError(
            f"keys: {len(session.c2s)} and {len(session.s2c)} octets, AEAD {session.aead.value} takes {session.aead.key_length}"
        )
    head = (key_id << 8 | session.aead | (_VERSION_5 if session.version5 else 0)).to_bytes(_HEAD, "big")
    return head + nonce + master.seal(nonce, (head,), session.c2s + session.s2c)

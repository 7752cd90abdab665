"""The four AEADs of NTS that are in use (RFC 8915, section 5.1; RFC 5297 and RFC 8452). Pure.

Those of RFC 5297 take each piece of associated data as a component of S2V and the nonce as the last one; AES-128-GCM-SIV joins the
pieces and takes a nonce of exactly 12 octets.
"""

from enum import IntEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV, AESSIV

from ._empty import gcm_siv_tag, same, siv_tag

__all__ = ["TAG_LENGTH", "Aead", "Sealer"]

TAG_LENGTH = 16
"""Octets that sealing adds, with all four."""

_GCM_SIV_KEY, _GCM_SIV_NONCE = 16, 12


class Aead(IntEnum):
    """AEAD identifiers of the IANA registry."""

    AES_SIV_CMAC_256 = 15
    AES_SIV_CMAC_384 = 16
    AES_SIV_CMAC_512 = 17
    AES_128_GCM_SIV = 30

    @property
    def key_length(self) -> int:
        """Octets of a key."""
        return _KEY_LENGTHS[self]

    @property
    def nonce_length(self) -> int:
        """Octets of the nonces that we make: min(16, N_MAX), which is what a client's nonce needs too (RFC 8915, section 5.6)."""
        return _GCM_SIV_NONCE if self is Aead.AES_128_GCM_SIV else 16


_KEY_LENGTHS = {Aead.AES_SIV_CMAC_256: 32, Aead.AES_SIV_CMAC_384: 48, Aead.AES_SIV_CMAC_512: 64, Aead.AES_128_GCM_SIV: _GCM_SIV_KEY}


def _takes_nothing() -> bool:
    """Whether the library seals and opens an empty text, which is what most NTS requests hold (43, of Debian trixie, does not)."""
    try:
        siv, gcm_siv = AESSIV(bytes(32)), AESGCMSIV(bytes(_GCM_SIV_KEY))
        sealed, also = siv.encrypt(b"", [b"x"]), gcm_siv.encrypt(bytes(_GCM_SIV_NONCE), b"", b"x")
        return (siv.decrypt(sealed, [b"x"]), gcm_siv.decrypt(bytes(_GCM_SIV_NONCE), also, b"x")) == (b"", b"")
    except (ValueError, InvalidTag):
        return False


_LIBRARY_TAKES_NOTHING = _takes_nothing()


class Sealer:
    """One AEAD with its key set up. Raises ValueError for a key of the wrong length."""

    __slots__ = ("_cipher", "_key")

    def __init__(self, aead: Aead, key: bytes) -> None:
        if len(key) != aead.key_length:
            raise ValueError(f"key: AEAD {aead.value} takes {aead.key_length} octets, not {len(key)}")
        self._key = key
        self._cipher: AESSIV | AESGCMSIV = AESGCMSIV(key) if aead is Aead.AES_128_GCM_SIV else AESSIV(key)

    def seal(self, nonce: bytes, associated: tuple[bytes, ...], text: bytes) -> bytes:
        """`text` so that only the key opens it again: 16 octets longer. Raises ValueError for a nonce that the AEAD can't take."""
        if isinstance(self._cipher, AESSIV):
            if text or _LIBRARY_TAKES_NOTHING:
                return self._cipher.encrypt(text, [*associated, nonce])
            return siv_tag(self._key, (*associated, nonce))
        if len(nonce) != _GCM_SIV_NONCE:
            raise ValueError(f"nonce: AEAD 30 takes 12 octets, not {len(nonce)}")
        if text or _LIBRARY_TAKES_NOTHING:
            return self._cipher.encrypt(nonce, text, b"".join(associated))
        return gcm_siv_tag(self._key, nonce, b"".join(associated))

    def open(self, nonce: bytes, associated: tuple[bytes, ...], sealed: bytes) -> bytes | None:
        """The text; None if key, nonce, associated data or octets are not those that it was sealed with."""
        if len(sealed) < TAG_LENGTH:
            return None
        if len(sealed) == TAG_LENGTH and not _LIBRARY_TAKES_NOTHING:
            return self._open_nothing(nonce, associated, sealed)
        try:
            if isinstance(self._cipher, AESSIV):
                return self._cipher.decrypt(sealed, [*associated, nonce])
            if len(nonce) != _GCM_SIV_NONCE:
                return None
            return self._cipher.decrypt(nonce, sealed, b"".join(associated))
        except InvalidTag:
            return None

    def _open_nothing(self, nonce: bytes, associated: tuple[bytes, ...], sealed: bytes) -> bytes | None:
        try:
            expected = self.seal(nonce, associated, b"")
        except ValueError:
            return None
        return b"" if same(expected, sealed) else None

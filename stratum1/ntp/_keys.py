"""Symmetric keys and the digests that authenticate a packet (RFC 5905, appendix A; RFC 8573; RFC 7822, section 3)."""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

__all__ = ["KeyKind", "SymmetricKey"]

_CUT = 20  # octets of a digest in version 4: RFC 7822 allows a MAC of no more than 24


class KeyKind(StrEnum):
    """Algorithm of a symmetric key: a digest of key and packet (RFC 5905, appendix A), or a CMAC (RFC 8573)."""

    MD5 = "md5"
    """16 octets of digest; for old peers."""
    SHA1 = "sha1"
    """20 octets; for old peers."""
    SHA256 = "sha256"
    """The first 20 octets of the digest, as all implementations cut it (RFC 7822 allows no longer MAC in version 4)."""
    SHA384 = "sha384"
    """The first 20 octets."""
    SHA512 = "sha512"
    """The first 20 octets."""
    AES128 = "aes128"
    """AES-128-CMAC: 16 octets, a key of 16 octets."""
    AES256 = "aes256"
    """AES-256-CMAC as chrony has it: 16 octets, a key of 32 octets."""

    @property
    def is_cmac(self) -> bool:
        """Whether it is a CMAC and not a digest of key and packet."""
        return self in (KeyKind.AES128, KeyKind.AES256)

    @property
    def whole(self) -> int:
        """Octets of the digest before anything is cut."""
        return 16 if self.is_cmac else hashlib.new(self.value, usedforsecurity=False).digest_size

    @property
    def lengths(self) -> tuple[int, int]:
        """Octets of the digest in a version 4 packet, and the other length that versions 1 to 3 may use: the whole digest."""
        return min(self.whole, _CUT), self.whole


@dataclass(frozen=True, slots=True)
class SymmetricKey:
    """One key shared with a client. key_id: 1 to 2^32 - 1; secret: 1 to 256 octets (16 and 32 for the AES kinds)."""

    key_id: int
    kind: KeyKind
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not 1 <= self.key_id <= 0xFFFFFFFF:
            raise ValueError(f"key {self.key_id}: a key id is 1 to 4294967295")
        needed = {KeyKind.AES128: 16, KeyKind.AES256: 32}.get(self.kind)
        if needed is not None and len(self.secret) != needed:
            raise ValueError(f"key {self.key_id}: {self.kind} needs a key of {needed} octets, not {len(self.secret)}")
        if not 1 <= len(self.secret) <= 256:
            raise ValueError(f"key {self.key_id}: {len(self.secret)} octets of secret are not 1 to 256")

    def digest(self, data: bytes) -> bytes:
        """The whole digest of `data`, as long as `kind.whole` says; the caller cuts it."""
        if self.kind.is_cmac:
            mac = CMAC(AES(self.secret))
            mac.update(data)
            return mac.finalize()
        hashed: Any = hashlib.new(self.kind.value, self.secret + data, usedforsecurity=False)
        return bytes(hashed.digest())

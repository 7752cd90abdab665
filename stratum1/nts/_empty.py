"""The tags of an empty text, for versions of the cryptography library that refuse one (as 43, of Debian trixie, does). Pure.

S2V of RFC 5297, section 2.4, and POLYVAL of RFC 8452, section 3, over the library's CMAC and AES.
"""

import hmac
import struct

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.cmac import CMAC

__all__ = ["gcm_siv_tag", "same", "siv_tag"]

_ALL = (1 << 128) - 1
_POLYVAL = 1 << 127 | 1 << 126 | 1 << 121 | 1
"""x^128 + x^127 + x^126 + x^121 + 1, less its highest term."""


def siv_tag(key: bytes, components: tuple[bytes, ...]) -> bytes:
    """AES-SIV of an empty text: the synthetic IV of the components, nonce last, and of nothing."""
    half = key[: len(key) // 2]
    mixed = int.from_bytes(_cmac(half, bytes(16)), "big")
    for component in components:
        mixed = _doubled(mixed) ^ int.from_bytes(_cmac(half, component), "big")
    last = _doubled(mixed) ^ (1 << 127)  # the empty string, padded with a one and zeros
    return _cmac(half, last.to_bytes(16, "big"))


def gcm_siv_tag(key: bytes, nonce: bytes, associated: bytes) -> bytes:
    """AES-128-GCM-SIV of an empty text: the tag alone. key: 16 octets; nonce: 12."""
    derived = [_block(key, struct.pack("<I", counter) + nonce)[:8] for counter in range(4)]
    padded = associated + bytes(-len(associated) % 16) + struct.pack("<QQ", 8 * len(associated), 0)
    summed = _polyval(derived[0] + derived[1], padded) ^ int.from_bytes(nonce, "little")
    return _block(derived[2] + derived[3], (summed & _ALL >> 1).to_bytes(16, "little"))


def same(one: bytes, other: bytes) -> bool:
    """Whether two tags are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(one, other)


def _cmac(key: bytes, data: bytes) -> bytes:
    mac = CMAC(AES(key))
    mac.update(data)
    return mac.finalize()


def _block(key: bytes, data: bytes) -> bytes:
    """One block by AES alone, which is how RFC 8452 derives its keys."""
    return Cipher(AES(key), ECB()).encryptor().update(data)  # noqa: S305 - a single block, by definition of the AEAD


def _doubled(value: int) -> int:
    return (value << 1 & _ALL) ^ (0x87 if value >> 127 else 0)


def _polyval(key: bytes, data: bytes) -> int:
    factor, total = int.from_bytes(key, "little"), 0
    for at in range(0, len(data), 16):
        total = _dot(total ^ int.from_bytes(data[at : at + 16], "little"), factor)
    return total


def _dot(one: int, other: int) -> int:
    """one * other * x^-128 in the field of RFC 8452, where bit i stands for x^i."""
    product = 0
    for bit in range(128):
        if one >> bit & 1:
            product ^= other
        # divided by x: an odd polynomial is made even by the modulus, whose lowest term is 1, first
        product = (product ^ (1 << 128 | _POLYVAL)) >> 1 if product & 1 else product >> 1
    return product

"""Symmetric keys of requests and replies (RFC 5905, appendix A; RFC 8573). Pure."""

import hmac
from collections.abc import Mapping
from typing import NamedTuple

from stratum1.ntp import FieldKind, SymmetricKey, field

from ._reasons import ServerReason

__all__ = ["Signature", "judge_mac"]

_KEY_ID = 4


class Signature(NamedTuple):
    """The key that a request was authenticated with and the length of its digest: the reply gets the same."""

    key: SymmetricKey
    length: int

    def sign(self, packet: bytes) -> bytes:
        """The packet with its MAC."""
        return packet + self._mac(packet)

    def sign_field(self, packet: bytes) -> bytes:
        """The packet with its MAC in an extension field, as version 5 has it."""
        return packet + field(FieldKind.V5_MAC, self._mac(packet))

    def _mac(self, packet: bytes) -> bytes:
        return self.key.key_id.to_bytes(_KEY_ID, "big") + self.key.digest(packet)[: self.length]


def judge_mac(keys: Mapping[int, SymmetricKey], covered: bytes, mac: bytes, version: int) -> Signature | ServerReason:
    """Whether a MAC (key identifier and digest) is right for what it covers.

    Versions 1 to 3 may send the whole of a digest that others cut, which a later version has no room for (RFC 7822).
    """
    key = keys.get(int.from_bytes(mac[:_KEY_ID], "big"))
    if key is None:
        return ServerReason.UNKNOWN_KEY
    cut, whole = key.kind.lengths
    length = len(mac) - _KEY_ID
    if length != cut and (version > 3 or length != whole):
        return ServerReason.BAD_MAC
    if not hmac.compare_digest(key.digest(covered)[:length], mac[_KEY_ID:]):
        return ServerReason.BAD_MAC
    return Signature(key, length)

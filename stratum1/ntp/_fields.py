"""The way from extension field to extension field (RFC 7822), without making values of them: what a server does for each packet.

A field of version 4 has at least 16 octets; inside an NTS ciphertext (RFC 8915, section 5.6) 4 are enough.
"""

import struct
from typing import NamedTuple

from ._errors import ExtensionOverrunError, ExtensionTooShortError, ExtensionUnalignedError, TrailingOctetsError
from ._header import HEADER_SIZE

__all__ = ["FieldKind", "FieldPlace", "field", "inner_fields", "request_fields_v4"]

_FIELD = struct.Struct("!HH")
_SHORTEST_FIELD = 16
_SHORTEST_MAC, _LONGEST_MAC = 20, 24


class FieldKind:
    """Types of extension field that a server knows (IANA; RFC 8915, section 5; the V5 ones: draft-ietf-ntp-ntpv5-09)."""

    UNIQUE_IDENTIFIER = 0x0104
    NTS_COOKIE = 0x0204
    NTS_PLACEHOLDER = 0x0304
    NTS_AUTHENTICATOR = 0x0404
    V5_PADDING = 0xF501
    V5_MAC = 0xF502
    V5_REFERENCE_IDS = 0xF503
    V5_REFERENCE_IDS_RESPONSE = 0xF504
    V5_INFORMATION = 0xF505
    V5_CORRECTION = 0xF506
    V5_REFERENCE_TIMESTAMP = 0xF507
    V5_MONOTONIC = 0xF508
    V5_SECONDARY = 0xF509
    V5_DRAFT = 0xF5FF


class FieldPlace(NamedTuple):
    """Where a field lies in a packet. start: the octet of its type; length: as it says, with type and length; end: after padding."""

    kind: int
    start: int
    length: int
    end: int


def field(kind: int, value: bytes) -> bytes:
    """The octets of a field; the value's length is a multiple of 4."""
    return _FIELD.pack(kind, 4 + len(value)) + value


def request_fields_v4(data: bytes, stop: int | None = None) -> tuple[list[FieldPlace], int]:
    """The fields of a version 4 packet, up to and with the first one of type `stop`, and the octet where the walk ended.

    What is left from there to the end is a MAC, a crypto-NAK, or (after `stop`) anything. Raises the WireError that names what
    can't be. `data` is at least a header.
    """
    at, size, places = HEADER_SIZE, len(data), list[FieldPlace]()
    if size == HEADER_SIZE + 4 and data.endswith(b"\0\0\0\0"):
        return places, at
    while size - at > _LONGEST_MAC:
        kind, length = _FIELD.unpack_from(data, at)
        if length < _SHORTEST_FIELD:
            raise ExtensionTooShortError(f"extension field {kind:#06x} at octet {at}: length {length} is below 16")
        if length % 4:
            raise ExtensionUnalignedError(f"extension field {kind:#06x} at octet {at}: length {length} is no multiple of 4")
        if length > size - at:
            raise ExtensionOverrunError(f"extension field {kind:#06x} at octet {at}: length {length}, {size - at} octets are left")
        places.append(FieldPlace(kind, at, length, at + length))
        at += length
        if kind == stop:
            return places, at
    if 0 < size - at < _SHORTEST_MAC:
        raise TrailingOctetsError(f"octet {at}: {size - at} octets are neither a MAC nor an extension field")
    return places, at


def inner_fields(data: bytes) -> list[FieldPlace] | None:
    """The fields inside a ciphertext; None if they do not fill it exactly."""
    at, places = 0, list[FieldPlace]()
    while at < len(data):
        if len(data) - at < _FIELD.size:
            return None
        kind, length = _FIELD.unpack_from(data, at)
        if length < _FIELD.size or length % 4 or length > len(data) - at:
            return None
        places.append(FieldPlace(kind, at, length, at + length))
        at += length
    return places

"""A whole NTP packet, versions 1 to 4: header, extension fields (RFC 7822) and MAC, from octets and back.

After the header, in version 4 (RFC 5905, section 7.5, with the lengths of RFC 7822):

    0                   1                   2                   3
    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |          Field Type           |    Length (with these 4)      |  any number of extension fields
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |                     Value, padded to words                    |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |                        Key Identifier                         |  then a MAC, a crypto-NAK or nothing
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |                  Digest (16 to 20 octets)                     |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

Nothing on the wire says where the fields end and the MAC begins; what is left decides: 20 to 24 octets are a MAC, four zero
octets right after the header are a crypto-NAK, 28 or more start with an extension field, everything else is an error.
Versions 1 to 3 have no extension fields: all that follows the header is a MAC, of any length.
"""

import struct
from dataclasses import dataclass

from stratum1.timescale import NtpShort, NtpTimestamp

from ._errors import (
    ForeignModeError,
    TruncatedHeaderError,
    UnalignedLengthError,
    UnencodablePacketError,
    UnsupportedVersionError,
)
from ._fields import request_fields_v4
from ._header import HEADER_SIZE, Mode, pack_header, unpack_header

__all__ = ["ExtensionField", "Mac", "Packet", "parse"]

_FIELD = struct.Struct("!HH")
_KEY_ID = struct.Struct("!I")
_NO_SHORT, _NO_TIME = NtpShort(0), NtpTimestamp(0)
_SHORTEST_FIELD = 16
_SHORTEST_LAST_FIELD = 28
_SHORTEST_MAC, _LONGEST_MAC = 20, 24


@dataclass(frozen=True, slots=True)
class ExtensionField:
    """One extension field: its type (0 to 65535) and its value with the padding, at least 12 octets and a multiple of 4."""

    kind: int
    value: bytes

    def to_bytes(self) -> bytes:
        """The field with its four octets of type and length. Raises UnencodablePacketError."""
        if len(self.value) % 4 or not _SHORTEST_FIELD - 4 <= len(self.value) < 0x10000 - 4:
            raise UnencodablePacketError(f"extension field value: {len(self.value)} octets are not a multiple of 4 from 12 to 65528")
        if not 0 <= self.kind <= 0xFFFF:
            raise UnencodablePacketError(f"extension field type: {self.kind} is not within 0 to 65535")
        return _FIELD.pack(self.kind, len(self.value) + 4) + self.value


@dataclass(frozen=True, slots=True)
class Mac:
    """A message authentication code: key identifier (32 bits) and digest; no digest and key 0 is a crypto-NAK."""

    key_id: int
    digest: bytes

    @property
    def is_crypto_nak(self) -> bool:
        """Whether it says "I could not authenticate you" instead of authenticating anything."""
        return self.key_id == 0 and not self.digest

    def to_bytes(self) -> bytes:
        """Key identifier and digest. Raises UnencodablePacketError."""
        if len(self.digest) % 4 or not 0 <= self.key_id <= 0xFFFFFFFF:
            raise UnencodablePacketError(f"MAC: key {self.key_id} with {len(self.digest)} octets of digest")
        return _KEY_ID.pack(self.key_id) + self.digest


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet of version 1 to 4 and mode 0 to 5; field names and meanings as in RFC 5905, section 7.3.

    leap 0 to 3; stratum 0 to 255; poll and precision log2 of seconds, -128 to 127; refid four octets.
    """

    version: int
    mode: int
    leap: int = 0
    stratum: int = 0
    poll: int = 0
    precision: int = 0
    root_delay: NtpShort = _NO_SHORT
    root_dispersion: NtpShort = _NO_SHORT
    refid: bytes = b"\0\0\0\0"
    reference: NtpTimestamp = _NO_TIME
    origin: NtpTimestamp = _NO_TIME
    receive: NtpTimestamp = _NO_TIME
    transmit: NtpTimestamp = _NO_TIME
    extensions: tuple[ExtensionField, ...] = ()
    mac: Mac | None = None

    def to_bytes(self) -> bytes:
        """The octets of the packet; `parse` gives the same packet back. Raises UnencodablePacketError naming the field."""
        self._check()
        try:
            header = pack_header(
                (
                    self.leap << 6 | self.version << 3 | self.mode,
                    self.stratum,
                    self.poll,
                    self.precision,
                    self.root_delay,
                    self.root_dispersion,
                    self.refid,
                    self.reference,
                    self.origin,
                    self.receive,
                    self.transmit,
                )
            )
        except struct.error as error:
            raise UnencodablePacketError(f"header: {error}") from None
        return header + b"".join(field.to_bytes() for field in self.extensions) + (self.mac.to_bytes() if self.mac else b"")

    def _check(self) -> None:
        for name, value, low, high in (("leap", self.leap, 0, 3), ("version", self.version, 1, 4), ("mode", self.mode, 0, 5)):
            if not low <= value <= high:
                raise UnencodablePacketError(f"{name}: {value} is not within {low} to {high}")
        if len(self.refid) != 4:
            raise UnencodablePacketError(f"refid: {len(self.refid)} octets, not 4")
        if self.version < 4:
            if self.extensions:
                raise UnencodablePacketError(f"extensions: version {self.version} has none")
            return
        if self.mac is None:
            if self.extensions and len(self.extensions[-1].value) < _SHORTEST_LAST_FIELD - 4:
                raise UnencodablePacketError("extensions: the last one of a packet without MAC has at least 28 octets")
        elif self.mac.is_crypto_nak:
            if self.extensions:
                raise UnencodablePacketError("extensions: a crypto-NAK follows the header directly")
        elif not _SHORTEST_MAC <= 4 + len(self.mac.digest) <= _LONGEST_MAC:
            raise UnencodablePacketError(f"MAC: {4 + len(self.mac.digest)} octets are not within 20 to 24")


def parse(data: bytes) -> Packet:
    """Read a packet of version 1 to 4, modes 0 to 5; `to_bytes` of the result is `data` again.

    Raises the WireError that names what is wrong. Meanings are not judged here: any stratum, leap or timestamp passes.
    """
    if not data:
        raise TruncatedHeaderError("header: an empty datagram")
    version, mode = data[0] >> 3 & 7, data[0] & 7
    if mode in (Mode.CONTROL, Mode.PRIVATE):
        raise ForeignModeError(f"mode: {mode} has another format")
    if not 1 <= version <= 4:
        raise UnsupportedVersionError(f"version: {version}")
    if len(data) < HEADER_SIZE:
        raise TruncatedHeaderError(f"header: {len(data)} octets of 48")
    if len(data) % 4:
        raise UnalignedLengthError(f"length: {len(data)} octets are no whole words")
    header = unpack_header(data)
    extensions, mac = _split_rest(data) if version == 4 else ((), _mac(data, HEADER_SIZE))
    return Packet(version, mode, data[0] >> 6, *header[1:], extensions, mac)


def _split_rest(data: bytes) -> tuple[tuple[ExtensionField, ...], Mac | None]:
    places, at = request_fields_v4(data)
    return tuple(ExtensionField(place.kind, data[place.start + 4 : place.end]) for place in places), _mac(data, at)


def _mac(data: bytes, at: int) -> Mac | None:
    if at == len(data):
        return None
    return Mac(_KEY_ID.unpack_from(data, at)[0], data[at + 4 :])

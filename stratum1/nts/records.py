"""Records of NTS key establishment (RFC 8915, section 4): octets in, values out. Pure.

    0                   1                   2                   3
    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |C|         Record Type         |          Body Length          |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |                          Record Body                          |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

C: the receiver must understand the record or refuse the message. A message ends with End of Message; where the octets of one TLS
record end means nothing.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

from .aead import Aead

__all__ = [
    "KEY_LENGTHS",
    "KE_PORT",
    "NTPV4",
    "NTPV5_DRAFT",
    "ErrorCode",
    "MessageReader",
    "MessageTooLongError",
    "Record",
    "RecordKind",
    "encode",
    "numbers",
    "pack_numbers",
]

KE_PORT = 4460
NTPV4 = 0
NTPV5_DRAFT = 0x8001
"""Next protocols (RFC 8915, section 7.7; the second one by the NTPv5 draft)."""
KEY_LENGTHS = {each.value: each.key_length for each in Aead}
"""AEAD by its number at IANA -> octets of its key: AES-SIV-CMAC-256, -384, -512 and AES-128-GCM-SIV."""

_HEAD = struct.Struct("!HH")
_CRITICAL = 0x8000


class RecordKind(IntEnum):
    """Record types (IANA): RFC 8915, section 4.1, then chrony's 1024 and those of the NTS pool draft."""

    END = 0
    NEXT_PROTOCOL = 1
    ERROR = 2
    WARNING = 3
    AEAD = 4
    COOKIE = 5
    SERVER = 6
    PORT = 7
    KEEP_ALIVE = 8
    PROTOCOL_LIST = 9
    AEAD_LIST = 10
    FIXED_KEYS = 12
    SERVER_DENY = 13
    TOKEN = 14
    COMPLIANT_EXPORT = 1024
    """Asks for AEAD 30's own number in the context of the key export, which chrony 4.4 to 4.6 got wrong."""
    DRAFT_NAME = 0x4001
    """The NTPv5 draft that is meant by next protocol 0x8001."""


class ErrorCode(IntEnum):
    """Bodies of an Error record (RFC 8915, section 4.1.3)."""

    UNRECOGNISED_CRITICAL = 0
    BAD_REQUEST = 1
    INTERNAL = 2


class MessageTooLongError(ValueError):
    """A message is longer, or says that it will be longer, than its reader takes."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record. kind: 0 to 32767, known or not; body: up to 65535 octets."""

    kind: int
    body: bytes = b""
    critical: bool = False


def encode(*records: Record) -> bytes:
    """The octets of records, in order."""
    return b"".join(_HEAD.pack(each.kind | _CRITICAL if each.critical else each.kind, len(each.body)) + each.body for each in records)


def pack_numbers(values: tuple[int, ...]) -> bytes:
    """A body that lists 16-bit numbers."""
    return struct.pack(f"!{len(values)}H", *values)


def numbers(body: bytes) -> tuple[int, ...] | None:
    """The 16-bit numbers that a body lists; None if its length is odd."""
    return None if len(body) % 2 else struct.unpack(f"!{len(body) // 2}H", body)


class MessageReader:
    """Cuts a stream into messages, in whatever pieces it comes."""

    __slots__ = ("_at", "_buffer", "_limit", "_records", "octets")

    def __init__(self, limit: int) -> None:
        """limit: octets of one message."""
        self._limit = limit
        self._buffer = bytearray()
        self._records: list[Record] = []
        self._at = 0
        self.octets = 0
        """Octets of the message so far."""

    def feed(self, octets: bytes) -> tuple[Record, ...] | None:
        """The records before End of Message once that is there, else None; what follows it stays for the next message.

        Raises MessageTooLongError.
        """
        buffer = self._buffer
        buffer += octets
        while len(buffer) - self._at >= 4:
            kind, length = _HEAD.unpack_from(buffer, self._at)
            end = self._at + 4 + length
            if end > self._limit:
                raise MessageTooLongError(f"the message is longer than {self._limit} octets")
            if end > len(buffer):
                break
            record = Record(kind & 0x7FFF, bytes(buffer[self._at + 4 : end]), kind >= _CRITICAL)
            self._at = end
            if record.kind == RecordKind.END:
                return self._end(record)
            self._records.append(record)
        if len(buffer) > self._limit:
            raise MessageTooLongError(f"the message is longer than {self._limit} octets")
        self.octets = len(buffer)
        return None

    @property
    def trailing(self) -> bool:
        """Whether octets have come that no message has used."""
        return bool(self._buffer)

    def _end(self, record: Record) -> tuple[Record, ...]:
        found = tuple(self._records)
        if record.body or not record.critical:  # kept, so that who judges the message sees that its end is malformed
            found = (*found, record)
        del self._buffer[: self._at]
        self._records.clear()
        self._at = self.octets = 0
        return found

"""PTP management messages (IEEE 1588-2019, clause 15) as linuxptp's Unix socket takes them: bytes in, values out. Pure.

 0 majorSdoId | type D    1 version       2 length (2)     4 domain       6 flags (2)
 8 correction (8)        20 sourcePortIdentity (10)       30 sequenceId  32 control  33 logMessageInterval
34 targetPortIdentity (10)  44 hops  45 hops  46 action   48 TLV: type, length, managementId, data
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

__all__ = ["Action", "ManagementError", "ManagementId", "ManagementReply", "PortIdentity", "encode_request", "parse_reply"]

_HEADER = struct.Struct(">BBHBBHq4x8sHHBb")
_MANAGEMENT = struct.Struct(">8sHBBBx")
_TLV = struct.Struct(">HHH")
_TYPE, _VERSION, _CONTROL, _INTERVAL = 0xD, 2, 4, 0x7F
_TLV_MANAGEMENT, _TLV_ERROR = 0x0001, 0x0002
_ALL_CLOCKS, _ALL_PORTS = b"\xff" * 8, 0xFFFF
_MOST_BYTES = 1500
_ERRORS = {
    1: "the response is too big",
    2: "there is no such management ID",
    3: "wrong length",
    4: "wrong value",
    5: "it can't be set",
    6: "not supported",
    0xFFFE: "general error",
}
"""managementErrorId (IEEE 1588-2019, table 109)."""


class ManagementError(ValueError):
    """The bytes are no reply to a request of ours; the message names the field."""


class Action(IntEnum):
    """actionField (IEEE 1588-2019, table 57)."""

    GET = 0
    SET = 1
    RESPONSE = 2
    COMMAND = 3
    ACKNOWLEDGE = 4


class ManagementId(IntEnum):
    """managementId: one of the standard, and linuxptp's own."""

    PARENT_DATA_SET = 0x2002
    GRANDMASTER_SETTINGS_NP = 0xC001


@dataclass(frozen=True, slots=True)
class PortIdentity:
    """A clock's eight octets and the number of a port of it."""

    clock: bytes
    port: int


@dataclass(frozen=True, slots=True)
class ManagementReply:
    """A reply. source: whose it is; error: in words, empty if it is none; data: that of the TLV."""

    domain: int
    source: PortIdentity
    sequence: int
    action: int
    management_id: int
    error: str
    data: bytes


def encode_request(
    action: Action, management_id: ManagementId, data: bytes = b"", *, sequence: int, port: int, domain: int = 0, transport: int = 0
) -> bytes:
    """A request to all clocks and ports behind the socket. port: number by which ptp4l tells its askers apart, 0 to 65535."""
    size = _HEADER.size + _MANAGEMENT.size + _TLV.size + len(data)
    head = _HEADER.pack(transport << 4 | _TYPE, _VERSION, size, domain, 0, 0, 0, bytes(8), port, sequence, _CONTROL, _INTERVAL)
    body = _MANAGEMENT.pack(_ALL_CLOCKS, _ALL_PORTS, 0, 0, action)
    return head + body + _TLV.pack(_TLV_MANAGEMENT, 2 + len(data), management_id) + data


def parse_reply(message: bytes) -> ManagementReply:
    """A management message with one TLV. Raises ManagementError."""
    least = _HEADER.size + _MANAGEMENT.size + _TLV.size
    if not least <= len(message) <= _MOST_BYTES:
        raise ManagementError(f"length: {len(message)} bytes, a management message has {least} to {_MOST_BYTES}")
    kind, version, size, domain, _, _, _, clock, port, sequence, _, _ = _HEADER.unpack_from(message)
    if kind & 0xF != _TYPE:
        raise ManagementError(f"messageType: {kind & 0xF:#x} instead of {_TYPE:#x}")
    if version & 0xF != _VERSION:
        raise ManagementError(f"versionPTP: {version & 0xF} instead of {_VERSION}")
    if not least <= size <= len(message):
        raise ManagementError(f"messageLength: {size} of {len(message)} bytes")
    action = _MANAGEMENT.unpack_from(message, _HEADER.size)[4] & 0xF
    at = _HEADER.size + _MANAGEMENT.size
    tlv, length, identifier = _TLV.unpack_from(message, at)
    end = at + 4 + length
    if length < 2 or end > size:
        raise ManagementError(f"lengthField: {length} in a message of {size} bytes")
    data = message[at + _TLV.size : end]
    if tlv == _TLV_MANAGEMENT:
        return ManagementReply(domain, PortIdentity(clock, port), sequence, action, identifier, "", data)
    if tlv != _TLV_ERROR or len(data) < 2:
        raise ManagementError(f"tlvType: {tlv:#x} with {length} bytes is neither a management TLV nor an error status")
    asked = int.from_bytes(data[:2], "big")
    error = _ERRORS.get(identifier, f"error {identifier:#x}")
    return ManagementReply(domain, PortIdentity(clock, port), sequence, action, asked, error, b"")

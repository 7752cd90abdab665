"""UBX frames that are sent to a receiver, and the answers to them: layouts and configuration keys are pyubx2's. Pure."""

import struct
from collections.abc import Mapping, Sequence

from pyubx2 import GET, UBX_CONFIG_DATABASE, UBX_MSGIDS, UBXMessage, UBXMessageError, UBXTypeError, calc_checksum

from ._framer import UbxFrame
from ._setup_model import Identity

__all__ = [
    "ACK",
    "NAK",
    "VALGET",
    "VALSET",
    "FrameError",
    "Value",
    "encode_keys",
    "fields",
    "frame",
    "identity",
    "ids",
    "key_values",
    "patched",
    "valget",
    "valset",
]

Value = int | float
_IDS = {name: (key[0], key[1]) for key, name in UBX_MSGIDS.items()}
ACK, NAK = (0x05, 0x01), (0x05, 0x00)
VALGET, VALSET = _IDS["CFG-VALGET"], _IDS["CFG-VALSET"]
_CFG_TP = struct.Struct("<IIbBBBhhi")
_CFG_TP_NAMES = ("interval", "length", "status", "timeRef", "flags", "reserved0", "antennaCableDelay", "rfGroupDelay", "userDelay")
"""CFG-TP alone is laid out here (u-blox 6 receiver description, "Timepulse information"): its field "length" is none to pyubx2."""
_KEY_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8}
"""Bytes of a value by bits 28 to 30 of its key (u-blox F9 interface description, "Configuration item")."""
_FAULTS = (UBXMessageError, UBXTypeError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError, struct.error)
"""What pyubx2 makes of a payload that is not as its message should be."""
_HARDWARE = (("0004", 6), ("0007", 7), ("0008", 8), ("0019", 9), ("000A", 10))
"""Generation by the first digits of hwVersion, as the receivers tell it."""
_PROTOCOLS = ((34.0, 10), (27.0, 9), (15.0, 8), (14.0, 7), (12.0, 6))
"""Generation by the least protocol version that belongs to it (release notes of u-blox's firmware)."""


class FrameError(ValueError):
    """An answer is not what its message should be."""


def ids(name: str) -> tuple[int, int]:
    """Class and number of a message: "CFG-TP5" is (0x06, 0x31)."""
    return _IDS[name]


def frame(name: str, payload: bytes = b"") -> bytes:
    """A whole frame. An empty payload polls the message."""
    body = bytes(ids(name)) + len(payload).to_bytes(2, "little") + payload
    return b"\xb5\x62" + body + bytes(calc_checksum(body))


def fields(name: str, payload: bytes) -> dict[str, Value]:
    """A message's fields by pyubx2's names. Raises FrameError."""
    try:
        if name == "CFG-TP":
            return dict(zip(_CFG_TP_NAMES, _CFG_TP.unpack(payload), strict=True))
        message = UBXMessage(bytes(ids(name)[:1]), bytes(ids(name)[1:]), GET, payload=payload)
    except _FAULTS as error:
        raise FrameError(f"{name} is not understood ({error})") from None
    return {key: value for key, value in vars(message).items() if not key.startswith("_") and isinstance(value, int | float)}


def patched(name: str, payload: bytes, changes: Mapping[str, Value]) -> bytes:
    """The payload with some fields changed and every other bit, reserved ones too, as it was. Raises FrameError."""
    before = fields(name, payload)
    missing = changes.keys() - before.keys()
    if missing:
        raise FrameError(f"{name} has no {sorted(missing)[0]}")
    old, new = (_build(name, {**before, **values}) for values in ({}, changes))
    if len(old) != len(payload) or len(new) != len(payload):
        raise FrameError(f"{name} has {len(payload)} bytes, which is not understood")
    return bytes(was ^ a ^ b for was, a, b in zip(payload, old, new, strict=True))


def _build(name: str, values: Mapping[str, Value]) -> bytes:
    try:
        if name == "CFG-TP":
            return _CFG_TP.pack(*(values[field] for field in _CFG_TP_NAMES))
        return bytes(UBXMessage(bytes(ids(name)[:1]), bytes(ids(name)[1:]), GET, **values).payload or b"")
    except _FAULTS as error:
        raise FrameError(f"{name} can't be made ({error})") from None


def valget(keys: Sequence[str]) -> bytes:
    """A frame that asks for configuration items in RAM."""
    return bytes(UBXMessage.config_poll(0, 0, list(keys)).serialize())


def valset(layers: int, values: Mapping[str, Value]) -> bytes:
    """A frame that sets configuration items. layers: 1 RAM, 2 battery-backed RAM, 4 flash. At most 64 items."""
    return bytes(UBXMessage.config_set(layers, 0, list(values.items())).serialize())


def encode_keys(values: Mapping[str, Value]) -> bytes:
    """Keys and values as they stand in VALGET and VALSET behind the first four bytes."""
    return bytes(UBXMessage.config_set(1, 0, list(values.items())).payload[4:])


def key_values(data: bytes) -> dict[str, Value]:
    """What `encode_keys` made: values by name; keys that nobody knows are left out. Raises FrameError."""
    place = 0
    while place < len(data):
        key = int.from_bytes(data[place : place + 4], "little")
        place += 4 + _KEY_SIZES.get(key >> 28 & 7, len(data))
    if place != len(data):
        raise FrameError("CFG-VALGET ends within an item")
    return {name: value for name, value in fields("CFG-VALGET", bytes((1, 0, 0, 0)) + data).items() if name in UBX_CONFIG_DATABASE}


def identity(answer: UbxFrame) -> Identity | None:
    """Who answers MON-VER; None if the payload is none. Lines are 30 bytes: software, (10 bytes) hardware, then extensions."""
    payload = answer.payload
    if len(payload) < 40:
        return None
    software, hardware = _text(payload[:30]), _text(payload[30:40])
    lines = [_text(payload[start : start + 30]) for start in range(40, len(payload), 30)]
    model = next((line[4:] for line in lines if line.startswith("MOD=")), "")
    firmware = next((line[6:] for line in lines if line.startswith("FWVER=")), software)
    protocol = next((line[7:].strip(" =") for line in lines if line.startswith("PROTVER")), "")
    return Identity(model, firmware, protocol, hardware, _generation(hardware, protocol))


def _generation(hardware: str, protocol: str) -> int | None:
    for digits, number in _HARDWARE:
        if hardware.upper().startswith(digits):
            return number
    try:
        version = float(protocol)
    except ValueError:
        return None
    return next((number for least, number in _PROTOCOLS if version >= least), None)


def _text(data: bytes) -> str:
    """A receiver's text, up to its first NUL, fit to be shown."""
    letters = data.partition(b"\0")[0].decode("ascii", "replace")
    return "".join(letter if letter.isprintable() else "?" for letter in letters).strip()

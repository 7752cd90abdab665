"""UBX frames as messages with named fields, by pyubx2: the one place that calls it, and that contains whatever it may raise."""

import struct
from functools import cache
from typing import Any, NamedTuple

from ._framer import Reject, UbxFrame
from ._sentences import SentenceError

__all__ = ["OTHER_UBX", "UBX_KINDS", "UbxMessage", "load_library", "parse_ubx"]

OTHER_UBX = "UBX-other"
"""How frames that are not decoded are counted."""


class _Kind(NamedTuple):
    """One message: its name; the least length; where it repeats a block, how long that is and at which byte the count of blocks stands.

    bits: whether pyubx2 takes bit fields apart, which costs most of the time where there are many.
    """

    name: str
    least: int
    block: int = 0
    count_at: int | None = None
    bits: bool = True


_TABLE = {
    (0x01, 0x02): _Kind("NAV-POSLLH", 28),
    (0x01, 0x03): _Kind("NAV-STATUS", 16),
    (0x01, 0x04): _Kind("NAV-DOP", 18),
    (0x01, 0x06): _Kind("NAV-SOL", 52),
    (0x01, 0x07): _Kind("NAV-PVT", 84),  # 92 from generation 8 on
    (0x01, 0x20): _Kind("NAV-TIMEGPS", 16),
    (0x01, 0x21): _Kind("NAV-TIMEUTC", 20),
    (0x01, 0x26): _Kind("NAV-TIMELS", 24),
    (0x01, 0x30): _Kind("NAV-SVINFO", 8, 12, 4, bits=False),
    (0x01, 0x35): _Kind("NAV-SAT", 8, 12, 5, bits=False),
    (0x01, 0x3B): _Kind("NAV-SVIN", 40),
    (0x0A, 0x04): _Kind("MON-VER", 40, 30),
    (0x0A, 0x09): _Kind("MON-HW", 60),
    (0x0A, 0x38): _Kind("MON-RF", 4, 24, 1),
    (0x0D, 0x01): _Kind("TIM-TP", 16),
    (0x0D, 0x04): _Kind("TIM-SVIN", 28),
    (0x27, 0x09): _Kind("SEC-SIG", 4),
}
"""Class and id of what is decoded (u-blox interface descriptions of protocol versions 13 to 34); everything else is left alone."""
UBX_KINDS = frozenset(kind.name for kind in _TABLE.values())
_HW_GENERATION_6 = 68  # MON-HW with 25 virtual pins
_HW_PINS, _HW_PINS_MORE = 28 + 17, 8  # end of 17 virtual pins, and how many bytes generation 6 has more of them
_SIG_SIZES = {1: (12, 0, None), 2: (4, 4, 3)}  # by version: least, block, count


class UbxMessage(NamedTuple):
    """A message with its name as in u-blox's documents ("NAV-PVT"); fields: attributes as pyubx2 names them."""

    name: str
    fields: Any


@cache
def load_library() -> Any:
    """The class of pyubx2's messages and all that it may raise. Loaded when it is first needed: it takes as long as half of a start."""
    import pyubx2  # noqa: PLC0415 - see above

    errors = (
        pyubx2.UBXMessageError,
        pyubx2.UBXTypeError,
        pyubx2.UBXParseError,
        pyubx2.UBXStreamError,
        AttributeError,
        IndexError,
        KeyError,
        OverflowError,
        TypeError,
        ValueError,
        struct.error,
    )
    return pyubx2.UBXMessage, errors


def parse_ubx(frame: UbxFrame) -> UbxMessage | None:
    """The message in a frame, None for a kind that is not ours. Raises SentenceError for a length that its kind can't have.

    pyubx2 takes what lies beyond the end of a payload for zeros, so lengths are checked before.
    """
    kind = _TABLE.get((frame.message_class, frame.message_id))
    if kind is None:
        return None
    payload = frame.payload
    if kind.name == "MON-HW" and len(payload) == _HW_GENERATION_6:
        payload = payload[:_HW_PINS] + payload[_HW_PINS + _HW_PINS_MORE :]
    if not _fits(kind, payload):
        raise SentenceError(Reject.UBX_LENGTH, kind.name, len(frame.payload))
    message, errors = load_library()
    try:
        fields = message(bytes((frame.message_class,)), bytes((frame.message_id,)), 0, int(kind.bits), payload=payload)
    except errors as error:
        raise SentenceError(Reject.UBX_MESSAGE, kind.name, error) from None
    return UbxMessage(kind.name, fields)


def _fits(kind: _Kind, payload: bytes) -> bool:
    least, block, count_at = kind.least, kind.block, kind.count_at
    if len(payload) < least:
        return False
    if kind.name == "SEC-SIG":
        if payload[0] not in _SIG_SIZES:
            return False
        least, block, count_at = _SIG_SIZES[payload[0]]
    if count_at is not None:
        return len(payload) == least + block * payload[count_at]
    return len(payload) >= least and (not block or (len(payload) - least) % block == 0)

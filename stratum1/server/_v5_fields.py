"""The extension fields of version 5 (draft-ietf-ntp-ntpv5-09): finding them, and the answer that each has. Pure.

A field has any length from 4 on and is padded to words; the answer to one is as long as it or absent. What an answer tells of the
time is in `Moment`.
"""

import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

from stratum1.interchange import Mapping
from stratum1.ntp import HEADER_SIZE, FieldKind, FieldPlace
from stratum1.timescale import NS, NTP_UNIX_OFFSET, UtcNs

from ._stamps import MASK64

__all__ = ["DRAFT", "Moment", "answers", "draft_of", "era_of", "padded", "walk"]

DRAFT = b"draft-ietf-ntp-ntpv5-09"
"""The draft that is spoken; a client has to name exactly this one."""

_FIELD, _STAMP = struct.Struct("!HH"), struct.Struct("!Q")
_FILTER = 512
_VERSIONS = 0b11111  # versions 1 to 5, the lowest bit for version 1


class Moment(NamedTuple):
    """What the fields of one reply tell of. reference: the reference timestamp, 0 where the time is not known.

    secondary: era and receive timestamp in a timescale, None for one that is not served; epoch_id: changes when CLOCK_MONOTONIC
    no longer can be followed through.
    """

    received: UtcNs
    reference: int
    secondary: Callable[[int], tuple[int, int] | None]
    monotonic: Mapping | None
    epoch_id: int
    reference_ids: bytes


def walk(request: bytes) -> list[FieldPlace] | None:
    """All fields of a request, to the first NTS authenticator if it has one; None if they do not fit, or one follows a MAC."""
    at, places = HEADER_SIZE, list[FieldPlace]()
    while at < len(request):
        kind, length = _FIELD.unpack_from(request, at)
        end = at + length + -length % 4
        if length < _FIELD.size or end > len(request) or (places and places[-1].kind == FieldKind.V5_MAC):
            return None
        places.append(FieldPlace(kind, at, length, end))
        at = end
        if kind == FieldKind.NTS_AUTHENTICATOR:
            break
    return places


def draft_of(request: bytes, places: Sequence[FieldPlace]) -> bytes | None:
    """The draft that a request names, None if it names none."""
    return next((request[place.start + 4 : place.start + place.length] for place in places if place.kind == FieldKind.V5_DRAFT), None)


def era_of(shown: int) -> int:
    """The NTP era of an instant (ns since 1970 in its timescale), 8 bits."""
    return (shown // NS + NTP_UNIX_OFFSET >> 32) & 0xFF


def padded(octets: bytes, size: int) -> bytes:
    """A reply filled up to a size, which is whole words longer or equal, with a padding field."""
    missing = size - len(octets)
    return octets + _FIELD.pack(FieldKind.V5_PADDING, missing) + bytes(missing - 4) if missing else octets


def answers(request: bytes, places: Sequence[FieldPlace], moment: Moment) -> bytes:
    """The fields of a reply after the draft's name: the answers that there are, in the order of the request's fields."""
    made = bytearray()
    for place in places:
        answer = _ANSWERS.get(place.kind)
        if answer is not None:
            value = request[place.start + 4 : place.start + place.length]
            kind, answered = answer(value, moment)
            if answered is not None:
                made += _FIELD.pack(kind, place.length) + answered + bytes(place.end - place.start - place.length)
    return bytes(made)


_Answer = tuple[int, bytes | None]


def _reference_ids(value: bytes, moment: Moment) -> _Answer:
    """As much of the Bloom filter as is asked for, from an offset on."""
    offset = int.from_bytes(value[:2], "big")
    fits = len(value) >= 4 and offset + len(value) <= _FILTER
    return FieldKind.V5_REFERENCE_IDS_RESPONSE, moment.reference_ids[offset : offset + len(value)] if fits else None


def _information(value: bytes, _: Moment) -> _Answer:
    return FieldKind.V5_INFORMATION, struct.pack("!HH", _VERSIONS, 0) if len(value) == 4 else None


def _correction(value: bytes, _: Moment) -> _Answer:
    """What transparent clocks have added on the way here, handed back: correction (8 octets) and path (2) move to the origin's place."""
    return FieldKind.V5_CORRECTION, value[12:22] + bytes(14) if len(value) == 24 else None


def _reference(value: bytes, moment: Moment) -> _Answer:
    return FieldKind.V5_REFERENCE_TIMESTAMP, _STAMP.pack(moment.reference) if len(value) == 8 else None


def _monotonic(value: bytes, moment: Moment) -> _Answer:
    """The receive time on CLOCK_MONOTONIC, which is never stepped; by the mapping the other way round, to first order of its rate."""
    mapping, kind = moment.monotonic, FieldKind.V5_MONOTONIC
    if len(value) != 12 or mapping is None:
        return kind, None
    elapsed = moment.received - mapping.served_ns
    mono_ns = mapping.source_ns + elapsed - round(elapsed * mapping.rate)
    return kind, struct.pack("!IQ", moment.epoch_id, (mono_ns << 32) // NS & MASK64)


def _secondary(value: bytes, moment: Moment) -> _Answer:
    told = moment.secondary(value[0]) if len(value) == 12 else None
    return FieldKind.V5_SECONDARY, None if told is None else struct.pack("!BBHQ", value[0], told[0], 0, told[1])


def _identifier(value: bytes, _: Moment) -> _Answer:
    """A unique identifier, where there is one (`_v5` leaves out all where there are several, or a short one)."""
    return FieldKind.UNIQUE_IDENTIFIER, value


_ANSWERS: dict[int, Callable[[bytes, Moment], _Answer]] = {
    FieldKind.V5_REFERENCE_IDS: _reference_ids,
    FieldKind.V5_INFORMATION: _information,
    FieldKind.V5_CORRECTION: _correction,
    FieldKind.V5_REFERENCE_TIMESTAMP: _reference,
    FieldKind.V5_MONOTONIC: _monotonic,
    FieldKind.V5_SECONDARY: _secondary,
    FieldKind.UNIQUE_IDENTIFIER: _identifier,
}

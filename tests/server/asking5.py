"""Requests of version 5, and replies read without the code under test."""

import struct
from typing import NamedTuple

from asking import KEYS, RING, extension

from stratum1.server import Outcome
from stratum1.server.service import ServiceSettings

DRAFT = b"draft-ietf-ntp-ntpv5-09"
DRAFT_FIELD = extension(0xF5FF, DRAFT)
ON = ServiceSettings(ntpv5=True, nts=RING, keys=KEYS, reference_ids=bytes(range(256)) * 2)
CLIENT_COOKIE = 0x1122334455667788


class Header(NamedTuple):
    """The header in wire order."""

    first: int
    stratum: int
    poll: int
    precision: int
    delay: int
    dispersion: int
    timescale: int
    era: int
    flags: int
    server_cookie: int
    client_cookie: int
    receive: int
    transmit: int


def ask5(scale: int = 0, flags: int = 0, cookie: int = 0, fields: bytes = DRAFT_FIELD, poll: int = 6, first: int = 0x2B) -> bytes:
    """The octets of a request."""
    return struct.pack("!BBbbIIBBHQQQQ", first, 0, poll, 0, 0, 0, scale, 0, flags, cookie, CLIENT_COOKIE, 0, 0) + fields


def read(outcome: Outcome, request: bytes) -> tuple[Header, dict[int, bytes]]:
    """Header and fields of a reply, which is as long as its request."""
    octets = outcome.reply
    assert octets is not None
    assert len(octets) == len(request)
    at, fields = 48, dict[int, bytes]()
    while at < len(octets):
        kind, length = struct.unpack_from("!HH", octets, at)
        fields[kind] = octets[at + 4 : at + length]
        at += length + -length % 4
    assert at == len(octets)
    assert fields[0xF5FF] == DRAFT
    return Header(*struct.unpack_from("!BBbbIIBBHQQQQ", octets)), fields

"""The 48 octets that every NTP packet starts with (RFC 5905, section 7.3). Nobody else knows their layout.

 0                   1                   2                   3
 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|LI | VN  |Mode |    Stratum    |     Poll      |   Precision   |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|                  Root Delay (16.16 seconds)                   |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|               Root Dispersion (16.16 seconds)                 |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|                    Reference ID (4 octets)                    |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|               Reference Timestamp (32.32 seconds)             |
|                                                               |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|                Origin Timestamp (32.32 seconds)               |
|                                                               |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|               Receive Timestamp (32.32 seconds)               |
|                                                               |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|               Transmit Timestamp (32.32 seconds)              |
|                                                               |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
"""

from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from stratum1.timescale import NtpShort, NtpTimestamp

__all__ = ["HEADER_SIZE", "Header", "HeaderFields", "Mode", "pack_header", "request_fields", "unpack_header"]

HEADER_SIZE = 48
"""Octets of the header."""

_HEADER = Struct("!BBbbII4sQQQQ")
_REQUEST = Struct("!Bxb37xQ")


class Mode(IntEnum):
    """Association mode (RFC 5905, figure 10)."""

    RESERVED = 0
    SYMMETRIC_ACTIVE = 1
    SYMMETRIC_PASSIVE = 2
    CLIENT = 3
    SERVER = 4
    BROADCAST = 5
    CONTROL = 6
    PRIVATE = 7


class Header(NamedTuple):
    """The header's fields in wire order; `first` holds leap (2 bits), version (3 bits) and mode (3 bits)."""

    first: int
    stratum: int
    poll: int
    precision: int
    root_delay: NtpShort
    root_dispersion: NtpShort
    refid: bytes
    reference: NtpTimestamp
    origin: NtpTimestamp
    receive: NtpTimestamp
    transmit: NtpTimestamp


HeaderFields = tuple[int, int, int, int, NtpShort, NtpShort, bytes, NtpTimestamp, NtpTimestamp, NtpTimestamp, NtpTimestamp]
"""What `Header` holds, as a bare tuple: a server makes one for every packet."""


def pack_header(fields: HeaderFields) -> bytes:
    """The 48 octets of a header whose fields are in range (`Packet.to_bytes` checks them; the server's fast path knows it)."""
    return _HEADER.pack(*fields)


def unpack_header(data: bytes) -> Header:
    """The fields of the first 48 octets; the caller has checked that there are as many."""
    return Header._make(_HEADER.unpack_from(data))


def request_fields(data: bytes) -> tuple[int, int, NtpTimestamp]:
    """All that a server needs of a request's header: (first octet, poll exponent, bits of the transmit timestamp).

    A bare tuple, because a server does this for every packet; the caller has checked that there are 48 octets.
    """
    first, poll, transmit = _REQUEST.unpack_from(data)
    return first, poll, transmit

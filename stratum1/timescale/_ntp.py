"""The two fixed-point formats of NTP (RFC 5905, section 6) and their way to and from our instants."""

import math
from typing import NewType

from ._instants import NS, UtcNs

__all__ = [
    "NTP_UNIX_OFFSET",
    "NtpShort",
    "NtpTimestamp",
    "ntp_interval",
    "ntp_short",
    "ntp_short_seconds",
    "ntp_timestamp",
    "utc_from_ntp",
]

NtpTimestamp = NewType("NtpTimestamp", int)
"""64 bits, 32.32 fixed point, seconds since the start of the era (1900-01-01 for era 0, 2036-02-07T06:28:16Z for era 1)."""

NtpShort = NewType("NtpShort", int)
"""32 bits, 16.16 fixed point, seconds: root delay and root dispersion."""

NTP_UNIX_OFFSET = 2_208_988_800
"""Seconds from 1900-01-01 to 1970-01-01 (RFC 5905, figure 4)."""

_ERA = 1 << 32
_MASK = (1 << 64) - 1


def ntp_timestamp(instant: UtcNs) -> NtpTimestamp:
    """The wire timestamp of an instant, in whatever era it lies, rounded down to 2^-32 s."""
    whole, fraction = divmod(instant, NS)
    return NtpTimestamp((((whole + NTP_UNIX_OFFSET) << 32) | ((fraction << 32) // NS)) & _MASK)


def utc_from_ntp(timestamp: NtpTimestamp, near: UtcNs) -> UtcNs:
    """The instant of a wire timestamp, in the era that puts it within 68 years of `near` (RFC 5905, section 6), rounded up to whole ns.

    Rounding up makes instant -> timestamp -> instant the identity.
    """
    pivot = near // NS + NTP_UNIX_OFFSET
    whole, fraction = timestamp >> 32, timestamp & 0xFFFFFFFF
    whole += ((pivot - whole + _ERA // 2) // _ERA) * _ERA
    return UtcNs((whole - NTP_UNIX_OFFSET) * NS + -(-fraction * NS >> 32))


def ntp_interval(later: NtpTimestamp, earlier: NtpTimestamp) -> float:
    """`later` minus `earlier` in seconds, correct across an era change while they are less than 68 years apart."""
    difference = (later - earlier) & _MASK
    return (difference - (1 << 64) if difference >> 63 else difference) / _ERA


def ntp_short(value: float) -> NtpShort:
    """Seconds (0 or more) in the short format, rounded **up** so that a bound stays a bound; saturates at the largest value.

    Raises ValueError for a negative or undefined value.
    """
    if not value >= 0:
        raise ValueError(f"a short NTP value is at least 0 s, not {value}")
    return NtpShort(min(0xFFFFFFFF, math.ceil(value * 65536) if value < 65536 else 0xFFFFFFFF))


def ntp_short_seconds(value: NtpShort) -> float:
    """Seconds of a value in the short format, 0 to 65536."""
    return value / 65536

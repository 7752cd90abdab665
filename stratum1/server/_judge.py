"""What the first octet, the length and the port of a datagram decide, before anything in it is read. Pure."""

from typing import NamedTuple

from stratum1.ntp import HEADER_SIZE, Mode

from ._reasons import ServerReason

__all__ = ["MAX_REQUEST", "Verdict", "judge", "verdicts"]

MAX_REQUEST = 2048
"""Octets of the longest request that is read; more than an Ethernet frame carries, and chrony stops at about 1,200."""

_NTP_PORT = 123


class Verdict(NamedTuple):
    """What a request's first octet alone decides: the reply's version and mode bits, or the reason for silence."""

    bits: int
    refusal: ServerReason | None


def verdicts(ntpv5: bool) -> tuple[Verdict, ...]:
    """The verdict on each first octet. ntpv5: whether version 5 is answered."""
    return tuple(_verdict(first >> 3 & 7, Mode(first & 7), ntpv5) for first in range(256))


def _verdict(version: int, mode: Mode, ntpv5: bool) -> Verdict:
    if mode is Mode.CONTROL:
        return Verdict(0, ServerReason.CONTROL)
    if mode is Mode.PRIVATE:
        return Verdict(0, ServerReason.PRIVATE)
    if not 1 <= version <= (5 if ntpv5 else 4):
        return Verdict(0, ServerReason.VERSION)
    if mode is Mode.SYMMETRIC_ACTIVE and version < 5:
        return Verdict(version << 3 | Mode.SYMMETRIC_PASSIVE, None)
    if mode is Mode.CLIENT or (version == 1 and mode is Mode.RESERVED):
        return Verdict(version << 3 | Mode.SERVER, None)
    return Verdict(0, ServerReason.NOT_A_REQUEST)


def judge(table: tuple[Verdict, ...], request: bytes, port: int) -> Verdict:
    """The verdict on a datagram from a port, by `table` of `verdicts`.

    The first octet speaks first, so that short mode 6 packets are called that.
    """
    verdict = table[request[0]] if request else Verdict(0, None)
    if verdict.refusal is not None:
        return verdict
    if port == 0:
        return Verdict(0, ServerReason.SOURCE_PORT)
    if not HEADER_SIZE <= len(request) <= MAX_REQUEST:
        return Verdict(0, ServerReason.TOO_SHORT if len(request) < HEADER_SIZE else ServerReason.TOO_LONG)
    if port == _NTP_PORT and request[0] & 7 == Mode.RESERVED:
        return Verdict(0, ServerReason.NOT_A_REQUEST)
    return Verdict(0, ServerReason.UNALIGNED) if len(request) % 4 else verdict

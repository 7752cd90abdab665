"""Asks one server for the time, once: the socket around `stratum1.sources.protocol`."""

import secrets
import socket
import struct
import time
from dataclasses import dataclass

from stratum1.timescale import NS, NtpTimestamp, UtcNs

from .protocol import (
    MalformedReplyError,
    Measurement,
    NotAReplyError,
    OriginMismatchError,
    ReplyError,
    Target,
    build_request,
    measure,
)

__all__ = ["Answer", "QueryError", "query"]

_SO_TIMESTAMPNS = 35  # asm-generic/socket.h; also the type of the control message
_TIMESPEC = struct.Struct("=qq")
_LONGEST_REPLY = 2048
_NOISE = (MalformedReplyError, NotAReplyError, OriginMismatchError)
"""What anybody could have sent from the server's address: the answer may still come."""

_Address = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]


class QueryError(Exception):
    """No measurement; the message says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A measurement, and the address and port that gave it."""

    address: str
    port: int
    measurement: Measurement


def query(target: Target, timeout: float = 2.0, attempts: int = 3) -> Answer:
    """Ask until somebody answers: `attempts` requests in all, in turn to the addresses of the host, each waiting `timeout` seconds.

    Our clock is CLOCK_REALTIME; the reply's arrival is stamped by the kernel. Raises QueryError.
    """
    addresses = _resolve(target)
    reasons: dict[str, None] = {}  # in order, each once
    for attempt in range(attempts):
        family, address = addresses[attempt % len(addresses)]
        try:
            return Answer(address[0], address[1], _exchange(family, address, timeout))
        except ReplyError as error:
            raise QueryError(f"{target} ({address[0]}): {error}") from error
        except TimeoutError as error:
            reasons[f"{address[0]}: {error}"] = None
        except OSError as error:
            reasons[f"{address[0]}: {_plain(error)}"] = None
    raise QueryError(f"{target} does not answer ({attempts} requests). {'; '.join(reasons)}")


def _resolve(target: Target) -> list[_Address]:
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        raise QueryError(f"{target.host}: the name can't be resolved ({error})") from error
    return [(family, (str(address[0]), int(address[1]), *address[2:])) for family, _, _, _, address in found]


def _exchange(family: socket.AddressFamily, address: tuple[str, int] | tuple[str, int, int, int], timeout: float) -> Measurement:
    asked = NtpTimestamp(secrets.randbits(64))
    request = build_request(asked)
    noise: ReplyError | None = None
    # a socket of its own for each request: a new random source port (RFC 9109), and nothing late from the one before
    with socket.socket(family, socket.SOCK_DGRAM) as opened:
        opened.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        opened.connect(address)
        deadline = time.monotonic() + timeout
        sent = UtcNs(time.clock_gettime_ns(time.CLOCK_REALTIME))
        opened.send(request)
        while (left := deadline - time.monotonic()) > 0:
            opened.settimeout(left)
            try:
                reply, ancillary, _, _ = opened.recvmsg(_LONGEST_REPLY, socket.CMSG_SPACE(_TIMESPEC.size))
            except TimeoutError:
                break
            try:
                return measure(reply, asked, sent, _stamp(ancillary))
            except _NOISE as error:
                noise = error
    raise TimeoutError(str(noise) if noise else f"nothing came within {timeout:g} s")


def _stamp(ancillary: list[tuple[int, int, bytes]]) -> UtcNs:
    """The kernel's receive stamp, or now where it gave none."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            whole, fraction = _TIMESPEC.unpack_from(data)
            return UtcNs(whole * NS + fraction)
    return UtcNs(time.clock_gettime_ns(time.CLOCK_REALTIME))


def _plain(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens at this port"
    return error.strerror or str(error)

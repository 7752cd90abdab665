"""Asks one server for the time, once: the socket around `stratum1.sources.protocol`."""

import secrets
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

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

__all__ = ["Address", "Answer", "QueryError", "exchange", "plain", "query", "resolve"]

_SO_TIMESTAMPNS = 35  # asm-generic/socket.h; also the type of the control message
_TIMESPEC = struct.Struct("=qq")
_LONGEST_REPLY = 2048
_NOISE = (MalformedReplyError, NotAReplyError, OriginMismatchError)
"""What anybody could have sent from the server's address: the answer may still come."""

Address = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]


T = TypeVar("T")


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
    addresses = resolve(target)
    reasons: dict[str, None] = {}  # in order, each once
    for attempt in range(attempts):
        found = addresses[attempt % len(addresses)]
        address = found[1]
        try:
            return Answer(address[0], address[1], _plain_exchange(found, timeout))
        except ReplyError as error:
            raise QueryError(f"{target} ({address[0]}): {error}") from error
        except TimeoutError as error:
            reasons[f"{address[0]}: {error}"] = None
        except OSError as error:
            reasons[f"{address[0]}: {plain(error)}"] = None
    raise QueryError(f"{target} does not answer ({attempts} requests). {'; '.join(reasons)}")


def resolve(target: Target) -> list[Address]:
    """The addresses of a target, for UDP. Raises QueryError."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        raise QueryError(f"{target.host}: the name can't be resolved ({error})") from error
    return [(family, (str(address[0]), int(address[1]), *address[2:])) for family, _, _, _, address in found]


def _plain_exchange(address: Address, timeout: float) -> Measurement:
    asked = NtpTimestamp(secrets.randbits(64))
    return exchange(address, build_request(asked), lambda reply, sent, returned: measure(reply, asked, sent, returned), timeout, _NOISE)


def exchange(
    address: Address, request: bytes, read: Callable[[bytes, UtcNs, UtcNs], T], timeout: float, noise: tuple[type[Exception], ...]
) -> T:
    """Send a request and read what comes back until it is an answer.

    read: is given a reply, when the request was sent and when the reply came; where it raises one of `noise`, the answer may still
    come. Raises what else it raises, TimeoutError with the last noise as its reason, OSError.
    """
    family, target = address
    heard: Exception | None = None
    # a socket of its own for each request: a new random source port (RFC 9109), and nothing late from the one before
    with socket.socket(family, socket.SOCK_DGRAM) as opened:
        opened.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        opened.connect(target)
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
                return read(reply, sent, _stamp(ancillary))
            except noise as error:
                heard = error
    raise TimeoutError(str(heard) if heard else f"nothing came within {timeout:g} s")


def _stamp(ancillary: list[tuple[int, int, bytes]]) -> UtcNs:
    """The kernel's receive stamp, or now where it gave none."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            whole, fraction = _TIMESPEC.unpack_from(data)
            return UtcNs(whole * NS + fraction)
    return UtcNs(time.clock_gettime_ns(time.CLOCK_REALTIME))


def plain(error: OSError) -> str:
    """An error for people."""
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens at this port"
    return error.strerror or str(error)

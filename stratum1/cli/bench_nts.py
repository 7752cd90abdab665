"""NTS requests for the load generator: one key establishment, then many requests sealed with its keys before the first is sent."""

import secrets
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from stratum1.nts.aead import Aead, Sealer

from .bench_target import BenchTarget

__all__ = ["NtsKeys", "authentic", "establish", "ready_requests"]

_UNIQUE, _COOKIE, _SEALED = 0x0104, 0x0204, 0x0404
_HEADER = bytes([0x23, 0, 6, 0xE8]) + bytes(36)
_TRANSMIT_MARK = 0x5A
"""How the generator knows the transmit timestamps of its requests again (load_clients.rs)."""


@dataclass(frozen=True, slots=True)
class NtsKeys:
    """What a key establishment gave."""

    aead: Aead
    to_server: bytes = field(repr=False)
    to_client: bytes = field(repr=False)
    cookies: tuple[bytes, ...] = field(repr=False)


def establish(native: Any, server: BenchTarget, name: str, aead: int) -> NtsKeys:
    """One key establishment. Raises OSError with what the server or TLS says, ValueError for an AEAD that nobody has."""
    chosen, to_server, to_client, cookies = native.establish_keys(str(server.host), server.port, name, Aead(aead).value)
    return NtsKeys(Aead(chosen), to_server, to_client, tuple(cookies))


def ready_requests(keys: NtsKeys, count: int) -> list[bytes]:
    """So many requests as NTPv4 clients send them (RFC 8915, section 5.3): unique identifier, a cookie, nothing encrypted.

    They share the cookies in turn; a server that keeps no state can't tell them from those of as many clients.
    """
    sealer = Sealer(keys.aead, keys.to_server)
    requests = []
    for number in range(count):
        transmit = struct.pack(">Q", secrets.randbits(32) << 32 | number << 8 | _TRANSMIT_MARK)
        cookie = keys.cookies[number % len(keys.cookies)]
        cookie += bytes(-len(cookie) % 4)
        head = _HEADER + transmit + _field(_UNIQUE, secrets.token_bytes(32)) + _field(_COOKIE, cookie)
        nonce = secrets.token_bytes(keys.aead.nonce_length)
        sealed = sealer.seal(nonce, (head,), b"")
        padding = bytes(16 - len(nonce))  # nonce and padding are at least 16 octets: section 5.7
        requests.append(head + _field(_SEALED, struct.pack(">HH", len(nonce), len(sealed)) + nonce + sealed + padding))
    return requests


def authentic(keys: NtsKeys, requests: Sequence[bytes], kept: Sequence[tuple[int, bytes]]) -> int:
    """How many of these replies (number of the request, octets) are authenticated, answer their request and bring a cookie."""
    sealer = Sealer(keys.aead, keys.to_client)
    return sum(_is_authentic(sealer, requests[number], reply) for number, reply in kept)


def _is_authentic(sealer: Sealer, request: bytes, reply: bytes) -> bool:
    unique = request[48:84]
    at = 48
    while at + 4 <= len(reply):
        kind, length = struct.unpack_from(">HH", reply, at)
        if length < 4:
            return False
        if kind == _SEALED and length >= 8:
            nonce_length, sealed_length = struct.unpack_from(">HH", reply, at + 4)
            nonce = reply[at + 8 : at + 8 + nonce_length]
            start = at + 8 + nonce_length + -nonce_length % 4
            inner = sealer.open(nonce, (reply[:at],), reply[start : start + sealed_length])
            return inner is not None and unique in reply[48:at] and inner[:2] == struct.pack(">H", _COOKIE)
        at += length
    return False


def _field(kind: int, value: bytes) -> bytes:
    return struct.pack(">HH", kind, 4 + len(value)) + value

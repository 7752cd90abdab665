"""What the daemon and the eBPF program share: the same as stratum1/dataplane/xdp/maps.h says in C (a test compares the two). Pure."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

__all__ = [
    "ACCESS_ALLOW",
    "ACCESS_RULES",
    "ALLOWED_OCTETS",
    "ALLOWED_SIZE",
    "FLAG_SMEAR",
    "FLAG_USABLE",
    "INTERFACES",
    "LAYOUT",
    "LIMIT_GROUPS",
    "LISTENERS",
    "LISTENERS_SIZE",
    "LISTENER_BUCKETS",
    "LISTENER_RULES4",
    "LISTENER_RULES6",
    "LISTENER_SMEAR",
    "PORTS",
    "STATE_SIZE",
    "VALID_BITS",
    "WAYS",
    "Count",
    "ListenerKey",
    "MapInfo",
    "Word",
    "access_key",
    "active_offset",
    "allowed_bits",
    "allowed_offset",
    "interface_offset",
    "listener_key",
    "pack_listeners",
    "pack_slot",
    "slot_offset",
]

LAYOUT = 2
"""Raised with every change of what stands here, so that an old program under a new daemon is noticed and not misread."""
FLAG_USABLE = 1 << 63
FLAG_SMEAR = 1 << 62
INTERFACES = 16
"""Network interfaces that the program can stand in at once."""
LISTENERS = 16
LISTENER_BUCKETS = 256
LISTENER_SMEAR = 1 << 8
LISTENER_RULES4 = 1 << 9
LISTENER_RULES6 = 1 << 10
PORTS = 4
"""Different ports of listeners that the program looks for."""
ACCESS_RULES = 65536
"""Rules of all listeners together, for each version of IP."""
ACCESS_ALLOW = 0
"""What a trie says of addresses that are simply allowed."""
LIMIT_GROUPS = 16384
WAYS = 4
"""Slots of the rate limit in a group."""

_STATE_WORDS = 16
_LISTENER_WAYS = 4
_SPREAD = 0x9E3779B97F4A7C15
_SPARE = 14
_SLOT = 8 * _STATE_WORDS
_SLOTS = 8 * (2 + INTERFACES + _SPARE)
STATE_SIZE = _SLOTS + 2 * _SLOT
_MASK = (1 << 64) - 1
_SIGHT = 16  # bits of an address that the program looks at first
ALLOWED_OCTETS = (1 << _SIGHT) // 8
"""Of the bits of a listener and version of IP."""
ALLOWED_SIZE = ALLOWED_OCTETS * 2 * LISTENERS
LISTENERS_SIZE = 32 * _LISTENER_WAYS * LISTENER_BUCKETS
VALID_BITS = 34

ListenerKey = tuple[int, int, int]
"""Interface, port and version of IP in one word; the address in two."""


class Word(IntEnum):
    """The words of a state by their places; their meaning and scale: stratum1/server/_xdp_words.py. CHECK covers those before it."""

    HEADER = 0
    REFID = 1
    REFERENCE = 2
    SOURCE = 3
    BASE = 4
    MULTIPLIER = 5
    BOUND = 6
    GROWTH = 7
    CHECK = 8
    PORTS = 9
    INTERVAL = 10
    BURST = 11
    ODDS = 12
    SEED = 13
    KISS_POLL = 14
    SECRET = 15


class Count(IntEnum):
    """What the program counts, for each processor and listener."""

    TIME3 = 0
    TIME4 = 1
    KISS3 = 2
    KISS4 = 3
    DROP3 = 4
    DROP4 = 5
    PASS_STATE = 6
    """Passed up to the sockets: no usable state."""
    PASS_ACCESS = 7
    """Passed up: from an address that is not simply allowed."""
    PASS_KIND = 8
    """Passed up: not a plain request."""


@dataclass(frozen=True, slots=True)
class MapInfo:
    """A map's shape; sizes in octets."""

    kind: int
    key_size: int
    value_size: int
    entries: int
    flags: int


def pack_slot(words: dict[Word, int]) -> bytes:
    """A slot of the state map, with the check over its words; words left out are 0, negative ones two's complement."""
    values = [words.get(word, 0) & _MASK for word in Word]
    values[Word.CHECK] = sum(value * (0x1E3779B1 + 2 * place) for place, value in enumerate(values[: Word.CHECK])) & _MASK
    return struct.pack(f"<{_STATE_WORDS}Q", *values, *(0,) * (_STATE_WORDS - len(values)))


def slot_offset(slot: int) -> int:
    """Where slot 0 or 1 begins in the state map."""
    return _SLOTS + _SLOT * slot


def active_offset() -> int:
    """Where the word stands that says which slot holds."""
    return 8


def interface_offset(place: int) -> int:
    """Where the interface at a place stands: its index (u32), then its mode (u32)."""
    return 16 + 8 * place


def listener_key(interface: int, port: int, address: IPv4Address | IPv6Address) -> ListenerKey:
    """The key of a listening address; interface: index, 0 for the entry that says that a source is ourselves."""
    there = struct.unpack("<H", struct.pack(">H", port))[0]
    low, high = struct.unpack("<2Q", address.packed.ljust(16, b"\0"))
    return (interface | there << 32 | address.version << 48, low, high)


def pack_listeners(entries: Mapping[ListenerKey, int]) -> tuple[bytes, tuple[ListenerKey, ...]]:
    """The whole listeners map, and the keys that found no place because their bucket is full."""
    buckets: list[list[bytes]] = [[] for _ in range(LISTENER_BUCKETS)]
    homeless: list[ListenerKey] = []
    for (place, low, high), value in entries.items():
        bucket = buckets[((place ^ low ^ high) * _SPREAD & _MASK) >> 56]
        if len(bucket) == _LISTENER_WAYS:
            homeless.append((place, low, high))
        else:
            bucket.append(struct.pack("<4Q", place, low, high, value))
    return b"".join(b"".join(bucket).ljust(32 * _LISTENER_WAYS, b"\0") for bucket in buckets), tuple(homeless)


def access_key(listener: int, network: IPv4Network | IPv6Network) -> bytes:
    """The key of a rule of a listener, in the trie of its version of IP."""
    return struct.pack("<II", 32 + network.prefixlen, listener) + network.network_address.packed


def allowed_offset(listener: int, version: int) -> int:
    """Where the bits of a listener and version of IP begin in the map of what is allowed at sight."""
    return ALLOWED_OCTETS * (2 * listener + (version == 6))


def allowed_bits(entries: Mapping[bytes, int]) -> dict[int, bytes]:
    """By listener, for all rules of one version of IP: a bit for each value of an address's first 16 bits, set where all are allowed."""
    digits: dict[int, bytearray] = {}
    for key in sorted(entries):  # the length of the prefix comes first, so that a longer one overrules a shorter one
        bits, listener = struct.unpack_from("<II", key)
        first, length, allow = int.from_bytes(key[8:10], "big"), bits - 32, entries[key] == ACCESS_ALLOW
        own = digits.setdefault(listener, bytearray(b"1" * (1 << _SIGHT)))
        if length <= _SIGHT:
            span = 1 << (_SIGHT - length)
            own[first : first + span] = (b"1" if allow else b"0") * span
        elif not allow:
            own[first] = ord("0")
    return {listener: int(own[::-1], 2).to_bytes(ALLOWED_OCTETS, "little") for listener, own in digits.items()}

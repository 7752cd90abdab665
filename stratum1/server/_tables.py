"""The two memories of a server, of fixed size whatever comes: who asked how often, and when earlier replies really left.

Plain deterministic objects without a clock or chance of their own: the native data plane has the same ones and keeps the same slots.
Both are four-way: a key may lie in any slot of the aligned group of four that its hash names. Threads may share them without a lock:
each slot is read and written in single steps of the interpreter, and the worst that a race can do is to lose one entry.
"""

from array import array
from dataclasses import dataclass

from .service import RateLimit, ServiceSettings

__all__ = ["InterleavedTable", "RateTable", "Tables", "address_hash", "mix64", "network_hash"]

_MASK = (1 << 64) - 1
_WAYS = 4
_COUNTED = 1 << 16
_COUNTED_ONE_BY_ONE = 1 << 12
"""A quarter of a millisecond, for which all other threads wait."""
_STEPPED_NS = 1 << 30
"""A slot that lies so much further ahead than any burst can put it says that the clock was set back."""


def mix64(value: int) -> int:
    """The finishing steps of splitmix64: every bit of the 64 depends on every other."""
    value ^= value >> 30
    value = value * 0xBF58476D1CE4E5B9 & _MASK
    value ^= value >> 27
    value = value * 0x94D049BB133111EB & _MASK
    return value ^ value >> 31


def address_hash(seed: int, address: bytes) -> int:
    """64 bits of an address of 4 or 16 octets; who does not know `seed` (64 bits) can't aim at a slot."""
    if len(address) == 4:
        return mix64(seed ^ int.from_bytes(address))
    return mix64(mix64(seed ^ int.from_bytes(address[:8])) ^ int.from_bytes(address[8:]))


def network_hash(seed: int, address: bytes) -> int:
    """As `address_hash`, but the same for all addresses of an IPv6 /64, which one host has at its disposal."""
    if len(address) == 4:
        return mix64(seed ^ int.from_bytes(address))
    return mix64(mix64(seed ^ int.from_bytes(address[:8])) ^ 1)


def _used(table: "array[int]") -> int:
    """How many slots are in use; of a large table by the first of them, for hashes spread evenly, and a look at all would hold up all."""
    part = table[:_COUNTED]
    return (len(part) - part.count(0)) * len(table) // len(part)


class RateTable:
    """A token bucket for each client, kept as the instant at which it would be full again (the generic cell rate algorithm)."""

    __slots__ = ("_ahead", "_full_at", "_interval", "_mask", "_span", "_tags")

    def __init__(self, limit: RateLimit) -> None:
        self._mask = limit.slots - 1
        self._interval = limit.interval_ns
        self._ahead = (limit.burst - 1) * limit.interval_ns
        self._span = limit.burst * limit.interval_ns + _STEPPED_NS
        self._tags = array("I", bytes(4 * limit.slots))
        self._full_at = array("q", bytes(8 * limit.slots))

    def allowed(self, hashed: int, now: int) -> bool:
        """Whether the client of this `network_hash` has a token left, which is then taken. now: served time, ns."""
        first, tag = hashed & self._mask & -_WAYS, hashed >> 32
        tags, full_at = self._tags, self._full_at
        group = range(first, first + _WAYS)
        for slot in group:
            if tags[slot] == tag and (full := full_at[slot]):
                if not now < full <= now + self._span:
                    full = now
                elif full > now + self._ahead:
                    return False
                full_at[slot] = full + self._interval
                return True
        oldest = min(group, key=full_at.__getitem__)
        tags[oldest] = tag
        full_at[oldest] = now + self._interval
        return True

    def used(self, now: int) -> int:
        """About how many buckets are not full at an instant (served time, ns), counted in a part of a large table."""
        part = self._full_at[:_COUNTED_ONE_BY_ONE]
        return sum(full > now for full in part) * len(self._full_at) // len(part)

    @property
    def slots(self) -> int:
        """How many it can remember."""
        return len(self._full_at)


class InterleavedTable:
    """When replies left, by what the reply's receive timestamp and its receiver hash to. Each is handed out once (RFC 9769, section 2)."""

    __slots__ = ("_keys", "_mask", "_stamps")

    def __init__(self, slots: int) -> None:
        self._mask = slots - 1
        self._keys = array("Q", bytes(8 * slots))
        self._stamps = array("q", bytes(8 * slots))

    @staticmethod
    def key(receive: int, hashed: int) -> int:
        """The key of a reply: its receive timestamp (64 bits, as sent) and the `address_hash` of its receiver. Never 0."""
        return mix64(receive ^ hashed) or 1

    def take(self, key: int) -> int | None:
        """When that reply left (served time, ns), and forget it; None if it is not known."""
        first, keys = key & self._mask & -_WAYS, self._keys
        for slot in range(first, first + _WAYS):
            if keys[slot] == key:
                keys[slot] = 0
                return self._stamps[slot]
        return None

    def save(self, key: int, transmit_ns: int) -> None:
        """Remember a reply with what we think that its transmit time will be; the oldest one of the group makes room."""
        first, keys, stamps = key & self._mask & -_WAYS, self._keys, self._stamps
        group = range(first, first + _WAYS)
        slot = next((slot for slot in group if keys[slot] == key), None)
        if slot is None:
            slot = next((slot for slot in group if not keys[slot]), None)
        if slot is None:
            slot = min(group, key=stamps.__getitem__)
        stamps[slot] = transmit_ns
        keys[slot] = key

    def sent(self, key: int, transmit_ns: int) -> None:
        """The exact transmit time of a reply that was saved; nothing happens if it is gone already."""
        first, keys = key & self._mask & -_WAYS, self._keys
        for slot in range(first, first + _WAYS):
            if keys[slot] == key:
                self._stamps[slot] = transmit_ns
                return

    def clear(self) -> None:
        """Forget all, for the served time was stepped."""
        self._keys = array("Q", bytes(8 * len(self._keys)))

    @property
    def used(self) -> int:
        """How many replies it remembers."""
        return _used(self._keys)

    @property
    def slots(self) -> int:
        """How many it can remember."""
        return len(self._keys)


@dataclass(frozen=True, slots=True)
class Tables:
    """Both, as the settings want them; None where a thing is switched off."""

    rate: RateTable | None = None
    interleaved: InterleavedTable | None = None

    @classmethod
    def of(cls, service: ServiceSettings) -> "Tables":
        """Empty tables. Raises ValueError, naming the field, for settings outside their bounds."""
        service.check()
        return cls(
            RateTable(service.rate_limit) if service.rate_limit else None,
            InterleavedTable(service.interleaved_slots) if service.interleaved_slots else None,
        )

"""What a server does beyond the time itself, as values: keys, access rules, rate limit, NTS. Pure; every data plane reads the same.

Settings change rarely (start, reload, rotation of keys) and are replaced whole; the time changes often and is in TimeState.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network

from stratum1.ntp import KeyKind, SymmetricKey
from stratum1.nts.keyring import KeyRing

__all__ = ["AccessAction", "AccessRule", "KeyKind", "ListenerSettings", "RateLimit", "ServiceSettings", "SymmetricKey"]


class AccessAction(StrEnum):
    """What is done with packets from a network."""

    ALLOW = "allow"
    DENY = "deny"
    """Refused with the kiss DENY."""
    IGNORE = "ignore"
    """Silence."""
    REQUIRE_NTS = "require-nts"
    """Only NTS is served; everything else gets the kiss RSTR."""


@dataclass(frozen=True, slots=True)
class AccessRule:
    """The action for a network; the longest prefix that holds an address decides, and where none does, it is allowed."""

    network: IPv4Network | IPv6Network
    action: AccessAction


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A token bucket for each client address (IPv4 /32, IPv6 /64) in a table of fixed size.

    interval_ns: between tokens; burst: tokens that a bucket holds; leak: of 256 packets over the limit so many are answered all
    the same, so that nobody can mute a client by sending in its name; kiss: so many more of 256 get the kiss RATE; slots: a power
    of two. The bounds: 2^20 to 2^36 ns, 1 to 255 tokens, leak + kiss at most 256, 2^8 to 2^22 slots.
    """

    interval_ns: int = 1_000_000_000 // 32
    burst: int = 128
    leak: int = 64
    kiss: int = 32
    slots: int = 1 << 16

    def check(self) -> None:
        """Raise ValueError, naming the field, for what is outside the bounds."""
        _within("rate limit, interval_ns", self.interval_ns, 1 << 20, 1 << 36)
        _within("rate limit, burst", self.burst, 1, 255)
        _within("rate limit, leak", self.leak, 0, 256)
        _within("rate limit, kiss", self.kiss, 0, 256)
        _within("rate limit, leak + kiss", self.leak + self.kiss, 0, 256)
        _slots("rate limit, slots", self.slots)


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """What is one listener's own. access: rules; require_nts: as if the rule of every address that is allowed were REQUIRE_NTS.

    nts_only_silence: whether a refused plain request is met with silence instead of the kiss RSTR.
    own: addresses (4 or 16 octets) and ports at which this server itself listens; packets in their name are dropped.
    """

    access: tuple[AccessRule, ...] = ()
    require_nts: bool = False
    nts_only_silence: bool = False
    own: frozenset[tuple[bytes, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What all listeners share. keys: by key id; rate_limit: None for none; interleaved_slots: stamps kept for interleaved clients
    (RFC 9769), a power of two from 2^8 to 2^22, 0 switches interleaved mode off; ntpv5: whether version 5 (draft -09) is answered;
    nts: the master keys of cookies, None where NTS is not served; hash_seed: 64 secret bits that decide the places in the tables;
    reference_ids: the Bloom filter of version 5, 512 octets: the reference IDs of this server and of those that steer it.
    """

    keys: Mapping[int, SymmetricKey] = field(default_factory=dict)
    rate_limit: RateLimit | None = None
    interleaved_slots: int = 1 << 17
    ntpv5: bool = False
    nts: KeyRing | None = None
    hash_seed: int = 0
    reference_ids: bytes = field(default=bytes(512), repr=False)

    def check(self) -> None:
        """Raise ValueError, naming the field, for what no responder could work with."""
        if self.rate_limit is not None:
            self.rate_limit.check()
        if self.interleaved_slots:
            _slots("interleaved_slots", self.interleaved_slots)
        _within("hash_seed", self.hash_seed, 0, (1 << 64) - 1)
        if len(self.reference_ids) != 512:
            raise ValueError(f"reference_ids: {len(self.reference_ids)} octets, not 512")
        for key_id, key in self.keys.items():
            if key_id != key.key_id:
                raise ValueError(f"keys: {key.key_id} stands at {key_id}")


def _within(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name}: {value} is not within {low} to {high}")


def _slots(name: str, value: int) -> None:
    _within(name, value, 1 << 8, 1 << 22)
    if value & (value - 1):
        raise ValueError(f"{name}: {value} is no power of two")

"""What a server does beyond the time itself, as values: keys, access rules, rate limit, NTS. Pure; every data plane reads the same.

Settings change rarely (start, reload, rotation of keys) and are replaced whole; the time changes often and is in TimeState.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network

from stratum1.nts.keyring import KeyRing

__all__ = ["AccessAction", "AccessRule", "KeyKind", "ListenerSettings", "RateLimit", "ServiceSettings", "SymmetricKey"]


class KeyKind(StrEnum):
    """Algorithm of a symmetric key: a digest of key and packet (RFC 5905, appendix A), or a CMAC (RFC 8573)."""

    MD5 = "md5"
    """16 octets of digest; for old peers."""
    SHA1 = "sha1"
    """20 octets; for old peers."""
    SHA256 = "sha256"
    """The first 20 octets of the digest, as all implementations cut it (RFC 7822 allows no longer MAC in version 4)."""
    SHA384 = "sha384"
    """The first 20 octets."""
    SHA512 = "sha512"
    """The first 20 octets."""
    AES128 = "aes128"
    """AES-128-CMAC: 16 octets, a key of 16 octets."""
    AES256 = "aes256"
    """AES-256-CMAC as chrony has it: 16 octets, a key of 32 octets."""


@dataclass(frozen=True, slots=True)
class SymmetricKey:
    """One key shared with a client. key_id: 1 to 2^32 - 1; secret: 1 to 256 octets (16 and 32 for the AES kinds)."""

    key_id: int
    kind: KeyKind
    secret: bytes = field(repr=False)


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


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """What is one listener's own. access: rules; require_nts: as if the rule of every address that is allowed were REQUIRE_NTS.

    nts_only_silence: whether a refused plain request is met with silence instead of the kiss RSTR.
    """

    access: tuple[AccessRule, ...] = ()
    require_nts: bool = False
    nts_only_silence: bool = False


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What all listeners share. keys: by key id; rate_limit: None for none; interleaved_slots: stamps kept for interleaved clients
    (RFC 9769), a power of two from 2^8 to 2^22, 0 switches interleaved mode off; ntpv5: whether version 5 (draft -09) is answered;
    nts: the master keys of cookies, None where NTS is not served; hash_seed: 64 secret bits that decide the places in the tables.
    """

    keys: Mapping[int, SymmetricKey] = field(default_factory=dict)
    rate_limit: RateLimit | None = None
    interleaved_slots: int = 1 << 16
    ntpv5: bool = False
    nts: KeyRing | None = None
    hash_seed: int = 0

"""What became of a packet, in words: closed enumerations, one record a packet, from which all counters derive. Pure.

The place of a member in its enumeration is the number that the native data plane knows it by.
"""

from enum import StrEnum
from typing import NamedTuple

__all__ = ["Outcome", "Protection", "Record", "Sender", "ServerReason", "ServerResponse"]


class ServerResponse(StrEnum):
    """What was done about a packet."""

    TIME = "time"
    """Answered; whether the time may be believed is in the reply."""
    INTERLEAVED = "interleaved"
    """Answered, with the exact transmit time of an earlier reply (RFC 9769)."""
    KISS_RATE = "kiss-rate"
    """Told to ask less often."""
    KISS_DENY = "kiss-deny"
    """Told that it is not served."""
    KISS_RSTR = "kiss-rstr"
    """Told that it is not served without NTS."""
    NTS_NAK = "nts-nak"
    """Told to establish new keys (RFC 8915, section 5.7)."""
    CRYPTO_NAK = "crypto-nak"
    """Answered that its MAC could not be verified."""
    IGNORE = "ignore"
    """Silence."""


class ServerReason(StrEnum):
    """Why it was done; one for every packet."""

    SYNCHRONISED = "synchronised"
    UNSYNCHRONISED = "unsynchronised"
    """A valid request while the time is not known: answered with leap 3 and stratum 0."""
    UNKNOWN_KEY = "unknown-key"
    """A MAC whose key is not ours."""
    PEER_CRYPTO_NAK = "peer-crypto-nak"
    """The packet itself is a crypto-NAK."""
    SOURCE_PORT = "source-port"
    """Sent from port 0, to which nothing can be sent back."""
    TOO_SHORT = "too-short"
    TOO_LONG = "too-long"
    UNALIGNED = "unaligned"
    """No whole number of 32-bit words."""
    BAD_EXTENSION = "bad-extension"
    """An extension field with a length that cannot be."""
    TRAILING_OCTETS = "trailing-octets"
    """The end is neither an extension field nor a MAC."""
    VERSION = "version"
    """Version 0, 6 or 7; also 5 where it is not switched on."""
    NOT_A_REQUEST = "not-a-request"
    """A reply, a broadcast, or the reserved mode 0."""
    CONTROL = "control"
    """Mode 6."""
    PRIVATE = "private"
    """Mode 7."""
    STALE = "stale"
    """Its times do not fit together: the clock was stepped while we held it, or it waited for more than a second."""
    BAD_MAC = "bad-mac"
    """A MAC with a key of ours and another digest, or one of a length that the key does not make."""
    MS_SNTP = "ms-sntp"
    """An authenticator of MS-SNTP, which only a domain controller can answer."""
    AUTOKEY = "autokey"
    """Autokey (RFC 5906), which is broken and not served."""
    ACCESS_DENIED = "access-denied"
    ACCESS_IGNORED = "access-ignored"
    NTS_REQUIRED = "nts-required"
    """Without NTS, where only NTS is served."""
    RATE_LIMITED = "rate-limited"
    OWN_ADDRESS = "own-address"
    """In the name of an address and port of ours, so that we would talk to ourselves."""
    NTS_NOT_SERVED = "nts-not-served"
    """NTS, where we have no keys for it."""
    NTS_MALFORMED = "nts-malformed"
    """Not exactly one unique identifier, cookie and authenticator, or placeholders that are too many or of another length."""
    NTS_SHORT_NONCE = "nts-short-nonce"
    """Too little room for the reply's nonce (RFC 8915, section 5.6)."""
    NTS_UNKNOWN_COOKIE = "nts-unknown-cookie"
    """A cookie under a master key that was never ours."""
    NTS_EXPIRED_KEY = "nts-expired-key"
    """A cookie under a master key that was ours and is gone."""
    NTS_BAD_COOKIE = "nts-bad-cookie"
    """A cookie that was changed on the way, or is of the other protocol version."""
    NTS_BAD_AUTHENTICATOR = "nts-bad-authenticator"
    """Not made with the key that its cookie holds."""
    V5_DRAFT = "v5-draft"
    """Version 5 of another draft, or of none."""
    V5_MALFORMED = "v5-malformed"
    """Version 5 with fields that cannot be."""
    V5_TIMESCALE = "v5-timescale"
    """Version 5, asking for a timescale that we do not have: answered in another, which the reply names."""


class Protection(StrEnum):
    """How a packet was, or claimed to be, protected."""

    NONE = "none"
    MAC = "mac"
    NTS = "nts"


class Record(NamedTuple):
    """What became of one packet. version: 0 to 7 as it stood in the packet, 0 if it was empty."""

    version: int
    reason: ServerReason
    response: ServerResponse
    protection: Protection = Protection.NONE


class Outcome(NamedTuple):
    """The record of a packet and the octets to send back, or None for silence.

    saved: the key under which `Tables.interleaved` awaits the exact transmit stamp of this reply, None where it awaits none.
    """

    record: Record
    reply: bytes | None
    saved: int | None = None


class Sender(NamedTuple):
    """Where a packet came from. address: 4 octets (IPv4, also where it came as IPv4-mapped IPv6) or 16; port: 0 to 65535."""

    address: bytes
    port: int

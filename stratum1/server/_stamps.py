"""The 64-bit timestamps of replies: from nanoseconds, with random bits below what our clock can tell. Pure.

The random bits make every receive timestamp unique and hide the grain of the clock. The lowest bit says which timestamp it is: 1
for receive, 0 for transmit. So a client of the basic mode, which sends our transmit timestamp back, is told from one of the
interleaved mode, which sends our receive timestamp back, and needs no memory of ours; and the two are never equal (RFC 9769).
"""

from stratum1.timescale import NS, NTP_UNIX_OFFSET, NtpTimestamp, UtcNs

__all__ = ["MASK64", "Grain", "later"]

MASK64 = (1 << 64) - 1
_OFFSET_NS = NTP_UNIX_OFFSET * NS
_HALF = 1 << 63


def later(one: int, other: int) -> bool:
    """Whether a timestamp is after another, when they are less than 68 years apart in whatever eras."""
    return 0 < (one - other) & MASK64 < _HALF


class Grain:
    """Makes timestamps for one precision (log2 of seconds, 0 or less): the bits below it, at most 31, are random."""

    __slots__ = ("keep", "noise")

    def __init__(self, precision: int) -> None:
        bits = min(31, max(0, 32 + precision))
        self.noise = (1 << bits) - 1 & ~1
        self.keep = MASK64 & ~self.noise & ~1

    def receive(self, instant: UtcNs, random: int) -> int:
        """The receive timestamp of an instant; its random bits are the upper half of 64."""
        return ((instant + _OFFSET_NS << 32) // NS & self.keep) | (random >> 32 & self.noise) | 1

    def transmit(self, instant: UtcNs, random: int) -> int:
        """The transmit timestamp of an instant; its random bits are the lower half of 64."""
        return ((instant + _OFFSET_NS << 32) // NS & self.keep) | (random & self.noise)

    def pair(self, received: UtcNs, sent: UtcNs, random: int) -> tuple[NtpTimestamp, NtpTimestamp]:
        """Both, where the reply is seen to leave after the request came, whatever the random bits are."""
        receive, transmit = self.receive(received, random), self.transmit(sent, random)
        if later(receive, transmit):
            transmit = receive + 1 & MASK64
        return NtpTimestamp(receive), NtpTimestamp(transmit)

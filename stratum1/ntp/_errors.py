"""Why octets are not an NTP packet: one class per cause."""

__all__ = [
    "ExtensionOverrunError",
    "ExtensionTooShortError",
    "ExtensionUnalignedError",
    "ForeignModeError",
    "TrailingOctetsError",
    "TruncatedHeaderError",
    "UnalignedLengthError",
    "UnencodablePacketError",
    "UnsupportedVersionError",
    "WireError",
]


class WireError(ValueError):
    """What a peer sent is not a packet that we read; the message names the field. Counted, never fatal."""


class TruncatedHeaderError(WireError):
    """Fewer than the 48 octets of the header (RFC 5905, figure 8)."""


class UnsupportedVersionError(WireError):
    """The version number is not 1, 2, 3 or 4."""


class ForeignModeError(WireError):
    """Mode 6 (control) or 7 (private): another format, which nothing here reads or answers."""


class UnalignedLengthError(WireError):
    """The packet is no whole number of 32-bit words (RFC 5905, section 7.3)."""


class ExtensionTooShortError(WireError):
    """An extension field says that it is shorter than 16 octets (RFC 7822, section 3)."""


class ExtensionUnalignedError(WireError):
    """An extension field's length is no multiple of 4 (RFC 7822, section 3)."""


class ExtensionOverrunError(WireError):
    """An extension field says that it is longer than what is left of the packet."""


class TrailingOctetsError(WireError):
    """What is left is neither a MAC, nor a crypto-NAK, nor a last extension field of at least 28 octets (RFC 7822, section 3)."""


class UnencodablePacketError(ValueError):
    """Our own mistake: a field of a packet to send is outside what the wire can carry; the message names the field."""

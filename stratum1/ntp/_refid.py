"""Reference identifiers: four octets that are a name or an address, depending on the stratum (RFC 5905, section 7.3)."""

import hashlib
from ipaddress import IPv4Address, IPv6Address

__all__ = ["NO_REFID", "refid_of_address", "refid_of_name", "refid_text"]

NO_REFID = b"\0\0\0\0"
"""What an unsynchronised server sends."""


def refid_of_name(name: str) -> bytes:
    """The refid of a reference clock ("GPS", "PPS"): 1 to 4 printable ASCII characters, padded with zeros.

    Raises ValueError for anything else.
    """
    if not 1 <= len(name) <= 4 or not all("!" <= character <= "~" for character in name):
        raise ValueError(f"a reference identifier is 1 to 4 printable ASCII characters, not {name!r}")
    return name.encode("ascii").ljust(4, b"\0")


def refid_of_address(address: IPv4Address | IPv6Address) -> bytes:
    """The refid of a server that is steered by the one at `address`: the IPv4 address, or the start of the IPv6 address' MD5."""
    if address.version == 4:
        return address.packed
    return hashlib.md5(address.packed, usedforsecurity=False).digest()[:4]


def refid_text(refid: bytes, stratum: int) -> str:
    """A refid for people: the name at stratum 0 (a kiss code) and 1, else dotted decimals; empty for a refid of zeros at stratum 0.

    A name that is not printable ASCII, zero padded, is shown as 8 hexadecimal digits. `refid` is four octets.
    """
    if stratum > 1:
        return ".".join(str(octet) for octet in refid)
    name = refid.rstrip(b"\0")
    if not name and stratum == 0:
        return ""
    if name and all(0x20 <= octet <= 0x7E for octet in name):
        return name.decode("ascii")
    return refid.hex()

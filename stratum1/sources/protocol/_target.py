"""A server to ask, as people write it."""

from dataclasses import dataclass
from ipaddress import IPv6Address

__all__ = ["NTP_PORT", "Target", "parse_target"]

NTP_PORT = 123


@dataclass(frozen=True, slots=True)
class Target:
    """A host name or address, and a UDP port."""

    host: str
    port: int = NTP_PORT

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_target(text: str, port: int = NTP_PORT) -> Target:
    """Read "HOST", "HOST:PORT", "[IPv6]", "[IPv6]:PORT" or a bare IPv6 address. port: where none is named.

    Raises ValueError saying what is expected.
    """
    text = text.strip()
    if text.count(":") > 1 and not text.startswith("["):
        return Target(_ipv6(text, text), port)
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"{text!r}: expected [ADDRESS] or [ADDRESS]:PORT")
        return Target(_ipv6(host, text), _port(rest[1:], text) if rest else port)
    host, colon, named = text.partition(":")
    if not host or any(character.isspace() for character in host):
        raise ValueError(f"{text!r}: expected HOST or HOST:PORT")
    return Target(host, _port(named, text) if colon else port)


def _ipv6(host: str, text: str) -> str:
    try:
        IPv6Address(host)
    except ValueError:
        raise ValueError(f"{text!r}: {host!r} is no IPv6 address") from None
    return host


def _port(port: str, text: str) -> int:
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535):
        raise ValueError(f"{text!r}: {port!r} is no port (1 to 65535)")
    return int(port)

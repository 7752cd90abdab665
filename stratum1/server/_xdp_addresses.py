"""The addresses of this host's interfaces, found without netlink, which the daemon's sandbox does not open."""

import array
import fcntl
import socket
import struct
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

__all__ = ["interface_addresses", "master_of"]

_SIOCGIFCONF = 0x8912
_IFREQ = 40
_ROOM = 1024
_IF_INET6 = Path("/proc/self/net/if_inet6")
_Address = IPv4Address | IPv6Address


def interface_addresses(if_inet6: Path = _IF_INET6) -> dict[int, tuple[_Address, ...]]:
    """All addresses by the index of their interface, in this process' network namespace. Raises OSError."""
    found: dict[int, list[_Address]] = {}
    for name, packed in _ipv4():
        found.setdefault(socket.if_nametoindex(name), []).append(IPv4Address(packed))
    if if_inet6.exists():  # not so where IPv6 is switched off
        for line in if_inet6.read_text(encoding="ascii").splitlines():
            address, index, *_ = line.split()
            found.setdefault(int(index, 16), []).append(IPv6Address(bytes.fromhex(address)))
    return {index: tuple(addresses) for index, addresses in found.items()}


def master_of(index: int, root: Path = Path("/sys/class/net")) -> int | None:
    """The bridge or bond that an interface is part of, None for none."""
    try:
        return int((root / socket.if_indextoname(index) / "master" / "ifindex").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _ipv4() -> list[tuple[str, bytes]]:
    """Names (of aliases, the interface's) and addresses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        buffer = array.array("B", bytes(_IFREQ * _ROOM))
        request = bytearray(struct.pack("@iP", len(buffer), buffer.buffer_info()[0]))
        fcntl.ioctl(asking, _SIOCGIFCONF, request)
    size = struct.unpack("@iP", request)[0]
    rows = [buffer[at : at + _IFREQ].tobytes() for at in range(0, size, _IFREQ)]
    return [(row[:16].partition(b"\0")[0].partition(b":")[0].decode(), row[20:24]) for row in rows]

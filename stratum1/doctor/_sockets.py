"""The kernel's tables of sockets: who listens where (proc(5): /proc/net/udp, udp6, tcp, tcp6)."""

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from ._host import Host

__all__ = ["Bound", "bound_sockets", "clashing", "local_addresses"]

Address = IPv4Address | IPv6Address
_LISTEN = "0A"


@dataclass(frozen=True, slots=True)
class Bound:
    """A socket that takes what comes to an address and port."""

    address: Address
    port: int
    inode: int


def bound_sockets(host: Host, protocol: str) -> tuple[Bound, ...]:
    """All of "udp", or all that listen of "tcp", both IP versions. A malformed row is left out."""
    found = []
    for table in (protocol, f"{protocol}6"):
        for line in (host.read(f"/proc/net/{table}") or "").splitlines()[1:]:
            row = line.split()
            if len(row) > 9 and (protocol == "udp" or row[3] == _LISTEN):
                entry = _bound(row[1], row[9])
                found += [entry] if entry is not None else []
    return tuple(found)


def _bound(local: str, inode: str) -> Bound | None:
    """The kernel prints an address as 32-bit words in the machine's order (little-endian on x86-64 and aarch64)."""
    digits, _, port = local.partition(":")
    try:
        words = struct.unpack(f">{len(digits) // 8}I", bytes.fromhex(digits))
        return Bound(ip_address(struct.pack(f"<{len(words)}I", *words)), int(port, 16), int(inode))
    except (ValueError, struct.error):
        return None


def clashing(bound: tuple[Bound, ...], address: Address, port: int) -> tuple[Bound, ...]:
    """Those that keep us from binding an address and port. An IPv6 wildcard takes IPv4 too, unless it says otherwise."""
    return tuple(one for one in bound if one.port == port and _overlap(one.address, address))


def _overlap(theirs: Address, ours: Address) -> bool:
    theirs, ours = _plain(theirs), _plain(ours)
    if theirs == ours:
        return True
    if theirs.version == ours.version:
        return theirs.is_unspecified or ours.is_unspecified
    return any(one.version == 6 and one.is_unspecified for one in (theirs, ours))


def _plain(address: Address) -> Address:
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def local_addresses(host: Host) -> frozenset[Address] | None:
    """Addresses of this host's interfaces (/proc/net/fib_trie, if_inet6), None where the kernel does not tell."""
    trie = host.read("/proc/net/fib_trie")
    if trie is None:
        return None
    texts, leaf = [], ""
    for line in trie.splitlines():
        words = line.split()
        if words[:1] == ["|--"] and len(words) > 1:
            leaf = words[1]
        elif words[:3] == ["/32", "host", "LOCAL"]:
            texts.append(leaf)
    for line in (host.read("/proc/net/if_inet6") or "").splitlines():
        digits = line.partition(" ")[0]
        texts.append(":".join(digits[at : at + 4] for at in range(0, len(digits), 4)))
    return frozenset(address for text in texts if (address := _address(text)) is not None)


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None

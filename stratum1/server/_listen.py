"""Listening addresses and the sockets behind them, with errors that say what to do."""

import contextlib
import errno
import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from ._smear import Smear
from .service import ListenerSettings

__all__ = [
    "IP_PKTINFO",
    "SO_TIMESTAMPING",
    "STAMPS",
    "DataPlane",
    "ListenAddress",
    "ListenError",
    "apart",
    "open_socket",
    "parse_listen",
    "receive_drops",
    "udp_port_owner",
]

SO_TIMESTAMPING = 37
"""asm-generic/socket.h; the same number is the control message's type (SCM_TIMESTAMPING). Python has no name for it."""
STAMPS = 1 << 3 | 1 << 4 | 1 << 7 | 1 << 11
"""Software stamps of what comes and, where a datagram asks for it, of what goes: by number, without the datagram.

SOF_TIMESTAMPING_RX_SOFTWARE, _SOFTWARE, _OPT_ID and _OPT_TSONLY (linux/net_tstamp.h).
"""
IP_PKTINFO = 8
"""linux/in.h; Python 3.11 has no name for it."""
_SO_MEMINFO, _MEMINFO_DROPS = 55, 8  # asm-generic/socket.h, linux/sock_diag.h: place among 32-bit numbers
_RECEIVE_BUFFER = 1 << 20  # a burst of some thousand requests; the kernel cuts it to net.core.rmem_max


class ListenError(Exception):
    """A listener can't be opened; the message says why, and what to do."""


class DataPlane(StrEnum):
    """Who answers at a listener."""

    AUTO = "auto"
    """The native plane where it is built, else the Python plane."""
    NATIVE = "native"
    PYTHON = "python"
    XDP = "xdp"
    """Plain requests in the network driver, the others as with AUTO."""


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """An address and UDP port to listen at. "[::]" takes IPv4 too, unless v6_only; port 0 lets the kernel choose one (tests).

    smear: how the clients there are shown a leap second. settings: who is served there. data_plane: who is to answer.
    workers: threads that answer, 0: as the plane finds best.
    """

    host: IPv4Address | IPv6Address
    port: int
    smear: Smear = Smear.NONE
    settings: ListenerSettings = field(default_factory=ListenerSettings)
    data_plane: DataPlane = DataPlane.AUTO
    workers: int = 0
    v6_only: bool = False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.host.version == 6 else f"{self.host}:{self.port}"

    @property
    def is_wildcard(self) -> bool:
        """Whether it takes packets for any address, so that replies must be told where to leave from."""
        return self.host.is_unspecified


def parse_listen(text: str) -> ListenAddress:
    """Read "[::]:123", "0.0.0.0:123", "127.0.0.1:11123". Raises ValueError saying what is expected."""
    host, colon, port = text.strip().rpartition(":")
    if not (colon and port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise ValueError(f'{text!r}: expected ADDRESS:PORT with a port from 1 to 65535, like "[::]:123" or "192.0.2.1:123"')
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        raise ValueError(f'{text!r}: {host!r} is no IP address ("0.0.0.0" and "[::]" stand for all)') from None
    if bracketed != (address.version == 6):
        raise ValueError(f'{text!r}: IPv6 addresses, and only they, stand in brackets, like "[::1]:123"')
    return ListenAddress(address, int(port))


def open_socket(listen: ListenAddress) -> socket.socket:
    """A bound UDP socket with kernel receive stamps, and the asked address told with each packet on wildcards. Raises ListenError."""
    family = socket.AF_INET6 if listen.host.version == 6 else socket.AF_INET
    try:
        opened = socket.socket(family, socket.SOCK_DGRAM)
    except OSError as error:
        raise ListenError(_explain(listen, error)) from error
    try:
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, listen.v6_only)
        opened.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, STAMPS)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        if listen.is_wildcard and family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        elif listen.is_wildcard:
            opened.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        opened.bind((str(listen.host), listen.port))
    except OSError as error:
        opened.close()
        raise ListenError(_explain(listen, error)) from error
    return opened


def receive_drops(opened: socket.socket, before: int) -> int:
    """Datagrams that the kernel dropped because the socket was full; `before` where it does not tell, as once it is closed."""
    try:
        told = opened.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4 * (_MEMINFO_DROPS + 1))
    except OSError:
        return before
    return int.from_bytes(told[4 * _MEMINFO_DROPS :], sys.byteorder) if len(told) > 4 * _MEMINFO_DROPS else before


def apart(listeners: Sequence[ListenAddress]) -> tuple[ListenAddress, ...]:
    """The listeners, each "[::]" leaving IPv4 to a "0.0.0.0" of the same port."""
    ipv4 = {each.port for each in listeners if each.is_wildcard and each.host.version == 4}
    return tuple(replace(each, v6_only=each.is_wildcard and each.host.version == 6 and each.port in ipv4) for each in listeners)


def udp_port_owner(port: int, proc: Path = Path("/proc")) -> str | None:
    """Who listens at a UDP port, as "chronyd (pid 812)"; None if nobody does or /proc does not tell us (without privilege,
    other users' descriptors are hidden).
    """
    inodes = {inode for table in ("udp", "udp6") for inode in _inodes_at(proc / "net" / table, port)}
    if not inodes:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in sorted(proc.glob("[0-9]*"), key=lambda path: int(path.name)):
        if wanted & _open_files(process):
            with contextlib.suppress(OSError):  # it may be gone by now
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return None


def _open_files(process: Path) -> set[str]:
    """What a process' descriptors point to, as far as we may look."""
    links: set[str] = set()
    with contextlib.suppress(OSError):
        for entry in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                links.add(os.readlink(entry))
    return links


def _inodes_at(table: Path, port: int) -> list[str]:
    try:
        rows = table.read_text().splitlines()[1:]
    except OSError:
        return []
    columns = [row.split() for row in rows]
    return [row[9] for row in columns if int(row[1].rpartition(":")[2], 16) == port]


def _explain(listen: ListenAddress, error: OSError) -> str:
    start = f"can't listen at {listen}/udp: "
    match error.errno:
        case errno.EADDRINUSE:
            owner = udp_port_owner(listen.port) or "another program (`ss -ulpn` as root says which)"
            return (
                f"{start}the port is taken by {owner}. Stop it (for a service: `systemctl disable --now NAME`; time servers are "
                "chrony, ntpsec, ntpd-rs, openntpd, systemd-timesyncd), or listen at another port or address"
            )
        case errno.EACCES | errno.EPERM:
            return (
                f"{start}ports below 1024 need CAP_NET_BIND_SERVICE. Run it by its systemd unit (which has "
                "AmbientCapabilities=CAP_NET_BIND_SERVICE), or choose a port from 1024 on"
            )
        case errno.EADDRNOTAVAIL:
            return f'{start}no interface of this host has the address {listen.host}. Choose one that `ip address` shows, or "[::]" for all'
        case errno.EAFNOSUPPORT:
            return f"{start}this kernel has no IPv{listen.host.version}. Listen at an address of the other version"
        case _:
            return f"{start}{error.strerror or error}"

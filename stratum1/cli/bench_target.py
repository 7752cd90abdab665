"""Whom the load generator may ask, and how a frame gets there. Load for somebody else's server is an attack: it is refused."""

import contextlib
import ctypes
import fcntl
import socket
import struct
import time
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from stratum1.sources.protocol import Target

__all__ = ["BenchTarget", "frame_addresses", "refusal", "resolve"]

_GATEWAY = 0x2  # RTF_GATEWAY
_GET_MAC, _ETHTOOL, _GET_DRIVER = 0x8927, 0x8946, 3  # SIOCGIFHWADDR, SIOCETHTOOL, ETHTOOL_GDRVINFO
_VIRTUAL = ("veth", "dummy")
_DISCARD = 9
_NEIGHBOUR_KNOWN = 0x2  # ATF_COM


@dataclass(frozen=True, slots=True)
class BenchTarget:
    """Where the requests go."""

    host: IPv4Address | IPv6Address
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.host.version == 6 else f"{self.host}:{self.port}"


def resolve(target: Target) -> BenchTarget:
    """The first address of a name. Raises ValueError where there is none."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise ValueError(f"{target.host}: {error.strerror}") from None
    return BenchTarget(ip_address(str(found[0][4][0]).partition("%")[0]), target.port)


def refusal(host: IPv4Address | IPv6Address, proc: Path = Path("/proc")) -> str:
    """Why load must not be sent there; empty where it may.

    Loopback may. Anything else only from inside a network namespace that is not the host's, has no route by a gateway, and no
    interface but virtual ones (veth, dummy): what is sent in there can't leave this machine.
    """
    if host.is_loopback:
        return ""
    with contextlib.suppress(OSError):  # who may not look at process 1 is judged by the rest, which no network with a way out passes
        if (proc / "self/ns/net").stat().st_ino == (proc / "1/ns/net").stat().st_ino:
            return "it is not loopback, and this is the host's network"
    if _has_gateway(proc):
        return "it is not loopback, and this network namespace has a route by a gateway"
    real = [name for _, name in socket.if_nameindex() if name != "lo" and _driver(name) not in _VIRTUAL]
    return f"it is not loopback, and this network namespace has interfaces that are not virtual: {', '.join(real)}" if real else ""


def _has_gateway(proc: Path) -> bool:
    """Whether a route of this namespace has a gateway (columns of /proc/net/route and ipv6_route)."""
    for name, column in (("route", 3), ("ipv6_route", 8)):
        try:
            lines = (proc / "self/net" / name).read_text(encoding="ascii").splitlines()
        except OSError:
            continue  # a kernel without IPv6
        rows = [line.split() for line in lines if not line.startswith("Iface")]
        if any(len(row) > column and int(row[column], 16) & _GATEWAY for row in rows):
            return True
    return False


def _driver(name: str) -> str:
    """What kind of interface it is, as ethtool says it; "" where it can't be told."""
    answer = bytearray(196)  # struct ethtool_drvinfo
    struct.pack_into("=I", answer, 0, _GET_DRIVER)
    buffer = (ctypes.c_char * len(answer)).from_buffer(answer)
    request = struct.pack("16sP", name.encode(), ctypes.addressof(buffer)) + bytes(16)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        try:
            fcntl.ioctl(control, _ETHTOOL, request)
        except OSError:
            return ""
    return bytes(answer[4:36]).rstrip(b"\0").decode("ascii", "replace")


def frame_addresses(interface: str, host: IPv4Address) -> tuple[int, bytes]:
    """Index of the interface, and the server's and our own Ethernet address, as a frame begins. Raises ValueError."""
    try:
        index = socket.if_nametoindex(interface)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            ours = fcntl.ioctl(control, _GET_MAC, struct.pack("16s16x", interface.encode()))[18:24]
            control.sendto(b"", (str(host), _DISCARD))
    except OSError as error:
        raise ValueError(f"{interface}: {error.strerror}") from None
    end = time.monotonic() + 2
    while time.monotonic() < end:
        for line in Path("/proc/net/arp").read_text(encoding="ascii").splitlines()[1:]:
            address, _, flags, mac, _, device = line.split()
            if (address, device) == (str(host), interface) and int(flags, 16) & _NEIGHBOUR_KNOWN:
                return index, bytes.fromhex(mac.replace(":", "")) + ours
        time.sleep(0.02)
    raise ValueError(f"{host}: nobody at {interface} has this address (it needs a neighbour there, no route by a gateway)")

"""The sockets of the native plane: which there should be, and how they are opened.

A reply has to leave from the address that was asked. A socket of its own for each local address does that without a word; beside
them a wildcard socket takes what is sent to any other address (broadcasts, 127.0.0.2, an address that came a moment ago) and has the
kernel tell it which.
"""

import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address

from ._addresses import hosts, takes
from ._interfaces import LocalAddress
from ._listen import IP_PKTINFO, ListenAddress, ListenError, open_socket

__all__ = ["MAX_OWN_SOCKETS", "Place", "open_place", "places", "probe", "refused"]

MAX_OWN_SOCKETS = 64
"""Addresses of one listener that get a socket of their own (in each worker, which polls them all); the others share the wildcard's."""

_SO_RCVBUFFORCE = 33
_RECEIVE_BUFFER = 1 << 20  # a burst of some thousand requests
_SEND_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True)
class Place:
    """Where a socket is bound, and for which listener (its number). scope: of a link-local IPv6 address."""

    listener: int
    host: IPv4Address | IPv6Address
    port: int
    scope: int = 0

    @property
    def is_wildcard(self) -> bool:
        """Whether it takes packets for any address."""
        return self.host.is_unspecified


def places(listeners: Sequence[ListenAddress], local: Collection[LocalAddress]) -> frozenset[Place]:
    """All sockets that there should be while the host has these addresses. An address that a listener names is that listener's."""
    found: set[Place] = set()
    named = {(each.host, each.port) for each in listeners}
    for number, listen in enumerate(listeners):
        found.update(Place(number, host, listen.port) for host in hosts(listen))
        if listen.is_wildcard:
            own = [each for each in sorted(local, key=_order) if takes(listen, each) and (each.address, listen.port) not in named]
            found.update(Place(number, each.address, listen.port, each.scope) for each in own[:MAX_OWN_SOCKETS])
    return frozenset(found)


def probe(listen: ListenAddress) -> ListenAddress:
    """The listener with its port chosen by the kernel if it was 0. Raises ListenError if it can't be had, saying why.

    Our sockets share their port (SO_REUSEPORT), also with another daemon of the same user that does so: only a socket that does not
    share finds out whether somebody else is there.
    """
    with open_socket(listen) as opened:
        return replace(listen, port=opened.getsockname()[1])


def open_place(place: Place) -> socket.socket:
    """A bound socket there, which shares the port with its like. Raises OSError."""
    ipv6 = place.host.version == 6
    opened = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        _widen(opened)
        if ipv6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if place.is_wildcard:
            level, option = (socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO) if ipv6 else (socket.IPPROTO_IP, IP_PKTINFO)
            opened.setsockopt(level, option, 1)
        if isinstance(place.host, IPv6Address):
            bare = str(place.host).partition("%")[0]
            scope = socket.if_nametoindex(place.host.scope_id) if place.host.scope_id else place.scope
            opened.bind((bare, place.port, 0, scope))
        else:
            opened.bind((str(place.host), place.port))
    except BaseException:
        opened.close()
        raise
    return opened


def refused(listen: ListenAddress, error: OSError) -> ListenError:
    """The error for a listener whose socket could not be opened although its probe could."""
    return ListenError(f"can't listen at {listen}/udp: {error.strerror or error}")


def _widen(opened: socket.socket) -> None:
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
    try:
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
    except PermissionError:  # without CAP_NET_ADMIN net.core.rmem_max is the limit
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)


def _order(local: LocalAddress) -> tuple[int, bytes, int]:
    return local.address.version, local.address.packed, local.interface

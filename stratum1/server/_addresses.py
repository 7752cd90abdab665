"""Which of this host's addresses are whose: what a listener takes, and under which names we ourselves speak. Pure."""

from collections.abc import Collection, Iterable
from ipaddress import IPv4Address, IPv6Address

from ._interfaces import LocalAddress
from ._listen import ListenAddress

__all__ = ["hosts", "own_addresses", "takes"]

_ANY4, _ANY6 = IPv4Address(0), IPv6Address(0)


def hosts(listen: ListenAddress) -> tuple[IPv4Address | IPv6Address, ...]:
    """What a listener stands for: a "[::]" that takes IPv4 stands for two wildcards."""
    return (listen.host, _ANY4) if listen.host == _ANY6 and not listen.v6_only else (listen.host,)


def takes(listen: ListenAddress, local: LocalAddress) -> bool:
    """Whether a wildcard takes what is sent to an address of this host."""
    return any(host.version == local.address.version for host in hosts(listen))


def own_addresses(listeners: Iterable[ListenAddress], local: Collection[LocalAddress]) -> frozenset[tuple[bytes, int]]:
    """Every address and port at which we listen: a packet that claims to come from one would have us talk to ourselves.

    Listeners whose port is still to be chosen (0) have none.
    """
    found: set[tuple[bytes, int]] = set()
    for listen in listeners:
        at = [each.address for each in local if takes(listen, each)] if listen.is_wildcard else [listen.host]
        found.update((host.packed, listen.port) for host in at if listen.port)
    return frozenset(found)

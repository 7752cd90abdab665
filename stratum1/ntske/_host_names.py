"""What this host may be called by its clients, for the certificate that we issue ourselves."""

import ipaddress
import re
import socket

from ._names import is_address

__all__ = ["host_names"]

_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*")
_ANYWHERE = ((socket.AF_INET, ("192.0.2.1", 9)), (socket.AF_INET6, ("2001:db8::1", 9)))  # nothing is sent: only a route is asked for


def host_names(listen: str, configured: tuple[str, ...]) -> tuple[str, ...]:
    """Names, then addresses, each once: what the owner says, the host's own name (also as NAME.local), where we listen.

    listen: address; a wildcard stands for localhost and for the addresses that packets to elsewhere leave from.
    """
    address = ipaddress.ip_address(listen.partition("%")[0])
    hostname = socket.gethostname()
    names = list(configured)
    if _NAME.fullmatch(hostname):
        names.append(hostname)
        if "." not in hostname and hostname != "localhost":
            names.append(f"{hostname}.local")
    if address.is_unspecified or address.is_loopback:
        names += ["localhost", "127.0.0.1", "::1"]
    if address.is_unspecified:
        names += [found for family, target in _ANYWHERE if (found := _own_address(family, target))]
    else:
        names.append(str(address))
    plain = dict.fromkeys(_plain(each) for each in names)
    return (*(each for each in plain if not is_address(each)), *(each for each in plain if is_address(each)))


def _plain(name: str) -> str:
    return str(ipaddress.ip_address(name.partition("%")[0])) if is_address(name) else name.rstrip(".").lower()


def _own_address(family: socket.AddressFamily, target: tuple[str, int]) -> str:
    """The address that a packet to `target` would have as its sender; empty where there is no way there."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(target)
            address: str = probe.getsockname()[0]
    except OSError:
        return ""
    return address.partition("%")[0]

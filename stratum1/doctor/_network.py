"""The ports that the server listens at: free, permitted, and at addresses that the host has."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

from stratum1.config import Config, split_address

from ._finding import Finding, failure, ok, skipped
from ._host import Host
from ._processes import is_daemon, name_with_unit, processes_holding, stop_command
from ._runner import NET_BIND_SERVICE, runner
from ._sockets import Bound, bound_sockets, clashing, local_addresses

__all__ = ["check_key_port", "check_ntp_ports", "check_privileged_ports", "check_web_port"]

Address = IPv4Address | IPv6Address


def check_ntp_ports(config: Config, host: Host) -> Iterator[Finding]:
    """Each [[server]]: whether its UDP port is free at that address."""
    if not config.server:
        yield failure(
            "network.ntp", "there is no [[server]] table: nobody can ask for the time", 'Write [[server]] with listen = "[::]:123".'
        )
    for each in config.server:
        yield from _port(host, "network.ntp", "udp", each.listen, "another port in [[server]] listen")


def check_web_port(config: Config, host: Host) -> Iterator[Finding]:
    """Whether the status page's TCP port is free."""
    if config.web.enabled:
        yield from _port(host, "network.web", "tcp", config.web.listen, "another port in [web] listen")
    else:
        yield skipped("network.web", "the status page is switched off ([web] enabled = false)")


def check_key_port(config: Config, host: Host) -> Iterator[Finding]:
    """Whether the TCP port of NTS key establishment is free."""
    if config.nts_ke is not None:
        yield from _port(host, "network.nts-ke", "tcp", config.nts_ke.listen, "another port in [nts-ke] listen")


def check_privileged_ports(config: Config, host: Host) -> Iterator[Finding]:
    """Whether the daemon may bind ports below 1024 (or what the host has set instead)."""
    told = host.read("/proc/sys/net/ipv4/ip_unprivileged_port_start") or ""
    first_free = int(told) if told.isdecimal() else 1024
    listens = [each.listen for each in config.server] + ([config.web.listen] if config.web.enabled else [])
    low = sorted({port for _, port in map(split_address, listens) if port < first_free})
    daemon = runner(host)
    if not low or daemon is None:
        return
    names = ", ".join(map(str, low))
    if daemon.who.has(NET_BIND_SERVICE):
        yield ok("network.privilege", f"{daemon.who.name} may bind port {names} ({daemon.origin})")
    else:
        yield failure(
            "network.privilege",
            f"{daemon.who.name} may not bind port {names}: CAP_NET_BIND_SERVICE is missing ({daemon.origin})",
            "Run it by its systemd unit (AmbientCapabilities=CAP_NET_BIND_SERVICE), or choose ports from "
            f"{first_free} on, or: sudo sysctl net.ipv4.ip_unprivileged_port_start={low[0]}",
        )


def _port(host: Host, name: str, protocol: str, listen: str, instead: str) -> Iterator[Finding]:
    text, port = split_address(listen)
    address = ip_address(text)
    unknown = _not_ours(host, address)
    if unknown:
        yield failure(name, f"{listen}/{protocol}: {unknown}", 'Choose an address that `ip address` shows, or "0.0.0.0" or "[::]" for all.')
        return
    taken = clashing(bound_sockets(host, protocol), address, port)
    if taken:
        yield _taken(host, name, f"{listen}/{protocol}", taken, instead)
    else:
        yield ok(name, f"{listen}/{protocol} is free")


def _taken(host: Host, name: str, place: str, taken: tuple[Bound, ...], instead: str) -> Finding:
    owners = processes_holding(host, {f"socket:[{each.inode}]" for each in taken})
    others = [process for process in owners if not is_daemon(process)]
    if others:
        who = " and ".join(map(name_with_unit, others))
        return failure(name, f"{place} is taken by {who}", f"{stop_command(others[0])}, or choose {instead}")
    if owners:
        return ok(name, f"{place} is served by stratum1 itself (pid {owners[0].pid})")
    option = "-ulpn" if place.endswith("udp") else "-tlpn"
    port = taken[0].port
    return failure(
        name,
        f"{place} is taken by a program that {host.caller().name} may not look into",
        f"sudo ss {option} 'sport = :{port}' names it; stop it (if it is stratum1 itself, all is well), or choose {instead}",
    )


def _not_ours(host: Host, address: Address) -> str:
    """Why an address can't be listened at, empty if it can."""
    if address.version == 6 and not host.exists("/proc/net/if_inet6"):
        return "this host has no IPv6"
    known = local_addresses(host)
    if known is None or address.is_unspecified or address.is_loopback or ip_address(str(address).partition("%")[0]) in known:
        return ""
    return "no interface of this host has that address now"

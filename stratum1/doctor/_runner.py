"""Who the daemon is, or would be: the running service, else what its unit says, else whoever starts it by hand."""

from dataclasses import dataclass

from ._host import Host, Who
from ._processes import is_daemon, processes

__all__ = ["NET_BIND_SERVICE", "SYS_TIME", "UNIT", "Runner", "runner", "unit_path", "unit_values"]

NET_BIND_SERVICE, SYS_TIME = 10, 25
"""Capability numbers (linux/capability.h)."""
_NUMBERS = {"CAP_NET_BIND_SERVICE": NET_BIND_SERVICE, "CAP_SYS_TIME": SYS_TIME}
UNIT = "stratum1.service"
_FOLDERS = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")


@dataclass(frozen=True, slots=True)
class Runner:
    """The user of the daemon, and where that is known from. service: the unit runs it, and gives it its directories."""

    who: Who
    origin: str
    service: bool


def unit_path(host: Host) -> str | None:
    """Where the unit is installed, None if nowhere."""
    return next((f"{folder}/{UNIT}" for folder in _FOLDERS if host.exists(f"{folder}/{UNIT}")), None)


def unit_values(host: Host, key: str) -> tuple[str, ...]:
    """The words of all lines `KEY=...` of the unit and its drop-ins, an empty one takes back those before (systemd.syntax(7))."""
    path = unit_path(host)
    files = [path] if path is not None else []
    files += [f"{folder}/{UNIT}.d/{name}" for folder in reversed(_FOLDERS) for name in host.names(f"{folder}/{UNIT}.d", "*.conf")]
    words: list[str] = []
    for file in files:
        for line in (host.read(file) or "").splitlines():
            name, equals, value = line.partition("=")
            if equals and name.strip() == key:
                words = [*words, *value.split()] if value.strip() else []
    return tuple(words)


def runner(host: Host) -> Runner | None:
    """Who runs the daemon; None if the unit names a user that does not exist."""
    for process in processes(host):
        if process.unit == UNIT and is_daemon(process):
            who = host.who_runs(f"/proc/{process.pid}")
            if who is not None:
                return Runner(who, f"it runs as pid {process.pid}", True)
    if unit_path(host) is None:
        return Runner(host.caller(), "no unit is installed: whoever starts it", False)
    user = host.user(_last(unit_values(host, "User"), "root"))
    if user is None:
        return None
    named = {host.group_id(name) for name in (*unit_values(host, "SupplementaryGroups"), *unit_values(host, "Group"))}
    groups = user.groups | {gid for gid in named if gid is not None}
    bits = sum({1 << _NUMBERS[word] for word in unit_values(host, "AmbientCapabilities") if word in _NUMBERS})
    everything = (1 << 41) - 1 if user.uid == 0 else 0
    return Runner(Who(user.name, user.uid, groups, bits | everything), f"as {unit_path(host)} says", True)


def _last(words: tuple[str, ...], default: str) -> str:
    return words[-1] if words else default

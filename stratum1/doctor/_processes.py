"""Who runs, who has what open, and which units are enabled: from /proc and from systemd's folders."""

from dataclasses import dataclass

from ._host import Host

__all__ = ["Process", "holders", "is_daemon", "name_with_unit", "processes", "processes_holding", "stop_command", "unit_enabled"]

_SYSTEMD = ("/etc/systemd/system", "/run/systemd/generator")


@dataclass(frozen=True, slots=True)
class Process:
    """One row of the process table. name: the kernel's (15 characters at most). unit: systemd's service, empty if it is of none."""

    pid: int
    name: str
    arguments: tuple[str, ...]
    unit: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"


def processes(host: Host) -> tuple[Process, ...]:
    """All processes that we may see, by number; ourselves and kernel threads left out."""
    own = host.link("/proc/self")
    found = []
    for number in sorted(int(name) for name in host.names("/proc", "[0-9]*") if name.isdecimal()):
        if str(number) == own:
            continue
        folder = f"/proc/{number}"
        name, arguments = host.read(f"{folder}/comm"), host.read(f"{folder}/cmdline")
        if name and arguments:
            found.append(Process(number, name, tuple(arguments.split()), _unit(host.read(f"{folder}/cgroup") or "")))
    return tuple(found)


def _unit(cgroup: str) -> str:
    """The innermost system service of a cgroup path, such as "chrony.service"; what a person started in a session is of none."""
    if "user.slice" in cgroup:
        return ""
    parts = cgroup.replace("\n", "/").split("/")
    return next((part for part in reversed(parts) if part.endswith(".service")), "")


def is_daemon(process: Process) -> bool:
    """Whether it is our own server (`stratum1 run`)."""
    words = [word.rpartition("/")[2] for word in process.arguments[:4]]
    return "stratum1" in words and "run" in process.arguments


def processes_holding(host: Host, targets: set[str]) -> tuple[Process, ...]:
    """Those that have a file or a socket ("socket:[1234]") open, as far as we may look into them."""
    found = []
    for process in processes(host):
        folder = f"/proc/{process.pid}/fd"
        if any(host.link(f"{folder}/{name}") in targets for name in host.names(folder)):
            found.append(process)
    return tuple(found)


def holders(host: Host, device: str) -> tuple[Process, ...]:
    """Those that have a device open, under its own name or the one that it is a link to."""
    return processes_holding(host, {device, host.real(device)})


def name_with_unit(process: Process) -> str:
    """For people: "chronyd (pid 812, chrony.service)"."""
    return f"{process.name} (pid {process.pid}, {process.unit})" if process.unit else str(process)


def stop_command(process: Process, unit: str = "") -> str:
    """What ends it for good: by its unit, else by the usual unit of its kind, else by number."""
    chosen = process.unit or unit
    return f"sudo systemctl disable --now {chosen}" if chosen else f"sudo kill {process.pid}"


def unit_enabled(host: Host, unit: str) -> bool:
    """Whether the unit starts by itself: some target wants it (also by a generator, as a login on a console), and it is not masked."""
    if host.link(f"{_SYSTEMD[0]}/{unit}") == "/dev/null":
        return False
    wants = [f"{base}/{folder}" for base in _SYSTEMD for kind in ("*.wants", "*.requires") for folder in host.names(base, kind)]
    return any(host.link(f"{folder}/{unit}") not in (None, "/dev/null") for folder in wants)

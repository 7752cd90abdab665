"""The daemon's own places: the state directory and the control socket."""

from collections.abc import Iterator
from pathlib import Path

from stratum1.config import Config

from ._finding import Finding, failure, ok, warning
from ._host import Host, Who
from ._runner import Runner, runner, unit_values

__all__ = ["check_control_socket", "check_state_directory"]

_MEGABYTE = 1 << 20
_WRITE_SEARCH = 3
_SERVICE_ROOTS = {"StateDirectory": "/var/lib", "RuntimeDirectory": "/run"}


def check_state_directory(config: Config, host: Host) -> Iterator[Finding]:
    """Whether drift, delays and the last time can be kept."""
    path, daemon = config.clock.state_directory, runner(host)
    if daemon is None:
        return
    yield _writable(host, daemon, "storage.state", path, key="StateDirectory", setting="state-directory in [clock]")
    place = _nearest(host, path)
    space = host.space(host.at(place))
    if space.read_only:
        yield failure("storage.space", f"the file system of {place} is read-only", "Set state-directory in [clock] to a writable one.")
    elif space.free < _MEGABYTE:
        yield failure(
            "storage.space", f"the file system of {place} is full", "Free some space: sudo journalctl --vacuum-size=50M, sudo apt clean"
        )
    elif space.free < 64 * _MEGABYTE:
        free = space.free // _MEGABYTE
        yield warning(
            "storage.space", f"only {free} MB are free at {place}", "Free some space: sudo journalctl --vacuum-size=50M, sudo apt clean"
        )
    else:
        yield ok("storage.space", f"{space.free // _MEGABYTE} MB are free at {place}")


def check_control_socket(config: Config, host: Host) -> Iterator[Finding]:
    """Whether the socket of the command line can be made, or asked if it is there."""
    path, daemon = config.control.socket, runner(host)
    if daemon is None:
        return
    if not _listening(host, path):
        yield _writable(host, daemon, "storage.control", str(Path(path).parent), key="RuntimeDirectory", setting="socket in [control]")
        return
    caller, status = host.caller(), host.stat(path)
    if host.may(caller, path, _WRITE_SEARCH - 1):
        yield ok("storage.control", f"a daemon listens at {path}, and {caller.name} may ask it")
    else:
        group = host.group_name(status.st_gid) if status is not None else daemon.who.name
        yield warning(
            "storage.control",
            f"a daemon listens at {path}, but {caller.name} may not ask it",
            f"sudo usermod -aG {group} {caller.name}, then log in again; or sudo stratum1 status",
        )


def _writable(host: Host, daemon: Runner, name: str, path: str, *, key: str, setting: str) -> Finding:
    who = daemon.who
    status = host.stat(path)
    if status is not None and not host.at(path).is_dir():
        return failure(name, f"{path} is not a directory", f"Move it away, or change {setting}.")
    if status is not None and host.may(who, path, _WRITE_SEARCH):
        return ok(name, f"{who.name} may write to {path}")
    if daemon.service and path in {f"{_SERVICE_ROOTS[key]}/{word}" for word in unit_values(host, key)}:
        return ok(name, f"{path} is made and given to {who.name} when the service starts")
    if status is None and _may_make(host, who, path):
        return ok(name, f"{path} will be made by {who.name}")
    verb = "can't be made by" if status is None else "is not writable for"
    return failure(name, f"{path} {verb} {who.name}", f"sudo install -d -m 0750 -o {who.name} {path}, or change {setting}")


def _may_make(host: Host, who: Who, path: str) -> bool:
    return host.may(who, _nearest(host, path), _WRITE_SEARCH)


def _nearest(host: Host, path: str) -> str:
    """The path itself or the nearest folder above it that exists."""
    return next((str(each) for each in (Path(path), *Path(path).parents) if host.exists(str(each))), "/")


def _listening(host: Host, path: str) -> bool:
    """Whether some socket is bound to the path (/proc/net/unix, last column)."""
    return any(line.split()[7:8] == [path] for line in (host.read("/proc/net/unix") or "").splitlines()[1:])

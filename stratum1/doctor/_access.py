"""Who may open a device, and the sentence for those who may not: the same for serial lines, pulses and GPIO chips."""

import stat
from collections.abc import Iterator

from ._finding import Finding, failure, ok, warning
from ._host import Host, Who
from ._runner import runner

__all__ = ["check_access"]

_READ_WRITE = 6
_NO_GROUPS = ("root", "tty")
"""Groups of devices that nobody has been let to: a console's line belongs to tty."""


def check_access(host: Host, name: str, device: str, rule: str) -> Iterator[Finding]:
    """Whether the daemon's user, and whoever asks, may read and write a device. rule: the udev rule that would let them."""
    daemon = runner(host)
    if daemon is None:
        return  # told by the check of the service
    status = host.stat(device)
    if status is None:
        return
    owner, group = host.user_name(status.st_uid), host.group_name(status.st_gid)
    state = f"{stat.filemode(status.st_mode)[1:]} {owner}:{group}"
    if not host.may(daemon.who, device, _READ_WRITE):
        yield failure(
            name,
            f"{daemon.who.name}, whom the daemon runs as, may not read and write {device} ({state})",
            _remedy(daemon.who, group, status.st_mode, rule),
        )
        return
    yield ok(name, f"{daemon.who.name}, whom the daemon runs as, may read and write {device} ({state})")
    caller = host.caller()
    if caller.uid != daemon.who.uid and not host.may(caller, device, _READ_WRITE):
        yield warning(
            f"{name}-caller",
            f"{caller.name} may not open {device}: only the service can, not `stratum1 run` by hand",
            _remedy(caller, group, status.st_mode, rule),
        )


def _remedy(who: Who, group: str, mode: int, rule: str) -> str:
    if group not in _NO_GROUPS and mode & stat.S_IRGRP and mode & stat.S_IWGRP:
        return f"sudo usermod -aG {group} {who.name}, then log in again (for the service: sudo systemctl restart stratum1)"
    return (
        f"Let a udev rule give it to a group (60-stratum1.rules does): {rule}; then: sudo udevadm control --reload && sudo udevadm trigger"
    )

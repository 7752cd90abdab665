"""The [[output]] tables: whether their sockets, memory and devices are there, and open to the daemon's user and to its unit."""

import stat
from collections.abc import Iterator

from stratum1.config import Config, OutputConfig

from ._access import check_access
from ._finding import Finding, failure, ok, warning
from ._host import Host
from ._processes import name_with_unit, processes, stop_command
from ._runner import Runner, runner, unit_values

__all__ = ["check_outputs"]

_READER = {
    "sock": "Start its reader, which makes it: chronyd with refclock SOCK {path}, ntpd-rs with a source of mode sock.",
    "ptp4l": "Start ptp4l; if it is running, set path to its uds_address.",
}
_DROPIN = "Copy deploy/systemd/dropins/{name} to /etc/systemd/system/stratum1.service.d/, then: sudo systemctl daemon-reload"
_SAMPLE = 96
_SHM_BASE = 0x4E545030
_PTP_RULE = 'SUBSYSTEM=="ptp", GROUP="stratum1", MODE="0660"'
_PHC_STEERERS = ("phc2sys", "ts2phc")


def check_outputs(config: Config, host: Host) -> Iterator[Finding]:
    """All of them; nothing where none is configured."""
    daemon = runner(host) if config.output else None
    if daemon is None:
        return  # a missing user is told by the check of the service
    for each in config.output:
        if each.mode in ("sock", "ptp4l"):
            yield _socket(each, host, daemon)
        elif each.mode == "shm":
            yield _memory(each, host, daemon)
        else:
            yield from _hardware_clock(each, host, daemon)
    if any(each.mode == "ptp4l" and each.served_clock == "realtime" for each in config.output) and config.clock.control == "virtual":
        yield warning(
            "outputs.ptp4l-clock",
            "ptp4l hands out the host's clock, which the virtual clock leaves to somebody else: it is told how far that is off",
            'Set control = "kernel" in [clock], or clock in the [[output]] to a hardware clock that an [[output]] of mode "phc" steers.',
        )


def _socket(output: OutputConfig, host: Host, daemon: Runner) -> Finding:
    name, path, who = f"outputs.{output.mode}", output.target, daemon.who
    reader = _READER[output.mode].format(path=path)
    status = host.stat(path)
    if status is None:
        return warning(name, f"there is no socket {path} (or it is hidden from who asks)", reader)
    if not stat.S_ISSOCK(status.st_mode):
        return failure(name, f"{path} is no socket", "Move it away, then start its reader anew.")
    if not _bound(host, path):
        return warning(name, f"nobody listens at {path} any more", reader)
    if not host.may(who, path, 2):
        owner = f"{stat.filemode(status.st_mode)[1:]} {host.user_name(status.st_uid)}:{host.group_name(status.st_gid)}"
        group = (
            f"run ptp4l with Group={who.name}" if output.mode == "ptp4l" else "have its reader make it where others may write, as in /run"
        )
        return failure(name, f"{who.name}, whom the daemon runs as, may not write to {path} ({owner})", f"{group[:1].upper()}{group[1:]}.")
    return ok(name, f"somebody listens at {path}, and {who.name} may write to it")


def _bound(host: Host, path: str) -> bool:
    """Whether some socket is bound to the path: /proc/net/unix lists the name that its maker gave it, which may lead over links."""
    rows = [line.split() for line in (host.read("/proc/net/unix") or "").splitlines()[1:]]
    return any(len(row) > 7 and host.real(row[7]) == host.real(path) for row in rows)


def _memory(output: OutputConfig, host: Host, daemon: Runner) -> Finding:
    unit, who = output.unit or 0, daemon.who
    if daemon.service and unit_values(host, "PrivateIPC")[-1:] == ("yes",):
        return failure(
            "outputs.shm", "the unit hides shared memory from other programs (PrivateIPC=yes)", _DROPIN.format(name="output-shm.conf")
        )
    remove = f"Stop what made it and remove it: sudo ipcrm -M {_SHM_BASE + unit:#x}; or take another unit."
    for row in (line.split() for line in (host.read("/proc/sysvipc/shm") or "").splitlines()[1:]):
        if len(row) < 9 or not row[0].lstrip("-").isdecimal() or int(row[0]) & 0xFFFFFFFF != _SHM_BASE + unit:
            continue
        mode, size, owner = int(row[2], 8), int(row[3]), int(row[7])
        wanted = 0o600 if owner == who.uid else 0o006
        if size < _SAMPLE:
            return failure("outputs.shm", f"the shared memory of unit {unit} has {size} bytes, a sample has {_SAMPLE}", remove)
        if who.uid != 0 and mode & wanted != wanted:
            text = f"the shared memory of unit {unit} belongs to {host.user_name(owner)}, and {who.name} may not write to it"
            return failure("outputs.shm", text, remove)
        return ok("outputs.shm", f"the shared memory of unit {unit} is there, and {who.name} may write to it")
    return ok("outputs.shm", f"the shared memory of unit {unit} will be made by {who.name}")


def _hardware_clock(output: OutputConfig, host: Host, daemon: Runner) -> Iterator[Finding]:
    device = output.target
    if host.stat(device) is None:
        known = ", ".join(f"/dev/{name}" for name in host.names("/sys/class/ptp")) or "none"
        yield failure(
            "outputs.phc", f"{device} is missing; hardware clocks of this host: {known}", "ethtool -T INTERFACE names the clock of a card."
        )
        return
    title = host.read(f"/sys/class/ptp/{device.rpartition('/')[2]}/clock_name")
    if title:
        yield ok("outputs.phc", f"{device} is the hardware clock {title.strip()}")
    if daemon.service and unit_values(host, "DevicePolicy")[-1:] == ("closed",) and "char-ptp" not in unit_values(host, "DeviceAllow"):
        yield failure(
            "outputs.phc-unit",
            "the unit keeps hardware clocks from the daemon (DevicePolicy=closed)",
            _DROPIN.format(name="output-phc.conf"),
        )
    yield from check_access(host, "outputs.phc-permission", device, _PTP_RULE)
    for process in processes(host):
        if process.name in _PHC_STEERERS:
            yield warning("outputs.phc-rival", f"{name_with_unit(process)} may steer {device} too", stop_command(process))

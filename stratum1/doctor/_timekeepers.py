"""Other programs that steer the host's clock: two at one clock pull against each other, and neither can say how right it is."""

from collections.abc import Iterator
from dataclasses import dataclass

from stratum1.config import Config

from ._finding import Finding, failure, ok, skipped, warning
from ._host import Host
from ._processes import Process, name_with_unit, processes, stop_command, unit_enabled

__all__ = ["check_enabled_timekeepers", "check_running_timekeepers"]


@dataclass(frozen=True, slots=True)
class _Timekeeper:
    """title: for people. programs: names in the process table (the kernel keeps 15 characters). units: what starts it."""

    title: str
    programs: tuple[str, ...]
    units: tuple[str, ...]


_TIMEKEEPERS = (
    _Timekeeper("chrony", ("chronyd",), ("chrony.service", "chronyd.service")),
    _Timekeeper("ntpd-rs", ("ntp-daemon", "ntpd-rs"), ("ntpd-rs.service",)),
    _Timekeeper("OpenNTPD", ("openntpd",), ("openntpd.service",)),
    _Timekeeper("ntpd (NTPsec or the reference one)", ("ntpd",), ("ntpsec.service", "ntp.service", "ntpd.service")),
    _Timekeeper("systemd-timesyncd", ("systemd-timesyn", "systemd-timesyncd"), ("systemd-timesyncd.service",)),
    _Timekeeper("linuxptp's phc2sys", ("phc2sys",), ("phc2sys.service",)),
    _Timekeeper("linuxptp's ptp4l", ("ptp4l",), ("ptp4l.service",)),
    _Timekeeper("linuxptp's timemaster", ("timemaster",), ("timemaster.service",)),
)


def check_running_timekeepers(config: Config, host: Host) -> Iterator[Finding]:
    """Whether another time daemon runs now."""
    found = [(each, process) for process in processes(host) for each in _TIMEKEEPERS if process.name in each.programs]
    kernel = config.clock.control == "kernel"
    for each, process in found:
        if kernel and _follows(process, config):
            yield ok("timekeepers.running", f"{each.title} runs ({name_with_unit(process)}), and an [[output]] is for it")
        elif kernel:
            yield failure(
                "timekeepers.running",
                f"{each.title} runs, as {name_with_unit(process)}, and steers the clock that stratum1 is to steer",
                stop_command(process, _unit_of(each, host)),
            )
        else:
            yield ok("timekeepers.running", f"{each.title} runs ({name_with_unit(process)}); the virtual clock does not mind")
    if not found:
        yield ok("timekeepers.running", "no other time daemon runs")


def check_enabled_timekeepers(config: Config, host: Host) -> Iterator[Finding]:
    """Whether another time daemon starts at the next boot: what timedatectl calls the NTP service, and the like."""
    if config.clock.control != "kernel":
        yield skipped("timekeepers.enabled", "the virtual clock leaves the host's clock to whoever steers it")
        return
    running = {process.name for process in processes(host)}
    enabled = [unit for each in _TIMEKEEPERS if not running & set(each.programs) for unit in each.units if unit_enabled(host, unit)]
    if enabled:
        yield warning(
            "timekeepers.enabled",
            f"{', '.join(enabled)} does not run now, but starts at the next boot",
            f"sudo systemctl disable {' '.join(enabled)} (timedatectl set-ntp true would switch it on again)",
        )
    else:
        yield ok("timekeepers.enabled", "no other time service starts at boot")


def _follows(process: Process, config: Config) -> bool:
    """Whether it is a reader of ours that steers nothing: ptp4l as grandmaster, a chronyd that only watches (-x)."""
    modes = {each.mode for each in config.output}
    watches = any(word.startswith("-") and not word.startswith("--") and "x" in word for word in process.arguments[1:])
    return (process.name == "ptp4l" and "ptp4l" in modes) or (process.name == "chronyd" and watches and bool({"sock", "shm"} & modes))


def _unit_of(each: _Timekeeper, host: Host) -> str:
    """The unit to disable where the process does not tell: the enabled one of its kind. Empty if none is: it was started by hand."""
    return next((unit for unit in each.units if unit_enabled(host, unit)), "")

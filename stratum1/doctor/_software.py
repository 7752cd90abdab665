"""The program itself: Python, packages, machine, board, service unit."""

import re
from collections.abc import Iterator

from stratum1.config import Config

from ._boot import board_model
from ._finding import Finding, failure, ok, skipped, warning
from ._host import Host
from ._processes import unit_enabled
from ._runner import UNIT, runner, unit_path

__all__ = ["check_board", "check_packages", "check_python", "check_service", "check_sources"]

_OLDEST_PYTHON = (3, 11)


def check_python(_config: Config, host: Host) -> Iterator[Finding]:
    """Python's version and the machine's width."""
    version = ".".join(map(str, host.python))
    if host.python[:2] < _OLDEST_PYTHON:
        yield failure("software.python", f"Python {version} is too old: 3.11 is needed", "Use Debian 12 (bookworm) or later.")
    elif host.machine not in ("x86_64", "aarch64"):
        yield failure(
            "software.python",
            f"this is a {host.machine} system; stratum1 knows x86_64 and aarch64 only (32-bit systems lose count of time in 2038)",
            "Install a 64-bit operating system; every Raspberry Pi from the 3 and the Zero 2 W on runs one.",
        )
    else:
        yield ok("software.python", f"Python {version} on {host.machine}, Linux {host.kernel}")


def check_packages(_config: Config, host: Host) -> Iterator[Finding]:
    """Versions of the libraries against what the distribution asks for."""
    packages = host.packages()
    if not packages:
        yield skipped("software.packages", "stratum1 is not installed as a package, so its needs are not known")
        return
    faults = [
        f"{name} {version or 'is missing'} (needed: {wanted or 'any'})"
        for name, wanted, version in packages
        if version is None or _older(version, wanted)
    ]
    if faults:
        yield failure(
            "software.packages", f"libraries that do not fit: {', '.join(faults)}", "Install stratum1 again with its dependencies."
        )
    else:
        yield ok("software.packages", f"{len(packages)} libraries, all of the versions that are needed")


def _older(version: str, wanted: str) -> bool:
    """Whether a version is below the floor of a requirement (">=3.11"); other kinds of requirement are not judged."""
    floors = re.findall(r">=\s*([0-9][0-9.]*)", wanted)
    return any(_numbers(version) < _numbers(floor) for floor in floors)


def _numbers(version: str) -> tuple[int, ...]:
    head = re.match(r"[0-9]+(\.[0-9]+)*", version)
    numbers = [int(part) for part in head.group().split(".")] if head else []
    return tuple(numbers + [0] * (6 - len(numbers)))


def check_board(_config: Config, host: Host) -> Iterator[Finding]:
    """What the board calls itself."""
    model = board_model(host)
    yield ok("software.board", f"the board is a {model}") if model else skipped("software.board", "the board does not tell its model")


def check_service(_config: Config, host: Host) -> Iterator[Finding]:
    """The systemd unit: installed, its user there, started at boot."""
    path = unit_path(host)
    if path is None:
        yield skipped("software.service", f"{UNIT} is not installed: the server runs as whoever starts it")
    elif runner(host) is None:
        yield failure(
            "software.service",
            f"{path} names a user that does not exist",
            "sudo systemd-sysusers (with the package's sysusers.d/stratum1.conf), or: sudo adduser --system --group stratum1",
        )
    elif not unit_enabled(host, UNIT):
        yield warning("software.service", f"{path} is installed, but not started at boot", f"sudo systemctl enable --now {UNIT}")
    else:
        yield ok("software.service", f"{path} is installed and started at boot")


def check_sources(config: Config, _host: Host) -> Iterator[Finding]:
    """Whether there is anything to learn the time from."""
    if config.receiver is None:
        yield failure(
            "configuration.reference",
            "there is no [receiver] table, and [[source]] tables are not used by this version: the server will never know the time",
            'Write a [receiver] table, such as: hat = "uputronics"',
        )
    elif config.source:
        yield ok(
            "configuration.reference", f"the receiver gives the time; the {len(config.source)} [[source]] tables wait for a later version"
        )
    else:
        yield ok("configuration.reference", "the receiver gives the time")

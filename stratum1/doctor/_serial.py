"""The receiver's serial line: there, permitted, free of consoles, of other programs and of Bluetooth."""

import stat
from collections.abc import Iterator

from stratum1.config import Config

from ._access import check_access
from ._boot import board_model, boot_config, is_raspberry_pi, kernel_consoles, needs_uart0
from ._finding import Finding, failure, ok, skipped, warning
from ._host import Host
from ._processes import holders, is_daemon, name_with_unit, processes, stop_command, unit_enabled

__all__ = ["check_serial_console", "check_serial_device", "check_serial_holders", "check_serial_rivals", "check_serial_uart"]

_RULE = 'SUBSYSTEM=="tty", KERNEL=="ttyAMA0", GROUP="dialout", MODE="0660"'
_RIVALS = {"gpsd": ("gpsd.service", "gpsd.socket"), "ModemManager": ("ModemManager.service",)}
"""Programs that open serial lines by themselves, and the units that start them."""
_BLUETOOTH = {"hciattach": "hciuart.service", "btattach": "hciuart.service", "hciattach_bcm43": "hciuart.service"}


def check_serial_device(config: Config, host: Host) -> Iterator[Finding]:
    """Whether the line exists, is a tty, and may be opened."""
    device = _device(config)
    status = host.stat(device)
    if status is None:
        yield failure("serial.device", f"{device} is not there{_link_note(host, device)}", _missing_remedy(host, device))
    elif not stat.S_ISCHR(status.st_mode):
        yield failure(
            "serial.device", f"{device} is no serial line", "Name a tty in [receiver] device, such as /dev/ttyAMA0 or /dev/ttyUSB0."
        )
    else:
        real = host.real(device)
        yield ok("serial.device", f"{device} is there" + ("" if real == device else f" (it is {real})"))
        yield from check_access(host, "serial.permission", device, _RULE)


def check_serial_console(config: Config, host: Host) -> Iterator[Finding]:
    """Whether the kernel or a login talks on the line."""
    device, names = _device(config), _names(host, _device(config))
    consoles = [console for console in kernel_consoles(host) if console in names]
    logins = [process for process in processes(host) if process.name in ("agetty", "getty") and names & _short(process.arguments)]
    units = [f"serial-getty@{name}.service" for name in sorted(names) if unit_enabled(host, f"serial-getty@{name}.service")]
    name = sorted(names, key=lambda each: each == "serial0")[0]
    mask = f"sudo systemctl disable --now serial-getty@{name}.service"
    if consoles:
        yield failure(
            "serial.console",
            f"the kernel uses {device} as its console (console={consoles[0]}): it talks into the receiver, and hears it",
            f"Take the words console={consoles[0]},... (and kgdboc=...) out of {_command_line_file(host)}, restart; {mask}",
        )
    elif logins or units:
        who = name_with_unit(logins[0]) if logins else f"{units[0]}, which is enabled,"
        yield failure("serial.console", f"{who} offers a login on {device}", mask)
    else:
        yield ok("serial.console", f"neither a console nor a login is on {device}")


def check_serial_holders(config: Config, host: Host) -> Iterator[Finding]:
    """Whether another program has the line open."""
    device = _device(config)
    if not host.exists(device):
        return
    found = holders(host, device)
    others = [process for process in found if not is_daemon(process)]
    for process in others:
        yield failure("serial.in-use", f"{name_with_unit(process)} has {device} open and takes bytes away", stop_command(process))
    if found and not others:
        yield ok("serial.in-use", f"the daemon itself has {device} open ({found[0]})")
    elif not found and host.caller().uid == 0:
        yield ok("serial.in-use", f"no program has {device} open")
    elif not found:
        yield ok("serial.in-use", f"no program of yours has {device} open", f"To see those of others too: sudo fuser -v {device}")


def check_serial_rivals(config: Config, host: Host) -> Iterator[Finding]:
    """Whether programs run that take serial lines by themselves."""
    device = _device(config)
    usb = host.real(device).startswith(("/dev/ttyACM", "/dev/ttyUSB"))
    running = {process.name: process for process in processes(host)}
    quiet = True
    for rival, units in _RIVALS.items():
        if rival == "ModemManager" and not usb:
            continue  # it leaves the board's own lines alone
        enabled = [unit for unit in units if unit_enabled(host, unit)]
        if rival in running or enabled:
            quiet = False
            state = f"runs (pid {running[rival].pid})" if rival in running else f"is started by {enabled[0]}"
            wanted = " ".join(reversed(units))
            yield warning("serial.rivals", f"{rival} {state}: it may take {device}", f"sudo systemctl disable --now {wanted}")
    if quiet:
        yield ok("serial.rivals", "neither gpsd nor ModemManager reaches for the line")


def check_serial_uart(config: Config, host: Host) -> Iterator[Finding]:
    """On a Raspberry Pi: whether the line's UART is the one at the header."""
    device = _device(config)
    if not is_raspberry_pi(host):
        yield skipped("serial.uart", "not a Raspberry Pi: which UART the receiver is wired to can't be checked")
        return
    real, header = host.real(device), host.real("/dev/serial0")
    if not host.exists(device) or not real.startswith(("/dev/ttyAMA", "/dev/ttyS")):
        return
    bluetooth = [
        process for process in processes(host) if process.name in _BLUETOOTH and real.rpartition("/")[2] in " ".join(process.arguments)
    ]
    path = _config_path(host)
    if needs_uart0(host):
        yield from _pi5_uart(real, device, path)
    elif real == "/dev/ttyAMA0" and (bluetooth or header == "/dev/ttyS0"):
        yield failure(
            "serial.uart",
            f"{device} is the UART of the Bluetooth chip here; the header has /dev/ttyS0",
            f"Put dtoverlay=disable-bt into {path} and restart; sudo systemctl disable --now hciuart.service",
        )
    elif real == "/dev/ttyS0":
        yield warning(
            "serial.uart",
            f"{device} is the mini UART, whose rate follows the processor's clock and whose buffer is small",
            f"Put dtoverlay=disable-bt into {path}, restart, and set [receiver] device to /dev/ttyAMA0",
        )
    else:
        yield ok("serial.uart", f"{device} is the header's UART")


def _pi5_uart(real: str, device: str, path: str) -> Iterator[Finding]:
    if real == "/dev/ttyAMA10":
        yield failure(
            "serial.uart",
            f"{device} is the debug connector of this board, not the header (GPIO14 and 15)",
            f"Put dtparam=uart0=on into {path}, restart, and set [receiver] device to /dev/ttyAMA0",
        )
    else:
        yield ok("serial.uart", f"{device} is a UART of the header")


def _device(config: Config) -> str:
    return config.receiver.device if config.receiver is not None else ""


def _names(host: Host, device: str) -> set[str]:
    """All short names of the line: its own, the one behind a link, and serial0 or serial1 where those mean it."""
    real = host.real(device)
    names = {device.removeprefix("/dev/"), real.removeprefix("/dev/")}
    return names | {alias for alias in ("serial0", "serial1") if host.exists(f"/dev/{alias}") and host.real(f"/dev/{alias}") == real}


def _short(arguments: tuple[str, ...]) -> set[str]:
    return {argument.removeprefix("/dev/") for argument in arguments}


def _link_note(host: Host, device: str) -> str:
    target = host.link(device)
    return f" (it is a link to {target}, which is missing)" if target is not None else ""


def _missing_remedy(host: Host, device: str) -> str:
    present = [f"/dev/{name}" for kind in ("ttyAMA*", "ttyUSB*", "ttyACM*") for name in host.names("/dev", kind)]
    there = f"Lines that are there: {', '.join(present)}. " if present else ""
    if device.startswith("/dev/gnss"):
        rule = f"{device} is made by a udev rule (60-stratum1.rules, in the package's hw/udev): install it and run sudo udevadm trigger"
        return f"{there}{rule}, or name the line itself in [receiver] device."
    if device.startswith(("/dev/ttyUSB", "/dev/ttyACM")):
        return f"{there}Plug the receiver in (lsusb shows it), or correct [receiver] device."
    if not is_raspberry_pi(host):
        return f"{there}Switch the UART on in the board's device tree, or correct [receiver] device."
    boot = boot_config(host)
    wanted = ["enable_uart=1", "dtparam=uart0=on" if needs_uart0(host) else "dtoverlay=disable-bt"]
    missing = [line for line in wanted if boot is None or not boot.has(line)]
    if not missing:
        return f"{there}{_config_path(host)} has the lines already: restart the board."
    return f"{there}Put into {_config_path(host)}: {' and '.join(missing)} ({board_model(host)}), and restart."


def _config_path(host: Host) -> str:
    boot = boot_config(host)
    return boot.path if boot is not None else "/boot/firmware/config.txt"


def _command_line_file(host: Host) -> str:
    paths = ("/boot/firmware/cmdline.txt", "/boot/cmdline.txt", "/etc/default/grub")
    return next((path for path in paths if host.exists(path)), "the boot loader's command line")

"""The pulse per second: device or GPIO line, its driver's overlay, permission, and whether pulses come."""

import re
from collections.abc import Iterator

from stratum1.config import Config
from stratum1.hw import HatError, load_hat
from stratum1.pps import EdgeKind, PpsError, PpsProbe, parse_gpio_line
from stratum1.timescale import NS

from ._access import check_access
from ._boot import PulseOverlay, boot_config, is_raspberry_pi
from ._finding import Finding, failure, ok, skipped, warning
from ._host import Host
from ._processes import holders, is_daemon, name_with_unit, stop_command

__all__ = ["check_pulse_device", "check_pulse_holders", "check_pulse_kernel", "check_pulse_overlay", "check_pulse_signal"]

_RULE = 'SUBSYSTEM=="pps", GROUP="stratum1", MODE="0660"'
_GPIO_RULE = 'SUBSYSTEM=="gpio", KERNEL=="gpiochip[0-9]*", GROUP="gpio", MODE="0660"'
_USUAL_PIN = 18
_FRESH = 2 * NS
_SKY = "no fix yet (many receivers give none until they have one; an antenna with a view of the sky, up to 15 minutes)"


def check_pulse_kernel(config: Config, host: Host) -> Iterator[Finding]:
    """Whether the kernel has PPS at all."""
    if _gpio(config):
        return
    if host.stat("/sys/class/pps") is not None:
        sources = ", ".join(host.names("/sys/class/pps", "pps*")) or "no source yet"
        yield ok("pulse.kernel", f"the kernel has PPS support ({sources})")
    elif not host.exists(_pulse(config)):
        yield failure(
            "pulse.kernel",
            f"there is no PPS source, and Linux {host.kernel} has not loaded PPS support (no /sys/class/pps)",
            "sudo modprobe pps-gpio; where that fails, use a kernel with CONFIG_PPS and CONFIG_PPS_CLIENT_GPIO, "
            'or the GPIO line itself: pps = "gpiochip0:18"',
        )


def check_pulse_device(config: Config, host: Host) -> Iterator[Finding]:
    """Whether the device exists, is what it should be, and may be opened."""
    pulse = _pulse(config)
    if pulse == "none":
        yield warning(
            "pulse.device",
            'there is no pulse (pps = "none"): sentences alone give the time to some 10 ms at best',
            'Wire the receiver\'s pulse to a GPIO line and set pps = "/dev/pps0".',
        )
        return
    device = _gpio(config) or pulse
    if not host.exists(device):
        yield failure("pulse.device", f"{device} is not there", _missing_remedy(config, host))
        return
    yield ok("pulse.device", f"{device} is there{_described(host, device)}")
    yield from check_access(host, "pulse.permission", device, _GPIO_RULE if _gpio(config) else _RULE)


def check_pulse_overlay(config: Config, host: Host) -> Iterator[Finding]:
    """On a Raspberry Pi: whether config.txt's pps-gpio line stands and names the HAT's pin."""
    if not is_raspberry_pi(host) or _pulse(config) == "none":
        return
    boot = boot_config(host)
    if boot is None:
        yield skipped("pulse.overlay", "config.txt can't be read, so the overlay is not checked")
        return
    overlays = boot.pulse_overlays()
    standing = [each for each in overlays if each.applies]
    pin, wanted = _pin(config), f"dtoverlay=pps-gpio,gpiopin={_pin(config) or _USUAL_PIN}"
    if _gpio(config):
        yield from _gpio_clash(config, standing)
    elif not standing:
        level = warning if host.exists(_pulse(config)) else failure
        yield level(
            "pulse.overlay",
            _no_overlay(overlays, boot.path),
            f"Put {wanted} into {boot.path} (section [all]){_pin_note(pin)}, and restart.",
        )
    elif pin is not None and all(each.pin != pin for each in standing):
        yield failure(
            "pulse.overlay",
            f"{standing[0].where} says that the pulse is on GPIO {standing[0].pin}; the HAT {_hat_name(config)} has it on GPIO {pin}",
            f"Change that line to {wanted} and restart.",
        )
    else:
        fitting = next((each for each in standing if each.pin == pin), standing[0])
        yield ok("pulse.overlay", f"{fitting.where} puts the pulse on GPIO {fitting.pin}")


def check_pulse_holders(config: Config, host: Host) -> Iterator[Finding]:
    """Whether another program reads, and perhaps sets up, the same pulse."""
    pulse = _gpio(config) or _pulse(config)
    if not pulse.startswith("/dev/"):
        return
    for process in holders(host, pulse):
        if not is_daemon(process) and not _gpio(config):
            yield warning("pulse.in-use", f"{name_with_unit(process)} has {pulse} open too", stop_command(process))


def check_pulse_signal(config: Config, host: Host) -> Iterator[Finding]:
    """Whether pulses come, on the wanted edge; takes some two seconds."""
    pulse, receiver = _pulse(config), config.receiver
    if receiver is None or not pulse.startswith("/dev/") or not host.exists(pulse):
        return
    edge = EdgeKind(receiver.pps_edge)
    if not host.may(host.caller(), pulse, 4):
        yield from _from_sysfs(host, pulse, edge)
        return
    try:
        probe = host.probe(str(host.at(pulse)))
    except PpsError as error:
        yield failure("pulse.signal", str(error), "Name a /dev/ppsN of a GPIO line in [receiver] pps; ls /sys/class/pps lists them.")
        return
    yield from _judge(probe, pulse, edge, config)


def _judge(probe: PpsProbe, pulse: str, edge: EdgeKind, config: Config) -> Iterator[Finding]:
    other = EdgeKind.CLEAR if edge is EdgeKind.ASSERT else EdgeKind.ASSERT
    if edge not in probe.can_capture:
        yield failure(
            "pulse.signal",
            f"{pulse} can't capture the {edge} edge, which pps-edge names",
            f'Set pps-edge = "{other}"' + (", or add capture_clear to the pps-gpio line in config.txt." if edge is EdgeKind.CLEAR else "."),
        )
        return
    count = probe.pulses[edge]
    if count == 0 and edge in probe.captures:
        yield failure(
            "pulse.signal", _silence(probe, pulse, edge, other), f"In this order: {_SKY}; the pin{_pin_note(_pin(config))}; the wire."
        )
    elif count == 0:
        yield ok("pulse.signal", f"the {edge} edge is not captured yet on {pulse}; the daemon switches it on")
    elif count > probe.seconds + 1:
        yield failure(
            "pulse.signal",
            f"{count} {edge} edges in {probe.seconds:.1f} s on {pulse}: more than one a second",
            "Set the receiver's pulse to 1 Hz; if it is so already, the wire picks up noise: shorten it, or add a pull-down.",
        )
    else:
        yield ok("pulse.signal", f"{count} {edge} edges in {probe.seconds:.1f} s on {pulse} ({probe.total[edge]} in all)")
    if other not in probe.can_capture:
        yield warning(
            "pulse.polarity",
            f"{pulse} captures one edge only, so a wrong pps-edge can't be told from the pulse's width",
            "Add capture_clear to the pps-gpio line in config.txt and restart.",
        )
    if probe.offset_ns:
        yield warning(
            "pulse.offset",
            f"another program has told the kernel to move each stamp of {pulse} by {probe.offset_ns} ns",
            "Stop that program; the daemon takes the offset back when it starts.",
        )


def _silence(probe: PpsProbe, pulse: str, edge: EdgeKind, other: EdgeKind) -> str:
    told = f"no {edge} edge in {probe.seconds:.1f} s on {pulse}"
    if probe.pulses[other]:
        return f"{told}, but {probe.pulses[other]} {other} edges"
    return f"{told}, and none since its driver was loaded" if probe.total[edge] == 0 else f"{told} ({probe.total[edge]} before)"


def _from_sysfs(host: Host, pulse: str, edge: EdgeKind) -> Iterator[Finding]:
    """What everybody may see of a device that may not be opened: its last edge."""
    name = host.real(pulse).rpartition("/")[2]
    match = re.fullmatch(r"(\d+)\.(\d{9})#(\d+)", host.read(f"/sys/class/pps/{name}/{edge}") or "")
    if match is None:
        yield skipped("pulse.signal", f"{pulse} may not be opened by {host.caller().name}: whether pulses come is seen as root only")
        return
    age = host.now() - int(match.group(1)) * NS - int(match.group(2))
    if match.group(3) != "0" and 0 <= age < _FRESH:
        yield ok("pulse.signal", f"the last {edge} edge came {age / NS:.1f} s ago ({match.group(3)} in all)")
    else:
        yield failure(
            "pulse.signal", f"no {edge} edge in the last {_FRESH // NS} s on {pulse}", f"In this order: {_SKY}; the pin; the wire."
        )


def _pulse(config: Config) -> str:
    return config.receiver.pps if config.receiver is not None else "none"


def _gpio(config: Config) -> str:
    """The chip's device where the pulse is a GPIO line, else empty."""
    pulse = _pulse(config)
    return parse_gpio_line(pulse).path if pulse.startswith("gpiochip") else ""


def _hat_name(config: Config) -> str:
    return (config.receiver.hat if config.receiver is not None else None) or ""


def _pin(config: Config) -> int | None:
    """The GPIO line that the HAT's data names."""
    try:
        fact = load_hat(_hat_name(config)).pps_gpio if _hat_name(config) else None
    except HatError:
        return None  # refused with the configuration already
    return fact.value if fact is not None else None


def _pin_note(pin: int | None) -> str:
    return f" (the HAT's GPIO {pin})" if pin is not None else f" ({_USUAL_PIN} is the usual GPIO; see your HAT's manual)"


def _described(host: Host, device: str) -> str:
    name = host.real(device).rpartition("/")[2]
    source = host.read(f"/sys/class/pps/{name}/name")
    serial = host.read(f"/sys/class/pps/{name}/path")
    return "".join([f" (driver's name {source}" if source else "", f" at {serial}" if source and serial else "", ")" if source else ""])


def _no_overlay(overlays: tuple[PulseOverlay, ...], path: str) -> str:
    commented = [each for each in overlays if each.commented]
    if commented:
        return f"the pps-gpio line is commented out ({commented[0].where})"
    if overlays:
        return f"the pps-gpio line stands in the section [{overlays[0].section}], which is not for this board ({overlays[0].where})"
    return f"{path} has no pps-gpio line"


def _gpio_clash(config: Config, standing: list[PulseOverlay]) -> Iterator[Finding]:
    line = parse_gpio_line(_pulse(config)).line
    for overlay in standing:
        if overlay.pin == line:
            yield failure(
                "pulse.overlay",
                f"{overlay.where} gives GPIO {line} to the pps-gpio driver, so the line can't be read directly",
                'Set pps = "/dev/pps0" (better), or take that line out and restart.',
            )


def _missing_remedy(config: Config, host: Host) -> str:
    sources = [f"/dev/{name}" for name in host.names("/dev", "pps[0-9]*")]
    chips = host.names("/dev", "gpiochip*")
    if _gpio(config):
        return f"Chips that are there: {', '.join(chips)}." if chips else "This kernel shows no GPIO chip: use a PPS device."
    there = f"Sources that are there: {', '.join(sources)}. " if sources else ""
    pin = _pin(config) or _USUAL_PIN
    fallback = f' Without the driver: pps = "{chips[0]}:{pin}" reads the GPIO line itself.' if chips else ""
    boot = boot_config(host) if is_raspberry_pi(host) else None
    if boot is None:
        return (
            f"{there}Load the source's driver: pps-gpio by the device tree, or sudo ldattach 18 /dev/ttyS0 for a serial DCD line.{fallback}"
        )
    if any(each.applies for each in boot.pulse_overlays()):
        return f"{there}The line in {boot.path} stands: restart; if it stays missing, see: sudo dmesg | grep -i pps.{fallback}"
    return f"{there}Put dtoverlay=pps-gpio,gpiopin={pin} into {boot.path}{_pin_note(_pin(config))} and restart.{fallback}"

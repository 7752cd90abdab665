"""Which checks a configuration calls for, in the order in which a person would go about it."""

from collections.abc import Callable, Iterable, Iterator

from stratum1.config import Config

from . import _clock, _network, _nts, _outputs, _pulse, _serial, _service, _software, _storage, _temperature, _timekeepers
from ._finding import Finding, Level, skipped
from ._host import Host

__all__ = ["Check", "examine", "exit_status"]

Check = Callable[[Config, Host], Iterable[Finding]]

_ALWAYS_FIRST: tuple[Check, ...] = (
    _software.check_sources,
    _software.check_python,
    _software.check_packages,
    _software.check_board,
    _software.check_service,
    _service.check_data_plane,
    _service.check_symmetric_keys,
)
_RECEIVER: tuple[Check, ...] = (
    _serial.check_serial_device,
    _serial.check_serial_uart,
    _serial.check_serial_console,
    _serial.check_serial_holders,
    _serial.check_serial_rivals,
    _pulse.check_pulse_kernel,
    _pulse.check_pulse_overlay,
    _pulse.check_pulse_device,
    _pulse.check_pulse_holders,
    _pulse.check_pulse_signal,
)
_EITHER_CLOCK: tuple[Check, ...] = (
    _timekeepers.check_running_timekeepers,
    _timekeepers.check_enabled_timekeepers,
    _clock.check_time_of_day,
    _clock.check_leap_list,
    _temperature.check_temperature,
)
_KERNEL_CLOCK: tuple[Check, ...] = (
    _clock.check_clock_privilege,
    _clock.check_kernel_clock,
    _clock.check_battery_clock,
    _clock.check_clocksource,
    _clock.check_governor,
    _clock.check_nohz,
)
_ALWAYS_LAST: tuple[Check, ...] = (
    _network.check_ntp_ports,
    _network.check_privileged_ports,
    _network.check_web_port,
    _network.check_key_port,
    _nts.check_key_certificate,
    _nts.check_key_files,
    _nts.check_tls,
    _storage.check_state_directory,
    _storage.check_control_socket,
    _outputs.check_outputs,
)


def examine(config: Config, host: Host | None = None) -> Iterator[Finding]:
    """Run the checks that matter for this configuration, one finding at a time; changes nothing on the host.

    With a pulse per second it takes some two seconds, in which pulses are counted.
    """
    seen = host or Host()
    for check in _ALWAYS_FIRST:
        yield from check(config, seen)
    if config.receiver is not None and config.receiver.device == "simulated":
        yield skipped("serial.device", "the receiver is simulated: no serial line and no pulse are needed")
    elif config.receiver is not None:
        for check in _RECEIVER:
            yield from check(config, seen)
    for check in _EITHER_CLOCK:
        yield from check(config, seen)
    if config.clock.control == "kernel":
        for check in _KERNEL_CLOCK:
            yield from check(config, seen)
    else:
        yield skipped("clock.kernel", "the virtual clock leaves the host's alone: no privilege is needed")
    for check in _ALWAYS_LAST:
        yield from check(config, seen)


def exit_status(findings: Iterable[Finding]) -> int:
    """0 if the server can work like this, 1 if a check failed."""
    return int(any(finding.level is Level.FAILURE for finding in findings))

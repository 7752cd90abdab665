"""What steering the host's clock needs: privilege, a sound kernel clock, a plausible time, leap seconds; and what helps it to be exact."""

from collections.abc import Iterator

from stratum1.build_date import build_date
from stratum1.clock import ClockError
from stratum1.config import Config
from stratum1.hw import HatError, load_hat
from stratum1.leaplist import packaged_list, read_list
from stratum1.timescale import NS, LeapTableError, UtcNs, rfc3339

from ._finding import Finding, failure, ok, warning
from ._host import Host
from ._runner import SYS_TIME, runner

__all__ = [
    "check_battery_clock",
    "check_clock_privilege",
    "check_clocksource",
    "check_governor",
    "check_kernel_clock",
    "check_leap_list",
    "check_nohz",
    "check_time_of_day",
]

_DAY = 86_400 * NS
_FEW_DAYS = 30
_SLOW_SOURCES = ("acpi_pm", "hpet", "jiffies", "refined-jiffies")
_CPUS = "/sys/devices/system/cpu"


def check_clock_privilege(_config: Config, host: Host) -> Iterator[Finding]:
    """Whether the daemon may set the clock."""
    daemon = runner(host)
    if daemon is None:
        return
    if daemon.who.has(SYS_TIME):
        yield ok("clock.privilege", f"{daemon.who.name} may set the clock ({daemon.origin})")
    else:
        yield failure(
            "clock.privilege",
            f"{daemon.who.name} may not set the clock: CAP_SYS_TIME is missing ({daemon.origin})",
            'Run it by its systemd unit (AmbientCapabilities=CAP_SYS_TIME), or set control = "virtual" in [clock].',
        )


def check_kernel_clock(_config: Config, host: Host) -> Iterator[Finding]:
    """Whether the kernel tells the clock's state, and whether its correction has room left."""
    try:
        state = host.timex()
    except ClockError as error:
        yield failure("clock.kernel", str(error), 'Allow clock_adjtime in the sandbox, or set control = "virtual" in [clock].')
        return
    frequency, limit = state.freq / 65536, state.tolerance / 65536
    if limit <= 0:
        yield failure("clock.kernel", "the kernel allows no correction of its clock's rate", 'Set control = "virtual" in [clock].')
    elif abs(frequency) >= 0.9 * limit:
        yield warning(
            "clock.kernel",
            f"the kernel's clock is corrected by {frequency:+.1f} ppm, next to the limit of {limit:.0f} ppm",
            "Its oscillator is bad, or another program left a wrong value: set it back with sudo adjtimex --frequency 0",
        )
    else:
        yield ok("clock.kernel", f"the kernel's clock is corrected by {frequency:+.3f} ppm (limit {limit:.0f} ppm), tick {state.tick} us")


def check_time_of_day(_config: Config, host: Host) -> Iterator[Finding]:
    """Whether the host's time can be true at all."""
    now, built = host.now(), build_date()
    if now < built:
        yield warning(
            "clock.plausible",
            f"the host's time is {_date(now)}, before this version was made ({_date(built)})",
            "The daemon starts at its last known time, and the receiver's first fix puts it right; a battery-backed clock avoids this.",
        )
    else:
        yield ok("clock.plausible", f"the host's time, {_date(now)}, is possible")


def check_battery_clock(config: Config, host: Host) -> Iterator[Finding]:
    """Whether a clock runs on while the board is off."""
    clocks = host.names("/sys/class/rtc", "rtc*")
    if not clocks:
        yield warning(
            "clock.battery",
            "the board has no battery-backed clock: after a start its time is wrong until the first fix",
            _rtc_remedy(config),
        )
        return
    chip = host.read(f"/sys/class/rtc/{clocks[0]}/name") or clocks[0]
    stands = host.read(f"/sys/class/rtc/{clocks[0]}/since_epoch")
    if stands is not None and stands.isdecimal() and int(stands) * NS < build_date():
        yield warning(
            "clock.battery",
            f"the battery-backed clock ({chip}) stands at {_date(UtcNs(int(stands) * NS))}",
            "Its battery is empty: replace it.",
        )
    else:
        yield ok("clock.battery", f"a battery-backed clock is there ({chip})")


def check_leap_list(config: Config, host: Host) -> Iterator[Finding]:
    """Whether the list of leap seconds is there, sound, and valid for a while; where it is not, the copy that comes with us is used."""
    path = config.clock.leap_seconds_file
    text = host.read(path)
    update = "sudo apt update && sudo apt install tzdata (or set leap-seconds-file or leap-seconds-url in [clock])"
    packaged = packaged_list()
    instead = "the copy that comes with stratum1 " + (
        f"expired on {_date(packaged.expires)} too" if packaged.expired(host.now()) else f"is used, valid until {_date(packaged.expires)}"
    )
    if text is None:
        yield warning("clock.leap-seconds", f"{path} can't be read: {instead}", update)
        return
    try:
        table = read_list(text, path)
    except LeapTableError as error:
        yield failure("clock.leap-seconds", f"{path} is damaged: {error}; {instead}", update)
        return
    left = (table.expires - host.now()) // _DAY
    if left < 0:
        later = f"; {instead}" if packaged.expires > table.expires else ": a leap second after that would be missed"
        yield warning("clock.leap-seconds", f"{path} expired on {_date(table.expires)}{later}", update)
    elif left < _FEW_DAYS:
        yield ok("clock.leap-seconds", f"{path} is valid for {left} more days", update)
    else:
        yield ok("clock.leap-seconds", f"{path} is valid until {_date(table.expires)}; TAI is UTC + {table.tai_offset(host.now())} s")


def check_clocksource(_config: Config, host: Host) -> Iterator[Finding]:
    """Which counter the kernel's clock is made from."""
    folder = "/sys/devices/system/clocksource/clocksource0"
    source = host.read(f"{folder}/current_clocksource")
    if source is None:
        return
    if source in _SLOW_SOURCES:
        choice = (host.read(f"{folder}/available_clocksource") or "").split()
        better = [name for name in choice if name not in _SLOW_SOURCES]
        hint = (
            f"Put clocksource={better[0]} into the kernel's command line."
            if better
            else "See sudo dmesg | grep -i clocksource for the reason."
        )
        yield warning("clock.source", f"the kernel's clock counts by {source}, which is slow or coarse to read", hint)
    else:
        yield ok("clock.source", f"the kernel's clock counts by {source}")


def check_governor(_config: Config, host: Host) -> Iterator[Finding]:
    """How the processor's frequency is chosen: changes of it delay stamps and warm the oscillator."""
    governors = {host.read(f"{_CPUS}/{cpu}/cpufreq/scaling_governor") for cpu in host.names(_CPUS, "cpu[0-9]*")} - {None}
    if not governors:
        return
    names = ", ".join(sorted(name for name in governors if name))
    hint = "For the least jitter: echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor (and at each boot)"
    if "powersave" in governors and not host.exists(f"{_CPUS}/intel_pstate"):
        yield warning("clock.governor", f"the processor is kept at its lowest frequency (governor {names})", hint)
    else:
        yield ok("clock.governor", f"the processor's frequency governor is {names}", "" if names == "performance" else hint)


def check_nohz(_config: Config, host: Host) -> Iterator[Finding]:
    """Whether the kernel keeps its tick while idle; either is right."""
    off = "nohz=off" in (host.read("/proc/cmdline") or "").split()
    yield ok(
        "clock.tick",
        "nohz=off: the tick runs on while idle" if off else "the tick stops while idle; nohz=off may lower the pulse's jitter a little",
    )


def _date(instant: UtcNs) -> str:
    return rfc3339(instant, 0)[:10]


def _rtc_remedy(config: Config) -> str:
    hat = config.receiver.hat if config.receiver is not None else None
    try:
        fact = load_hat(hat).rtc if hat else None
    except HatError:
        fact = None  # refused with the configuration already
    if fact is None:
        return "Nothing has to be done; an RTC module, or the battery connector of a Pi 5, makes starts quicker."
    chip = fact.value.partition(",")[0].replace("-", "").lower()
    return f"The HAT has one ({fact.value}): put dtparam=i2c_arm=on and dtoverlay=i2c-rtc,{chip} into config.txt and restart."

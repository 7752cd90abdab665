"""The shell that feels how warm the crystal is: finds a sensor of the kernel (thermal zone or hwmon) and reads it every few seconds.

Both kinds tell whole thousandths of a degree Celsius in a file (Linux,
Documentation/driver-api/thermal/sysfs-api.rst and Documentation/hwmon/sysfs-interface.rst).
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .interchange import Environment
from .timescale import MonoNs

__all__ = ["Sensor", "TemperatureReader", "TemperatureState", "find_sensor", "known_sensors", "read_celsius"]

_INTERVAL = 4.0
_SEARCH = 30.0
"""Seconds between two looks for a sensor that is not there."""
_JOIN = 2.0
_COLDEST, _WARMEST = -55.0, 150.0
"""Degrees Celsius outside of which a sensor is broken or tells something else; what the usual chips can measure."""
_ZONES, _CHIPS = "sys/class/thermal", "sys/class/hwmon"
_SOC_TYPES = ("cpu-thermal", "cpu_thermal", "soc-thermal", "x86_pkg_temp")
"""Types of the zone beside the processor, the Raspberry Pi's first: its crystal shares the board, so it follows."""


@dataclass(frozen=True, slots=True)
class Sensor:
    """A sensor: the file that is read, and what it is called (type of the zone, name of the chip and input, or the path)."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class TemperatureState:
    """For people. sensor: its name, "" for none; celsius: its last reading, None while there is none; error: what is wrong, or ""."""

    sensor: str
    celsius: float | None
    error: str


def read_celsius(path: Path) -> float:
    """Degrees Celsius. Raises OSError, or ValueError for what is no temperature."""
    with path.open("rb") as file:
        text = file.read(32).decode("ascii", "replace").strip()
    celsius = int(text) / 1000
    if not _COLDEST <= celsius <= _WARMEST:
        raise ValueError(f"{celsius:g} degrees Celsius is not possible")
    return celsius


def find_sensor(wanted: str, root: Path = Path("/")) -> Sensor | None:
    """The sensor that the configuration asks for, None where it is not there.

    wanted: a path (of the input, or of a zone's or chip's folder), the type of a thermal zone, the name of a hwmon chip, or "auto":
    the zone of the processor, else the first zone that reads sensibly. root: what stands for "/".
    """
    if wanted.startswith("/"):
        return _by_path(root / wanted.lstrip("/"), wanted)
    zones = list(_zones(root))
    if wanted == "auto":
        ranked = sorted(zones, key=lambda zone: _SOC_TYPES.index(zone.name) if zone.name in _SOC_TYPES else len(_SOC_TYPES))
        return next(filter(_reads, ranked), None)
    named = [zone for zone in zones if zone.name == wanted] or [chip for chip in _chips(root) if chip.name.split(" ")[0] == wanted]
    return next(filter(_reads, named), named[0] if named else None)


def known_sensors(root: Path = Path("/")) -> list[str]:
    """Names of all sensors that read sensibly, as the configuration may name them."""
    chips = (Sensor(chip.path, chip.name.split(" ")[0]) for chip in _chips(root))
    return list(dict.fromkeys(sensor.name for sensor in (*_zones(root), *chips) if _reads(sensor)))


def _by_path(path: Path, shown: str) -> Sensor | None:
    if path.is_dir():
        inside = [path / "temp", *sorted(path.glob("temp*_input"))]
        return next((Sensor(file, shown) for file in inside if file.is_file()), None)
    return Sensor(path, shown) if path.exists() else None


def _zones(root: Path) -> Iterator[Sensor]:
    for folder in sorted((root / _ZONES).glob("thermal_zone*"), key=lambda path: (len(path.name), path.name)):
        yield Sensor(folder / "temp", _line(folder / "type") or folder.name)


def _chips(root: Path) -> Iterator[Sensor]:
    for folder in sorted((root / _CHIPS).glob("hwmon*"), key=lambda path: (len(path.name), path.name)):
        for file in sorted(folder.glob("temp*_input")):
            label = _line(folder / file.name.replace("_input", "_label")) or file.name.removesuffix("_input")
            yield Sensor(file, f"{_line(folder / 'name') or folder.name} {label}")


def _line(path: Path) -> str:
    """A name that a driver gives, fit to be shown; empty where there is none."""
    try:
        with path.open("rb") as file:
            text = file.read(64).decode("utf-8", "replace").strip()
    except OSError:
        return ""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _reads(sensor: Sensor) -> bool:
    try:
        read_celsius(sensor.path)
    except (OSError, ValueError):
        return False
    return True


class TemperatureReader:
    """Reads the sensor in a thread of its own, since some (on I2C, 1-Wire) keep their reader waiting for most of a second.

    on_reading gets each reading; on_state each change of sensor or error (not of the temperature alone). Both are called in the
    reader's thread and must return soon. clock: CLOCK_MONOTONIC_RAW in the daemon.
    """

    def __init__(
        self,
        wanted: str,
        on_reading: Callable[[Environment], None],
        on_state: Callable[[TemperatureState], None],
        clock: Callable[[], MonoNs],
        *,
        root: Path = Path("/"),
        interval: float = _INTERVAL,
        search: float = _SEARCH,
    ) -> None:
        """wanted: as for find_sensor. interval: seconds between two readings; search: between two looks for a missing sensor."""
        self._wanted = wanted
        self._on_reading = on_reading
        self._on_state = on_state
        self._clock = clock
        self._root = root
        self._interval, self._search = interval, search
        self._sensor: Sensor | None = None
        self._told = ("", "")
        self.state = TemperatureState("", None, "")
        """As of the last reading; whoever asks from another thread gets one whole picture."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="temperature", daemon=True)

    def start(self) -> None:
        """Begin to read; once only."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a sensor that hangs is left behind."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(_JOIN)

    def _run(self) -> None:
        while not self._stopping.is_set():
            delay = self._interval if self._read() else self._search
            self._stopping.wait(delay)

    def _read(self) -> bool:
        """One reading; False if there is no sensor or it does not answer."""
        self._sensor = self._sensor or find_sensor(self._wanted, self._root)
        if self._sensor is None:
            self._tell(TemperatureState("", None, self._missing()))
            return False
        name = self._sensor.name
        try:
            celsius = read_celsius(self._sensor.path)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self._sensor = None  # a chip that comes back may have another number
            self._tell(TemperatureState(name, None, f"the temperature sensor {name} can't be read ({reason}); it is looked for again"))
            return False
        self._tell(TemperatureState(name, celsius, ""))
        self._on_reading(Environment(self._clock(), celsius))
        return True

    def _missing(self) -> str:
        if self._wanted == "auto":
            return ""  # many machines have none, and nobody asked for one
        return f'there is no temperature sensor "{self._wanted}": set temperature-sensor in [clock] to one that `stratum1 doctor` names'

    def _tell(self, state: TemperatureState) -> None:
        self.state = state
        if (state.sensor, state.error) != self._told:
            if state.error or state.sensor or self._told[1]:
                self._on_state(state)
            self._told = (state.sensor, state.error)

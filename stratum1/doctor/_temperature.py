"""How warm the crystal is: whether the sensor that is asked for is there and tells something sensible."""

from collections.abc import Iterator

from stratum1.config import Config
from stratum1.temperature import find_sensor, known_sensors, read_celsius

from ._finding import Finding, ok, skipped, warning
from ._host import Host

__all__ = ["check_temperature"]

_NAME = "clock.temperature"


def check_temperature(config: Config, host: Host) -> Iterator[Finding]:
    """Names the sensor and what it reads now."""
    wanted = config.clock.temperature_sensor
    if wanted == "none":
        yield skipped(_NAME, 'temperature-sensor is "none": the crystal is not followed')
        return
    if wanted == "auto" and config.receiver is not None and config.receiver.device == "simulated":
        yield skipped(_NAME, "the receiver is simulated: no temperature is followed")
        return
    sensor = find_sensor(wanted, host.root)
    known = ", ".join(known_sensors(host.root)) or "none"
    if sensor is None and wanted == "auto":
        yield skipped(_NAME, "no temperature sensor is found: the crystal is not followed")
    elif sensor is None:
        yield warning(_NAME, f'there is no temperature sensor "{wanted}"', f"Set temperature-sensor in [clock] to one of: {known}")
    else:
        try:
            celsius = read_celsius(sensor.path)
        except (OSError, ValueError) as error:
            yield warning(_NAME, f"{sensor.name} can't be read: {error}", f"Set temperature-sensor in [clock] to one of: {known}")
        else:
            yield ok(_NAME, f"{sensor.name} reads {celsius:.1f} degrees Celsius")

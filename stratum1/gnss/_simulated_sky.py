"""Where a receiver that does not exist is, and what it sees. Pure: the same second, the same sky."""

import math
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["ALTITUDE", "GEOID", "Seen", "System", "dops", "in_use", "noise", "place", "sky", "wander"]

_LATITUDE, _LONGITUDE, ALTITUDE = 46.92389, 7.46444, 563.0
"""Near the national metrology institute in Wabern, Switzerland; degrees north and east, metres above mean sea level."""
GEOID = 49.6
_METRES_PER_DEGREE = 111_195.0
_ARC = 5 * 3600.0
"""Seconds that a satellite takes from one horizon to the other."""
_SKY_EVERY = 5
"""Seconds for which the sky stands still: it moves by less than a degree meanwhile."""
_LOWEST_SEEN, _LOWEST_USED = 5, 10


@dataclass(frozen=True, slots=True)
class System:
    """A constellation: talker, system and signal number (NMEA 4.11, GSA and GSV), range of satellite numbers, how many are up at a time."""

    talker: str
    system: int
    signal: int
    first: int
    count: int
    up: int


_SYSTEMS = (System("GP", 1, 1, 1, 32, 8), System("GL", 2, 1, 65, 24, 4), System("GA", 3, 7, 1, 36, 4))


@dataclass(frozen=True, slots=True)
class Seen:
    """A satellite in view. Degrees and dB-Hz."""

    number: int
    elevation: int
    azimuth: int
    cn0: int


def sky(second: int, seed: int, fix: bool = True) -> list[tuple[System, tuple[Seen, ...]]]:
    """The satellites in view of each system; none with a cut antenna. It stands still for some seconds at a time."""
    return [(system, _in_view(system, second - second % _SKY_EVERY, seed) if fix else ()) for system in _SYSTEMS]


def noise(seed: int, *channel: int) -> float:
    """A number from -1 to 1 that depends on nothing but the arguments (the mixing of SplitMix64)."""
    value = seed
    for number in channel:
        value = (value + number + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
        value = (value ^ value >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
        value ^= value >> 31
    return value / (1 << 63) - 1


@lru_cache(maxsize=len(_SYSTEMS))
def _in_view(system: System, second: int, seed: int) -> tuple[Seen, ...]:
    """Each of the places in the sky is crossed by one satellite after the other; each place has numbers of its own."""
    seen = []
    for place in range(system.up):
        crossing, along = divmod(second / _ARC + place / system.up + 0.5 * noise(seed, system.system, place), 1.0)
        turn = int(crossing)
        elevation = round((50 + 38 * noise(seed, system.system, place, turn)) * math.sin(math.pi * along))
        if elevation >= _LOWEST_SEEN:
            azimuth = round(180 * noise(seed, place, system.system, turn) + 140 * along) % 360
            cn0 = round(30 + 16 * math.sin(math.radians(elevation)) + 1.5 * noise(seed, system.system, place, second))
            number = system.first + place + system.up * ((3 * turn + seed) % (system.count // system.up))
            seen.append(Seen(number, elevation, azimuth, cn0))
    return tuple(sorted(seen, key=lambda satellite: satellite.number))


def in_use(seen: tuple[Seen, ...]) -> list[Seen]:
    """Those that stand high enough for the fix."""
    return [satellite for satellite in seen if satellite.elevation >= _LOWEST_USED]


def dops(second: int, seed: int) -> tuple[float, float, float]:
    """Dilution of precision: of the position, horizontal, vertical."""
    horizontal = 0.75 + 0.15 * math.sin(second / 1700 + seed % 7)
    vertical = 1.15 + 0.2 * math.sin(second / 2300 + seed % 5)
    return math.hypot(horizontal, vertical), horizontal, vertical


def wander(second: int, seed: int, axis: int) -> float:
    """Metres off the true place: slow waves of the atmosphere and noise of the measurement."""
    return 1.2 * math.sin(second / 613 + axis + seed % 11) + 0.5 * math.sin(second / 97 + 2 * axis) + 0.2 * noise(seed, axis, second)


def place(second: int, seed: int) -> tuple[float, float]:
    """Degrees north and east that it measures."""
    north = _LATITUDE + wander(second, seed, 1) / _METRES_PER_DEGREE
    east = _LONGITUDE + wander(second, seed, 2) / (_METRES_PER_DEGREE * math.cos(math.radians(_LATITUDE)))
    return north, east

"""The sentences of a receiver that does not exist: NMEA 0183 version 4.11, three systems. Pure: the same second, the same bytes."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, reduce
from operator import xor

from stratum1.timescale import NS, UtcNs

__all__ = ["nmea_epoch"]

_LATITUDE, _LONGITUDE, _ALTITUDE = 46.92389, 7.46444, 563.0
"""Near the national metrology institute in Wabern, Switzerland; degrees north and east, metres above mean sea level."""
_GEOID = 49.6
_METRES_PER_DEGREE = 111_195.0
_ARC = 5 * 3600.0
"""Seconds that a satellite takes from one horizon to the other."""
_SKY_EVERY = 5
"""Seconds for which the sky stands still: it moves by less than a degree meanwhile."""
_LOWEST_SEEN, _LOWEST_USED = 5, 10


@dataclass(frozen=True, slots=True)
class _System:
    """A constellation: talker, system and signal number (NMEA 4.11, GSA and GSV), range of satellite numbers, how many are up at a time."""

    talker: str
    system: int
    signal: int
    first: int
    count: int
    up: int


_SYSTEMS = (_System("GP", 1, 1, 1, 32, 8), _System("GL", 2, 1, 65, 24, 4), _System("GA", 3, 7, 1, 36, 4))


@dataclass(frozen=True, slots=True)
class _Seen:
    """A satellite in view. Degrees and dB-Hz."""

    number: int
    elevation: int
    azimuth: int
    cn0: int


def nmea_epoch(utc: UtcNs, seed: int, *, fix: bool = True) -> bytes:
    """All that the receiver sends for the second that `utc` lies in: RMC, GGA, GSA and GSV of each system, ZDA; 500 to 700 bytes.

    fix False: the antenna is cut. The receiver's own clock still gives the time, and RMC says "V".
    """
    second = utc // NS
    moment = datetime.fromtimestamp(second, UTC)
    sky = [(system, _in_view(system, second - second % _SKY_EVERY, seed) if fix else ()) for system in _SYSTEMS]
    used = sum(len(_used(seen)) for _, seen in sky)
    time = f"{moment:%H%M%S}.00"
    dops = _dops(second, seed) if fix else ("99.99", "99.99", "99.99")
    bodies = [
        f"GNRMC,{time},{_rmc(second, seed, f'{moment:%d%m%y}')}" if fix else f"GNRMC,{time},V,,,,,,,{moment:%d%m%y},,,N,V",
        f"GNGGA,{time},{_gga(second, seed, used, dops[1])}" if fix else f"GNGGA,{time},,,,,0,00,99.99,,,,,,",
        *(_gsa(system, seen, dops) for system, seen in sky),
        *(body for system, seen in sky for body in _gsv(system, seen)),
        f"GNZDA,{time},{moment:%d,%m,%Y},00,00",
    ]
    return b"".join(_sentence(body) for body in bodies)


def _sentence(body: str) -> bytes:
    data = body.encode("ascii")
    return b"$%b*%02X\r\n" % (data, reduce(xor, data))


def _noise(seed: int, *channel: int) -> float:
    """A number from -1 to 1 that depends on nothing but the arguments (the mixing of SplitMix64)."""
    value = seed
    for number in channel:
        value = (value + number + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
        value = (value ^ value >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
        value ^= value >> 31
    return value / (1 << 63) - 1


@lru_cache(maxsize=len(_SYSTEMS))
def _in_view(system: _System, second: int, seed: int) -> tuple[_Seen, ...]:
    """Each of the places in the sky is crossed by one satellite after the other; each place has numbers of its own."""
    seen = []
    for place in range(system.up):
        crossing, along = divmod(second / _ARC + place / system.up + 0.5 * _noise(seed, system.system, place), 1.0)
        turn = int(crossing)
        elevation = round((50 + 38 * _noise(seed, system.system, place, turn)) * math.sin(math.pi * along))
        if elevation >= _LOWEST_SEEN:
            azimuth = round(180 * _noise(seed, place, system.system, turn) + 140 * along) % 360
            cn0 = round(30 + 16 * math.sin(math.radians(elevation)) + 1.5 * _noise(seed, system.system, place, second))
            number = system.first + place + system.up * ((3 * turn + seed) % (system.count // system.up))
            seen.append(_Seen(number, elevation, azimuth, cn0))
    return tuple(sorted(seen, key=lambda satellite: satellite.number))


def _used(seen: tuple[_Seen, ...]) -> list[_Seen]:
    return [satellite for satellite in seen if satellite.elevation >= _LOWEST_USED]


def _dops(second: int, seed: int) -> tuple[str, str, str]:
    horizontal = 0.75 + 0.15 * math.sin(second / 1700 + seed % 7)
    vertical = 1.15 + 0.2 * math.sin(second / 2300 + seed % 5)
    return f"{math.hypot(horizontal, vertical):.2f}", f"{horizontal:.2f}", f"{vertical:.2f}"


def _wander(second: int, seed: int, axis: int) -> float:
    """Metres off the true place: slow waves of the atmosphere and noise of the measurement."""
    return 1.2 * math.sin(second / 613 + axis + seed % 11) + 0.5 * math.sin(second / 97 + 2 * axis) + 0.2 * _noise(seed, axis, second)


def _place(second: int, seed: int) -> str:
    north = _LATITUDE + _wander(second, seed, 1) / _METRES_PER_DEGREE
    east = _LONGITUDE + _wander(second, seed, 2) / (_METRES_PER_DEGREE * math.cos(math.radians(_LATITUDE)))
    return f"{_degrees(north, 2)},N,{_degrees(east, 3)},E"


def _degrees(value: float, digits: int) -> str:
    whole, minutes = divmod(round(value * 60 * 100_000), 60 * 100_000)
    return f"{whole:0{digits}d}{minutes // 100_000:02d}.{minutes % 100_000:05d}"


def _rmc(second: int, seed: int, date: str) -> str:
    return f"A,{_place(second, seed)},{0.02 + 0.02 * _noise(seed, 4, second):.3f},,{date},,,A,V"


def _gga(second: int, seed: int, used: int, hdop: str) -> str:
    return f"{_place(second, seed)},1,{used:02d},{hdop},{_ALTITUDE + 1.5 * _wander(second, seed, 3):.1f},M,{_GEOID},M,,"


def _gsa(system: _System, seen: tuple[_Seen, ...], dops: tuple[str, str, str]) -> str:
    numbers = [f"{satellite.number:02d}" for satellite in _used(seen)]
    mode = 3 if dops[0] != "99.99" else 1
    return ",".join(["GNGSA", "A", str(mode), *numbers, *[""] * (12 - len(numbers)), *dops, str(system.system)])


def _gsv(system: _System, seen: tuple[_Seen, ...]) -> Iterator[str]:
    total = max(1, -(-len(seen) // 4))
    for page in range(total):
        satellites = (f",{s.number:02d},{s.elevation:02d},{s.azimuth:03d},{s.cn0:02d}" for s in seen[4 * page : 4 * page + 4])
        yield f"{system.talker}GSV,{total},{page + 1},{len(seen):02d}{''.join(satellites)},{system.signal}"

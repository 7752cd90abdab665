"""The sentences of a receiver that does not exist: NMEA 0183 version 4.11, three systems. Pure: the same second, the same bytes."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import reduce
from operator import xor

from stratum1.timescale import NS, UtcNs

from ._simulated_sky import ALTITUDE, GEOID, Seen, System, dops, in_use, noise, place, sky, wander

__all__ = ["nmea_epoch"]


def nmea_epoch(utc: UtcNs, seed: int, *, fix: bool = True) -> bytes:
    """All that the receiver sends for the second that `utc` lies in: RMC, GGA, GSA and GSV of each system, ZDA; 500 to 700 bytes.

    fix False: the antenna is cut. The receiver's own clock still gives the time, and RMC says "V".
    """
    second = utc // NS
    moment = datetime.fromtimestamp(second, UTC)
    systems = sky(second, seed, fix)
    used = sum(len(in_use(seen)) for _, seen in systems)
    time = f"{moment:%H%M%S}.00"
    diluted = tuple(f"{value:.2f}" for value in dops(second, seed)) if fix else ("99.99", "99.99", "99.99")
    bodies = [
        f"GNRMC,{time},{_rmc(second, seed, f'{moment:%d%m%y}')}" if fix else f"GNRMC,{time},V,,,,,,,{moment:%d%m%y},,,N,V",
        f"GNGGA,{time},{_gga(second, seed, used, diluted[1])}" if fix else f"GNGGA,{time},,,,,0,00,99.99,,,,,,",
        *(_gsa(system, seen, diluted) for system, seen in systems),
        *(body for system, seen in systems for body in _gsv(system, seen)),
        f"GNZDA,{time},{moment:%d,%m,%Y},00,00",
    ]
    return b"".join(_sentence(body) for body in bodies)


def _sentence(body: str) -> bytes:
    data = body.encode("ascii")
    return b"$%b*%02X\r\n" % (data, reduce(xor, data))


def _place(second: int, seed: int) -> str:
    north, east = place(second, seed)
    return f"{_degrees(north, 2)},N,{_degrees(east, 3)},E"


def _degrees(value: float, digits: int) -> str:
    whole, minutes = divmod(round(value * 60 * 100_000), 60 * 100_000)
    return f"{whole:0{digits}d}{minutes // 100_000:02d}.{minutes % 100_000:05d}"


def _rmc(second: int, seed: int, date: str) -> str:
    return f"A,{_place(second, seed)},{0.02 + 0.02 * noise(seed, 4, second):.3f},,{date},,,A,V"


def _gga(second: int, seed: int, used: int, hdop: str) -> str:
    return f"{_place(second, seed)},1,{used:02d},{hdop},{ALTITUDE + 1.5 * wander(second, seed, 3):.1f},M,{GEOID},M,,"


def _gsa(system: System, seen: tuple[Seen, ...], diluted: tuple[str, ...]) -> str:
    numbers = [f"{satellite.number:02d}" for satellite in in_use(seen)]
    mode = 3 if diluted[0] != "99.99" else 1
    return ",".join(["GNGSA", "A", str(mode), *numbers, *[""] * (12 - len(numbers)), *diluted, str(system.system)])


def _gsv(system: System, seen: tuple[Seen, ...]) -> Iterator[str]:
    total = max(1, -(-len(seen) // 4))
    for page in range(total):
        satellites = (f",{s.number:02d},{s.elevation:02d},{s.azimuth:03d},{s.cn0:02d}" for s in seen[4 * page : 4 * page + 4])
        yield f"{system.talker}GSV,{total},{page + 1},{len(seen):02d}{''.join(satellites)},{system.signal}"

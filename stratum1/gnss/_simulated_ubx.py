"""The UBX messages of a timing receiver of generation 9 that does not exist. Pure: the same second, the same bytes."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from stratum1.timescale import GPS_EPOCH, NS, UtcNs

from ._simulated_sky import ALTITUDE, GEOID, dops, in_use, noise, place, sky, wander
from ._ubx_messages import load_library

__all__ = ["ubx_epoch"]

_WEEK = 7 * 86_400
_LEAP_SECONDS = 18
"""GPS - UTC since 2017; the simulated receiver knows of none to come."""
_GNSS = {1: (0, 0), 2: (6, 64), 3: (2, 0)}
"""By system number of NMEA: UBX's, and what its numbers are counted on from in NMEA."""
_LAST_LEAP = 1_483_228_800  # 2017-01-01


def ubx_epoch(utc: UtcNs, seed: int, *, fix: bool = True, late: float = 0.0) -> bytes:
    """All that the receiver sends for the second that `utc` lies in: NAV-PVT, NAV-DOP, NAV-SAT, NAV-TIMELS, TIM-TP, MON-RF, SEC-SIG.

    Some 500 bytes. late: seconds by which the pulse of the next second will be late, as TIM-TP announces. fix False: the antenna is cut.
    """
    second = utc // NS
    gps = second - GPS_EPOCH // NS + _LEAP_SECONDS
    itow = gps % _WEEK * 1000
    parts = [
        _pvt(second, seed, itow, fix),
        _dop(second, seed, itow, fix),
        _sat(second, seed, itow, fix),
        _message(
            "NAV-TIMELS",
            iTOW=itow,
            srcOfCurrLs=2,
            currLs=_LEAP_SECONDS,
            srcOfLsChange=2,
            timeToLsEvent=max(_LAST_LEAP - second, -(2**31)),
            validCurrLs=1,
            validTimeToLsEvent=1,
        ),
        _tim_tp(gps + 1 - _LEAP_SECONDS, late, fix),
        _rf(second, seed, fix),
        _message("SEC-SIG", version=2, jamDetEnabled=1, jammingState=1, spfDetEnabled=1, spoofingState=1),
    ]
    return b"".join(parts)


def _message(name: str, **fields: Any) -> bytes:
    message, _ = load_library()
    if name == "SEC-SIG":  # two layouts, which pyubx2 tells by a payload only
        flags = fields["jamDetEnabled"] | fields["jammingState"] << 1 | fields["spfDetEnabled"] << 3 | fields["spoofingState"] << 4
        fields = {"payload": bytes((fields["version"], flags, 0, 0))}
    return bytes(message(name[:3], name, 0, **fields).serialize())


def _pvt(second: int, seed: int, itow: int, fix: bool) -> bytes:
    moment = datetime.fromtimestamp(second, UTC)
    north, east = place(second, seed)
    height = ALTITUDE + 1.5 * wander(second, seed, 3)
    fields = {"year": moment.year, "month": moment.month, "day": moment.day, "hour": moment.hour, "min": moment.minute}
    fields |= {"second": moment.second, "validDate": 1, "validTime": 1, "fullyResolved": 1, "nano": round(2e4 * noise(seed, 5, second))}
    if not fix:
        return _message("NAV-PVT", iTOW=itow, **fields, tAcc=2**32 - 1, hAcc=2**32 - 1, vAcc=2**32 - 1, pDOP=99.99)
    used = sum(len(in_use(seen)) for _, seen in sky(second, seed))
    solution = {"fixType": 5, "gnssFixOk": 1, "numSV": used, "tAcc": round(12 + 4 * noise(seed, 6, second)), "hAcc": 900, "vAcc": 1400}
    lengths = {"height": round(1000 * (height + GEOID)), "hMSL": round(1000 * height)}
    return _message("NAV-PVT", iTOW=itow, **fields, **solution, **lengths, lat=north, lon=east, pDOP=dops(second, seed)[0])


def _dop(second: int, seed: int, itow: int, fix: bool) -> bytes:
    position, horizontal, vertical = dops(second, seed) if fix else (99.99, 99.99, 99.99)
    return _message("NAV-DOP", iTOW=itow, pDOP=position, hDOP=horizontal, vDOP=vertical)


def _sat(second: int, seed: int, itow: int, fix: bool) -> bytes:
    found = list(_satellites(second, seed, fix))
    fields = {f"{name}_{index:02d}": value for index, one in enumerate(found, 1) for name, value in one.items()}
    return _message("NAV-SAT", iTOW=itow, version=1, numSvs=len(found), **fields)


def _satellites(second: int, seed: int, fix: bool) -> Iterator[dict[str, int]]:
    for system, seen in sky(second, seed, fix):
        number, offset = _GNSS[system.system]
        used = in_use(seen)
        for one in seen:
            yield {
                "gnssId": number,
                "svId": one.number - offset,
                "cno": one.cn0,
                "elev": one.elevation,
                "azim": one.azimuth,
                "svUsed": int(one in used),
            }


def _tim_tp(gps: int, late: float, fix: bool) -> bytes:
    """Of the pulse at a second, counted from the GPS epoch without leap seconds (time base UTC). Its sign: `PulseCorrection`."""
    return _message(
        "TIM-TP", towMS=gps % _WEEK * 1000, week=gps // _WEEK, qErr=round(-late * 1e12), timeBase=1, utc=1, qErrInvalid=int(not fix)
    )


def _rf(second: int, seed: int, fix: bool) -> bytes:
    return _message(
        "MON-RF",
        nBlocks=1,
        jammingState_01=1,
        antStatus_01=2 if fix else 4,
        antPower_01=1,
        noisePerMS_01=round(90 + 6 * noise(seed, 7, second)),
        agcCnt_01=round(5200 + 120 * noise(seed, 8, second)),
        jamInd_01=round(12 + 5 * noise(seed, 9, second)),
    )

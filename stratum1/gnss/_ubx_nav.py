"""UBX messages of a navigation epoch (class NAV) as values: which time they name, and what they say of the fix.

A receiver rounds the date and time of NAV-PVT and NAV-TIMEUTC to the hundredth that its NMEA sentences name for the same epoch, and sends
the rest apart as `nano` (u-blox M10 integration manual, "UTC representation"). Both are kept: the rounded time names the epoch, so that
sentences and messages of one epoch find each other.
"""

import math
from datetime import date as civil_date
from datetime import timedelta
from typing import Any, NamedTuple

from stratum1.timescale import GPS_EPOCH, NS, WEEK_NS

from ._framer import Reject
from ._sentences import Date, Detail, Nav, SentenceError
from .events import Dop, FixMode, Position

__all__ = ["WEEK_MS", "Leap", "itow_key", "nav_dop", "nav_posllh", "nav_pvt", "nav_sol", "nav_status", "nav_timegps", "nav_timeutc"]

_DAY = 86_400 * NS
_ROUND = NS // 100
WEEK_MS = 7 * 86_400_000
_UNKNOWN = 2**32 - 1
_TIME_ONLY = 5
_MODES = {0: FixMode.NONE, 1: FixMode.NONE, 2: FixMode.TWO_D, 3: FixMode.THREE_D, 4: FixMode.THREE_D, _TIME_ONLY: FixMode.TWO_D}
"""By fixType and gpsFix: none, dead reckoning alone (no time from satellites stands behind it), 2D, 3D, both, time only."""
_A, _F = 6_378_137.0, 1 / 298.257223563  # WGS 84: equatorial radius in metres, flattening
_LEAST_RADIUS = 6e6  # m; below, it is no place on the Earth (0, 0, 0 without a fix)


class Leap(NamedTuple):
    """GPS - UTC that the receiver calculates with, in seconds, and whether it has it from the satellites (else from its firmware)."""

    seconds: int
    certain: bool


class _Named(NamedTuple):
    """A UTC time: its date, the time of day rounded to the hundredth, and what that took off."""

    date: Date
    tod_ns: int
    residual_ns: int


def itow_key(itow: int, leap: Leap | None) -> int | None:
    """The time of day (UTC, ns, rounded to the hundredth) of a navigation epoch; None while GPS - UTC is unknown.

    Raises SentenceError for a time of week beyond the week.
    """
    if not 0 <= itow < WEEK_MS:
        raise SentenceError(Reject.FIELD, "iTOW", itow)
    return None if leap is None else (_rounded(itow * 1_000_000) - leap.seconds * NS) % _DAY


def nav_pvt(m: Any, leap: Leap | None) -> tuple[Nav, Leap | None]:
    """NAV-PVT (generation 7 on), and the leap seconds that it was made with."""
    mode = _mode(m.fixType, m.gnssFixOk)
    dated = m.validDate and m.validTime
    named = _civil(Date(m.year, m.month, m.day), m.hour, m.min, m.second, m.nano) if dated else None
    position = _position(m.lat, m.lon, m.hMSL)
    detail = Detail(
        m.iTOW,
        itow_key(m.iTOW, leap),
        named.residual_ns if named else 0,
        mode,
        m.fixType == _TIME_ONLY and mode is not FixMode.NONE,
        bool(m.fullyResolved) if dated else None,
        dop=_dop(m.pDOP, math.nan, math.nan),
        time_accuracy=_scaled(m.tAcc, 1e-9),
        position_accuracy=_scaled(m.hAcc, 1e-3),
    )
    return _nav("NAV-PVT", named, detail, position, m.numSV), _leap(m.iTOW, named, bool(m.fullyResolved))


def nav_timeutc(m: Any, leap: Leap | None) -> tuple[Nav, Leap | None]:
    """NAV-TIMEUTC: the only message of generation 6 that names UTC."""
    dated = m.validTOW and m.validWKN
    named = _civil(Date(m.year, m.month, m.day), m.hour, m.min, m.sec, m.nano) if dated else None
    certain = bool(m.validUTC)
    detail = Detail(
        m.iTOW,
        itow_key(m.iTOW, leap),
        named.residual_ns if named else 0,
        certain=certain if dated else None,
        time_accuracy=_scaled(m.tAcc, 1e-9),
    )
    return _nav("NAV-TIMEUTC", named, detail), _leap(m.iTOW, named, certain)


def nav_sol(m: Any, leap: Leap | None, names_time: bool) -> Nav:
    """NAV-SOL (up to generation 8): GPS time and the place in Cartesian coordinates. names_time: no other message tells UTC.

    Its accuracy is of the place in space, which bounds the horizontal one.
    """
    mode = _mode(m.gpsFix, m.gpsfixOK)
    named = _from_gps(m.week, m.iTOW, m.fTOW, leap) if names_time and leap and m.wknSet and m.towSet else None
    detail = Detail(
        m.iTOW,
        itow_key(m.iTOW, leap),
        named.residual_ns if named else 0,
        mode,
        m.gpsFix == _TIME_ONLY and mode is not FixMode.NONE,
        leap.certain if named and leap else None,
        dop=_dop(m.pDOP, math.nan, math.nan),
        position_accuracy=_scaled(m.pAcc, 1e-2),
    )
    return _nav("NAV-SOL", named, detail, _geodetic(m.ecefX / 100, m.ecefY / 100, m.ecefZ / 100), m.numSV)


def nav_timegps(m: Any, leap: Leap, names_time: bool) -> Nav:
    """NAV-TIMEGPS. names_time: no other message tells UTC."""
    named = _from_gps(m.week, m.iTOW, m.fTOW, leap) if names_time and m.towValid and m.weekValid else None
    detail = Detail(
        m.iTOW,
        itow_key(m.iTOW, leap),
        named.residual_ns if named else 0,
        certain=leap.certain if named else None,
        time_accuracy=_scaled(m.tAcc, 1e-9),
    )
    return _nav("NAV-TIMEGPS", named, detail)


def nav_posllh(m: Any, leap: Leap | None) -> Nav:
    """NAV-POSLLH: the place; whether there is a fix, other messages tell."""
    placed = _position(m.lat, m.lon, m.hMSL)
    detail = Detail(m.iTOW, itow_key(m.iTOW, leap), placed=placed, position_accuracy=_scaled(m.hAcc, 1e-3))
    return Nav("UBX-NAV-POSLLH", detail=detail)


def nav_dop(m: Any, leap: Leap | None) -> Nav:
    """NAV-DOP."""
    return Nav("UBX-NAV-DOP", detail=Detail(m.iTOW, itow_key(m.iTOW, leap), dop=_dop(m.pDOP, m.hDOP, m.vDOP)))


def nav_status(m: Any, leap: Leap | None) -> Nav:
    """NAV-STATUS: the kind of fix."""
    mode = _mode(m.gpsFix, m.gpsFixOk)
    fixed = m.gpsFix == _TIME_ONLY and mode is not FixMode.NONE
    detail = Detail(m.iTOW, itow_key(m.iTOW, leap), mode=mode, fixed=fixed)
    return _nav("NAV-STATUS", None, detail)


def _nav(name: str, named: _Named | None, detail: Detail, position: Position | None = None, used: int | None = None) -> Nav:
    valid = None if detail.mode is None else detail.mode >= FixMode.TWO_D
    if named is None:
        return Nav(f"UBX-{name}", None, valid, None, position, used, detail=detail)
    return Nav(f"UBX-{name}", named.tod_ns, valid, named.date, position, used, detail=detail)


def _mode(fix: int, good: int) -> FixMode:
    """A fix beyond the limits that the owner set ("gnssFixOk" 0) is none: NMEA says V for it."""
    if fix not in _MODES:
        raise SentenceError(Reject.FIELD, "fixType", fix)
    return _MODES[fix] if good else FixMode.NONE


def _civil(day: Date, hour: int, minute: int, second: int, nano: int) -> _Named:
    leap = (hour, minute, second) == (23, 59, 60)
    if hour > 23 or minute > 59 or (second > 59 and not leap) or abs(nano) > NS:
        raise SentenceError(Reject.FIELD, "time", f"{hour}:{minute}:{second}, nano {nano}")
    if not 1980 <= day.year <= 2979:
        raise SentenceError(Reject.DATE, "year", day.year)
    fraction = _rounded(nano)
    tod = (hour * 3600 + minute * 60 + second) * NS + fraction
    days = 0 if leap and tod >= _DAY else tod // _DAY
    try:
        moved = civil_date(*day) + timedelta(days=days)
    except ValueError:
        raise SentenceError(Reject.DATE, "date", "-".join(map(str, day))) from None
    return _Named(Date(moved.year, moved.month, moved.day), tod - days * _DAY, nano - fraction)


def _from_gps(week: int, itow: int, ftow: int, leap: Leap) -> _Named:
    if week < 0 or abs(ftow) > NS:
        raise SentenceError(Reject.FIELD, "week, fTOW", f"{week}, {ftow}")
    exact = GPS_EPOCH + week * WEEK_NS + itow * 1_000_000 + ftow - leap.seconds * NS
    rounded = _rounded(exact)
    days, tod = divmod(rounded, _DAY)
    day = civil_date(1970, 1, 1) + timedelta(days=days)
    return _Named(Date(day.year, day.month, day.day), tod, exact - rounded)


def _leap(itow: int, named: _Named | None, certain: bool) -> Leap | None:
    """GPS - UTC that lies between the time of week and the UTC of one message; None where that makes no sense."""
    if named is None:
        return None
    difference = (_rounded(itow * 1_000_000) - named.tod_ns) % _DAY
    seconds = round(difference / NS)
    return Leap(seconds, certain) if abs(difference - seconds * NS) <= 2 * _ROUND and seconds < 128 else None


def _rounded(ns: int) -> int:
    return (ns + _ROUND // 2) // _ROUND * _ROUND


def _scaled(value: int, unit: float) -> float | None:
    return None if value == _UNKNOWN else value * unit


def _dop(pdop: float, hdop: float, vdop: float) -> Dop:
    """99.99 and more stands for none."""
    return Dop(*(value if value < 99.99 else math.nan for value in (pdop, hdop, vdop)))


def _position(latitude: float, longitude: float, height_mm: int) -> Position:
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise SentenceError(Reject.FIELD, "position", (latitude, longitude))
    return Position(latitude, longitude, height_mm / 1000)


def _geodetic(x: float, y: float, z: float) -> Position | None:
    """Cartesian WGS 84 (metres) to degrees, by Bowring's formula of 1976; the height above mean sea level stays unknown."""
    p = math.hypot(x, y)
    if math.hypot(p, z) < _LEAST_RADIUS:
        return None
    b = _A * (1 - _F)
    e2, e2_second = _F * (2 - _F), (_A / b) ** 2 - 1
    theta = math.atan2(z * _A, p * b)
    latitude = math.atan2(z + e2_second * b * math.sin(theta) ** 3, p - e2 * _A * math.cos(theta) ** 3)
    return Position(math.degrees(latitude), math.degrees(math.atan2(y, x)), math.nan)

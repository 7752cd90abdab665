"""NMEA sentences as values, by pynmea2. Tolerant of what receivers leave out, not of what cannot be."""

import math
import re
from dataclasses import dataclass
from typing import NamedTuple

import pynmea2

from stratum1.timescale import NS

from ._framer import NmeaFrame, Reject
from ._satellites import Gsv, InView, SatelliteKey, satellite_key
from .events import Dop, FixMode, Position

__all__ = ["DECODED", "Date", "Detail", "Gsa", "Nav", "Sentence", "SentenceError", "decode_sentence"]

DECODED = frozenset(("RMC", "ZDA", "GGA", "GLL", "GNS", "GSA", "GSV", "VTG"))
"""The kinds that are decoded; any other sentence is counted and left alone."""

_TIME = re.compile(r"(\d\d)(\d\d)(\d\d)(?:\.(\d*))?\Z")
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_UNMEASURED_MODES = frozenset("NES")
"""Mode indicators (NMEA 2.3 and later) that claim no fix, dead reckoning or a simulation: no time from satellites stands behind them."""
_QUALITIES = {0: False, 1: True, 2: True, 3: True, 4: True, 5: True, 6: False, 7: True, 8: False, 9: True}
"""GGA quality: none, GPS, differential, PPS, RTK, float RTK, dead reckoning, fixed position (as timing receivers say), simulation, SBAS."""
_MAX_GSV = 32


class SentenceError(ValueError):
    """A sentence with a right checksum that cannot be used. reason: what to count; field: which one is to blame."""

    def __init__(self, reason: Reject, field: str, value: object) -> None:
        super().__init__(f"{reason.value}: {field} = {str(value)[:40]!r}")
        self.reason = reason
        self.field = field


class Date(NamedTuple):
    """A calendar date as sent; a year below 100 is the two digits of RMC."""

    year: int
    month: int
    day: int


@dataclass(frozen=True, slots=True)
class Detail:
    """What a UBX message says beyond a sentence of NMEA.

    itow: the navigation epoch that it belongs to, GPS time of week in ms. key_ns: the time of day of that epoch, where `Nav.tod_ns` says
    none. residual_ns: what the rounding of the named time took off. certain: whether the receiver is sure of the leap seconds in the UTC
    that it names, None where it doesn't say. placed: a position that claims no fix by itself.
    """

    itow: int
    key_ns: int | None = None
    residual_ns: int = 0
    mode: FixMode | None = None
    fixed: bool = False
    certain: bool | None = None
    placed: Position | None = None
    dop: Dop | None = None
    time_accuracy: float | None = None
    position_accuracy: float | None = None


@dataclass(frozen=True, slots=True)
class Nav:
    """RMC, ZDA, GGA, GLL, GNS or VTG; or a UBX message of a navigation epoch.

    address: talker and kind, or "UBX-" and the message. tod_ns: time of day in ns, 86,400 s and above inside a leap second. valid:
    whether a fix is claimed, None where the kind does not say. used: satellites in use. hdop: NaN where unknown.
    """

    address: str
    tod_ns: int | None = None
    valid: bool | None = None
    date: Date | None = None
    position: Position | None = None
    used: int | None = None
    hdop: float = math.nan
    detail: Detail | None = None


@dataclass(frozen=True, slots=True)
class Gsa:
    """Fix mode, the satellites that it stands on, and dilutions of precision."""

    mode: FixMode
    satellites: frozenset[SatelliteKey]
    dop: Dop


Sentence = Nav | Gsa | Gsv


def decode_sentence(frame: NmeaFrame) -> Sentence | None:
    """The value of a sentence, None for a kind that is not ours. Raises SentenceError, naming the field."""
    address = frame.text[1:6]
    if address[2:] not in DECODED or address[0] == "P" or frame.text[6:7] != ",":
        return None
    try:
        message = pynmea2.parse(frame.text, check=True)
    except pynmea2.ParseError as error:
        raise SentenceError(Reject.SENTENCE, address, error) from None
    if isinstance(message, pynmea2.GSV):
        return _gsv(message)
    if isinstance(message, pynmea2.GSA):
        return _gsa(message)
    return _nav(address, message)


def _nav(address: str, message: pynmea2.NMEASentence) -> Nav:
    kind = address[2:]
    if kind == "VTG":
        return Nav(address)
    tod_ns = _time_of_day(message)
    if kind == "ZDA":
        return Nav(address, tod_ns, date=_zda_date(message))
    position = _position(message)
    if kind == "RMC":
        return Nav(address, tod_ns, _status(message, message.mode_indicator), _rmc_date(message), position)
    if kind == "GLL":
        return Nav(address, tod_ns, _status(message, message.faa_mode), None, position)
    if kind == "GNS":
        return Nav(address, tod_ns, _gns_valid(message), None, position, _count(message, "num_sats"), _decimal(message, "hdop"))
    return Nav(address, tod_ns, _gga_valid(message), None, position, _count(message, "num_sats"), _decimal(message, "horizontal_dil"))


def _raw(message: pynmea2.NMEASentence, field: str) -> str:
    """A field as sent ("" where the sentence ends before it): pynmea2 converts some on access and hides what it cannot."""
    index = type(message).name_to_idx[field]
    return str(message.data[index]).strip() if index < len(message.data) else ""


def _time_of_day(message: pynmea2.NMEASentence) -> int | None:
    text = _raw(message, "timestamp")
    if not text:
        return None
    match = _TIME.match(text)
    hour, minute, second = (int(part) for part in match.groups()[:3]) if match else (99, 99, 99)
    leap = (hour, minute, second) == (23, 59, 60)
    if match is None or hour > 23 or minute > 59 or (second > 59 and not leap):
        raise SentenceError(Reject.FIELD, "time", text)
    fraction = int(((match[4] or "") + "000000000")[:9])
    return (hour * _HOUR + minute * _MINUTE + second) * NS + fraction


def _rmc_date(message: pynmea2.NMEASentence) -> Date | None:
    text = _raw(message, "datestamp")
    if not text:
        return None
    if len(text) != 6 or not text.isdigit():
        raise SentenceError(Reject.DATE, "date", text)
    return _checked(Date(int(text[4:]), int(text[2:4]), int(text[:2])))


def _zda_date(message: pynmea2.NMEASentence) -> Date | None:
    texts = [_raw(message, field) for field in ("year", "month", "day")]
    if not all(texts):
        return None
    if not all(text.isdigit() and len(text) <= 4 for text in texts):
        raise SentenceError(Reject.DATE, "date", "-".join(texts))
    date = Date(*(int(text) for text in texts))
    if not 1980 <= date.year <= 2979:
        raise SentenceError(Reject.DATE, "year", date.year)
    return _checked(date)


def _checked(date: Date) -> Date:
    """The date, if its month and day can be. Whether 29 February exists is known only with the century, so it passes here."""
    days = 29 if date.month == 2 else 30 if date.month in {4, 6, 9, 11} else 31
    if not (1 <= date.month <= 12 and 1 <= date.day <= days):
        raise SentenceError(Reject.DATE, "date", "-".join(map(str, date)))
    return date


def _status(message: pynmea2.NMEASentence, mode: str) -> bool | None:
    status = _raw(message, "status")
    if status not in {"A", "D", "V", ""}:
        raise SentenceError(Reject.FIELD, "status", status)
    return None if not status else status != "V" and mode not in _UNMEASURED_MODES


def _gga_valid(message: pynmea2.NMEASentence) -> bool | None:
    quality = _raw(message, "gps_qual")
    if not quality:
        return None
    if not quality.isdigit() or int(quality) not in _QUALITIES:
        raise SentenceError(Reject.FIELD, "quality", quality)
    return _QUALITIES[int(quality)]


def _gns_valid(message: pynmea2.NMEASentence) -> bool | None:
    modes = _raw(message, "mode_indicator")
    return not _UNMEASURED_MODES.issuperset(modes) if modes else None


def _position(message: pynmea2.NMEASentence) -> Position | None:
    if not (_raw(message, "lat") and _raw(message, "lon")):
        return None
    if _raw(message, "lat_dir") not in {"N", "S"} or _raw(message, "lon_dir") not in {"E", "W"}:
        raise SentenceError(Reject.FIELD, "hemisphere", _raw(message, "lat_dir") + _raw(message, "lon_dir"))
    try:
        latitude, longitude = message.latitude, message.longitude
    except ValueError as error:
        raise SentenceError(Reject.FIELD, "position", error) from None
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise SentenceError(Reject.FIELD, "position", (latitude, longitude))
    return Position(latitude, longitude, _decimal(message, "altitude") if "altitude" in type(message).name_to_idx else math.nan)


def _decimal(message: pynmea2.NMEASentence, field: str) -> float:
    return _float(_raw(message, field), field)


def _float(text: str, field: str) -> float:
    try:
        value = float(text) if text else math.nan
    except ValueError:
        raise SentenceError(Reject.FIELD, field, text) from None
    if text and not math.isfinite(value):
        raise SentenceError(Reject.FIELD, field, text)
    return value


def _count(message: pynmea2.NMEASentence, field: str) -> int | None:
    text = _raw(message, field)
    return _whole(text, field, 0, 999) if text else None


def _whole(text: str, field: str, low: int, high: int) -> int:
    """A whole number within limits; decimals, which some receivers send for angles, are cut."""
    value = _float(text or "nan", field)
    if not low <= value <= high:
        raise SentenceError(Reject.FIELD, field, text)
    return int(value)


def _gsa(message: pynmea2.NMEASentence) -> Gsa:
    mode = _whole(_raw(message, "mode_fix_type") or "1", "fix mode", 1, 3)
    system = message.data[17].strip() if len(message.data) > 17 else ""  # NMEA 4.11; SiRF of 2015 has the TDOP ("3.3") here
    numbers = [_whole(text, "satellite", 1, 999) for text in message.data[2:14] if text.strip()]
    keys = frozenset(satellite_key(message.talker, number, system) for number in numbers)
    return Gsa(FixMode(mode), keys, Dop(*(_decimal(message, field) for field in ("pdop", "hdop", "vdop"))))


def _gsv(message: pynmea2.NMEASentence) -> Gsv:
    fields = [field.strip() for field in message.data]
    if len(fields) < 3:
        raise SentenceError(Reject.FIELD, "number of fields", len(fields))
    total = _whole(fields[0], "sentences", 1, _MAX_GSV)
    number = _whole(fields[1], "sentence", 1, total)
    groups = fields[3:]
    signal = groups.pop() if len(groups) % 4 == 1 else ""  # NMEA 4.10: one field after the groups of four
    satellites = (_in_view(message.talker, groups[i : i + 4]) for i in range(0, len(groups), 4))
    return Gsv(message.talker, total, number, signal[:1], tuple(satellite for satellite in satellites if satellite))


def _in_view(talker: str, group: list[str]) -> InView | None:
    number, elevation, azimuth, cn0 = (*group, "", "", "")[:4]
    if not number:
        return None
    return InView(
        satellite_key(talker, _whole(number, "satellite", 1, 999)).constellation,
        int(float(number)),
        _whole(elevation, "elevation", -90, 90) if elevation else None,
        _whole(azimuth, "azimuth", 0, 360) if azimuth else None,
        _whole(cn0, "C/N0", 0, 99) if cn0 else None,
    )

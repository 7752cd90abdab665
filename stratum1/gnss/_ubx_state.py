"""UBX messages about the receiver itself as events: leap seconds, the pulse's sawtooth, survey, antenna, jamming, spoofing, version."""

import math
from collections.abc import Iterator
from typing import Any

from stratum1.timescale import NS, MonoNs, UtcNs

from ._framer import Reject
from ._sentences import SentenceError
from ._ubx_nav import WEEK_MS, Leap, itow_key
from .events import Authenticity, Health, LeapNotice, PulseCorrection, RadioPath, Survey

__all__ = ["authenticity", "current_leap", "leap_notice", "pulse_correction", "radio_paths", "spoofing_of", "survey", "version"]

_DAY = 86_400 * NS
_HOUR_MS = 3_600_000
_NO_SOURCE = frozenset({0, 255})  # srcOfCurrLs, srcOfLsChange: from the firmware, unknown
_LEAP_NEAR = 60 * NS
_MOST_SAWTOOTH = 1_000_000  # ps; the coarsest clock of a time pulse, 16 MHz of generation 4, rounds by 31 ns
_PULSE_NEAR = 10 * NS
_BEIDOU, _BEIDOU_GPS = 2, 14
"""timeRefGnss of BeiDou, whose time runs 14 s behind GPS (BDS-SIS-ICD). Galileo's and QZSS's share their seconds with GPS."""
_GLONASS = 1
_ANTENNA = ("init", "unknown", "ok", "short", "open")
_JAMMING = ("unknown", "ok", "warning", "critical")
_JAMMING_SEEN = ("unknown", "none", "warning", "critical")
_SPOOFING = ("unknown", "none", "indicated", "affirmed")
_AGC_RANGE = 8191
_HW_FIELDS = {"antenna": "aStatus", "jamming": "jammingState", "indicator": "jamInd", "agc": "agcCnt", "noise": "noisePerMS"}
_RF_FIELDS = {**_HW_FIELDS, "antenna": "antStatus"}


def current_leap(m: Any) -> Leap | None:
    """The leap seconds now, by NAV-TIMELS; None where it has no valid ones."""
    return Leap(m.currLs, m.srcOfCurrLs not in _NO_SOURCE) if m.validCurrLs else None


def leap_notice(m: Any, at_ns: MonoNs, now: UtcNs | None) -> LeapNotice | None:
    """NAV-TIMELS. now: the time at its arrival; None as long as the receiver knows nothing of leap seconds to come.

    Only how long it is until the event counts: the date that stands beside it is counted in weeks and days that differ by the system
    that told of it. Leap seconds end at midnight (ITU-R TF.460).
    """
    itow_key(m.iTOW, None)
    leap = current_leap(m)
    seconds = leap.seconds if leap and leap.certain else None
    if now is None or not m.validTimeToLsEvent or m.srcOfLsChange in _NO_SOURCE:
        return None
    if not -1 <= m.lsChange <= 1:
        raise SentenceError(Reject.FIELD, "lsChange", m.lsChange)
    if m.lsChange == 0 or m.timeToLsEvent < 0:
        return LeapNotice(at_ns, now, 0, seconds)
    event = now + m.timeToLsEvent * NS
    at = UtcNs((event + _DAY // 2) // _DAY * _DAY)
    if abs(event - at) > _LEAP_NEAR:
        raise SentenceError(Reject.FIELD, "timeToLsEvent", m.timeToLsEvent)
    return LeapNotice(at_ns, at, m.lsChange, seconds)


def pulse_correction(m: Any, at_ns: MonoNs, now: UtcNs | None, leap: Leap | None) -> PulseCorrection | None:
    """TIM-TP, about the next pulse. now: the time at its arrival; None as long as the second that it names can't be told.

    The pulse is named by its time of week in the time base that it is aligned to. All bases count whole seconds, and those that differ
    from UTC by hours (GLONASS) count whole ones: so the second within the hour, brought to UTC, names the pulse among those near now.
    """
    if not 0 <= m.towMS < WEEK_MS:
        raise SentenceError(Reject.FIELD, "towMS", m.towMS)
    if abs(m.qErr) > _MOST_SAWTOOTH:
        raise SentenceError(Reject.FIELD, "qErr", m.qErr)
    behind = _behind_utc(m, leap)
    if now is None or behind is None:
        return None
    named = round((m.towMS % _HOUR_MS + m.towSubMS) / 1000) - behind
    hour = 3600 * NS
    utc = UtcNs(now + (named * NS - now + hour // 2) % hour - hour // 2)
    if abs(utc - now) > _PULSE_NEAR:
        raise SentenceError(Reject.FIELD, "towMS", m.towMS)
    return PulseCorrection(at_ns, utc, None if m.qErrInvalid else -m.qErr * 1e-12)


def _behind_utc(m: Any, leap: Leap | None) -> int | None:
    """By how many seconds the pulse's time base is ahead of UTC (whole hours aside), None while unknown."""
    if m.timeBase == 1 or m.timeRefGnss == _GLONASS:
        return 0 if m.utc or m.timeBase == 0 else None
    if leap is None:
        return None
    return leap.seconds - (_BEIDOU_GPS if m.timeRefGnss == _BEIDOU else 0)


def survey(name: str, m: Any, at_ns: MonoNs) -> Survey:
    """TIM-SVIN (up to generation 8: variance in mm^2) or NAV-SVIN (standard deviation in 0.1 mm)."""
    accuracy = math.sqrt(m.meanV) / 1000 if name == "TIM-SVIN" else m.meanAcc / 10_000
    return Survey(at_ns, bool(m.active), bool(m.valid), float(m.dur), accuracy, m.obs)


def radio_paths(name: str, m: Any, at_ns: MonoNs) -> Iterator[RadioPath]:
    """MON-RF (generation 9 on) or MON-HW."""
    if name == "MON-HW":
        yield _path(at_ns, 0, {field: getattr(m, name_there) for field, name_there in _HW_FIELDS.items()})
        return
    for suffix in (f"_{index:02d}" for index in range(1, m.nBlocks + 1)):
        block = getattr(m, f"blockId{suffix}")
        yield _path(at_ns, block, {field: getattr(m, f"{name_there}{suffix}") for field, name_there in _RF_FIELDS.items()})


def _path(at_ns: MonoNs, block: int, told: dict[str, int]) -> RadioPath:
    return RadioPath(
        at_ns,
        block,
        antenna=_word(_ANTENNA, told["antenna"]),
        jamming=_word(_JAMMING, told["jamming"]),
        jamming_indicator=told["indicator"],
        agc=min(1.0, told["agc"] / _AGC_RANGE),
        noise=told["noise"],
    )


def authenticity(m: Any, at_ns: MonoNs) -> Authenticity:
    """SEC-SIG (generation 9 on)."""
    jamming = _word(_JAMMING_SEEN, m.jammingState) if m.jamDetEnabled else "unknown"
    return Authenticity(at_ns, _word(_SPOOFING, m.spoofingState) if m.spfDetEnabled else "unknown", jamming)


def spoofing_of(m: Any) -> str:
    """What NAV-STATUS says of spoofing (protocol version 18 on; before, the field is 0: unknown)."""
    return _word(_SPOOFING, m.spoofDetState)


def _word(words: tuple[str, ...], number: int) -> str:
    return words[number] if number < len(words) else "unknown"


def version(m: Any, payload_length: int, at_ns: MonoNs) -> Health:
    """MON-VER: what the receiver is."""
    texts = [_text(m.swVersion), f"hardware {_text(m.hwVersion)}"]
    texts += [_text(getattr(m, f"extension_{index:02d}")) for index in range(1, (payload_length - 40) // 30 + 1)]
    return Health(at_ns, "version", alarm=False, text="u-blox: " + ", ".join(text for text in texts if text))


def _text(raw: bytes) -> str:
    """Up to the first zero byte; what is no printable ASCII is left out."""
    return "".join(chr(byte) for byte in raw.partition(b"\0")[0] if 0x20 <= byte < 0x7F).strip()

"""What the page shows, in words: made once here, put into the page by the server and kept fresh by the page's script.

Everything in a `View` is plain text or a plain number; escaping is the renderer's and the browser's business.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from stratum1.control import (
    GnssStatus,
    LeapStatus,
    OutputStatus,
    PpsStatus,
    ReceiverTold,
    RefclockStatus,
    Status,
    TemperatureStatus,
    alarms,
)
from stratum1.control.foresight_words import holdover_text, law_text
from stratum1.control.receiver_words import receiver_words, sawtooth_words, setup_words
from stratum1.control.words import FIX_WORDS, LEAP_WORDS, STATE_WORDS, count, duration, parts_per, signed_time, time_span
from stratum1.timescale import NS, UtcNs, rfc3339

from ._integrity import integrity_rows, integrity_texts
from ._listeners import listener_rows, plane_rows, reason_rows
from ._nts import nts_rows, nts_shown, nts_texts
from ._selection import selection_rows, selection_text
from ._stability import stability_curves, stability_rows

__all__ = ["View", "make_view"]

_NONE = "–"
_LEAP_SAYS = {"insert": "inserted", "delete": "deleted", "none": "none", "nothing": "does not speak"}
Rows = list[list[str]]


@dataclass(frozen=True, slots=True)
class View:
    """texts: by element; rows: cells by table body; shown: which sections there are; data: numbers for clock, plots and sky."""

    texts: Mapping[str, str]
    rows: Mapping[str, Rows]
    shown: Mapping[str, bool]
    data: Mapping[str, Any]

    def json(self) -> dict[str, Any]:
        """For the page's script."""
        return {"texts": self.texts, "rows": self.rows, "shown": self.shown, "data": self.data}


def make_view(status: Status, rates: Mapping[str, float]) -> View:
    """The page's content. rates: packets a second by listener."""
    return View(
        texts={
            **_head(status),
            **_time(status),
            **_gnss(status.gnss),
            **_pps(status.pps),
            **_refclock(status.refclock),
            "selection": selection_text(status),
            **_server(status, rates),
            **integrity_texts(status),
            **nts_texts(status.nts_ke),
            **_foot(status),
        },
        rows=_rows(status, rates),
        shown=_shown(status),
        data=_data(status),
    )


def _date(instant: UtcNs | None) -> str:
    return _NONE if instant is None else rfc3339(instant, 0)[:10]


def _moment(instant: UtcNs | None) -> str:
    return _NONE if instant is None else rfc3339(instant, 0).replace("T", " ").replace("Z", " UTC")


def _head(status: Status) -> dict[str, str]:
    now = rfc3339(status.time.utc, 0)
    lock = status.lock
    return {
        "hostname": status.hostname,
        "clock": now[11:19],
        "date": now[:10],
        "state": STATE_WORDS[lock.state.value],
        "reason": lock.reason,
        "since": f"since {_moment(lock.since)} ({duration((status.time.utc - lock.since) / NS)})",
        "meaning": _meaning(status),
    }


def _meaning(status: Status) -> str:
    """The state of things for somebody who has never heard of a stratum."""
    bound = time_span(status.time.error_bound, 2)
    if status.time.stratum >= 16 or status.time.leap == 3:
        return (
            "This clock does not know the time yet: it tells its clients not to use it."
            if status.lock.state.value
            in (
                "cold",
                "acquiring",
            )
            else "This clock no longer vouches for its time: it tells its clients not to use it."
        )
    source = {"locked": "set by satellites", "network": "set by other time servers"}.get(
        status.lock.state.value, "running on what it has learned, without a reference"
    )
    return f"The time above is right to within {bound}; {source}."


def _time(status: Status) -> dict[str, str]:
    time, discipline = status.time, status.discipline
    leap = time.next_leap
    return {
        "offset": signed_time(time.offset),
        "sigma": f"± {time_span(time.sigma, 2)}" if time.sigma is not None else "no measurement yet",
        "bound": time_span(time.error_bound),
        "growth": f"grows {time_span(time.bound_rate, 2)} a second unmeasured",
        "in-specification": "within specification" if status.lock.in_specification else "out of specification",
        "frequency": parts_per(time.frequency_ppm),
        "stratum": str(time.stratum),
        "stratum-note": f"reference {time.refid or _NONE}" if time.stratum < 16 else "unsynchronised",
        "leap": LEAP_WORDS[int(time.leap)],
        "root": f"{time_span(time.root_delay)} / {time_span(time.root_dispersion)}",
        "reference-time": _moment(time.reference_time),
        "temperature": _temperature(status.temperature),
        "clock-name": {"kernel": "the host's own clock", "virtual": "a clock of its own (virtual); the host's is left alone"}.get(
            time.clock, time.clock
        ),
        "steps": f"{time.steps} ({time_span(time.accumulated_steps)} in all)",
        "engine": _NONE if discipline is None else f"{discipline.engine}, time constant {duration(discipline.time_constant)}",
        "jitter": time_span(discipline.jitter if discipline else None),
        "wander": parts_per(discipline.wander_ppm if discipline else None).removeprefix("+"),
        "holdover": holdover_text(status.holdover),
        "warmth": law_text(status.crystal.warmth if status.crystal else None, "a degree"),
        "ageing": law_text(status.crystal.ageing if status.crystal else None, "a day"),
        "tai": _NONE if time.tai_offset is None else f"{time.tai_offset} s",
        "next-leap": "none known" if leap is None else f"{'inserted' if leap.sign > 0 else 'deleted'} right before {_moment(leap.at)}",
        "leap-file": _leap_file(status),
        "leap-origin": (status.leaps.list_origin if status.leaps else "") or _NONE,
        "leap-by": ", ".join(status.leaps.decided_by if status.leaps else ()) or _NONE,
    }


def _temperature(temperature: TemperatureStatus | None) -> str:
    if temperature is None:
        return "no sensor is used"
    if temperature.celsius is None:
        return temperature.error or "no sensor found"
    return f"{temperature.celsius:.1f} °C ({temperature.sensor})"


def _leap_file(status: Status) -> str:
    expires = status.time.leap_file_expires
    if expires is None:
        return "no list of leap seconds is loaded"
    days = (expires - status.time.utc) // (86_400 * NS)
    return f"{_date(expires)} (in {days} days)" if days >= 0 else f"{_date(expires)}: expired"


def _leap_witnesses(leaps: LeapStatus | None) -> Rows:
    return [[each.witness, _LEAP_SAYS[each.says], _moment(each.since), each.text] for each in (leaps.witnesses if leaps else ())]


def _gnss(gnss: GnssStatus | None) -> dict[str, str]:
    if gnss is None:
        names = ("satellites", "satellites-note", "fix", "line", "gnss-utc", "position", "dop", "rollovers", "sentences", "rejects")
        return {**dict.fromkeys((*names, "receiver-setup"), _NONE), **receiver_words(None)}
    line = gnss.line
    return {
        **receiver_words(asdict(gnss.receiver)),
        "satellites": f"{gnss.satellites_used} of {gnss.satellites_seen}",
        "satellites-note": FIX_WORDS[int(gnss.mode)],
        "fix": FIX_WORDS[int(gnss.mode)],
        "line": f"{line.device}, {line.baud or 'unknown'} baud" if line.open else f"{line.device}: {line.error or 'closed'}",
        "receiver-setup": setup_words(asdict(gnss.setup) if gnss.setup else None),
        "gnss-utc": _moment(gnss.utc) + ("" if gnss.utc is None or gnss.trusted else " (not yet trusted)"),
        "position": _position(gnss),
        "dop": _dop(gnss),
        "rollovers": "none needed" if not gnss.rollovers else f"dates moved by {gnss.rollovers} × 1024 weeks",
        "sentences": _counts(gnss.sentences),
        "rejects": _counts({reason: n for reason, n in gnss.rejects.items() if n}) or "none",
    }


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count(number)}" for name, number in counts.items())


def _position(gnss: GnssStatus) -> str:
    place = gnss.position
    if place is None or not math.isfinite(place.latitude + place.longitude):
        return _NONE
    north, east = "N" if place.latitude >= 0 else "S", "E" if place.longitude >= 0 else "W"
    return f"{abs(place.latitude):g}° {north}, {abs(place.longitude):g}° {east}"


def _dop(gnss: GnssStatus) -> str:
    dop = gnss.dop
    if dop is None:
        return _NONE
    values = (("position", dop.pdop), ("horizontal", dop.hdop), ("vertical", dop.vdop))
    return ", ".join(f"{name} {value:g}" for name, value in values if math.isfinite(value)) or _NONE


def _pps(pps: PpsStatus | None) -> dict[str, str]:
    if pps is None:
        return dict.fromkeys(("pulses", "pulses-note", "pps-line", "pps-jitter", "last-edge"), _NONE)
    return {
        "pulses": count(pps.pulses),
        "pulses-note": f"{count(pps.missed)} missed",
        "pps-line": f"{pps.device}: {pps.error or pps.state}",
        "pps-jitter": time_span(pps.jitter),
        "last-edge": _NONE if pps.last_edge is None else rfc3339(pps.last_edge).replace("T", " ").replace("Z", " UTC"),
    }


def _refclock(refclock: RefclockStatus | None) -> dict[str, str]:
    if refclock is None:
        return dict.fromkeys(("refclock", "label", "pulse-width", "rejected", "sawtooth"), _NONE)
    return {
        "refclock": "usable" if refclock.usable else refclock.reason,
        "label": refclock.label or _NONE,
        "pulse-width": time_span(refclock.pulse_width),
        "rejected": _counts({reason: n for reason, n in refclock.rejected.items() if n}) or "none",
        "sawtooth": sawtooth_words(asdict(refclock.sawtooth)),
    }


def _server(status: Status, rates: Mapping[str, float]) -> dict[str, str]:
    total = sum(rates.values())
    return {
        "answered": count(status.server.answered),
        "answered-note": f"{total:.1f} requests a second" if rates else f"of {count(status.server.received)} received",
    }


def _foot(status: Status) -> dict[str, str]:
    return {"version": status.version, "uptime": duration(status.uptime), "started": _moment(status.started)}


def _rows(status: Status, rates: Mapping[str, float]) -> dict[str, Rows]:
    delays = status.refclock.delays if status.refclock else ()
    return {
        "alarms": [[text] for text in alarms(status)],
        "delays": [[each.sentence, time_span(each.delay), time_span(each.spread, 2), count(each.samples)] for each in delays],
        "listeners": listener_rows(status.server, rates),
        "planes": plane_rows(status.server),
        "reasons": reason_rows(status.server),
        "sky": _sky(status.gnss),
        "leap-witnesses": _leap_witnesses(status.leaps),
        "stability": stability_rows(status),
        "evidence": integrity_rows(status),
        "nts-outcomes": nts_rows(status.nts_ke),
        "selection": selection_rows(status),
        "sources": [[each.mode, each.address, each.state] for each in status.sources],
        "outputs": [_output(each) for each in status.outputs],
        "events": [[_moment(each.at), each.kind, each.text] for each in reversed(status.events)],
    }


def _output(each: OutputStatus) -> list[str]:
    return [
        each.mode,
        each.target,
        f"{each.state}: {each.text}",
        count(each.sent),
        _moment(each.last_sent),
        signed_time(each.offset) if each.offset is not None else _NONE,
        _NONE if each.clock_class is None else str(each.clock_class),
    ]


def _sky(gnss: GnssStatus | None) -> Rows:
    def cell(value: int | None, unit: str) -> str:
        return _NONE if value is None else f"{value}{unit}"

    return [
        [
            f"{each.constellation}{each.number:02d}",
            "used" if each.used else "seen",
            cell(each.elevation, "°"),
            cell(each.azimuth, "°"),
            cell(each.cn0, " dB-Hz"),
        ]
        for each in (gnss.satellites if gnss else ())
    ]


def _shown(status: Status) -> dict[str, bool]:
    return {
        "simulated": status.simulated,
        "alarms": bool(alarms(status)),
        "receiver": status.gnss is not None,
        "told": status.gnss is not None and status.gnss.receiver != ReceiverTold(),
        "sawtooth": status.refclock is not None and status.refclock.sawtooth.last is not None,
        "no-receiver": status.gnss is None,
        "pulse": status.pps is not None or status.refclock is not None,
        "delays": bool(status.refclock and status.refclock.delays),
        **nts_shown(status.nts_ke),
        "integrity": bool(status.integrity),
        "evidence": any(each.evidence for each in status.integrity),
        "stability": any(each.pulses for each in status.stability),
        "selection": bool(status.selection and status.selection.sources),
        "sources": bool(status.sources),
        "outputs": bool(status.outputs),
        "listeners": bool(status.server.listeners),
        "refused": bool(reason_rows(status.server)),
        "no-listeners": not status.server.listeners,
    }


def _data(status: Status) -> dict[str, Any]:
    satellites = status.gnss.satellites if status.gnss else ()
    return {
        "utc_ms": status.time.utc / 1e6,
        "state": status.lock.state.value,
        "offset": _finite(status.time.offset),
        "frequency_ppm": _finite(status.time.frequency_ppm),
        "stability": stability_curves(status),
        "satellites": [[each.constellation, each.number, each.azimuth, each.elevation, each.cn0, each.used] for each in satellites],
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None

"""UBX frames in order: what each tells, with what has to be remembered from one to the next."""

from dataclasses import dataclass, field
from typing import Any

from stratum1.timescale import NS, MonoNs, UtcNs

from ._framer import UbxFrame
from ._sentences import Nav
from ._ubx_messages import UbxMessage, load_library
from ._ubx_nav import Leap, nav_dop, nav_posllh, nav_pvt, nav_sol, nav_status, nav_timegps, nav_timeutc
from ._ubx_sky import nav_sat, nav_svinfo
from ._ubx_state import (
    authenticity,
    current_leap,
    leap_notice,
    pulse_correction,
    radio_paths,
    spoofing_of,
    survey,
    version,
)
from .events import Authenticity, Event, Health, RadioPath, Satellite

__all__ = ["Told", "UbxReader"]

_LASTING = 60 * NS
"""How long a message that comes regularly counts as the better source after it was last heard."""
_BAD_ANTENNA = {
    "short": "the antenna's line is short-circuited: check the antenna, its plug and its cable",
    "open": "no antenna is connected, or its line is broken: check the plug and the cable (a passive antenna looks like that too)",
}
_BAD_SPOOFING = frozenset({"indicated", "affirmed"})


@dataclass(slots=True)
class Told:
    """What one message tells: of its navigation epoch, the satellites in view, events."""

    nav: Nav | None = None
    satellites: tuple[Satellite, ...] | None = None
    events: list[Event] = field(default_factory=list)


class UbxReader:
    """Reads the messages of one receiver, in order."""

    def __init__(self) -> None:
        load_library()
        self._leap: Leap | None = None
        self._utc_at: MonoNs | None = None
        self._signal_at: MonoNs | None = None
        self._doubts: dict[str, MonoNs] = {}
        """When each kind of message that speaks of the leap seconds last said that they are not certain."""
        self._said: dict[str, tuple[bool, str]] = {}
        self.holds_position = False
        """Whether a survey is done and the receiver keeps to its result."""

    @property
    def leap_seconds(self) -> int | None:
        """GPS - UTC, as far as the receiver is certain of it."""
        return self._leap.seconds if self._leap and self._leap.certain else None

    def certain(self, at_ns: MonoNs) -> bool:
        """Whether no message said lately that the receiver is not certain of the leap seconds in its UTC. The gravest word counts."""
        return not any(self._lasting(said, at_ns) for said in self._doubts.values())

    def read(self, message: UbxMessage, frame: UbxFrame, now: UtcNs | None) -> Told:
        """One message; now: the time at its arrival, None while unknown. Raises SentenceError for a field that can't be."""
        name, m, at_ns = message.name, message.fields, frame.at_ns
        if name in ("NAV-SAT", "NAV-SVINFO"):
            return Told(satellites=nav_sat(m) if name == "NAV-SAT" else nav_svinfo(m))
        if name == "NAV-STATUS":
            return Told(nav_status(m, self._leap), events=self._spoofing(m, at_ns))
        if name.startswith("NAV-") and name not in ("NAV-TIMELS", "NAV-SVIN"):
            nav = self._nav(name, m, at_ns)
            return Told(nav, events=self._doubt(name, nav.detail.certain if nav.detail else None, at_ns))
        return Told(events=self._events(name, m, frame, now))

    def _nav(self, name: str, m: Any, at_ns: MonoNs) -> Nav:
        if name in ("NAV-PVT", "NAV-TIMEUTC"):
            nav, leap = nav_pvt(m, self._leap) if name == "NAV-PVT" else nav_timeutc(m, self._leap)
            self._leap = leap or self._leap
            self._utc_at = at_ns if nav.tod_ns is not None else self._utc_at
            return nav
        if name == "NAV-TIMEGPS":
            self._leap = Leap(m.leapS, bool(m.leapSValid))
            return nav_timegps(m, self._leap, not self._lasting(self._utc_at, at_ns))
        if name == "NAV-SOL":
            return nav_sol(m, self._leap, not self._lasting(self._utc_at, at_ns))
        return nav_posllh(m, self._leap) if name == "NAV-POSLLH" else nav_dop(m, self._leap)

    def _events(self, name: str, m: Any, frame: UbxFrame, now: UtcNs | None) -> list[Event]:
        at_ns = frame.at_ns
        if name == "NAV-TIMELS":
            notice, leap = leap_notice(m, at_ns, now), current_leap(m)
            self._leap = leap or self._leap
            return ([notice] if notice else []) + self._doubt(name, leap is not None and leap.certain, at_ns)
        if name == "TIM-TP":
            correction = pulse_correction(m, at_ns, now, self._leap)
            return [correction] if correction else []
        if name in ("MON-RF", "MON-HW"):
            return self._radio(list(radio_paths(name, m, at_ns)))
        if name == "SEC-SIG":
            self._signal_at = at_ns
            return self._judged(authenticity(m, at_ns))
        if name == "MON-VER":
            return [version(m, len(frame.payload), at_ns)]
        found = survey(name, m, at_ns)
        self.holds_position = found.valid and not found.active
        return [found]

    def _doubt(self, name: str, certain: bool | None, at_ns: MonoNs) -> list[Event]:
        if certain:
            self._doubts.pop(name, None)
        elif certain is not None:
            self._doubts[name] = at_ns
        doubted = not self.certain(at_ns)
        text = (
            "The receiver is not certain of the leap seconds yet, so its time is not believed: after a cold start it hears of them within "
            "12.5 minutes; if it stays so, check what it hears."
            if doubted
            else "The receiver is certain of the leap seconds."
        )
        return self._change(at_ns, "leap-seconds", doubted, text)

    def _spoofing(self, m: Any, at_ns: MonoNs) -> list[Event]:
        """SEC-SIG says more than NAV-STATUS: where both come, the latter does not contradict it."""
        if self._lasting(self._signal_at, at_ns):
            return []
        return self._judged(Authenticity(at_ns, spoofing_of(m), "unknown"))

    def _judged(self, found: Authenticity) -> list[Event]:
        bad = found.spoofing in _BAD_SPOOFING
        words = "is sure" if found.spoofing == "affirmed" else "suspects"
        text = f"The receiver {words} that false satellite signals are sent (spoofing)." if bad else "The receiver sees no false signals."
        return [found, *self._change(found.at_ns, "spoofing", bad, text)]

    def _radio(self, paths: list[RadioPath]) -> list[Event]:
        if not paths:
            return []
        at_ns = paths[0].at_ns
        broken = next((path.antenna for path in paths if path.antenna in _BAD_ANTENNA), "")
        jammed = any(path.jamming == "critical" for path in paths)
        antenna = f"The receiver says: {_BAD_ANTENNA[broken]}." if broken else "The receiver finds nothing wrong with the antenna."
        radio = "Radio interference keeps the receiver from a fix (jamming)." if jammed else "The receiver sees no critical interference."
        changes = self._change(at_ns, "antenna", bool(broken), antenna) + self._change(at_ns, "jamming", jammed, radio)
        return [*paths, *changes]

    def _change(self, at_ns: MonoNs, kind: str, alarm: bool, text: str) -> list[Event]:
        """A word about something that is wrong now, or that was and isn't any more."""
        before = self._said.get(kind, (False, text))
        if before == (alarm, text):
            return []
        self._said[kind] = (alarm, text)
        return [Health(at_ns, kind, alarm, text)]

    @staticmethod
    def _lasting(heard: MonoNs | None, at_ns: MonoNs) -> bool:
        return heard is not None and at_ns - heard <= _LASTING

"""Attacks on a GNSS receiver, as data: what each does to the pulse, to the sentences and to what the receiver shows, second by second."""

import random
from dataclasses import dataclass, field
from math import isnan, nan

from stratum1.gnss.events import Authenticity, RadioPath, Satellite, Sky
from stratum1.timescale import MonoNs

__all__ = ["ATTACKS", "Attack", "parse_attack"]

_WEEK = 604_800
_METRES_PER_DEGREE = 111_195.0


@dataclass(frozen=True, slots=True)
class Attack:
    """What is done from second `start` until before `end` (None: for ever). text: for people.

    delay: seconds by which pulses come late at once; drag: seconds more each second. shift: whole seconds added to what sentences name.
    jammed: seconds at the beginning in which nothing is received; all else begins after it. move: metres by which the position is off.
    flat: all signals are equally strong, and by 8 dB stronger. spoofing: what the receiver itself says of it.
    """

    name: str
    text: str
    start: int = 3600
    end: int | None = None
    delay: float = 0.0
    drag: float = 0.0
    shift: int = 0
    jammed: int = 0
    move: float = 0.0
    flat: bool = False
    spoofing: str = "none"

    def stamp_error(self, k: int) -> float:
        """What is added to the stamp of pulse k, seconds; nan: it does not come."""
        if not self._on(k):
            return 0.0
        since = k - self.start - self.jammed
        return nan if since < 0 else self.delay + self.drag * since

    def spoofed(self, k: int) -> bool:
        """Whether the receiver follows the attacker in second k."""
        return self._on(k) and not isnan(self.stamp_error(k))

    def jams(self, k: int) -> bool:
        """Whether the receiver hears nothing in second k."""
        return self._on(k) and isnan(self.stamp_error(k))

    def degrees(self, k: int) -> float:
        """By how much the latitude is off in second k."""
        return self.move / _METRES_PER_DEGREE if self.spoofed(k) else 0.0

    def _on(self, k: int) -> bool:
        return k >= self.start and (self.end is None or k < self.end)


ATTACKS = {
    each.name: each
    for each in (
        Attack("none", "nothing happens", start=1 << 62),
        Attack("drag", "the pulses are dragged away", drag=100e-9),
        Attack("delay", "meaconing: all signals are received, delayed and sent again", delay=100e-6),
        Attack("time-jump", "the sentences name another second", shift=3),
        Attack("replayed-week", "a recording of a week ago is played", shift=-_WEEK, delay=4.7e-6),
        Attack("jam-then-spoof", "a minute of jamming, then signals all alike, 20 us late", jammed=60, delay=20e-6, flat=True),
        Attack("moved", "the position is off by 1 km, the pulses stay", move=1000.0),
        Attack("affirmed", "the receiver itself affirms spoofing", spoofing="affirmed"),
        Attack("flat", "all signals are suddenly equally strong, nothing else", flat=True),
        Attack("jamming", "five minutes of jamming, then all is as before", jammed=300),
    )
}
"""By name. `flat` and `jamming` alone are no reason to refuse."""

_ARGUMENTS = {"drag": "drag", "delay": "delay", "time-jump": "shift", "moved": "move", "jam-then-spoof": "delay", "jamming": "jammed"}


def parse_attack(text: str, start: int) -> Attack:
    """An attack by its name, with another size after a colon ("drag:1e-6", "time-jump:-5"). Raises ValueError that says what is allowed."""
    name, _, size = text.partition(":")
    if name not in ATTACKS:
        raise ValueError(f"{name[:40]!r}: known attacks are {', '.join(ATTACKS)}")
    changed: dict[str, float] = {}
    if size:
        if name not in _ARGUMENTS:
            raise ValueError(f"{name}: takes no size; these do: {', '.join(_ARGUMENTS)}")
        field_name = _ARGUMENTS[name]
        try:
            value = float(size)
        except ValueError:
            value = nan
        limit = 1e9 if field_name in ("shift", "jammed", "move") else 0.4
        if not abs(value) <= limit or (field_name == "jammed" and value < 0):
            raise ValueError(f"{name}:{size[:40]}: the size must be a number within {limit:g}")
        changed[field_name] = round(value) if field_name in ("shift", "jammed") else value
    base = ATTACKS[name]
    values = {each: getattr(base, each) for each in ("end", "delay", "drag", "shift", "jammed", "move", "flat", "spoofing")}
    return Attack(base.name, base.text, base.start if name == "none" else start, **(values | changed))


@dataclass(slots=True)
class Scene:
    """What the receiver shows of the sky: nine satellites that hardly move, stronger where they stand high."""

    attack: Attack
    draw: random.Random
    _bias: dict[int, float] = field(default_factory=dict)

    def shown(self, at_ns: MonoNs, k: int) -> tuple[Sky | RadioPath | Authenticity, ...]:
        """Signal strengths, front end and the receiver's own word in second k."""
        jammed, spoofed = self.attack.jams(k), self.attack.spoofed(k)
        satellites = tuple(self._satellite(number, jammed, spoofed and self.attack.flat) for number in range(9))
        path = RadioPath(at_ns, 0, "ok", "critical" if jammed else "ok", 180 if jammed else 12, 0.15 if jammed else 0.6, 90)
        word = self.attack.spoofing if spoofed else "none"
        return Sky(at_ns, satellites), path, Authenticity(at_ns, word, "critical" if jammed else "none")

    def _satellite(self, number: int, jammed: bool, flat: bool) -> Satellite:
        elevation = 15 + 8 * number
        bias = self._bias.setdefault(number, self.draw.gauss(0.0, 2.0))
        natural = 33.0 + elevation / 6 + bias + self.draw.gauss(0.0, 0.7)
        strength = 12.0 if jammed else 50.0 + self.draw.gauss(0.0, 0.4) if flat else natural
        letter = "GE"[number % 2]
        return Satellite(letter, number + 1, 40 * number, elevation, round(strength), not jammed)

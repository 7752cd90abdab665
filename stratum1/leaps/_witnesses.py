"""The witnesses that can change their mind: receivers and other servers. Each is believed only when it has said the same for a while."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from stratum1.gnss.events import LeapNotice
from stratum1.interchange import Leap, Sample
from stratum1.timescale import NS, MonoNs, UtcNs

__all__ = ["STEADY", "Claim", "Receivers", "Sources", "Votes"]

STEADY = 1500 * NS
"""Two whole turns of the GPS almanac, which brings the leap seconds (12.5 minutes each, IS-GPS-200, 20.3.3.5): what a receiver says
before is what it was built with, or nonsense."""
_NOTICES = 3
_NEVER = MonoNs(0)
_REPEATED = 2  # samples of a source that say the same
_FRESH = 4 * 3600 * NS  # a source that has not been heard for longer does not vote
_MOST_SOURCES, _MOST_RECEIVERS = 64, 8
_SIGNS = {Leap.INSERT: 1, Leap.DELETE: -1, Leap.NONE: 0}
_MOST_LEAP_SECONDS = 255  # what UBX and the GPS message can express (signed or unsigned octet)


class Claim(NamedTuple):
    """A leap second, or none: sign 0, and then `at` is None."""

    at: UtcNs | None
    sign: int


@dataclass(slots=True)
class _Steady:
    """A value and how long it has been said without a change."""

    value: object = None
    since: MonoNs = _NEVER
    last: MonoNs = _NEVER
    count: int = 0

    def say(self, value: object, at_ns: MonoNs) -> None:
        if value != self.value or not self.count:
            self.value, self.since, self.count = value, at_ns, 0
        self.count += 1
        self.last = max(self.last, at_ns)

    @property
    def steady(self) -> bool:
        return self.count >= _NOTICES and self.last - self.since >= STEADY


class Receivers:
    """All receivers of this server. What is not steady yet is kept apart: it is shown, and never counts."""

    def __init__(self) -> None:
        self._claims: dict[int, _Steady] = {}
        self._offsets: dict[int, _Steady] = {}

    def notice(self, notice: LeapNotice, receiver: int) -> None:
        """One notice. A receiver has to be believed about the date before its word counts: that is the caller's business."""
        if receiver < _MOST_RECEIVERS and notice.sign in (-1, 0, 1):
            claim = Claim(notice.at if notice.sign else None, notice.sign)
            self._claims.setdefault(receiver, _Steady()).say(claim, notice.at_ns)
        self.offset(notice.leap_seconds, notice.at_ns, receiver)

    def offset(self, leap_seconds: int | None, at_ns: MonoNs, receiver: int) -> None:
        """GPS - UTC as a receiver has it now, None where it does not tell."""
        if leap_seconds is not None and abs(leap_seconds) <= _MOST_LEAP_SECONDS and receiver < _MOST_RECEIVERS:
            self._offsets.setdefault(receiver, _Steady()).say(leap_seconds, at_ns)

    def forget(self, receiver: int) -> None:
        """Its line was lost: another receiver may hang there when it comes back. What it has told steadily stands until it speaks again."""
        for said in (self._claims, self._offsets):
            if receiver in said and not said[receiver].steady:
                del said[receiver]

    def claim(self) -> Claim | None:
        """What the receivers say steadily; None while they are silent, or contradict each other."""
        claims = {each.value for each in self._claims.values() if each.steady}
        only = claims.pop() if len(claims) == 1 else None
        return only if isinstance(only, Claim) else None

    @property
    def divided(self) -> bool:
        """Whether they contradict each other."""
        return len({each.value for each in self._claims.values() if each.steady}) > 1

    def latest(self) -> tuple[Claim, MonoNs, bool] | None:
        """The newest claim, since when, and whether it is steady; for people."""
        newest = max(self._claims.values(), key=lambda each: each.last, default=None)
        if newest is None or not isinstance(newest.value, Claim):
            return None
        return newest.value, newest.since, newest.steady

    def gps_utc(self) -> int | None:
        """GPS - UTC, seconds, as all receivers that tell it have told it steadily; else None."""
        values = {each.value for each in self._offsets.values() if each.steady}
        only = values.pop() if len(values) == 1 else None
        return only if isinstance(only, int) else None


class Votes(NamedTuple):
    """The synchronised sources that have a say now, by name: what they say (+1, -1, 0)."""

    by_source: Mapping[str, int]

    def majority(self) -> int:
        """The sign that more than half of them say, and at least two; 0 for none."""
        for sign in (1, -1):
            said = sum(each == sign for each in self.by_source.values())
            if said >= 2 and 2 * said > len(self.by_source):
                return sign
        return 0

    def deny(self, sign: int) -> bool:
        """Whether at least two have a say and at most half of them say so."""
        return len(self.by_source) >= 2 and self.majority() != sign

    def names(self, sign: int) -> tuple[str, ...]:
        """Who says so."""
        return tuple(sorted(name for name, each in self.by_source.items() if each == sign))


@dataclass(slots=True)
class _Bits:
    sign: int
    since: MonoNs
    last: MonoNs
    count: int


class Sources:
    """Other servers by name. Their bits speak of the end of the present month and count in its last day only (RFC 5905, section 7.3)."""

    def __init__(self) -> None:
        self._bits: dict[str, _Bits] = {}
        self._agreeing: frozenset[str] = frozenset()

    def agree(self, names: Iterable[str]) -> None:
        """The sources whose time is believed."""
        self._agreeing = frozenset(names)

    def sample(self, sample: Sample) -> None:
        """The bits of a sample."""
        sign = _SIGNS.get(sample.leap)
        if sign is None or not 0 < sample.stratum < 16:
            self._bits.pop(sample.source, None)
            return
        known = self._bits.get(sample.source)
        if known is None or known.sign != sign:
            if known is None and len(self._bits) >= _MOST_SOURCES:
                del self._bits[min(self._bits, key=lambda name: self._bits[name].last)]
            known = self._bits[sample.source] = _Bits(sign, sample.at_ns, sample.at_ns, 0)
        known.count += 1
        known.last = max(known.last, sample.at_ns)

    def votes(self, at_ns: MonoNs, day_began: int) -> Votes:
        """Who says what today. at_ns: now; day_began: raw time at which this day began."""
        earliest = max(day_began, at_ns - _FRESH)
        heard = {name: each for name, each in self._bits.items() if each.last >= earliest and each.count >= _REPEATED}
        return Votes({name: each.sign for name, each in heard.items() if name in self._agreeing})

    def since(self, sign: int) -> MonoNs | None:
        """When the first of them began to say so."""
        return min((each.since for each in self._bits.values() if each.sign == sign), default=None)

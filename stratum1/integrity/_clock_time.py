"""Whether the receiver's time goes on as time does.

Once the pulses have been watched for the learning time, each fix must name the time that the raw clock gives by the fixes before, to
within 0.9 s: serial lines are late by less. A shift by whole seconds that five fixes in a row agree on is a jump: somebody replays
another time. A leap second moves the time by one at the end of a month (ITU-R TF.460-6); in the first minutes after a cold start
receivers still learn how many there were, which is why nothing counts until the learning time is over.
"""

from datetime import date

from stratum1.gnss.events import Fix, LeapNotice
from stratum1.timescale import NS, MonoNs, UtcNs

from ._radio import Hint

__all__ = ["TimeWatch"]

_TOLERANCE, _NEAR = 0.9, 0.35  # s
_CRYSTAL = 100e-6  # s/s that the raw clock may be off
_LASTING = 5  # fixes
_FOLLOW = 0.05
_MONTH_END = 900 * NS
_DAY = 86_400 * NS
_BACK = 10 * NS
_SHOWN = 3600 * NS
_EPOCH, _LAST_DAY = date(1970, 1, 1).toordinal(), date.max.toordinal()


class TimeWatch:
    """Fed with every fix."""

    def __init__(self, earliest: UtcNs | None) -> None:
        self._earliest = earliest
        self.forget()

    def forget(self) -> None:
        """Take the receiver's time as it is from now on."""
        self._anchor: tuple[MonoNs, int] | None = None  # raw instant, UTC less raw
        self._shift = 0
        self._fixes = 0
        self._leaps: int | None = None
        self._rollovers: int | None = None
        self._changed: dict[str, tuple[MonoNs, str]] = {}
        self._early = 0.0
        self._jumped = False

    def overrule(self) -> None:
        """The owner's word: even a time before the last known one is right."""
        self._earliest = None
        self.forget()

    def fix(self, fix: Fix, learned: bool) -> None:
        """Take a fix; only those with a confirmed date say something."""
        if fix.time is None or not fix.trusted:
            return
        self._early = max(0.0, (self._earliest - fix.time - _BACK) / NS) if self._earliest is not None else 0.0
        self._continue(fix.at_ns, fix.time, learned)
        if fix.leap_seconds is not None:
            self._count_leaps(fix.at_ns, fix.leap_seconds, learned and not _month_end(fix.time))
        if self._rollovers is not None and fix.rollovers != self._rollovers and learned:
            text = f"the receiver's week number changed by {(self._rollovers - fix.rollovers) * 1024:+d} weeks while it ran"
            self._changed["week"] = (fix.at_ns, text)
        self._rollovers = fix.rollovers

    def notice(self, notice: LeapNotice, learned: bool) -> None:
        """What the receiver says of leap seconds."""
        if notice.leap_seconds is not None and self._anchor is not None:
            utc = UtcNs(notice.at_ns + self._anchor[1])
            self._count_leaps(notice.at_ns, notice.leap_seconds, learned and not _month_end(utc))

    def hints(self, at_ns: MonoNs) -> list[Hint]:
        """What speaks against the receiver's time."""
        found = []
        if self._early:
            text = f"the receiver's time is {_span(self._early)} before the last known time"
            found.append(Hint("before the last known time", 1.0, self._early, text))
        if self._jumped:
            word = "forward" if self._shift > 0 else "back"
            text = f"the receiver's time has jumped {word} by {_span(abs(self._shift))}"
            found.append(Hint("time jump", 1.0, float(self._shift), text))
        for name, (since, text) in self._changed.items():
            if at_ns - since <= _SHOWN:
                found.append(Hint(name, 0.5, 1.0, text))
        return found

    def _continue(self, at_ns: MonoNs, time: UtcNs, learned: bool) -> None:
        offset = time - at_ns
        if self._anchor is None or not learned:
            self._accept(at_ns, offset)
            return
        since, before = self._anchor
        shift = (offset - before) / NS
        if abs(shift) <= _TOLERANCE + _CRYSTAL * (at_ns - since) / NS:
            self._accept(at_ns, before + round((offset - before) * _FOLLOW))
        elif abs(round(shift)) == 1 and _month_end(time):
            self._accept(at_ns, offset)  # a leap second
        else:
            self._count(shift)

    def _accept(self, at_ns: MonoNs, offset: int) -> None:
        self._anchor = (at_ns, offset)
        self._fixes = 0
        self._jumped = False

    def _count(self, shift: float) -> None:
        whole = round(shift)
        same = whole == self._shift and abs(shift - whole) <= _NEAR
        self._fixes = self._fixes + 1 if same else 1
        self._shift = whole
        self._jumped = self._jumped or self._fixes >= _LASTING

    def _count_leaps(self, at_ns: MonoNs, count: int, suspicious: bool) -> None:
        if self._leaps is not None and count != self._leaps and suspicious:
            text = f"the receiver's count of leap seconds changed from {self._leaps} to {count} in the middle of a month"
            self._changed["leap count"] = (at_ns, text)
        self._leaps = count


def _month_end(utc: UtcNs) -> bool:
    day = (utc + _DAY // 2) // _DAY
    return abs(utc - day * _DAY) <= _MONTH_END and 1 <= _EPOCH + day <= _LAST_DAY and date.fromordinal(_EPOCH + day).day == 1


def _span(seconds: float) -> str:
    for size, unit in ((604_800, "weeks"), (86_400, "days"), (3600, "hours")):
        if seconds >= 2 * size or seconds == size:
            return f"{seconds / size:.6g} {unit} ({seconds:.0f} s)"
    return f"{seconds:.0f} s"

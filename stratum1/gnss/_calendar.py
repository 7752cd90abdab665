"""Which day it is: dates of sentences with one, days for the others, repair of rolled-over dates, and when to believe them."""

from dataclasses import dataclass
from datetime import date as civil_date
from typing import NamedTuple

from stratum1.timescale import NS, MonoNs, UtcNs, repair_rollover

from ._framer import Reject
from ._sentences import Date, SentenceError

__all__ = ["CONFIRMATIONS", "Calendar", "Dated", "Trust"]

_DAY_NS = 86_400 * NS
_EPOCH = civil_date(1970, 1, 1).toordinal()
_OLDEST_YEAR = 1980
_OLDEST_BEFORE_FLOOR = 60
CONFIRMATIONS = 3
"""Consecutive fixes whose times agree before a date is believed."""
_TOLERANCE_NS = NS // 2
_LEAP_NS = 2 * NS


class Dated(NamedTuple):
    """An instant of UTC, the rollovers that were added to reach it, and whether it lies before the floor (repair is off)."""

    utc: UtcNs
    rollovers: int
    stale: bool


class Calendar:
    """Gives times of day their day.

    floor: no true date lies before it; None leaves dates as sent. repair: whether an earlier date is moved forward by whole
    rollovers of 1024 weeks, or only called stale.

    A two-digit year means the one in the hundred years that start with 1980, when GPS time began: 80 to 99 are 19xx, 00 to 79 are
    20xx. With a floor after 2040 they start 60 years before its year: that covers receivers up to three rollovers behind.
    """

    def __init__(self, floor: UtcNs | None, repair: bool) -> None:
        self._floor = floor
        self._repair = repair
        floor_year = civil_date.fromordinal(_EPOCH + floor // _DAY_NS).year if floor is not None else _OLDEST_YEAR
        self._first_year = max(_OLDEST_YEAR, floor_year - _OLDEST_BEFORE_FLOOR)
        self._last: tuple[Dated, MonoNs] | None = None

    def reset(self) -> None:
        """Forget the day."""
        self._last = None

    def date(self, day: Date, tod_ns: int, at_ns: MonoNs) -> Dated:
        """The instant of a sentence that carries its date, remembered for those that do not. Raises SentenceError (29 February)."""
        dated = self._placed(UtcNs(self._midnight(day) + tod_ns))
        self._last = (dated, at_ns)
        return dated

    def estimate(self, at_ns: MonoNs) -> UtcNs | None:
        """The time at `at_ns`, to what sentences come late: the last known time plus what has passed since. None while no date is known."""
        return None if self._last is None else UtcNs(self._last[0].utc + at_ns - self._last[1])

    def place(self, tod_ns: int, at_ns: MonoNs) -> Dated | None:
        """The instant of a time of day without a date: the one nearest to the last known time plus what has passed since.

        That is right on both sides of midnight, for up to 12 hours of disagreement. None while no date is known.
        """
        if self._last is None:
            return None
        last, last_at = self._last
        expected = last.utc + at_ns - last_at
        days = (expected - tod_ns + _DAY_NS // 2) // _DAY_NS
        dated = Dated(UtcNs(days * _DAY_NS + tod_ns), last.rollovers, last.stale)
        self._last = (dated, at_ns)
        return dated

    def _midnight(self, day: Date) -> int:
        year = day.year
        if year < 100:
            year += self._first_year // 100 * 100
            year += 100 if year < self._first_year else 0
        try:
            return (civil_date(year, day.month, day.day).toordinal() - _EPOCH) * _DAY_NS
        except ValueError:
            raise SentenceError(Reject.DATE, "date", "-".join(map(str, day))) from None

    def _placed(self, sent: UtcNs) -> Dated:
        if self._floor is None or sent >= self._floor:
            return Dated(sent, 0, stale=False)
        if not self._repair:
            return Dated(sent, 0, stale=True)
        return Dated(*repair_rollover(sent, self._floor), stale=False)


@dataclass(frozen=True, slots=True)
class _Reference:
    utc: UtcNs
    at_ns: MonoNs
    leap: bool


class Trust:
    """Believes a date after three consecutive fixes whose times advance as our monotonic clock does, within half a second.

    Once believed it outlives the loss of the fix, but not a jump. A leap second may pass: 23:59:60 shares its number with the second
    after it (POSIX), so from the one to the other the number stands still while a second goes by.
    """

    def __init__(self) -> None:
        self.trusted = False
        self.leap: UtcNs | None = None
        """The instant right after a leap second that is expected: near it a time may be a second off, whatever the receiver makes of it."""
        self._count = 0
        self._reference: _Reference | None = None

    def reset(self) -> None:
        """Believe nothing."""
        self.trusted = False
        self._count = 0
        self._reference = None

    def error_ns(self, utc: UtcNs, at_ns: MonoNs, leap: bool) -> int | None:
        """How far an epoch's time is off what the epoch before it promised; None if there is none."""
        reference = self._reference
        if reference is None:
            return None
        passed_leap = NS if reference.leap and not leap else 0
        error = (utc - reference.utc + passed_leap) - (at_ns - reference.at_ns)
        if self.leap is not None and abs(utc - self.leap) <= _LEAP_NS:
            return min(error, error - NS, error + NS, key=abs)
        return error

    def agrees(self, utc: UtcNs, at_ns: MonoNs, leap: bool) -> bool:
        """Whether a time is believed: the date is, and this time follows from it."""
        error = self.error_ns(utc, at_ns, leap)
        return self.trusted and error is not None and abs(error) <= _TOLERANCE_NS

    def update(self, utc: UtcNs, at_ns: MonoNs, leap: bool, usable: bool) -> None:
        """Account for one epoch with a time; usable: it is a fix, not stale, and its sentences agree with each other."""
        error = self.error_ns(utc, at_ns, leap)
        consistent = error is None or abs(error) <= _TOLERANCE_NS
        repeated = self._reference is not None and utc == self._reference.utc and leap == self._reference.leap
        if not consistent:
            self.trusted, self._count = False, 0
        if not usable and not self.trusted:
            self._count = 0
        elif usable and not repeated:
            self._count += 1
        self.trusted = self.trusted or self._count >= CONFIRMATIONS
        self._reference = _Reference(utc, at_ns, leap)

    def doubt(self) -> None:
        """The date contradicts itself: start again."""
        self.trusted, self._count = False, 0

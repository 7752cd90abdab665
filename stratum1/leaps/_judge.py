"""Hears the witnesses, rules once a second, and remembers what was done."""

from collections.abc import Iterable
from typing import NamedTuple

from stratum1.gnss.events import Fix, LeapNotice
from stratum1.interchange import LeapPlan, Reading, Sample
from stratum1.timescale import NS, LeapEvent, LeapTable, MonoNs, UtcNs, rfc3339

from ._calendar import DAY, candidate, due, executable
from ._scale import constant, extended, near_leap
from ._types import LeapReport, Testimony
from ._vote import Facts, Ruling, leap_name, rule
from ._witnesses import Claim, Receivers, Sources, Votes

__all__ = ["LeapJudge"]

_GPS_TAI = 19  # TAI - GPS, seconds (IS-GPS-200, 3.3.4)
_SOON = 30 * DAY
_SETTLES = 900 * NS  # after a leap second receivers may take so long to tell the new offset
_REMEDY = "update the package tzdata, name a newer file in [clock] leap-seconds-file, or set leap-seconds-url there"
_KEPT = 8
_NONE = Ruling(Claim(None, 0), (), (), by_list=False)


class _Said(NamedTuple):
    """What was told of plan and alarms last, to tell changes once."""

    plan: tuple[UtcNs, int] | None
    alarms: tuple[str, ...]


class LeapJudge:
    """Pure. Feed what is heard, then `judge` about once a second. table: the list, None where there is none."""

    def __init__(self, table: LeapTable | None) -> None:
        self._list = table
        self._base = table
        self._receivers = Receivers()
        self._sources = Sources()
        self._past: tuple[LeapEvent, ...] = ()
        self._done: UtcNs | None = None
        self._ruling = _NONE
        self._votes = Votes({})
        self._now: Reading | None = None
        self._said = _Said(None, ())
        self._forbidden: dict[int, UtcNs] = {}
        self._alarms: tuple[str, ...] = ()
        self.plan: LeapPlan | None = None
        """The leap second that will be made, None once it is over."""
        self.overdue: LeapPlan | None = None
        """The plan whose instant has just passed while the clock ran on as if there were none."""
        self.scale: LeapTable | None = table
        """TAI - UTC by date as it is believed, the plan included; None while nothing is known of it."""
        self.tai_offset: int | None = None
        """TAI - UTC now in seconds, None if unknown."""

    def take_list(self, table: LeapTable | None) -> None:
        """There is another list, or none any more."""
        self._list = self._base = table
        if table is not None:  # what it covers it knows better than we
            self._past = tuple(each for each in self._past if each.at >= table.expires)

    def hear(self, receiver: int, event: Fix | LeapNotice, trusted: bool) -> None:
        """A receiver's word; trusted: its date is confirmed."""
        if not trusted:
            return
        if isinstance(event, LeapNotice):
            self._receivers.notice(event, receiver)
        else:
            self._receivers.offset(event.leap_seconds, event.at_ns, receiver)

    def line_lost(self, receiver: int) -> None:
        """The line of a receiver was lost."""
        self._receivers.forget(receiver)

    def sample(self, sample: Sample) -> None:
        """A sample of another server."""
        self._sources.sample(sample)

    def agree(self, names: Iterable[str]) -> None:
        """The sources whose time is believed: only they have a say."""
        self._sources.agree(names)

    def executed(self, sign: int) -> None:
        """Our clock has just made the leap second of this sign."""
        if self.plan is not None and self.plan.sign == sign:
            self._finish(self.plan, done=True)

    def running(self, now: UtcNs) -> bool:
        """Whether an inserted second runs (our clock counts the one before it once more), or the clock is late with a leap second.

        In both cases a time that we told would be taken for another.
        """
        if self._done is not None and self._done - NS <= now < self._done:
            return True
        return self.plan is not None and now >= due(self.plan)

    def near(self, now: UtcNs) -> LeapPlan | None:
        """The leap second within twelve hours before or after, for listeners that smear it."""
        return near_leap(self.scale, now)

    def pausing(self, now: UtcNs, pause: int) -> bool:
        """Whether a leap second is so near (ns) that measurements across it mean nothing."""
        near = self.near(now)
        return near is not None and abs(near.at - now) <= pause

    def forbidden_shifts(self, now: UtcNs) -> frozenset[int]:
        """By how many seconds a receiver may be off the count because it made a leap second that was not, or missed one that was.

        It is not believed in that as long as the list covers `now`.
        """
        return frozenset(shift for shift, until in self._forbidden.items() if now < until)

    def judge(self, now: Reading, known: bool = True) -> list[tuple[bool, str]]:
        """Rule anew. Returns what has changed as sentences, each with whether it is an alarm.

        known: our time is known. While it is not, dates mean nothing, and nothing is told.
        """
        before, self._now = self._now, now
        self._pass(before, now)
        utc = now.clock_ns
        listed = self._listed(utc)
        valid = self._list is not None and not self._list.expired(utc)
        today = candidate(utc)
        self._votes = Votes({}) if today is None else self._sources.votes(now.at_ns, now.at_ns - utc % DAY)
        until = self._list.expires if valid and self._list is not None else UtcNs(0)
        self._ruling = rule(Facts(utc, listed, until, self._receivers.claim(), today, self._votes))
        alarms = list(self._ruling.alarms) + self._list_alarms(utc)
        self._settle_offset(utc, valid, alarms)
        self._make_plan(utc)
        if self._receivers.divided:
            alarms.append("The receivers contradict each other about leap seconds: none of them counts. Update their firmware")
        self._alarms = tuple(dict.fromkeys(alarms)) if known else ()
        return self._changes() if known else []

    def report(self, now: Reading) -> LeapReport:
        """For people."""
        expires = self._list.expires if self._list else None
        origin = (self._list.origin or "a list of unknown origin") if self._list else ""
        witnesses = (self._list_testimony(now), self._receiver_testimony(now), self._source_testimony(now))
        return LeapReport(self.plan, self.tai_offset, witnesses, origin, expires, self._alarms)

    def _pass(self, before: Reading | None, now: Reading) -> None:
        """Notice that the instant of the plan has gone by without the clock making it."""
        self.overdue = None
        plan = self.plan
        if self._done is not None and not self._done - DAY <= now.clock_ns < self._done:
            self._done = None
        if plan is None:
            return
        if now.clock_ns < due(plan):
            return
        elapsed = now.at_ns - before.at_ns if before is not None else 0
        smooth = before is not None and before.clock_ns < due(plan) and abs(now.clock_ns - before.clock_ns - elapsed) < NS // 2
        if smooth:
            self.overdue = plan
        elif now.clock_ns >= plan.at:
            self._finish(plan, done=False)

    def _finish(self, plan: LeapPlan, done: bool) -> None:
        self._past = (*self._past, LeapEvent(plan.at, plan.sign, plan.tai_offset))[-_KEPT:]
        self._done = plan.at if done else None
        if self.tai_offset is not None:
            self.tai_offset += plan.sign
        self._remember(plan.at, plan.sign)
        self.plan = self.overdue = None

    def _remember(self, at: UtcNs, sign: int) -> None:
        """The receiver may not have made this leap second of the list: then it is a second off, and that is not to be believed."""
        if self._list is not None and self._ruling.by_list and at < self._list.expires:
            self._forbidden = {sign: self._list.expires}

    def _listed(self, utc: UtcNs) -> LeapEvent | None:
        """The list's next leap second that is not made yet."""
        if self._list is None or self._list.expired(utc):
            return None
        found = self._list.next_leap(utc)
        if found is not None and self._over(found.at, utc):
            found = self._list.next_leap(found.at)
        return found if found is not None and executable(found.at, found.sign) else None

    def _over(self, at: UtcNs, utc: UtcNs) -> bool:
        return self._done == at or any(each.at == at for each in self._past if each.at - utc <= DAY)

    def _make_plan(self, utc: UtcNs) -> None:
        claim = self._ruling.claim
        wanted = claim.at is not None and claim.at > utc and not self._over(claim.at, utc)
        events = [*self._past]
        if wanted and claim.at is not None:
            events.append(LeapEvent(claim.at, claim.sign, 0))
        base = self._base or (constant(self.tai_offset or 0) if events else None)
        scale = extended(base, events) if base is not None else None
        if scale != self.scale:
            self.scale = scale
        self.plan = None
        if wanted and claim.at is not None and scale is not None:
            after = scale.tai_offset(claim.at) if self.tai_offset is not None else 0
            self.plan = LeapPlan(claim.at, claim.sign, after, self._ruling.witnesses)
        heard = self._receivers.claim()
        refused = heard is not None and heard.at is not None and self._ruling.by_list and heard.at != claim.at
        if refused and heard is not None and heard.at is not None and 0 < heard.at - utc < DAY and self._list is not None:
            self._forbidden = {-heard.sign: self._list.expires}

    def _settle_offset(self, utc: UtcNs, valid: bool, alarms: list[str]) -> None:
        """TAI - UTC: the list's while it is valid, else the receiver's, else what an expired list says."""
        base = extended(self._base, self._past) if self._base is not None else None
        known = base.tai_offset(utc) if base is not None else None
        if self._done is not None and base is not None and utc < self._done:
            known = base.tai_offset(self._done)
        gps = self._receivers.gps_utc()
        self.tai_offset = known
        if gps is None or self._near_change(utc):
            return
        told = gps + _GPS_TAI
        if told == known:
            return
        if known is not None:
            alarms.append(self._offsets_differ(told, known, valid))
        if not valid:
            self.tai_offset = told
            self._base, self._past = constant(told), ()

    def _near_change(self, utc: UtcNs) -> bool:
        return any(abs(each.at - utc) <= _SETTLES for each in self._past) or self.pausing(utc, _SETTLES)

    def _offsets_differ(self, told: int, known: int, valid: bool) -> str:
        head = f"TAI - UTC is {told} s by the receiver and {known} s by the list of leap seconds"
        if valid:
            return f"{head}: the list is followed. Compare with IERS Bulletin C; if the list is right, the receiver's time is wrong too"
        return f"{head}, which is expired: the receiver is followed. To be sure, {_REMEDY}"

    def _list_alarms(self, utc: UtcNs) -> list[str]:
        if self._list is None:
            return [f"There is no list of leap seconds: only receiver and sources can announce one. Install one: {_REMEDY}"]
        day = rfc3339(self._list.expires, 0)[:10]
        if self._list.expired(utc):
            return [f"The list of leap seconds expired on {day}: a leap second may be missed. Install a newer one: {_REMEDY}"]
        left = (self._list.expires - utc) // DAY
        if self._list.expires - utc <= _SOON:
            return [f"The list of leap seconds expires on {day}, in {left} days: {_REMEDY}"]
        return []

    def _changes(self) -> list[tuple[bool, str]]:
        plan = (self.plan.at, self.plan.sign) if self.plan else None
        told: list[tuple[bool, str]] = [(True, text) for text in self._alarms if text not in self._said.alarms]
        if plan != self._said.plan:
            if self.plan is not None:
                who = ", ".join(self.plan.witnesses)
                told.append((False, f"a leap second is to come: {leap_name(self.plan.at, self.plan.sign)} (by {who})"))
            elif self._said.plan is not None and not any(each.at == self._said.plan[0] for each in self._past):
                told.append((True, f"the plan of {leap_name(*self._said.plan)} is dropped: its witnesses do not say so any more"))
        self._said = _Said(plan, self._alarms)
        return told

    def _list_testimony(self, now: Reading) -> Testimony:
        if self._list is None:
            return Testimony("list", "nothing", None, None, "there is no list")
        day = rfc3339(self._list.expires, 0)[:10]
        if self._list.expired(now.clock_ns):
            return Testimony("list", "nothing", None, None, f"expired on {day}")
        leap = self._list.next_leap(now.clock_ns)
        if leap is None:
            return Testimony("list", "none", None, None, f"none until {day}")
        return Testimony("list", _verb(leap.sign), leap.at, None, f"{leap_name(leap.at, leap.sign)}; valid until {day}")

    def _receiver_testimony(self, now: Reading) -> Testimony:
        latest = self._receivers.latest()
        if latest is None:
            return Testimony("receiver", "nothing", None, None, "says nothing of leap seconds")
        claim, since_ns, steady = latest
        since = _told_at(now, since_ns)
        what = "none is to come" if claim.at is None else leap_name(claim.at, claim.sign)
        doubt = "" if steady else "; counts when it has said so for 25 minutes"
        return Testimony("receiver", _verb(claim.sign), claim.at, since, what + doubt)

    def _source_testimony(self, now: Reading) -> Testimony:
        today = candidate(now.clock_ns)
        if today is None:
            return Testimony("sources", "nothing", None, None, "are asked in the last day of a quarter only")
        votes = self._votes
        if not votes.by_source:
            return Testimony("sources", "nothing", None, None, "none is synchronised and agrees with us")
        sign = votes.majority()
        said = [f"{name} {_verb(each)}" for name, each in sorted(votes.by_source.items())]
        raw = self._sources.since(sign)
        since = _told_at(now, raw) if raw is not None else None
        return Testimony("sources", _verb(sign), today if sign else None, since, ", ".join(said))


def _verb(sign: int) -> str:
    return {1: "insert", -1: "delete"}.get(sign, "none")


def _told_at(now: Reading, at_ns: MonoNs) -> UtcNs:
    return UtcNs(now.clock_ns - (now.at_ns - at_ns))

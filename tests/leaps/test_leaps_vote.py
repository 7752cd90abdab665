"""Who is believed about a leap second, and who only raises an alarm."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum1.gnss.events import LeapNotice
from stratum1.interchange import Leap, LeapPlan, Reading, Sample
from stratum1.leaps import LeapJudge, LeapReport, believed_until, leap_between, leap_bits, possible
from stratum1.timescale import NS, LeapTable, MonoNs, UtcNs, from_rfc3339

DAY = 86_400 * NS
END = from_rfc3339("2027-07-01")
NOON = UtcNs(END - DAY // 2)
VALID, EXPIRED, SHORT = from_rfc3339("2027-12-28"), from_rfc3339("2026-12-28"), from_rfc3339("2027-06-30T18:00:00Z")


def table(expires: UtcNs, sign: int = 0, at: UtcNs = END) -> LeapTable:
    starts, offsets = [from_rfc3339("2015-07-01"), from_rfc3339("2017-01-01")], [36, 37]
    if sign:
        starts, offsets = [*starts, at], [*offsets, 37 + sign]
    return LeapTable(tuple(starts), tuple(offsets), expires, "a test")


class Court:
    """A judge, and what is said to it; time is told in seconds since some witnesses began to speak."""

    def __init__(self, leaps: LeapTable | None, now: UtcNs = NOON) -> None:
        self.judge = LeapJudge(leaps)
        self.now = now
        self.told: list[tuple[bool, str]] = []

    def raw(self, seconds: float = 0.0) -> MonoNs:
        return MonoNs(10**15 + round(seconds * NS))

    def receiver(self, sign: int, at: UtcNs = END, gps_utc: int | None = 18, seconds: int = 2000, receiver: int = 0) -> "Court":
        for each in range(0, seconds, 10):
            self.judge.hear(receiver, LeapNotice(self.raw(each - seconds), at, sign, gps_utc), trusted=True)
        return self

    def sources(self, *leaps: Leap, agreeing: bool = True, stratum: int = 1) -> "Court":
        for number, leap in enumerate(leaps):
            for at in (-200, -100):
                sample = Sample(f"s{number}", self.raw(at), 0.0, 1e-4, 1e-3, stratum, b"GPS\0", 0.0, 1e-3, self.now, leap)
                self.judge.sample(sample)
        self.judge.agree([f"s{number}" for number in range(len(leaps))] if agreeing else [])
        return self

    def rule(self, now: UtcNs | None = None) -> LeapReport:
        self.now = self.now if now is None else now
        reading = Reading(self.raw(), self.now)
        self.told += self.judge.judge(reading)
        return self.judge.report(reading)


def planned(report: LeapReport) -> int:
    return report.plan.sign if report.plan else 0


def alarm(report: LeapReport, *words: str) -> bool:
    return any(all(word in text for word in words) for text in report.alarms)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_list_is_followed(sign: int) -> None:
    report = Court(table(VALID, sign), now=UtcNs(END - 100 * DAY)).rule()
    assert report.plan == LeapPlan(END, sign, 37 + sign, ("list",))
    assert (report.tai_offset, report.alarms) == (37, ())
    assert [each.says for each in report.witnesses] == ["insert" if sign > 0 else "delete", "nothing", "nothing"]


@pytest.mark.parametrize("expires", [VALID, EXPIRED, SHORT, None])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_receiver_alone_is_believed_where_the_list_does_not_reach(expires: UtcNs | None, sign: int) -> None:
    report = Court(table(expires) if expires else None).receiver(sign).rule()
    if expires == VALID:
        assert report.plan is None
        assert alarm(report, "The receiver announces", "the list of leap seconds says none", "Bulletin C")
    else:
        assert report.plan == LeapPlan(END, sign, 37 + sign, ("receiver",))
        assert not alarm(report, "announces")


def test_a_receiver_is_not_believed_at_once_nor_when_it_wavers() -> None:
    court = Court(table(EXPIRED)).receiver(1, seconds=1400)
    assert court.rule().plan is None
    assert "25 minutes" in court.rule().witnesses[1].text
    wavering = Court(table(EXPIRED)).receiver(1, seconds=4000).receiver(0, seconds=2000).receiver(1, seconds=900)
    assert wavering.rule().plan is None


def test_a_receiver_whose_date_is_not_confirmed_is_not_heard() -> None:
    court = Court(table(EXPIRED))
    for each in range(-3000, 0, 10):
        court.judge.hear(0, LeapNotice(court.raw(each), END, 1, 99), trusted=False)
    report = court.rule()
    assert (report.plan, report.tai_offset) == (None, 37)
    assert report.witnesses[1].says == "nothing"


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (from_rfc3339("2027-08-01"), "where none can be"),
        (UtcNs(END + NS), "where none can be"),
        (from_rfc3339("2028-01-01"), "nobody can know yet"),
        (UtcNs(2**61), "where none can be"),
        (UtcNs(2**62 - 1), "where none can be"),
        (UtcNs(-DAY), ""),
    ],
)
def test_an_impossible_announcement_is_refused(at: UtcNs, words: str) -> None:
    report = Court(table(EXPIRED), now=UtcNs(END - 30 * DAY)).receiver(1, at).rule()
    assert report.plan is None
    assert alarm(report, words if words else "The receiver announces") == bool(words)


@pytest.mark.parametrize("month", range(1, 13))
def test_only_the_ends_of_quarters_are_possible(month: int) -> None:
    assert possible(from_rfc3339(f"2031-{month:02d}-01")) == (month in (1, 4, 7, 10))
    assert not possible(from_rfc3339(f"2031-{month:02d}-02"))


def test_one_lying_source_is_an_alarm_and_nothing_else() -> None:
    for court in (Court(table(VALID)), Court(table(EXPIRED)), Court(None)):
        report = court.sources(Leap.INSERT, Leap.NONE, Leap.NONE).rule()
        assert report.plan is None
        assert alarm(report, "s0", "leap bits")
    assert Court(table(EXPIRED)).sources(Leap.INSERT).rule().plan is None, "a single source is never enough"


def test_a_source_against_the_list_is_named() -> None:
    report = Court(table(VALID, 1)).sources(Leap.DELETE, Leap.INSERT, Leap.NONE).rule()
    assert planned(report) == 1
    assert report.plan is not None
    assert report.plan.witnesses == ("list", "s1")
    assert alarm(report, "s0", "opposite")


@pytest.mark.parametrize(("expires", "expected"), [(VALID, 0), (EXPIRED, 1), (SHORT, 1)])
def test_a_majority_of_the_sources_is_enough_where_nobody_else_speaks(expires: UtcNs, expected: int) -> None:
    report = Court(table(expires)).sources(Leap.INSERT, Leap.INSERT, Leap.NONE).rule()
    assert planned(report) == expected
    if expected:
        assert report.plan is not None
        assert report.plan.witnesses == ("s0", "s1")
    else:
        assert alarm(report, "s0, s1")


def test_a_majority_against_a_receiver_that_denies_is_an_alarm() -> None:
    report = Court(table(EXPIRED)).receiver(0).sources(Leap.INSERT, Leap.INSERT, Leap.INSERT).rule()
    assert report.plan is None
    assert alarm(report, "s0, s1, s2")


def test_the_sources_stop_a_receiver_that_lies() -> None:
    report = Court(table(EXPIRED)).receiver(1).sources(Leap.NONE, Leap.NONE, Leap.INSERT).rule()
    assert report.plan is None
    assert alarm(report, "most of the sources (3)")
    alone = Court(table(EXPIRED)).receiver(1).sources(Leap.NONE).rule()
    assert planned(alone) == 1, "one source does not outvote the reference"


def test_receiver_and_majority_together_win_over_the_list() -> None:
    report = Court(table(VALID)).receiver(1).sources(Leap.INSERT, Leap.INSERT, Leap.NONE).rule()
    assert planned(report) == 1
    assert report.plan is not None
    assert report.plan.witnesses == ("receiver", "s0", "s1")
    assert alarm(report, "the majority is followed", "Bulletin C")
    opposite = Court(table(VALID, 1)).receiver(-1).sources(Leap.DELETE, Leap.DELETE).rule()
    assert planned(opposite) == -1
    assert opposite.plan is not None
    assert opposite.plan.tai_offset == 36


def test_silence_takes_no_listed_leap_second_away() -> None:
    report = Court(table(VALID, 1)).receiver(0).sources(Leap.NONE, Leap.NONE, Leap.NONE).rule()
    assert planned(report) == 1
    assert alarm(report, "says that no leap second is to come", "the list is followed")
    early = Court(table(VALID, 1), now=UtcNs(END - 60 * DAY)).receiver(0).rule()
    assert early.alarms == ()


@pytest.mark.parametrize("before", [2 * DAY, 40 * DAY])
def test_the_bits_of_sources_count_in_the_last_day_only(before: int) -> None:
    report = Court(table(EXPIRED), now=UtcNs(END - before)).sources(Leap.INSERT, Leap.INSERT).rule()
    assert report.plan is None
    assert report.witnesses[2].says == "nothing"


@pytest.mark.parametrize("kind", ["stratum", "agreeing", "unknown", "once", "old"])
def test_sources_that_have_no_say(kind: str) -> None:
    court = Court(table(EXPIRED))
    match kind:
        case "stratum":
            court.sources(Leap.INSERT, Leap.INSERT, stratum=16)
        case "agreeing":
            court.sources(Leap.INSERT, Leap.INSERT, agreeing=False)
        case "unknown":
            court.sources(Leap.INSERT, Leap.INSERT).sources(Leap.UNKNOWN, Leap.UNKNOWN)
        case "once":
            court.judge.agree("ab")
            for name in "ab":
                court.judge.sample(Sample(name, court.raw(), 0.0, 1e-4, 0.0, 1, b"GPS\0", 0.0, 0.0, NOON, Leap.INSERT))
        case "old":
            court.sources(Leap.INSERT, Leap.INSERT)
            reading = Reading(court.raw(5 * 3600), UtcNs(NOON + 5 * 3600 * NS))
            court.judge.judge(reading)
            assert court.judge.plan is None
            return
    assert court.rule().plan is None


def test_receivers_that_contradict_each_other_do_not_count() -> None:
    report = Court(table(EXPIRED)).receiver(1).receiver(0, receiver=1).rule()
    assert report.plan is None
    assert alarm(report, "contradict each other")
    agreed = Court(table(EXPIRED)).receiver(1).receiver(1, receiver=1).rule()
    assert planned(agreed) == 1


def test_a_plan_goes_when_its_witnesses_do() -> None:
    court = Court(table(EXPIRED)).receiver(1)
    assert planned(court.rule()) == 1
    court.judge.hear(0, LeapNotice(court.raw(1), END, 0), trusted=True)
    assert court.rule().plan is None
    assert court.told[-1] == (
        True,
        "the plan of a second inserted at the end of 2027-06-30 is dropped: its witnesses do not say so any more",
    )


def test_what_a_lost_receiver_has_told_steadily_stands() -> None:
    court = Court(table(EXPIRED)).receiver(1)
    court.judge.line_lost(0)
    assert planned(court.rule()) == 1
    fresh = Court(table(EXPIRED)).receiver(1, seconds=1000)
    fresh.judge.line_lost(0)
    assert fresh.rule().witnesses[1].says == "nothing"


def test_the_tai_offset_comes_from_the_list_then_the_receiver() -> None:
    assert Court(table(VALID)).receiver(0, gps_utc=18).rule().tai_offset == 37
    differing = Court(table(VALID)).receiver(0, gps_utc=19).rule()
    assert differing.tai_offset == 37
    assert alarm(differing, "38 s by the receiver and 37 s by the list", "the list is followed")
    missed = Court(table(EXPIRED)).receiver(0, gps_utc=19).rule()
    assert missed.tai_offset == 38
    assert alarm(missed, "38 s by the receiver and 37 s by the list", "the receiver is followed")
    assert Court(None).receiver(0).rule().tai_offset == 37
    assert Court(None).rule().tai_offset is None
    assert Court(None).receiver(0, seconds=600).rule().tai_offset is None, "a cold receiver says what it was built with"


def test_the_expiry_is_told_thirty_days_before_and_after_in_other_words() -> None:
    assert Court(table(VALID), now=UtcNs(VALID - 31 * DAY)).rule().alarms == ()
    assert alarm(Court(table(VALID), now=UtcNs(VALID - 30 * DAY)).rule(), "expires on 2027-12-28, in 30 days")
    assert alarm(Court(table(VALID), now=UtcNs(VALID)).rule(), "expired on 2027-12-28")
    assert alarm(Court(None).rule(), "There is no list")


def test_a_new_list_takes_a_receivers_plan_away_or_confirms_it() -> None:
    court = Court(table(EXPIRED)).receiver(1)
    assert planned(court.rule()) == 1
    court.judge.take_list(table(VALID))
    assert court.rule().plan is None
    court.judge.take_list(table(VALID, 1))
    report = court.rule()
    assert report.plan is not None
    assert report.plan.witnesses == ("list", "receiver")


@pytest.mark.parametrize("at", [UtcNs(END + 15 * DAY), UtcNs(END - NS)])
def test_a_list_that_no_clock_can_follow_is_not_followed(at: UtcNs) -> None:
    assert Court(table(VALID, 1, at)).rule().plan is None


@pytest.mark.parametrize("sign", [1, -1])
def test_after_it_was_made_it_does_not_come_again(sign: int) -> None:
    court = Court(table(VALID, sign))
    court.rule(UtcNs(END - 2 * NS))
    court.judge.executed(sign)
    seen = UtcNs(END - NS // 2 if sign > 0 else END)
    report = court.rule(seen)
    assert (report.plan, report.tai_offset) == (None, 37 + sign)
    assert court.judge.running(seen) == (sign > 0)
    assert court.judge.overdue is None
    after = court.rule(UtcNs(END + NS))
    assert (after.plan, after.tai_offset) == (None, 37 + sign)
    assert not court.judge.running(UtcNs(END + NS))
    assert court.judge.forbidden_shifts(UtcNs(END + NS)) == {sign}
    near = court.judge.near(UtcNs(END + NS))
    assert near is not None
    assert (near.at, near.sign) == (END, sign)
    assert court.judge.near(UtcNs(END + DAY)) is None


@pytest.mark.parametrize("sign", [1, -1])
def test_a_clock_that_runs_on_is_overdue(sign: int) -> None:
    judge = LeapJudge(table(VALID, sign))
    due = END if sign > 0 else END - NS
    for ahead in (-2, -1, 0):
        judge.judge(Reading(MonoNs(10**15 + ahead * NS), UtcNs(due + ahead * NS + NS // 3)))
        assert (judge.overdue is not None) == (ahead == 0)
    stepped = LeapJudge(table(VALID, sign))
    stepped.judge(Reading(MonoNs(10**15), UtcNs(due - 3600 * NS)))
    stepped.judge(Reading(MonoNs(10**15 + NS), UtcNs(due + 5 * NS)))
    assert stepped.overdue is None, "a clock that was set across the instant has not missed it"


def test_a_denied_leap_second_of_the_receiver_is_remembered() -> None:
    court = Court(table(VALID)).receiver(1)
    court.rule()
    assert court.judge.forbidden_shifts(UtcNs(END + NS)) == {-1}
    assert court.judge.forbidden_shifts(VALID) == frozenset()


@pytest.mark.parametrize("sign", [1, -1])
def test_bits_and_belief_end_exactly(sign: int) -> None:
    plan = LeapPlan(END, sign, 37 + sign, ())
    bits = Leap.INSERT if sign > 0 else Leap.DELETE
    assert leap_bits(None, NOON) is Leap.NONE
    assert leap_bits(plan, UtcNs(END - DAY - 1)) is Leap.NONE
    assert leap_bits(plan, UtcNs(END - DAY)) is bits
    assert leap_bits(plan, UtcNs(END - 1)) is bits
    assert leap_bits(plan, END) is Leap.NONE
    due = END if sign > 0 else END - NS
    assert believed_until(plan, UtcNs(due - 10 * NS), 4 * NS) == due - 6 * NS
    assert believed_until(plan, UtcNs(due - 1), 4 * NS) == due
    assert believed_until(None, UtcNs(due - 1), 4 * NS) == due - 1 + 4 * NS


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("late", [0.001, 0.9, 30.0])
def test_a_leap_second_is_told_from_a_set_by_others(sign: int, late: float) -> None:
    plan = LeapPlan(END, sign, 37 + sign, ())
    due = END if sign > 0 else END - NS
    before = Reading(MonoNs(0), UtcNs(due - NS // 4))
    elapsed = NS // 4 + round(late * NS)
    now = Reading(MonoNs(elapsed), UtcNs(before.clock_ns + elapsed - sign * NS))
    assert leap_between(plan, before, now, -float(sign))
    assert not leap_between(plan, before, now, float(sign))
    assert not leap_between(plan, before, now, -sign + 0.01)
    assert not leap_between(None, before, now, -float(sign))
    early = Reading(MonoNs(0), UtcNs(due - 3600 * NS))
    assert not leap_between(plan, early, Reading(MonoNs(NS), UtcNs(early.clock_ns + NS - sign * NS)), -float(sign))


@given(st.lists(st.tuples(st.sampled_from("rsljxf"), st.integers(-(2**63), 2**63), st.integers(-3, 3)), max_size=40))
def test_anything_that_is_said_leaves_the_judge_sane(said: list[tuple[str, int, int]]) -> None:
    court = Court(None)
    judge = court.judge
    for kind, number, small in said:
        match kind:
            case "r":
                judge.hear(small % 3, LeapNotice(MonoNs(number), UtcNs(number * 7), small, number), True)
            case "s":
                judge.sample(Sample(f"{small}", MonoNs(number), math.inf, 0, 0, small, b"GPS\0", 0, 0, NOON, Leap(abs(small))))
            case "l":
                judge.take_list(LeapTable((UtcNs(0), UtcNs(max(1, number))), (37, 37 + small), UtcNs(number)) if small else None)
            case "j":
                judge.judge(Reading(MonoNs(number), UtcNs(number)))
            case "x":
                judge.agree(f"{each}" for each in range(small))
                judge.executed(small)
            case _:
                judge.line_lost(small)
        report = judge.report(Reading(MonoNs(number), UtcNs(number)))
        assert report.plan is None or report.plan.sign in (-1, 1)

"""Dates: centuries, week rollovers, midnight, leap seconds, and when a date is believed."""

import datetime
from functools import reduce
from operator import xor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum1.gnss import Event, Fix, GnssDecoder, Health, Reject, SentenceError, TimeMark
from stratum1.gnss._calendar import Calendar, Trust
from stratum1.gnss._sentences import Date
from stratum1.timescale import NS, ROLLOVER_NS, MonoNs, UtcNs, from_rfc3339, rfc3339

BUILT = from_rfc3339("2026-11-24")


def sentence(body: str) -> bytes:
    return f"${body}*{reduce(xor, body.encode(), 0):02X}\r\n".encode()


def rmc(time: str, date: str, status: str = "A") -> bytes:
    return sentence(f"GNRMC,{time},{status},4808.9978,N,01135.0800,E,0.0,0.0,{date},,,{'A' if status == 'A' else 'N'}")


def gga(time: str) -> bytes:
    return sentence(f"GNGGA,{time},4808.9978,N,01135.0800,E,1,09,1.0,464.4,M,46.2,M,,")


def placed(text: str, floor: UtcNs | None, repair: bool = True) -> tuple[str, int, bool]:
    """A date ddmmyy or ddmmyyyy at noon, after century and repair."""
    dated = Calendar(floor, repair).date(Date(int(text[4:]), int(text[2:4]), int(text[:2])), 43_200 * NS, MonoNs(0))
    return rfc3339(dated.utc, 0), dated.rollovers, dated.stale


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("010180", "1980-01-01"),
        ("311299", "1999-12-31"),
        ("010100", "2000-01-01"),
        ("290200", "2000-02-29"),
        ("060419", "2019-04-06"),
        ("311279", "2079-12-31"),
    ],
)
def test_two_digit_years_without_a_floor_start_with_1980(sent: str, meant: str) -> None:
    assert placed(sent, None) == (f"{meant}T12:00:00Z", 0, False)


@pytest.mark.parametrize(
    ("sent", "floor", "meant", "rollovers"),
    [
        ("220899", "2017-01-01", "2019-04-07", 1),  # the first day after the rollover of 2019, as old firmware says it
        ("220899", "2026-11-24", "2038-11-21", 2),
        ("130415", "2017-01-01", "2034-11-27", 1),
        ("13042015", "2017-01-01", "2034-11-27", 1),
        ("060180", "2026-11-24", "2038-11-21", 3),
        ("060419", "2017-01-01", "2019-04-06", 0),
        ("010185", "2026-11-24", "2043-11-17", 3),
        ("01012085", "2026-11-24", "2085-01-01", 0),  # four digits are as they are
        ("010185", "2081-01-01", "2085-01-01", 0),  # with a floor in 2081 the hundred years start in 2021
        ("010120", "2081-01-01", "2120-01-01", 0),
        ("010121", "2081-01-01", "2099-07-03", 4),
        ("060180", "2039-01-01", "2058-07-07", 4),
    ],
)
def test_rollovers_and_centuries_against_a_floor(sent: str, floor: str, meant: str, rollovers: int) -> None:
    assert placed(sent, from_rfc3339(floor)) == (f"{meant}T12:00:00Z", rollovers, False)


def test_the_floor_itself_stays_and_one_nanosecond_before_moves() -> None:
    day, noon = Date(2020, 1, 1), 43_200 * NS
    instant = UtcNs(from_rfc3339("2020-01-01") + noon)
    assert Calendar(instant, True).date(day, noon, MonoNs(0)) == (instant, 0, False)
    assert Calendar(UtcNs(instant + 1), True).date(day, noon, MonoNs(0)) == (instant + ROLLOVER_NS, 1, False)
    assert Calendar(UtcNs(instant + ROLLOVER_NS), True).date(day, noon, MonoNs(0)) == (instant + ROLLOVER_NS, 1, False)
    assert Calendar(UtcNs(instant + ROLLOVER_NS + 1), True).date(day, noon, MonoNs(0)) == (instant + 2 * ROLLOVER_NS, 2, False)


@settings(deadline=None, max_examples=300)
@given(st.dates(datetime.date(1980, 1, 6), datetime.date(2100, 12, 31)), st.dates(datetime.date(1980, 1, 6), datetime.date(2100, 12, 31)))
def test_repair_is_whole_rollovers_and_the_least_that_does(day: datetime.date, floor_day: datetime.date) -> None:
    floor = from_rfc3339(floor_day.isoformat())
    sent = from_rfc3339(day.isoformat())
    dated = Calendar(floor, True).date(Date(day.year, day.month, day.day), 0, MonoNs(0))
    assert dated.utc == sent + dated.rollovers * ROLLOVER_NS
    assert dated.utc >= floor
    assert dated.rollovers == 0 or dated.utc - ROLLOVER_NS < floor


def test_29_february_of_no_leap_year_is_refused_and_changes_nothing() -> None:
    calendar = Calendar(None, True)
    calendar.date(Date(2019, 2, 28), 0, MonoNs(0))
    with pytest.raises(SentenceError) as caught:
        calendar.date(Date(19, 2, 29), 0, MonoNs(0))
    assert caught.value.reason is Reject.DATE
    dated = calendar.place(NS, MonoNs(0))
    assert dated is not None
    assert rfc3339(dated.utc, 0) == "2019-02-28T00:00:01Z"
    decoder = GnssDecoder(None)
    assert decoder.feed(rmc("120000", "290219"), MonoNs(0)) == []
    assert decoder.counters.rejects == {Reject.DATE: 1}
    assert decoder.flush(MonoNs(0)) == []


@pytest.mark.parametrize(
    ("last", "tod", "meant"),
    [
        ("2020-02-28T23:59:59Z", "00:00:00", "2020-02-29T00:00:00Z"),
        ("2020-12-31T23:59:59Z", "00:00:00", "2021-01-01T00:00:00Z"),
        ("2021-01-01T00:00:00Z", "23:59:59", "2020-12-31T23:59:59Z"),
        ("2021-01-01T12:00:00Z", "11:59:59", "2021-01-01T11:59:59Z"),
    ],
)
def test_midnight_both_ways(last: str, tod: str, meant: str) -> None:
    midnight, instant = from_rfc3339(last[:10]), from_rfc3339(last)
    calendar = Calendar(None, True)
    calendar.date(Date(int(last[:4]), int(last[5:7]), int(last[8:10])), instant - midnight, MonoNs(0))
    dated = calendar.place(from_rfc3339(f"1970-01-01T{tod}Z"), MonoNs(NS))
    assert dated is not None
    assert rfc3339(dated.utc, 0) == meant


def test_a_day_of_silence_is_counted_by_our_own_clock() -> None:
    calendar = Calendar(None, True)
    calendar.date(Date(2020, 1, 1), 0, MonoNs(0))
    dated = calendar.place(3 * NS, MonoNs(5 * 86_400 * NS))
    assert dated is not None
    assert rfc3339(dated.utc, 0) == "2020-01-06T00:00:03Z"


class Receiver:
    """Feeds epochs, one a second unless told otherwise."""

    def __init__(self, floor: UtcNs | None = None, repair: bool = True) -> None:
        self.decoder = GnssDecoder(floor, repair)
        self.events: list[Event] = []
        self.at = 1000 * NS

    def epoch(self, *sentences: bytes, after: float = 1.0) -> None:
        self.at += round(after * NS)
        for one in sentences:
            self.events += self.decoder.feed(one, MonoNs(self.at))

    def end(self) -> None:
        self.events += self.decoder.poll(MonoNs(self.at + NS))

    @property
    def fixes(self) -> list[Fix]:
        return [event for event in self.events if isinstance(event, Fix)]

    @property
    def marks(self) -> list[TimeMark]:
        return [event for event in self.events if isinstance(event, TimeMark)]

    def health(self, kind: str) -> list[bool]:
        return [event.alarm for event in self.events if isinstance(event, Health) and event.kind == kind]


def seconds_of(receiver: Receiver, first: int, count: int, date: str = "060419", status: str = "A") -> None:
    for second in range(first, first + count):
        receiver.epoch(rmc(f"1200{second:02d}", date, status), gga(f"1200{second:02d}"))


def test_trusted_after_three_consecutive_fixes_and_not_before() -> None:
    receiver = Receiver()
    seconds_of(receiver, 0, 5)
    receiver.end()
    assert [fix.trusted for fix in receiver.fixes] == [False, False, True, True, True]
    assert [mark.trusted for mark in receiver.marks] == [False] * 6 + [True] * 4
    assert receiver.health("date") == [False]


def test_a_lost_fix_in_between_starts_again() -> None:
    receiver = Receiver()
    seconds_of(receiver, 0, 2)
    receiver.epoch(rmc("120002", "", "V"))
    seconds_of(receiver, 3, 3)
    receiver.end()
    assert [fix.trusted for fix in receiver.fixes] == [False, False, False, False, False, True]


def test_an_epoch_without_time_in_between_starts_again() -> None:
    receiver = Receiver()
    seconds_of(receiver, 0, 2)
    receiver.epoch(sentence("GNRMC,,V,,,,,,,,,,N"))
    seconds_of(receiver, 3, 3)
    receiver.end()
    assert [fix.trusted for fix in receiver.fixes] == [False, False, False, False, False, True]


@pytest.mark.parametrize(("date", "first"), [("070419", 4), ("060418", 4), ("060419", 5), ("060419", 2)])
def test_a_jump_of_date_or_second_ends_trust_at_once(date: str, first: int) -> None:
    receiver = Receiver()
    seconds_of(receiver, 0, 4)
    before = len(receiver.marks)
    seconds_of(receiver, first, 1, date)
    after_jump = receiver.marks[before:]
    assert len(after_jump) == 2
    assert not any(mark.trusted for mark in after_jump)
    seconds_of(receiver, first + 1, 3, date)
    receiver.end()
    assert [fix.trusted for fix in receiver.fixes][4:8] == [False, False, True, True]
    assert receiver.health("date") == [False, True, False]


def test_a_time_that_stands_still_ends_trust_and_counts_for_nothing() -> None:
    receiver = Receiver()
    seconds_of(receiver, 0, 4)
    seconds_of(receiver, 3, 1)
    seconds_of(receiver, 4, 3)
    receiver.end()
    assert [fix.trusted for fix in receiver.fixes][4:] == [False, False, False, True]


def test_trust_outlives_a_lost_fix_when_the_time_goes_on() -> None:
    receiver = Receiver()
    seconds_of(receiver, 0, 4)
    seconds_of(receiver, 4, 3, "", "V")
    seconds_of(receiver, 7, 1)
    receiver.end()
    assert [fix.trusted for fix in receiver.fixes] == [False, False, True, True, True, True, True, True]


def test_sentences_that_disagree_about_the_date_are_not_believed() -> None:
    receiver = Receiver()
    seconds_of(receiver, 0, 4)
    receiver.epoch(rmc("120004", "060419"), sentence("GPZDA,120004,07,04,2019,,"))
    receiver.end()
    assert [mark.trusted for mark in receiver.marks[-2:]] == [True, False]
    assert receiver.fixes[-1].trusted is False
    assert receiver.health("date") == [False, True]


def test_reset_forgets_date_and_trust_but_not_the_counters() -> None:
    receiver = Receiver()
    seconds_of(receiver, 0, 4)
    receiver.decoder.reset()
    receiver.events.clear()
    receiver.epoch(gga("120004"))
    seconds_of(receiver, 5, 1)
    receiver.end()
    assert [fix.time is None for fix in receiver.fixes] == [True, False]
    assert not any(fix.trusted for fix in receiver.fixes)
    assert receiver.decoder.counters.sentences == {"GNRMC": 5, "GNGGA": 6}


def test_a_rolled_over_receiver_is_repaired_trusted_and_alarmed_once() -> None:
    receiver = Receiver(BUILT)
    seconds_of(receiver, 0, 4, "110407")  # 1024 weeks before 2026-11-25
    receiver.end()
    assert rfc3339(receiver.fixes[0].time or UtcNs(0), 0) == "2026-11-25T12:00:00Z"
    assert {mark.rollovers for mark in receiver.marks} == {1}
    assert receiver.fixes[-1].trusted
    assert receiver.health("week-rollover") == [True]


def test_a_rollover_while_running_is_no_jump() -> None:
    receiver = Receiver(BUILT)
    for time, date in (("235957", "201138"), ("235958", "201138"), ("235959", "201138"), ("000000", "070419"), ("000001", "070419")):
        receiver.epoch(rmc(time, date), gga(time))
    receiver.end()
    assert [fix.trusted for fix in receiver.fixes] == [False, False, True, True, True]
    assert [fix.rollovers for fix in receiver.fixes] == [0, 0, 0, 1, 1]
    assert rfc3339(receiver.fixes[-1].time or UtcNs(0), 0) == "2038-11-21T00:00:01Z"
    assert receiver.health("week-rollover") == [True]


def test_the_alarm_ends_when_the_date_is_right_again() -> None:
    receiver = Receiver(BUILT)
    seconds_of(receiver, 0, 2, "110407")
    seconds_of(receiver, 2, 2, "251126")
    receiver.end()
    assert receiver.health("week-rollover") == [True, False]
    assert receiver.fixes[-1].trusted  # the repaired time went on without a jump


def test_without_repair_the_date_stands_alarms_and_is_never_trusted() -> None:
    receiver = Receiver(BUILT, repair=False)
    seconds_of(receiver, 0, 6, "110407")
    receiver.end()
    assert rfc3339(receiver.fixes[0].time or UtcNs(0), 0) == "2007-04-11T12:00:00Z"
    assert not any(fix.trusted for fix in receiver.fixes)
    assert not any(mark.trusted for mark in receiver.marks)
    assert {fix.rollovers for fix in receiver.fixes} == {0}
    assert receiver.health("week-rollover") == [True]


def test_midnight_over_the_line() -> None:
    receiver = Receiver()
    for time, date in (("235957", "311220"), ("235958", "311220"), ("235959", "311220"), ("000000", "010121"), ("000001", "010121")):
        receiver.epoch(gga(time), rmc(time, date))
    receiver.end()
    assert [rfc3339(mark.utc, 0)[-9:-1] for mark in receiver.marks if mark.sentence == "GNGGA"][-2:] == ["00:00:00", "00:00:01"]
    assert [mark.utc for mark in receiver.marks if mark.sentence == "GNGGA"][-1] == receiver.fixes[-1].time
    assert [fix.trusted for fix in receiver.fixes] == [False, False, True, True, True]


def test_a_leap_second_has_the_number_of_the_next_second_and_keeps_trust() -> None:
    receiver = Receiver()
    for time, date in (("235957", "311216"), ("235958", "311216"), ("235959", "311216"), ("235960", "311216"), ("000000", "010117")):
        receiver.epoch(rmc(time, date), gga(time))
    receiver.epoch(rmc("000001", "010117"), gga("000001"))
    receiver.end()
    assert [rfc3339(fix.time or UtcNs(0), 0)[11:19] for fix in receiver.fixes[2:]] == ["23:59:59", "00:00:00", "00:00:00", "00:00:01"]
    assert [fix.trusted for fix in receiver.fixes] == [False, False, True, True, True, True]
    assert all(mark.trusted for mark in receiver.marks[6:])


def test_a_receiver_that_misses_the_leap_second_loses_trust() -> None:
    receiver = Receiver()
    for time, date in (("235957", "311216"), ("235958", "311216"), ("235959", "311216"), ("000000", "010117")):
        receiver.epoch(rmc(time, date))
    receiver.epoch(rmc("000000", "010117"))
    receiver.end()
    assert [fix.trusted for fix in receiver.fixes] == [False, False, True, True, False]


def test_ten_fixes_a_second_and_a_repeated_one() -> None:
    receiver = Receiver()
    for tenth in range(5):
        receiver.epoch(rmc(f"120000.{tenth}", "060419"), after=0.1)
    receiver.end()
    assert [fix.trusted for fix in receiver.fixes] == [False, False, True, True, True]
    again = Receiver()
    for _ in range(5):
        again.epoch(rmc("120000.0", "060419"), after=0.05)
    again.end()
    assert not any(fix.trusted for fix in again.fixes)


STEP = st.tuples(st.sampled_from([0, NS, 2 * NS, -NS, 1024 * 7 * 86_400 * NS]), st.sampled_from([NS, NS + 10**8, 2 * NS]), st.booleans())


@settings(deadline=None, max_examples=400)
@given(st.lists(STEP, min_size=3, max_size=14))
def test_trust_begins_only_with_three_agreeing_fixes_in_a_row(steps: list[tuple[int, int, bool]]) -> None:
    trust, utc, at, before = Trust(), 10**18, 0, False
    agreed = [False]
    for index, (forward, elapsed, usable) in enumerate(steps):
        utc, at = utc + forward, at + elapsed
        trust.update(UtcNs(utc), MonoNs(at), False, usable)
        agreed.append(abs(forward - elapsed) <= NS // 2)
        if trust.trusted and not before:
            assert [step[2] for step in steps[index - 2 : index + 1]] == [True] * 3
            assert agreed[-2:] == [True, True]
        if before and index and not agreed[-1]:
            assert not trust.trusted
        before = trust.trusted


def test_three_agreeing_fixes_are_enough() -> None:
    trust = Trust()
    for second in range(3):
        assert not trust.trusted
        trust.update(UtcNs(second * NS), MonoNs(second * NS + second * 10**8), False, True)
    assert trust.trusted

"""UBX messages of a navigation epoch as events, the rules of trust, and streams of both protocols."""

import math

import pytest
from testkit.ubx import NOON, WEEK, itow, of, pvt, raw, rmc, run, ubx

from stratum1.gnss.events import (
    Fix,
    FixMode,
    Health,
    Sky,
    TimeMark,
)
from stratum1.timescale import NS, from_rfc3339


def test_pvt_gives_what_nmea_gives_and_more() -> None:
    events, _ = run(*(pvt(second) for second in range(5)))
    marks, fixes = of(TimeMark, events), of(Fix, events)
    assert [mark.utc for mark in marks] == [NOON + second * NS for second in range(5)]
    assert {mark.sentence for mark in marks} == {"UBX-NAV-PVT"}
    assert all(mark.valid for mark in marks)
    assert [mark.trusted for mark in marks] == [False, False, False, True, True]
    assert [fix.trusted for fix in fixes] == [False, False, True, True, True]
    fix = fixes[0]
    assert (fix.time, fix.mode, fix.satellites_used, fix.leap_seconds, fix.rollovers) == (NOON, FixMode.THREE_D, 9, 18, 0)
    assert fix.position is not None
    assert (fix.position.latitude, fix.position.longitude, fix.position.altitude) == pytest.approx((46.92389, 7.46444, 563.0))
    assert (fix.time_accuracy, fix.position_accuracy) == pytest.approx((21e-9, 1.5))
    assert fix.dop is not None
    assert fix.dop.pdop == 1.4
    assert math.isnan(fix.dop.hdop)
    assert not fix.fixed_position


@pytest.mark.parametrize(
    ("fields", "named", "exact"),
    [
        ({"nano": -112_313}, NOON, NOON - 112_313),
        ({"nano": 799_899_687}, NOON + 800_000_000, NOON + 799_899_687),
        ({"nano": -500_000_000}, NOON - 500_000_000, NOON - 500_000_000),  # older ones round to the second
        ({"nano": 994_999_999}, NOON + 990_000_000, NOON + 994_999_999),
        ({"hour": 0, "min": 0, "nano": -700_000}, from_rfc3339("2026-03-01"), from_rfc3339("2026-03-01") - 700_000),
        ({"hour": 0, "min": 0, "nano": -400_000_000},) + (from_rfc3339("2026-03-01") - 400_000_000,) * 2,
    ],
)
def test_nano_may_be_negative(fields: dict[str, int], named: int, exact: int) -> None:
    events, decoder = run(pvt(0, **fields))
    assert of(TimeMark, events)[0].utc == named
    assert of(Fix, events)[0].time == exact
    assert not decoder.counters.rejects


@pytest.mark.parametrize(
    ("fix_type", "good", "mode", "fixed"),
    [
        (0, 1, FixMode.NONE, False),
        (1, 1, FixMode.NONE, False),
        (2, 1, FixMode.TWO_D, False),
        (3, 0, FixMode.NONE, False),
        (4, 1, FixMode.THREE_D, False),
        (5, 1, FixMode.TWO_D, True),
        (5, 0, FixMode.NONE, False),
    ],
)
def test_kinds_of_fix(fix_type: int, good: int, mode: FixMode, fixed: bool) -> None:
    events, _ = run(pvt(0, fixType=fix_type, gnssFixOk=good))
    fix = of(Fix, events)[0]
    assert (fix.mode, fix.fixed_position, fix.position is not None) == (mode, fixed, mode is not FixMode.NONE)
    assert all(mark.valid == (mode is not FixMode.NONE) for mark in of(TimeMark, events))


@pytest.mark.parametrize("flag", ["validDate", "validTime"])
def test_a_time_that_is_not_valid_is_none(flag: str) -> None:
    events, decoder = run(*(pvt(second, **{flag: 0}) for second in range(4)))
    assert not of(TimeMark, events)
    assert {fix.time for fix in of(Fix, events)} == {None}
    assert not decoder.counters.rejects


def test_no_time_is_trusted_before_the_leap_seconds_are_certain() -> None:
    doubtful = [pvt(second, fullyResolved=0) for second in range(20)]
    events, _ = run(*doubtful, *(pvt(second) for second in range(20, 24)))
    assert [mark.trusted for mark in of(TimeMark, events)] == [False] * 23 + [True]
    assert [fix.trusted for fix in of(Fix, events)] == [False] * 22 + [True, True]
    assert of(Fix, events)[0].leap_seconds is None


def test_a_jump_of_a_second_when_the_almanac_comes_costs_three_fixes() -> None:
    early = [pvt(second + 2, iTOW=itow(second), fullyResolved=0) for second in range(5)]
    events, _ = run(*early, *(pvt(second) for second in range(5, 10)))
    assert [mark.trusted for mark in of(TimeMark, events)] == [False] * 8 + [True, True]


def test_doubt_about_leap_seconds_reaches_the_nmea_of_the_same_receiver() -> None:
    events, _ = run(
        *(rmc(second) + ubx("NAV-TIMEGPS", iTOW=itow(second), week=WEEK, leapS=16, towValid=1, weekValid=1) for second in range(6))
    )
    assert not any(mark.trusted for mark in of(TimeMark, events))
    certain = [ubx("NAV-TIMEGPS", iTOW=itow(s), week=WEEK, leapS=18, towValid=1, weekValid=1, leapSValid=1) for s in range(6)]
    events, _ = run(*(rmc(second) + certain[second] for second in range(6)))
    assert any(mark.trusted for mark in of(TimeMark, events) if mark.sentence == "GNRMC")


def test_the_gravest_word_about_leap_seconds_counts_and_a_person_hears_of_it() -> None:
    def timels(source: int) -> bytes:
        return ubx("NAV-TIMELS", iTOW=itow(0), currLs=18, srcOfCurrLs=source, validCurrLs=1)

    events, _ = run(*(pvt(second) + timels(0 if second < 6 else 2) for second in range(10)))
    assert [mark.trusted for mark in of(TimeMark, events)] == [False] * 9 + [True]
    assert [(health.kind, health.alarm) for health in of(Health, events)][:2] == [("leap-seconds", True), ("leap-seconds", False)]


def test_an_old_word_about_leap_seconds_fades() -> None:
    doubt = ubx("NAV-TIMELS", iTOW=itow(0), currLs=18, srcOfCurrLs=0, validCurrLs=1)
    events, _ = run(pvt(0) + doubt, *(pvt(second) for second in range(1, 70)))
    trusted = [mark.trusted for mark in of(TimeMark, events)]
    assert trusted == [False] * 64 + [True] * 6


def test_generation_6_has_no_pvt() -> None:
    def epoch(second: int) -> bytes:
        now = {"iTOW": itow(second)}
        return b"".join(
            [
                ubx("NAV-POSLLH", **now, lat=46.92389, lon=7.46444, hMSL=563000, hAcc=2500),
                ubx("NAV-DOP", **now, pDOP=1.8, hDOP=0.9, vDOP=1.5),
                ubx("NAV-SOL", **now, week=WEEK, gpsFix=3, gpsfixOK=1, wknSet=1, towSet=1, numSV=7, pDOP=1.8, pAcc=300),
                ubx("NAV-TIMEUTC", **now, tAcc=40, year=2026, month=3, day=1, hour=12, sec=second, validTOW=1, validWKN=1, validUTC=1),
            ]
        )

    events, decoder = run(*(epoch(second) for second in range(5)))
    fixes = of(Fix, events)
    assert len(fixes) == 5
    assert [fix.time for fix in fixes] == [NOON + second * NS for second in range(5)]
    assert [fix.trusted for fix in fixes] == [False, False, True, True, True]
    assert {mark.sentence for mark in of(TimeMark, events)} == {"UBX-NAV-TIMEUTC"}  # NAV-SOL needs leap seconds from elsewhere
    last = fixes[-1]
    assert (last.mode, last.satellites_used, last.leap_seconds) == (FixMode.THREE_D, 7, 18)
    assert last.position is not None
    assert last.position.altitude == 563.0
    assert last.dop is not None
    assert (last.dop.pdop, last.dop.hdop, last.dop.vdop) == (1.8, 0.9, 1.5)
    assert last.time_accuracy == pytest.approx(40e-9)
    assert not decoder.counters.rejects


def test_utc_that_is_not_valid_is_not_trusted() -> None:
    fields = {"year": 2026, "month": 3, "day": 1, "hour": 12, "validTOW": 1, "validWKN": 1, "validUTC": 0}
    sol = {"gpsFix": 3, "gpsfixOK": 1, "week": WEEK, "wknSet": 1, "towSet": 1}
    events, _ = run(*(ubx("NAV-SOL", iTOW=itow(s), **sol) + ubx("NAV-TIMEUTC", iTOW=itow(s), sec=s, **fields) for s in range(6)))
    assert of(TimeMark, events)
    assert not any(mark.trusted for mark in of(TimeMark, events))


def test_one_epoch_of_both_protocols_is_one_fix() -> None:
    for order in (1, -1):
        events, _ = run(*(b"".join([rmc(second), pvt(second, nano=-70_000)][::order]) for second in range(6)))
        fixes, marks = of(Fix, events), of(TimeMark, events)
        assert len(fixes) == 6
        assert [mark.utc for mark in marks] == [NOON + second * NS for second in range(6) for _ in range(2)]
        assert all(mark.trusted for mark in marks[6:])
        assert fixes[-1].time == NOON + 5 * NS - 70_000
        assert fixes[-1].time_accuracy == pytest.approx(21e-9)


def test_what_is_not_to_be_believed_is_counted_only() -> None:
    both = [rmc(second) + pvt(second) for second in range(3)]
    events, decoder = run(*both, protocol="nmea")
    assert {mark.sentence for mark in of(TimeMark, events)} == {"GNRMC"}
    assert (dict(decoder.counters.sentences), decoder.counters.ubx_frames) == ({"GNRMC": 3}, 3)
    events, decoder = run(*both, protocol="ubx")
    assert {mark.sentence for mark in of(TimeMark, events)} == {"UBX-NAV-PVT"}
    assert dict(decoder.counters.sentences) == {"other": 3, "UBX-NAV-PVT": 3}


def test_a_rolled_over_date_is_repaired() -> None:
    old = {"year": 2006, "month": 7, "day": 16}  # 1024 weeks before
    events, _ = run(*(pvt(second, **old) for second in range(5)))
    assert [mark.utc for mark in of(TimeMark, events)][:2] == [NOON, NOON + NS]
    assert {mark.rollovers for mark in of(TimeMark, events)} == {1}
    assert any(health.kind == "week-rollover" and health.alarm for health in of(Health, events))
    assert of(Fix, events)[-1].trusted


def test_a_leap_second_passes() -> None:
    day = {"year": 2026, "month": 6, "day": 30, "hour": 23, "min": 59}
    base = (2 * 86_400 + 86_400 + 18) * 1000
    seconds = [pvt(0, **day, second=57 + k, iTOW=base + (k - 3) * 1000) for k in range(4)]
    after = [pvt(0, year=2026, month=7, day=1, hour=0, min=0, second=k, iTOW=base + (k + 1) * 1000) for k in range(3)]
    events, _ = run(*seconds, *after)
    midnight = from_rfc3339("2026-07-01")
    assert [mark.utc - midnight for mark in of(TimeMark, events)] == [k * NS for k in (-3, -2, -1, 0, 0, 1, 2)]
    assert [mark.trusted for mark in of(TimeMark, events)] == [False] * 3 + [True] * 4
    assert [fix.leap_seconds for fix in of(Fix, events)] == [18, 18, 18, 18, 19, 19, 19]


def test_satellites_of_nav_sat() -> None:
    group = [
        (0, 5, 40, 33, 120, 8),
        (6, 255, 20, 10, 10, 0),
        (3, 19, 0, -91, 0, 0),
        (4, 1, 30, 5, 5, 0),
        (2, 36, 110, 90, 360, 8),
        (1, 123, 33, 30, 180, 0),
    ]
    payload = itow(0).to_bytes(4, "little") + bytes((1, len(group), 0, 0))
    for system, number, cn0, elevation, azimuth, flags in group:
        payload += bytes((system, number, cn0)) + elevation.to_bytes(1, "little", signed=True)
        payload += azimuth.to_bytes(2, "little") + bytes(2) + flags.to_bytes(4, "little")
    events, _ = run(pvt(0) + raw(0x01, 0x35, payload))
    sky = of(Sky, events)[0].satellites
    assert [(s.constellation, s.number, s.cn0, s.elevation, s.azimuth, s.used) for s in sky] == [
        ("C", 19, None, None, None, False),
        ("E", 36, 99, 90, 360, True),
        ("G", 5, 40, 33, 120, True),
        ("R", 255, 20, 10, 10, False),
        ("S", 123, 33, 30, 180, False),
    ]
    assert of(Fix, events)[0].satellites_seen == 5


def test_satellites_of_nav_svinfo_are_numbered_alike() -> None:
    numbers = (5, 33, 65, 123, 159, 193, 211, 255, 175)
    payload = itow(0).to_bytes(4, "little") + bytes((len(numbers), 4, 0, 0))
    for number in numbers:
        payload += bytes((0, number, number == 5, 7, 40, 30)) + (120).to_bytes(2, "little") + bytes(4)
    events, _ = run(pvt(0) + raw(0x01, 0x30, payload))
    assert [(s.constellation, s.number, s.used) for s in of(Sky, events)[0].satellites] == [
        ("C", 1, False),
        ("C", 6, False),
        ("E", 1, False),
        ("G", 5, True),
        ("J", 1, False),
        ("R", 1, False),
        ("R", 255, False),
        ("S", 123, False),
    ]

"""UBX messages as events: what each kind says, the rules of trust, streams of both protocols, and whatever bytes may come."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyubx2 import UBXMessage

from stratum1.gnss import Framer, GnssDecoder, Reject, UbxFrame
from stratum1.gnss._decoder import Protocol
from stratum1.gnss.events import (
    Authenticity,
    Event,
    Fix,
    FixMode,
    Health,
    LeapNotice,
    PulseCorrection,
    RadioPath,
    Sky,
    Survey,
    TimeMark,
)
from stratum1.timescale import NS, MonoNs, from_rfc3339

DATA = Path(__file__).parent.parent / "data" / "gnss"
FLOOR = from_rfc3339("2017-01-01")
UBX = ("ublox-8-time", "ublox-neo-m8n", "ublox-neo-m8t")
NOON = from_rfc3339("2026-03-01T12:00:00Z")  # a Sunday: the week of GPS begins 18 s before midnight
WEEK = 2408
GOOD: dict[str, Any] = {"validDate": 1, "validTime": 1, "fullyResolved": 1, "fixType": 3, "gnssFixOk": 1, "numSV": 9, "tAcc": 21}
PLACE: dict[str, Any] = {"lat": 46.92389, "lon": 7.46444, "hMSL": 563000, "height": 612600, "hAcc": 1500, "pDOP": 1.4}


def itow(second: int) -> int:
    return (12 * 3600 + second + 18) * 1000


def ubx(kind: str, **fields: Any) -> bytes:
    return bytes(UBXMessage(kind[:3], kind, 0, **fields).serialize())


def raw(group: int, identity: int, payload: bytes) -> bytes:
    return bytes(UBXMessage(bytes((group,)), bytes((identity,)), 0, payload=payload).serialize())


def pvt(second: int, /, **other: Any) -> bytes:
    day = {"year": 2026, "month": 3, "day": 1, "hour": 12, "min": second // 60, "second": second % 60}
    return ubx("NAV-PVT", **{"iTOW": itow(second), **day, **GOOD, **PLACE, **other})


def rmc(second: int) -> bytes:
    body = f"GNRMC,12{second // 60:02d}{second % 60:02d}.00,A,4655.43340,N,00727.86640,E,0.0,,010326,,,A,V".encode()
    check = 0
    for byte in body:
        check ^= byte
    return b"$%b*%02X\r\n" % (body, check)


def run(*chunks: bytes, protocol: Protocol = "auto", late: float = 0.1) -> tuple[list[Event], GnssDecoder]:
    """Each chunk is what a receiver sends in one second."""
    decoder, events = GnssDecoder(FLOOR, protocol=protocol), []
    for second, chunk in enumerate(chunks):
        events += decoder.feed(chunk, MonoNs(round((second + late) * NS)))
    events += decoder.flush(MonoNs(len(chunks) * NS))
    return events, decoder


def of(kind: type, events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


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


def tim_tp(second: float, error: int = 0, **other: Any) -> bytes:
    fields = {"towMS": itow(0) - 18_000 + round(second * 1000), "week": WEEK, "qErr": error, "timeBase": 1, "utc": 1, **other}
    return ubx("TIM-TP", **fields)


def test_the_sawtooth_names_its_pulse_and_counts_late_as_positive() -> None:
    events, _ = run(pvt(0) + tim_tp(1, 7_500), pvt(1) + tim_tp(2, -9_000), pvt(2) + tim_tp(3, 1, qErrInvalid=1))
    told = of(PulseCorrection, events)
    assert [(each.utc, each.at_ns) for each in told] == [(NOON + (s + 1) * NS, round((s + 0.1) * NS)) for s in range(3)]
    assert told[0].error == pytest.approx(-7.5e-9)  # qErr positive: the pulse comes early
    assert told[1].error == pytest.approx(9e-9)
    assert told[2].error is None


@pytest.mark.parametrize(
    ("fields", "ahead"),
    [
        ({"timeBase": 0, "utc": 0, "timeRefGnss": 0}, 18),
        ({"timeBase": 0, "utc": 1, "timeRefGnss": 3}, 18),
        ({"timeBase": 0, "utc": 1, "timeRefGnss": 2}, 4),
        ({"timeBase": 0, "utc": 1, "timeRefGnss": 1}, 3 * 3600),
        ({"timeBase": 1, "utc": 1, "timeRefGnss": 0}, 0),
    ],
)
def test_the_pulse_is_named_in_its_time_base(fields: dict[str, int], ahead: int) -> None:
    events, _ = run(pvt(0) + tim_tp(1 + ahead, 100, **fields))
    assert of(PulseCorrection, events)[0].utc == NOON + NS


def test_no_correction_without_a_name() -> None:
    assert not of(PulseCorrection, run(tim_tp(1, 100))[0])  # no date yet
    assert not of(PulseCorrection, run(pvt(0) + tim_tp(1, 100, utc=0))[0])
    events, decoder = run(pvt(0) + tim_tp(100, 5) + tim_tp(1, 2_000_000) + ubx("TIM-TP", towMS=604_800_000, timeBase=1, utc=1))
    assert not of(PulseCorrection, events)
    assert decoder.counters.rejects == {Reject.FIELD: 3}


def timels(until: int, change: int, **other: Any) -> bytes:
    fields = {"currLs": 18, "srcOfCurrLs": 2, "validCurrLs": 1, "srcOfLsChange": 2, "validTimeToLsEvent": 1, **other}
    return ubx("NAV-TIMELS", iTOW=itow(0), lsChange=change, timeToLsEvent=until, **fields)


def test_leap_seconds_to_come() -> None:
    until = (from_rfc3339("2026-07-01") - NOON) // NS
    for change in (1, -1):
        for slack in (-1, 0, 1):
            notice = of(LeapNotice, run(pvt(0) + timels(until + slack, change))[0])[0]
            assert (notice.at, notice.sign, notice.leap_seconds) == (from_rfc3339("2026-07-01"), change, 18)


def test_no_leap_second_to_come() -> None:
    for message in (timels(-100_000, 0), timels(-5, 1)):
        notice = of(LeapNotice, run(pvt(0) + message)[0])[0]
        assert (notice.sign, notice.leap_seconds) == (0, 18)


def test_what_the_firmware_believes_of_leap_seconds_is_no_news() -> None:
    assert not of(LeapNotice, run(timels(-100_000, 0))[0])  # no time known
    for other in ({"validTimeToLsEvent": 0}, {"srcOfLsChange": 0}, {"srcOfLsChange": 255}):
        assert not of(LeapNotice, run(pvt(0) + timels(1, 1, **other))[0])
    for other in ({"srcOfCurrLs": 0}, {"srcOfCurrLs": 255}, {"validCurrLs": 0}):
        assert of(LeapNotice, run(pvt(0) + timels(-1, 0, **other))[0])[0].leap_seconds is None
    for wrong in (timels(5000, 1), timels(1, 7)):
        events, decoder = run(pvt(0) + wrong)
        assert not of(LeapNotice, events)
        assert decoder.counters.rejects == {Reject.FIELD: 1}


def test_survey() -> None:
    events, _ = run(pvt(0) + ubx("TIM-SVIN", dur=300, meanV=2_250_000, obs=295, valid=0, active=1))
    assert of(Survey, events)[0] == Survey(MonoNs(NS // 10), True, False, 300.0, 1.5, 295)
    assert not of(Fix, events)[0].fixed_position
    events, _ = run(ubx("NAV-SVIN", dur=600, meanAcc=15_000, obs=590, valid=1, active=0) + pvt(0))
    assert of(Survey, events)[0] == Survey(MonoNs(NS // 10), False, True, 600.0, 1.5, 590)
    assert of(Fix, events)[0].fixed_position


def mon_rf(*blocks: tuple[int, int]) -> bytes:
    payload = bytes((0, len(blocks), 0, 0))
    for number, (jamming, antenna) in enumerate(blocks):
        payload += bytes((number, jamming, antenna, 1)) + bytes(8) + (87).to_bytes(2, "little") + (4095).to_bytes(2, "little")
        payload += bytes((33, 0, 0, 0, 0)) + bytes(3)
    return raw(0x0A, 0x38, payload)


def test_antenna_and_interference() -> None:
    events, _ = run(mon_rf((1, 2), (2, 2)), mon_rf((3, 4), (1, 2)), mon_rf((3, 4), (1, 2)), mon_rf((1, 2), (1, 2)))
    paths = of(RadioPath, events)
    assert len(paths) == 8
    assert (paths[0].block, paths[0].antenna, paths[0].jamming, paths[0].jamming_indicator, paths[0].noise) == (0, "ok", "ok", 33, 87)
    assert paths[0].agc == pytest.approx(0.5, abs=1e-3)
    assert (paths[1].jamming, paths[2].jamming, paths[2].antenna) == ("warning", "critical", "open")
    assert [(h.kind, h.alarm) for h in of(Health, events)] == [("antenna", True), ("jamming", True), ("antenna", False), ("jamming", False)]


@pytest.mark.parametrize("pins", [17, 25])
def test_hardware_of_older_generations(pins: int) -> None:
    payload = (
        bytes(16)
        + (87).to_bytes(2, "little")
        + (8191).to_bytes(2, "little")
        + bytes((3, 1, 0b1100, 0))
        + bytes(4)
        + bytes(range(1, pins + 1))
    )
    payload += bytes((200, 0, 0)) + bytes(12)
    events, decoder = run(raw(0x0A, 0x09, payload))
    path = of(RadioPath, events)[0]
    assert (path.antenna, path.jamming, path.jamming_indicator, path.agc, path.noise) == ("short", "critical", 200, 1.0, 87)
    assert not decoder.counters.rejects


def test_spoofing() -> None:
    said = of(Authenticity, run(ubx("NAV-STATUS", iTOW=itow(0), gpsFix=3, gpsFixOk=1, spoofDetState=2))[0])
    assert [(each.spoofing, each.jamming) for each in said] == [("indicated", "unknown")]
    first = raw(0x27, 0x09, bytes((1, 0, 0, 0, 0b101, 0, 0, 0, 0b0111, 0, 0, 0)))
    second = raw(0x27, 0x09, bytes((2, 0b0011_1111 & ~1, 0, 1)) + bytes(4))
    events, _ = run(first, ubx("NAV-STATUS", iTOW=itow(1), gpsFix=3, gpsFixOk=1, spoofDetState=0), second)
    assert [(each.spoofing, each.jamming) for each in of(Authenticity, events)] == [("affirmed", "warning"), ("affirmed", "unknown")]
    assert [(h.kind, h.alarm) for h in of(Health, events)] == [("spoofing", True)]


def test_what_the_receiver_is() -> None:
    payload = (
        b"EXT CORE 4.04 (7f89f7)".ljust(30, b"\0")
        + b"00190000".ljust(10, b"\0")
        + b"MOD=ZED-F9T".ljust(30, b"\0")
        + b"PROTVER=29.20\xff".ljust(30, b"\0")
    )
    health = of(Health, run(raw(0x0A, 0x04, payload))[0])[0]
    assert (health.kind, health.alarm) == ("version", False)
    assert health.text == "u-blox: EXT CORE 4.04 (7f89f7), hardware 00190000, MOD=ZED-F9T, PROTVER=29.20"


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (raw(0x01, 0x07, bytes(83)), Reject.UBX_LENGTH),
        (raw(0x01, 0x07, b""), Reject.UBX_LENGTH),
        (raw(0x01, 0x35, bytes((0, 0, 0, 0, 1, 2, 0, 0)) + bytes(12)), Reject.UBX_LENGTH),
        (raw(0x27, 0x09, bytes((3, 0, 0, 0))), Reject.UBX_LENGTH),
        (raw(0x27, 0x09, bytes((2, 0, 0, 3))), Reject.UBX_LENGTH),
        (raw(0x0A, 0x04, bytes(41)), Reject.UBX_LENGTH),
        (pvt(0, month=13), Reject.DATE),
        (pvt(0, month=2, day=29), Reject.DATE),
        (pvt(0, year=65535), Reject.DATE),
        (pvt(0, hour=24), Reject.FIELD),
        (pvt(0, second=60), Reject.FIELD),
        (pvt(0, nano=2_000_000_000), Reject.FIELD),
        (pvt(0, fixType=9), Reject.FIELD),
        (pvt(0, lat=100.0), Reject.FIELD),
        (pvt(0, iTOW=604_800_000), Reject.FIELD),
        (ubx("NAV-SOL", iTOW=0, week=-1, gpsFix=3), None),  # the week is not set
    ],
)
def test_what_cannot_be_is_counted_and_does_nothing_else(frame: bytes, reason: Reject | None) -> None:
    good = [pvt(second) for second in range(4)]
    events, decoder = run(*good, frame, pvt(5))
    assert dict(decoder.counters.rejects) == ({reason: 1} if reason else {})
    assert of(Fix, events)[-1].trusted
    assert [mark.utc for mark in of(TimeMark, events)] == [NOON + second * NS for second in (0, 1, 2, 3, 5)]


def test_unknown_messages_are_counted_and_left_alone() -> None:
    events, decoder = run(raw(0x02, 0x15, bytes(16)) + raw(0x77, 0x01, b"x"))
    assert not events
    assert dict(decoder.counters.sentences) == {"UBX-other": 2}
    assert not decoder.counters.rejects


def test_a_reset_forgets_the_leap_seconds() -> None:
    decoder = GnssDecoder(FLOOR)
    decoder.feed(ubx("NAV-TIMEGPS", iTOW=itow(0), week=WEEK, leapS=18, towValid=1, weekValid=1, leapSValid=1), MonoNs(0))
    decoder.reset()
    events = decoder.feed(ubx("NAV-SOL", iTOW=itow(0), week=WEEK, gpsFix=3, gpsfixOK=1, wknSet=1, towSet=1), MonoNs(NS))
    assert not of(TimeMark, events)


@pytest.mark.parametrize("name", UBX)
def test_replayed_in_real_time_the_date_is_trusted_after_three_fixes(name: str) -> None:
    decoder, events = GnssDecoder(FLOOR), []
    epochs: dict[bytes, int] = {}
    for frame in Framer().feed((DATA / f"{name}.log").read_bytes(), MonoNs(0)):
        assert isinstance(frame, UbxFrame)
        if frame.message_class == 1:
            epochs.setdefault(frame.payload[:4], len(epochs))
        step = 0.2 if name == "ublox-neo-m8n" else 1.0
        events += decoder.feed(raw(frame.message_class, frame.message_id, frame.payload), MonoNs(round(len(epochs) * step * NS)))
    fixes = [event for event in events if isinstance(event, Fix)]
    assert [fix.trusted for fix in fixes[:5]] == [False, False, True, True, True]
    assert all(fix.trusted for fix in fixes[2:])


def _finite(event: Event) -> bool:
    numbers = [value for name in event.__slots__ if isinstance(value := getattr(event, name), float)]
    return all(math.isfinite(number) for number in numbers)


FRAMES = [frame for name in UBX for frame in Framer().feed((DATA / f"{name}.log").read_bytes(), MonoNs(0)) if isinstance(frame, UbxFrame)]
KINDS = [
    (1, 2),
    (1, 3),
    (1, 4),
    (1, 6),
    (1, 7),
    (1, 32),
    (1, 33),
    (1, 38),
    (1, 48),
    (1, 53),
    (1, 59),
    (10, 4),
    (10, 9),
    (10, 56),
    (13, 1),
    (13, 4),
    (39, 9),
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(KINDS), st.binary(max_size=130)), max_size=6))
def test_any_payload_of_a_right_checksum_is_survived(messages: list[tuple[tuple[int, int], bytes]]) -> None:
    stream = pvt(0)
    for (group, identity), payload in messages:
        stream += b"\xb5\x62" + frame_tail(group, identity, payload)
    events, decoder = run(stream, stream)
    assert all(_finite(event) for event in events)
    assert decoder.counters.ubx_frames == 2 * (1 + len(messages))


def frame_tail(group: int, identity: int, payload: bytes) -> bytes:
    body = bytes((group, identity)) + len(payload).to_bytes(2, "little") + payload
    a = b = 0
    for byte in body:
        a = (a + byte) & 0xFF
        b = (b + a) & 0xFF
    return body + bytes((a, b))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(FRAMES), st.lists(st.tuples(st.integers(0, 8191), st.integers(0, 255)), min_size=1, max_size=12), st.integers(0, 8191)
)
def test_mutated_real_frames_are_survived(frame: UbxFrame, changes: list[tuple[int, int]], cut: int) -> None:
    payload = bytearray(frame.payload)
    for place, value in changes:
        payload[place % len(payload)] = value
    if cut % 3 == 0:
        del payload[cut % len(payload) :]
    stream = b"".join(b"\xb5\x62" + frame_tail(frame.message_class, frame.message_id, each) for each in (frame.payload, bytes(payload)))
    events, _ = run(stream, pvt(0), stream)
    assert all(_finite(event) for event in events)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(st.binary(max_size=60), st.sampled_from([pvt(0), pvt(1), rmc(0), rmc(1), tim_tp(1, 5), mon_rf((1, 2))])), max_size=12
    ),
    st.data(),
)
def test_any_bytes_decode_alike_however_they_are_split(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    cut = data.draw(st.integers(0, len(stream)))
    whole, split = GnssDecoder(FLOOR), GnssDecoder(FLOOR)
    once = whole.feed(stream, MonoNs(0)) + whole.flush(MonoNs(0))
    twice = split.feed(stream[:cut], MonoNs(0)) + split.feed(stream[cut:], MonoNs(0)) + split.flush(MonoNs(0))
    assert [repr(event) for event in once] == [repr(event) for event in twice]
    assert whole.counters == split.counters

"""UBX messages about the receiver itself: sawtooth, leap seconds, survey, antenna, interference, spoofing, version."""

from typing import Any

import pytest
from testkit.ubx import NOON, itow, mon_rf, of, pvt, raw, run, tim_tp, ubx

from stratum1.gnss import Reject
from stratum1.gnss.events import (
    Authenticity,
    Fix,
    Health,
    LeapNotice,
    PulseCorrection,
    RadioPath,
    Survey,
)
from stratum1.timescale import NS, MonoNs, from_rfc3339


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

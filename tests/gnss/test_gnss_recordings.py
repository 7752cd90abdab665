"""Every recording against gpsd's decoding of it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stratum1.gnss import GnssDecoder, Reject, decode_recording, epoch_dict, recording_counters
from stratum1.gnss.events import Fix, Sky, TimeMark
from stratum1.timescale import NS, MonoNs, UtcNs, from_rfc3339, rfc3339

DATA = Path(__file__).parent.parent / "data" / "gnss"
FLOOR = from_rfc3339("2017-01-01")
NMEA = {
    "beidou-bd": 10,
    "bu353-glonass": 19,
    "gp-320fw-2019-04-06-overflow": 21,
    "hab-gpspi": 3,
    "mt3339": 30,
    "neo-m8n": 24,
    "nmea-fuzzy-cases": 14,
    "quectelLC79D": 30,
    "sirfstarv-nmea": 59,
    "skytraq": 17,
}
SKIES = 87
GNSSIDS = {"G": 0, "S": 1, "E": 2, "C": 3, "J": 5, "R": 6, "I": 7}
UBX = {"ublox-8-time": 284, "ublox-neo-m8n": 52, "ublox-neo-m8t": 242}
SILENT = None
TIME_FIELD = {"RMC": 1, "GGA": 1, "GNS": 1, "ZDA": 1, "GLL": 5}

# (recording, time of day): what gpsd says, what we say. The reasons are in tests/data/gnss/DIFFERENCES.md.
FIX_DIFFERENCES = {
    ("beidou-bd", "074155.799"): ((None, 3), ("2034-10-11T07:41:55.799Z", 3)),
    ("bu353-glonass", "081420.000"): (SILENT, ("2034-01-09T08:14:20.000Z", 1)),
    ("gp-320fw-2019-04-06-overflow", "235726.02"): (SILENT, ("2019-04-06T23:57:26.020Z", 3)),
    ("neo-m8n", "171948.00"): (SILENT, ("2034-11-01T17:19:48.000Z", 3)),
}
LEAP_DIFFERENCES = {
    ("ublox-8-time", "2017-12-01T17:22:37.000Z"): ((2, None), (2, 18)),
    ("ublox-neo-m8n", "2017-07-19T08:50:00.800Z"): ((3, None), (3, 18)),
}
QUECTEL_GPSD = (0, 14, 13, 13, 14, 15, 15, 15, 15, 15, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 15, 15, 15, 15, 15, 15, 14)
QUECTEL_OURS = (11, 10, 10, 11, 12, 12, 12, 12, 12, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 12, 12, 12, 12, 12, 12, 11, 12)
USED_DIFFERENCES = {
    ("quectelLC79D", f"1150{second:02d}.00" if second < 60 else f"1151{second - 60:02d}.00"): (theirs, ours)
    for second, theirs, ours in zip(range(33, 63), QUECTEL_GPSD, QUECTEL_OURS, strict=True)
}


@dataclass
class Cycle:
    """What gpsd said while the receiver named one time of day."""

    tod: str
    fix: tuple[str | None, int] | None = None
    used: list[tuple[int, int]] | None = None


def gpsd_cycles(name: str) -> list[Cycle]:
    cycles: list[Cycle] = []
    for line in (DATA / f"{name}.log.chk").read_bytes().decode("latin-1").splitlines():
        if line.startswith("{"):
            report = json.loads(line)
            if cycles and report["class"] == "TPV":
                cycles[-1].fix = (report.get("time"), report["mode"])
            elif cycles and report["class"] == "SKY" and "satellites" in report:
                cycles[-1].used = [(one["gnssid"], one["svid"]) for one in report["satellites"] if one["used"]]
        elif line.startswith("$") and line[3:6] in TIME_FIELD and line[1] != "P":
            tod = line.split(",")[TIME_FIELD[line[3:6]]]
            if not cycles or cycles[-1].tod != tod:
                cycles.append(Cycle(tod))
    return cycles


def ours(name: str) -> list[dict[str, str | int | float | None]]:
    return [epoch_dict(epoch) for epoch in decode_recording((DATA / f"{name}.log").read_bytes(), FLOOR)]


def test_every_recording_is_accounted_for() -> None:
    assert {path.stem for path in DATA.glob("*.log")} == {*NMEA, *UBX, "bu303-nofix"}


@pytest.mark.parametrize("name", NMEA)
def test_times_modes_and_satellites_are_gpsds(name: str) -> None:
    theirs, mine = gpsd_cycles(name), ours(name)
    assert len(mine) == len(theirs) == NMEA[name]
    fixes, used = {}, {}
    for cycle, epoch in zip(theirs, mine, strict=True):
        said = (epoch["time"], epoch["mode"])
        if cycle.fix != said:
            fixes[name, cycle.tod] = (cycle.fix, said)
        if cycle.used is not None and len(cycle.used) != epoch["satellites_used"]:
            used[name, cycle.tod] = (len(cycle.used), epoch["satellites_used"])
    assert fixes == {key: value for key, value in FIX_DIFFERENCES.items() if key[0] == name}
    assert used == {key: value for key, value in USED_DIFFERENCES.items() if key[0] == name}


def test_the_comparison_compares() -> None:
    cycles = [cycle for name in NMEA for cycle in gpsd_cycles(name)]
    assert len(cycles) == sum(NMEA.values())
    assert sum(cycle.used is not None for cycle in cycles) == SKIES
    assert sum(cycle.fix is not None and cycle.fix[0] is not None for cycle in cycles) >= 200


def test_quectel_differs_by_second_signals_and_one_epoch_only() -> None:
    theirs = [len(set(cycle.used or ())) for cycle in gpsd_cycles("quectelLC79D")]
    mine = [epoch["satellites_used"] for epoch in ours("quectelLC79D")]
    assert theirs[1:] == mine[:-1]


def test_positions_are_gpsds() -> None:
    last = json.loads([line for line in (DATA / "mt3339.log.chk").read_text().splitlines() if '"TPV"' in line][-1])
    epoch = ours("mt3339")[-1]
    assert (epoch["lat"], epoch["lon"]) == (last["lat"], last["lon"])
    assert epoch["satellites_seen"] == 12
    assert epoch["leap_seconds"] is None


def test_without_a_floor_dates_stand_as_sent() -> None:
    first = next(iter(decode_recording((DATA / "mt3339.log").read_bytes(), None)))
    assert epoch_dict(first)["time"] == "2015-04-13T20:26:40.000Z"


@pytest.mark.parametrize("name", NMEA)
def test_receiver_output_has_no_rejects(name: str) -> None:
    rejects = dict(recording_counters((DATA / f"{name}.log").read_bytes()).rejects)
    assert rejects == ({Reject.TEXT: 1} if name == "beidou-bd" else {})  # an empty line of spaces stands between header and data


def ubx_reports(name: str, kind: str) -> list[dict[str, Any]]:
    lines = (DATA / f"{name}.log.chk").read_text("latin-1").splitlines()
    reports = [json.loads(line) for line in lines if line.startswith("{")]
    return [report for report in reports if report["class"] == kind and (kind != "SKY" or "satellites" in report)]


def ubx_epochs(name: str) -> dict[str, tuple[Fix, Sky | None]]:
    """By time to the millisecond, as gpsd prints it: the fix, and the satellites where they came in that epoch."""
    decoder, data = GnssDecoder(FLOOR), (DATA / f"{name}.log").read_bytes()
    found, sky = {}, None
    for event in decoder.feed(data, MonoNs(0)) + decoder.flush(MonoNs(0)):
        if isinstance(event, Sky):
            sky = event
        elif isinstance(event, Fix) and event.time is not None:
            found[rfc3339(UtcNs((event.time + 500_000) // 1_000_000 * 1_000_000), 3)] = (event, sky)
            sky = None
    return found


@pytest.mark.parametrize("name", UBX)
def test_ubx_times_modes_leap_seconds_and_places_are_gpsds(name: str) -> None:
    theirs = {report["time"]: report for report in ubx_reports(name, "TPV")}  # the last of each time
    mine = ubx_epochs(name)
    assert list(mine) == list(theirs)
    differ = {}
    for time, (fix, _) in mine.items():
        said = (theirs[time]["mode"], theirs[time].get("leapseconds"))
        if said != (fix.mode, fix.leap_seconds):
            differ[name, time] = (said, (int(fix.mode), fix.leap_seconds))
        assert fix.position is not None
        place = (round(fix.position.latitude, 9), round(fix.position.longitude, 9))
        if name == "ublox-neo-m8n" or time == next(iter(mine)):
            assert place == (theirs[time]["lat"], theirs[time]["lon"])
        else:  # gpsd's place stands still where NAV-SOL tells it
            assert (theirs[time]["lat"], theirs[time]["lon"]) == (ubx_reports(name, "TPV")[0]["lat"], ubx_reports(name, "TPV")[0]["lon"])
    assert differ == {key: value for key, value in LEAP_DIFFERENCES.items() if key[0] == name}


@pytest.mark.parametrize("name", UBX)
def test_ubx_satellites_are_gpsds(name: str) -> None:
    theirs = {report["time"]: report["satellites"] for report in ubx_reports(name, "SKY")}
    mine = {time: (fix, sky) for time, (fix, sky) in ubx_epochs(name).items() if sky is not None}
    assert list(mine) == list(theirs)
    assert len(mine) >= 4
    for time, (fix, sky) in mine.items():
        assert sky is not None
        used = sorted((GNSSIDS[one.constellation], one.number) for one in sky.satellites if one.used)
        assert used == sorted((one["gnssid"], one["svid"]) for one in theirs[time] if one["used"])
        assert fix.satellites_used == len(used)
        assert fix.satellites_seen == len(sky.satellites) == len(theirs[time])
        heard = {(GNSSIDS[one.constellation], one.number): one.cn0 or 0 for one in sky.satellites}
        assert heard == {(one["gnssid"], one["svid"]): one["ss"] for one in theirs[time]}


@pytest.mark.parametrize("name", UBX)
def test_ubx_is_counted_by_kind(name: str) -> None:
    counters = recording_counters((DATA / f"{name}.log").read_bytes())
    assert counters.ubx_frames == UBX[name] == sum(counters.sentences.values())
    assert all(kind.startswith("UBX-") for kind in counters.sentences)


def test_sirf_binary_yields_nothing_and_is_counted() -> None:
    data = (DATA / "bu303-nofix.log").read_bytes()
    assert list(decode_recording(data, FLOOR)) == []
    counters = recording_counters(data)
    assert counters.rejects[Reject.BINARY] >= 10
    assert counters.ubx_frames == 0
    assert not counters.sentences


@pytest.mark.parametrize("name", [*NMEA, *UBX, "bu303-nofix"])
def test_the_description_at_the_head_does_no_harm(name: str) -> None:
    data = (DATA / f"{name}.log").read_bytes()
    decoder = GnssDecoder(FLOOR)
    events = decoder.feed(data, MonoNs(0)) + decoder.flush(MonoNs(0))
    fixes = [event for event in events if isinstance(event, Fix)]
    assert [fix.time for fix in fixes] == [epoch.fix.time for epoch in decode_recording(data, FLOOR)]
    assert decoder.counters.rejects[Reject.TEXT] >= 1


@pytest.mark.parametrize("name", ["mt3339", "sirfstarv-nmea", "neo-m8n", "quectelLC79D", "bu353-glonass"])
def test_replayed_in_real_time_the_date_is_trusted_after_three_fixes(name: str) -> None:
    decoder, events = GnssDecoder(FLOOR), []
    at = 0
    tod = ""
    for line in (DATA / f"{name}.log").read_bytes().splitlines(keepends=True):
        fields = line.decode("latin-1").split(",")
        field = TIME_FIELD.get(fields[0][3:6])
        if line.startswith(b"$") and field and fields[field] != tod:
            tod = fields[field]
            at += NS
        events += decoder.feed(line, MonoNs(at))
    fixes = [event for event in events if isinstance(event, Fix) and event.time is not None]
    assert [fix.trusted for fix in fixes[:5]] == [False, False, True, True, True]
    assert all(fix.trusted for fix in fixes[2:])
    marks = [event for event in events if isinstance(event, TimeMark)]
    first_trusted = next(mark for mark in marks if mark.trusted)
    assert first_trusted.utc == fixes[3].time
    assert {mark.sentence for mark in marks} <= set(decoder.counters.sentences)

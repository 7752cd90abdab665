import json
from dataclasses import fields, replace

import pytest
from testkit.shown import NOW, make_bare_status, make_status

from stratum1.control import (
    RecentSeries,
    ServerStatus,
    SetupStatus,
    TemperatureStatus,
    alarms,
    status_json,
    without_exact_position,
)
from stratum1.gnss.events import Position
from stratum1.timescale import NS, UtcNs


def test_json_has_the_fixed_shape() -> None:
    shape = status_json(make_status())
    assert {"state", "since", "reason", "in_specification"} <= shape["lock"].keys()
    assert {"stratum", "refid", "leap", "offset", "error_bound", "root_delay", "root_dispersion", "frequency_ppm"} <= shape["time"].keys()
    assert {"mode", "satellites_used", "satellites_seen", "utc"} <= shape["gnss"].keys()
    assert {"pulses", "missed", "jitter"} <= shape["pps"].keys()
    assert {"received", "answered", "nts_received"} <= shape["server"].keys()
    assert shape["simulated"] is False


def test_json_writes_instants_as_text_and_counts_as_numbers() -> None:
    shape = status_json(make_status())
    assert shape["time"]["utc"] == "2026-11-24T03:14:15.926535897Z"
    assert shape["gnss"]["utc"] == "2026-11-24T03:14:15.000000000Z"
    assert shape["time"]["next_leap"] == {"at": "2027-01-01T00:00:00.000000000Z", "sign": 1, "tai_offset": 38}
    assert shape["events"][0]["at"].endswith("Z")
    assert shape["lock"]["state"] == "locked"
    assert shape["time"]["leap"] == 0
    assert shape["time"]["offset"] == -37.2e-9
    assert shape["gnss"]["satellites"][0] == {"constellation": "G", "number": 5, "azimuth": 40, "elevation": 62, "cn0": 44, "used": True}


def test_json_is_valid_whatever_is_missing_or_not_a_number() -> None:
    full = json.loads(json.dumps(status_json(make_status()), allow_nan=False))
    assert full["gnss"]["dop"]["vdop"] is None
    bare = json.loads(json.dumps(status_json(make_bare_status()), allow_nan=False))
    assert [bare[part] for part in ("gnss", "pps", "refclock", "discipline")] == [None] * 4
    assert bare["time"]["error_bound"] is None


def test_server_totals_are_the_sums_of_the_listeners() -> None:
    server = make_status().server
    for field in fields(ServerStatus):
        if field.name != "listeners":
            assert getattr(server, field.name) == sum(getattr(each, field.name) for each in server.listeners)
    assert server.accepted > 0


def test_position_is_rounded_for_strangers_and_nothing_else_changes() -> None:
    status = make_status()
    coarse = without_exact_position(status)
    assert status.gnss is not None
    assert coarse.gnss is not None
    assert coarse.gnss.position == Position(47.2, 8.5, 400.0)
    assert replace(coarse, gnss=status.gnss) == status
    assert without_exact_position(make_bare_status()) == make_bare_status()


def test_alarms_gather_from_every_part() -> None:
    status = make_status()
    assert alarms(status) == ()
    assert status.gnss is not None
    assert status.refclock is not None
    assert status.pps is not None
    assert status.leaps is not None
    listener = replace(status.server.listeners[0], error="port taken")
    bad = replace(
        status,
        gnss=replace(
            status.gnss,
            line=replace(status.gnss.line, error="unplugged"),
            setup=SetupStatus("unanswered", "", "", "", None, None, ("NAK",), 0),
        ),
        temperature=TemperatureStatus("", None, "no sensor"),
        refclock=replace(status.refclock, alarms=("the pulse is inverted",)),
        pps=replace(status.pps, error="no such device"),
        server=ServerStatus.of(listener),
        leaps=replace(status.leaps, alarms=("The list of leap seconds expired",)),
        outputs=(replace(status.outputs[0], state="problem", text="nobody listens there"), status.outputs[1]),
    )
    found = alarms(bad)
    assert len(found) == 9
    assert [
        word
        for word in (
            *(
                "does not answer UBX",
                "NAK",
                "no sensor",
                "inverted",
                "unplugged",
                "no such device",
                "port taken",
                "expired",
                "nobody listens",
            ),
        )
        if not any(word in each for each in found)
    ] == []
    assert status_json(bad)["alarms"] == list(found)


def test_series_is_bounded_and_has_columns_of_one_length() -> None:
    series = RecentSeries(capacity=5)
    for i in range(8):
        series.record(make_status(UtcNs(NOW + i * NS), uptime=100.0 + i))
    columns = series.json()
    assert len(series) == 5
    assert {len(column) for column in columns.values()} == {5}
    assert columns["at"][0] == "2026-11-24T03:14:18.926Z"
    assert columns["offset"] == [-37.2e-9] * 5


def test_series_json_has_no_infinity() -> None:
    series = RecentSeries()
    series.record(make_bare_status())
    assert json.loads(json.dumps(series.json(), allow_nan=False))["error_bound"] == [None]


def test_rates_count_on_uptime_over_the_last_ten_seconds() -> None:
    series = RecentSeries()
    assert series.rates() == {}
    for i in range(31):
        status = make_status(UtcNs(NOW - i * NS), uptime=100.0 + i)  # UTC runs backwards here: a step must not matter
        busy = replace(status.server.listeners[0], received=1000 * i if i > 20 else 0)
        series.record(replace(status, server=ServerStatus.of(busy)))
    assert series.rates() == {"[::]:11123": pytest.approx(3000.0)}

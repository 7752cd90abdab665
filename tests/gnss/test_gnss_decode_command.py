"""`stratum1 gnss decode`."""

import json
from pathlib import Path

import pytest
import typer
from pyubx2 import UBXMessage
from testkit.runner import cli_runner

from stratum1.cli.gnss import app as group
from stratum1.cli.gnss import decode

DATA = Path(__file__).parent.parent / "data" / "gnss"
app = typer.Typer()
app.add_typer(group, name="gnss")


def run(*arguments: str) -> tuple[int, str, str]:
    result = cli_runner().invoke(app, ["gnss", "decode", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_json_is_one_object_an_epoch() -> None:
    code, out, err = run(str(DATA / "mt3339.log"), "--json", "--not-before", "2017-01-01")
    epochs = [json.loads(row) for row in out.splitlines()]
    assert (code, err, len(epochs)) == (0, "", 30)
    assert epochs[3] == {
        "time": "2034-11-27T20:26:43.000Z",
        "mode": 3,
        "satellites_used": 11,
        "satellites_seen": 12,
        "leap_seconds": None,
        "lat": 44.068841667,
        "lon": -121.314191667,
    }
    assert epochs[0]["satellites_seen"] is None
    assert list(epochs[0]) == ["time", "mode", "satellites_used", "satellites_seen", "leap_seconds", "lat", "lon"]


def test_without_not_before_dates_stand_as_sent() -> None:
    _, out, _ = run(str(DATA / "mt3339.log"), "--json")
    assert json.loads(out.splitlines()[0])["time"] == "2015-04-13T20:26:40.000Z"


def test_what_is_not_known_is_null() -> None:
    _, out, _ = run(str(DATA / "gp-320fw-2019-04-06-overflow.log"), "--json")
    first = json.loads(out.splitlines()[0])
    assert (first["time"], first["mode"], first["satellites_used"]) == (None, 2, None)


def test_table() -> None:
    code, out, _ = run(str(DATA / "bu353-glonass.log"), "--not-before", "2017-01-01")
    rows = out.splitlines()
    assert code == 0
    assert rows[5].split() == ["2034-01-09T08:14:16.000Z", "3D", "used", "6", "seen", "22", "55.686611667", "37.621543333"]
    assert rows[-1].split() == ["2034-01-09T08:14:29.000Z", "no", "fix", "used", "0", "seen", "22", "-", "-"]
    assert len({len(row) for row in rows}) == 1


def test_ubx_is_decoded_too() -> None:
    code, out, _ = run(str(DATA / "ublox-neo-m8n.log"), "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert (code, len(rows)) == (0, 24)
    assert rows[0] == {
        "time": "2017-07-19T08:50:00.799899687Z",
        "mode": 3,
        "satellites_used": 14,
        "satellites_seen": None,
        "leap_seconds": 18,
        "lat": -34.9062263,
        "lon": 138.6081197,
    }


def test_no_epoch_is_explained_and_no_failure(tmp_path: Path) -> None:
    code, out, err = run(str(DATA / "bu303-nofix.log"), "--json")
    assert (code, out) == (0, "")
    assert "no epoch" in err
    assert "binary between frames" in err
    other = tmp_path / "other.ubx"
    other.write_bytes(UBXMessage("MON", "MON-VER", 0, swVersion=b"EXT CORE 4.04").serialize())
    assert "0 NMEA sentences, 1 UBX frames" in run(str(other))[2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((str(DATA / "nothing.log"),), "nothing.log: No such file or directory"),
        ((str(DATA),), "Is a directory"),
        ((str(DATA / "mt3339.log"), "--not-before", "yesterday"), "--not-before yesterday: not a date"),
        ((str(DATA / "mt3339.log"), "--not-before", "2017-02-30"), "not a date"),
        ((), "Missing argument"),
    ],
)
def test_errors_say_what_and_exit_with_2(arguments: tuple[str, ...], said: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_the_body_can_be_called_without_typer(capsys: pytest.CaptureFixture[str]) -> None:
    decode(DATA / "hab-gpspi.log", as_json=True, not_before="2017-01-01")
    assert [json.loads(row)["time"] for row in capsys.readouterr().out.splitlines()][-1] == "2035-02-04T09:28:37.000Z"

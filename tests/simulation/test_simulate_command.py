"""`stratum1 simulate`: figures, trace, and what it says of bad files."""

import csv
import json
from pathlib import Path

import pytest
import typer
from testkit.runner import cli_runner

from stratum1.cli.simulate import simulate
from stratum1.simulation import SCENARIOS, series

app = typer.Typer()
app.command()(simulate)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    noise = series(SCENARIOS["S5"], 1)
    frequency, pulses = tmp_path / "frequency", tmp_path / "pulses"
    frequency.write_text("".join(f"{v:.12e}\n" for v in noise.frequency[:3700]))
    pulses.write_text("".join("1e9\n" if v != v else f"{v:.12e}\n" for v in noise.pulses[:3700]))
    return frequency, pulses


def test_json_has_the_figures_and_the_trace_every_second(files: tuple[Path, Path], tmp_path: Path) -> None:
    trace = tmp_path / "out.csv"
    arguments = ["--frequency", str(files[0]), "--pulses", str(files[1]), "--json", "--trace", str(trace)]
    result = cli_runner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert set(figures) == {"rms", "p99", "max", "t1", "frequency_rms", "bound_coverage", "states", "integrity"}
    assert 0 < figures["rms"] < figures["p99"] <= figures["max"] < 2e-6
    assert figures["t1"] < 60
    assert figures["bound_coverage"] > 0.999
    assert sum(figures["states"].values()) == 3700
    with trace.open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["second", "true_error", "error_bound", "state"]
    assert len(rows) == 3700
    assert float(rows[0]["true_error"]) == pytest.approx(-0.1)
    assert rows[-1]["state"] == "locked"


def test_an_attack_is_told_with_when_it_was_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    arguments = ["--frequency", str(files[0]), "--pulses", str(files[1]), "--json"]
    result = cli_runner().invoke(app, [*arguments, "--attack", "affirmed", "--attack-at", "60"])
    (said,) = json.loads(result.stdout)["integrity"]
    assert said["refused"] is True
    assert 60 < said["second"] < 64
    assert "spoofing is affirmed" in said["text"]
    wrong = cli_runner().invoke(app, [*arguments, "--attack", "magic"])
    assert wrong.exit_code == 2
    assert "known attacks are none, drag" in wrong.stderr
    del tmp_path


def test_text_for_people(files: tuple[Path, Path]) -> None:
    result = cli_runner().invoke(app, ["--frequency", str(files[0]), "--pulses", str(files[1]), "--offset", "-5"])
    assert result.exit_code == 0, result.output
    assert "below 1 us       from second" in result.stdout
    assert "locked" in result.stdout


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("1e-6\nabc\n", "pulses, line 2: 'abc'; allowed: one number from -0.5 to 0.5 s, or 1e9 or nan"),
        ("1e-6\n\n", "pulses, line 2: ''"),
        ("1e-6\n7\n", "pulses, line 2: '7'"),
        ("1e-6\n-inf\n", "pulses, line 2: '-inf'"),
        ("1e-6\n", "pulses: 1 lines, but"),
        ("", "pulses: empty"),
    ],
)
def test_bad_file_is_named_with_line_and_what_is_allowed(tmp_path: Path, content: str, expected: str) -> None:
    (tmp_path / "frequency").write_text("2e-5\n2e-5\n")
    (tmp_path / "pulses").write_text(content)
    result = cli_runner().invoke(app, ["--frequency", str(tmp_path / "frequency"), "--pulses", str(tmp_path / "pulses")])
    assert result.exit_code == 2
    assert expected in result.stderr


def test_missing_binary_and_unwritable_files(tmp_path: Path) -> None:
    good, binary = tmp_path / "good", tmp_path / "binary"
    good.write_text("0\n0\n")
    binary.write_bytes(b"\xff\xfe\x00")
    for arguments, expected in (
        (["--frequency", str(tmp_path / "none"), "--pulses", str(good)], "none: No such file"),
        (["--frequency", str(binary), "--pulses", str(good)], "binary: not a text file"),
        (["--frequency", str(good), "--pulses", str(good), "--temperature", str(tmp_path / "none")], "none: No such file"),
        (["--frequency", str(good), "--pulses", str(good), "--trace", str(tmp_path / "no" / "out.csv")], "out.csv: No such file"),
        (["--frequency", str(good), "--pulses", str(good), "--trace", str(tmp_path / "." / good.name)], "is one of the files to read"),
        (["--frequency", str(good), "--pulses", str(good), "--offset", "nan"], "--offset nan: allowed"),
        (["--frequency", str(good), "--pulses", str(good), "--temperature", str(binary)], "binary: not a text file"),
    ):
        result = cli_runner().invoke(app, arguments)
        assert result.exit_code == 2, result.output
        assert expected in result.stderr


def test_nan_is_a_missing_pulse_but_no_frequency(tmp_path: Path) -> None:
    good, holes = tmp_path / "good", tmp_path / "holes"
    good.write_text("0\n0\n")
    holes.write_text("nan\n1e9\n")
    assert cli_runner().invoke(app, ["--frequency", str(good), "--pulses", str(holes)]).exit_code == 0
    assert cli_runner().invoke(app, ["--frequency", str(holes), "--pulses", str(good)]).exit_code == 2

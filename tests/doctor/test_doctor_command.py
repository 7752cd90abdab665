"""`stratum1 doctor` on the real host."""

import json
import os
import pty
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from testkit.loopback import free_port

DOCTOR = [sys.executable, "-c", "from stratum1.cli import main; main()", "doctor"]


@pytest.fixture
def taken() -> Iterator[int]:
    """A UDP port that this process has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def simulated(tmp_path: Path, ntp: int | None = None) -> Path:
    """The configuration of a simulated run in this directory, on ports that are free."""
    file = tmp_path / "stratum1.toml"
    file.write_text(
        '[receiver]\ndevice = "simulated"\npps = "simulated"\n'
        f'[clock]\ncontrol = "virtual"\nstate-directory = "{tmp_path}/state"\n'
        f'[[server]]\nlisten = "127.0.0.1:{ntp or free_port(socket.SOCK_DGRAM)}"\n'
        f'[web]\nlisten = "127.0.0.1:{free_port(socket.SOCK_STREAM)}"\n'
        f'[control]\nsocket = "{tmp_path}/control.sock"\n'
    )
    return file


def doctor(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*DOCTOR, *map(str, arguments)], capture_output=True, text=True, timeout=50, check=False)


def as_json(*arguments: str | Path) -> tuple[int, dict[str, Any]]:
    result = doctor("--json", *arguments)
    told: dict[str, Any] = json.loads(result.stdout)
    return result.returncode, told


def test_a_simulated_run_can_start_on_this_host(tmp_path: Path) -> None:
    result = doctor("-c", simulated(tmp_path))
    assert (result.returncode, result.stderr) == (0, "")
    assert "  ok       the receiver gives the time\n" in result.stdout
    assert "\nNetwork\n" in result.stdout
    assert "\x1b" not in result.stdout
    assert not (tmp_path / "state").exists()


def test_json_has_the_version_the_counts_and_the_findings(tmp_path: Path) -> None:
    status, told = as_json("-c", simulated(tmp_path))
    assert status == 0
    assert list(told) == ["version", "status", "counts", "findings"]
    assert told["status"] == 0
    assert list(told["counts"]) == ["ok", "warning", "failure", "skipped"]
    assert sum(told["counts"].values()) == len(told["findings"]) > 10
    assert told["findings"][0]["name"] == "configuration.file"
    assert {tuple(each) for each in told["findings"]} == {("level", "name", "text", "remedy")}
    assert {each["level"] for each in told["findings"]} <= {"ok", "warning", "skipped"}


def test_a_taken_port_is_a_failure_that_names_us(tmp_path: Path, taken: int) -> None:
    status, told = as_json("-c", simulated(tmp_path, taken))
    failures = [each for each in told["findings"] if each["level"] == "failure"]
    assert (status, told["status"], [each["name"] for each in failures]) == (1, 1, ["network.ntp"])
    assert f"(pid {os.getpid()}" in failures[0]["text"]
    assert "or choose another port in [[server]] listen" in failures[0]["remedy"]


def test_in_text_the_failure_stands_out_and_its_remedy_stands_below(tmp_path: Path, taken: int) -> None:
    result = doctor("-c", simulated(tmp_path, taken))
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    at = next(index for index, line in enumerate(lines) if line.startswith("  FAILURE  "))
    assert lines[at].startswith(f"  FAILURE  127.0.0.1:{taken}/udp is taken by ")
    assert lines[at + 1].startswith("           -> sudo ")
    assert "1 failure" in lines[-1]


def test_a_bad_configuration_ends_with_2(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text('[reciever]\n[web]\nlisten = "here"\n')
    result = doctor("-c", file)
    assert result.returncode == 2
    assert 'unknown key; did you mean "receiver"?' in result.stdout
    status, told = as_json("-c", file)
    assert (status, told["status"], told["counts"]["failure"]) == (2, 2, 2)
    assert {each["name"] for each in told["findings"]} == {"configuration.file"}


def test_a_missing_configuration_ends_with_2_and_says_how_to_get_one(tmp_path: Path) -> None:
    status, told = as_json("-c", tmp_path / "none.toml")
    assert status == 2
    assert "stratum1 run --simulate" in told["findings"][0]["remedy"]


@pytest.mark.parametrize("plain", [False, True])
def test_colours_are_for_terminals_that_want_them(tmp_path: Path, plain: bool) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | {"TERM": "xterm", "COLUMNS": "80"}
    if plain:
        environment["NO_COLOR"] = "1"
    master, slave = pty.openpty()
    process = subprocess.Popen([*DOCTOR, "-c", str(simulated(tmp_path))], stdout=slave, env=environment)
    os.close(slave)
    text = b""
    try:
        while chunk := os.read(master, 65536):
            text += chunk
    except OSError:
        pass  # a pseudo-terminal's way to say that the other end is closed
    os.close(master)
    assert process.wait(20) == 0
    assert (b"\x1b[32m" in text) is not plain
    if plain:
        assert [line for line in text.decode().splitlines() if len(line) > 80 and str(tmp_path) not in line] == []

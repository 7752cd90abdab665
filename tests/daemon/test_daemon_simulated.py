"""The whole daemon with its simulated receiver: answers at once, locks, loses and finds its reference, ends cleanly."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from testkit.daemon import Daemon, started

from stratum1.sources import QueryError

pytestmark = pytest.mark.timeout(150)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with started(tmp_path_factory.mktemp("simulated")) as running:
        running.first = running.ask_soon(within=3.0)  # type: ignore[attr-defined] # the very first answer, for the test that wants it
        running.await_lock("locked", within=60.0)
        yield running


def _command(daemon: Daemon, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(daemon.directory)}
    argv = [sys.executable, "-m", "stratum1", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=30, check=False)


def test_it_answers_within_three_seconds_and_says_that_it_does_not_know(daemon: Daemon) -> None:
    first = daemon.first.measurement  # type: ignore[attr-defined]
    assert (int(first.leap), first.stratum, first.synchronised) == (3, 0, False)


def test_locked_it_serves_the_simulated_truth_as_stratum_1(daemon: Daemon) -> None:
    elapsed = time.monotonic() - daemon.started
    told = daemon.ask().measurement
    assert (told.stratum, told.refid_text, int(told.leap)) == (1, "GPS", 0)
    # The truth runs 0.1 s and 20 ppm ahead of the host's clock, which nothing told the daemon.
    assert told.offset == pytest.approx(0.1 + 20e-6 * elapsed, abs=2e-4)
    assert 2**-16 <= told.root_dispersion < 1e-3


def test_status_command_and_every_surface_say_simulated(daemon: Daemon) -> None:
    done = _command(daemon, "status", "--json")
    assert done.returncode == 0, done.stderr
    status = json.loads(done.stdout)
    assert status["simulated"] is True
    assert status["lock"]["state"] == "locked"
    assert status["lock"]["in_specification"] is True
    assert {"stratum", "refid", "leap", "offset", "error_bound", "root_delay", "root_dispersion", "frequency_ppm"} <= set(status["time"])
    assert status["time"]["frequency_ppm"] == pytest.approx(20.0, abs=0.5)
    assert {"mode", "satellites_used", "satellites_seen", "utc"} <= set(status["gnss"])
    assert {"pulses", "missed", "jitter"} <= set(status["pps"])
    assert {"received", "answered", "nts_received"} <= set(status["server"])
    page = urllib.request.urlopen(f"http://127.0.0.1:{daemon.web}/", timeout=5).read().decode()
    assert "simulated" in page.lower()
    metrics = urllib.request.urlopen(f"http://127.0.0.1:{daemon.web}/metrics", timeout=5).read().decode()
    assert "\nstratum1_simulated 1.0\n" in metrics
    assert f'ntp_server_received_packets_total{{listen_address="127.0.0.1:{daemon.ntp}"}}' in metrics
    assert "simulated" in _command(daemon, "status").stdout.lower()


def test_gnss_and_query_commands(daemon: Daemon) -> None:
    shown = _command(daemon, "gnss")
    assert shown.returncode == 0, shown.stderr
    assert "GNRMC" in shown.stdout
    asked = _command(daemon, "query", f"127.0.0.1:{daemon.ntp}", "--json")
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout)["refid"] == "GPS"


def test_counters_follow_the_packets(daemon: Daemon) -> None:
    before = daemon.status()["server"]
    daemon.ask()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stray:
        stray.sendto(b"\x16" + bytes(11), ("127.0.0.1", daemon.ntp))  # mode 6
    after = daemon.await_status(lambda status: status["server"]["received"] >= before["received"] + 2, within=5)["server"]
    assert after["accepted"] == before["accepted"] + 1
    assert after["ignored"] == before["ignored"] + 1


def test_reload_keeps_running_and_a_bad_file_changes_nothing(daemon: Daemon) -> None:
    daemon.process.send_signal(signal.SIGHUP)
    daemon.await_status(lambda status: any("read again" in event["text"] for event in status["events"]), within=5)
    good = daemon.file.read_text()
    daemon.file.write_text(good + "\n[clok]\n")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.await_status(lambda status: any("clok" in event["text"] and "clock" in event["text"] for event in status["events"]), within=5)
    daemon.file.write_text(good)
    assert daemon.ask().measurement.stratum == 1


def test_a_reload_puts_access_rules_in_force_and_names_what_waits_for_a_restart(daemon: Daemon) -> None:
    good = daemon.file.read_text()

    def reload(text: str, told: str) -> None:
        daemon.file.write_text(text)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.await_status(lambda status: status["events"][-1]["text"] == told, within=5)

    refusing = good.replace("[web]", 'deny = ["127.0.0.0/8"]\n[web]')
    reload(refusing, "configuration read again: all of it is in force")
    with pytest.raises(QueryError, match="DENY"):
        daemon.ask()
    reload(refusing.replace("[web]", 'smear = "linear"\n[web]'), "configuration read again; a restart is needed for [server]")
    with pytest.raises(QueryError, match="DENY"):
        daemon.ask()
    reload(good, "configuration read again: all of it is in force")
    assert daemon.ask().measurement.stratum == 1
    listener = daemon.status()["server"]["listeners"][0]
    assert listener["reasons"]["access-denied"] == listener["responses"]["kiss-deny"] == 2
    assert listener["plane"]["name"] == listener["data_plane"]
    assert listener["plane"]["rate_limit"]["slots"] == 65_536


@pytest.mark.parametrize(
    ("pull", "put_back", "word"),
    [
        (("pause-pulse",), ("resume-pulse",), "pulse"),
        (("unplug",), ("replug",), ""),
        (("lose-fix",), ("regain-fix",), "fix"),
        (("pause-pulse", "unplug"), ("resume-pulse", "replug"), ""),
    ],
)
def test_pulled_plug_leads_to_holdover_and_back(daemon: Daemon, pull: tuple[str, ...], put_back: tuple[str, ...], word: str) -> None:
    before = daemon.await_lock("locked", within=40)
    steps = before["time"]["steps"]
    for plug in pull:
        daemon.act(plug)
    held = daemon.await_lock("holdover", within=15)
    assert word in held["lock"]["reason"]
    first = daemon.ask().measurement
    time.sleep(3)
    later = daemon.ask().measurement
    assert (later.stratum, int(later.leap)) == (1, 0)
    assert later.root_dispersion > first.root_dispersion
    assert daemon.status()["time"]["error_bound"] > before["time"]["error_bound"]
    for plug in put_back:
        daemon.act(plug)
    back = daemon.await_lock("locked", within=40)
    assert back["time"]["steps"] == steps
    assert daemon.status()["time"]["error_bound"] < held["time"]["error_bound"] + 1e-3


def test_recording_of_the_running_daemon_replays(daemon: Daemon, tmp_path: Path) -> None:
    daemon.await_lock("locked", within=40)
    file = tmp_path / "run.jsonl"
    done = _command(daemon, "record", str(file), "--seconds", "4")
    assert done.returncode == 0, done.stderr
    replayed = _command(daemon, "replay", str(file), "--json")
    assert replayed.returncode == 0, replayed.stderr
    result = json.loads(replayed.stdout)
    assert result["inputs"]["edge"] >= 6
    assert result["inputs"]["serial"] >= 10
    assert result["whole"] is False


def test_whole_run_replays_to_the_bit_and_it_ends_cleanly(tmp_path: Path) -> None:
    file = tmp_path / "whole.jsonl"
    with started(tmp_path, arguments=("--simulate", "--record", str(file), "--seed", "7")) as running:
        running.await_lock("locked", within=60)
        begun = time.monotonic()
        assert running.end() == 0
        assert time.monotonic() - begun < 5
    assert "Traceback" not in running.printed()
    assert not running.socket.exists()
    assert (tmp_path / "stratum1" / "drift").exists()
    done = _command(running, "replay", str(file), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["whole"] is True
    assert result["different"] == 0
    assert result["steerings"] > 10
    assert result["state"] == "locked"

import json
import os
import pty
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from testkit.http import serving
from testkit.shown import FakeSource, make_bare_status, make_status

from stratum1.cli.show import gnss_text, status_text
from stratum1.control import RecentSeries, status_json
from stratum1.control.http import Actions, make_control_app

COMMANDS = ("run", "status", "query", "simulate", "doctor", "record", "replay", "config", "gnss", "leap")


async def _nothing_new() -> str:
    return "nothing changed"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FakeSource, Path]]:
    source, path = FakeSource(make_status()), tmp_path_factory.mktemp("run") / "control.sock"
    with serving(lambda: make_control_app(source, RecentSeries(), Actions(_nothing_new)), str(path)):
        yield source, path


def _stratum1(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stratum1", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "COLUMNS": "100", "PYTHONIOENCODING": "utf-8", **environment},
    )


def test_status_json_is_the_apis(daemon: tuple[FakeSource, Path]) -> None:
    done = _stratum1("status", "--json", "--socket", daemon[1])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(json.dumps(status_json(daemon[0].status)))


def test_status_is_told_in_words(daemon: tuple[FakeSource, Path]) -> None:
    done = _stratum1("status", "--socket", daemon[1])
    assert done.returncode == 0, done.stderr
    for text in ("Locked, in specification", "1, reference GPS", "−37.2 ns", "1.26 µs", "GNRMC 137 ms", "[::]:11123", "7 of 11 satellites"):
        assert text in done.stdout


def test_gnss_shows_the_receiver(daemon: tuple[FakeSource, Path]) -> None:
    done = _stratum1("gnss", "--socket", daemon[1])
    assert done.returncode == 0, done.stderr
    for text in ("3D fix, 7 of 11", "+47.234560°", "GNGGA       205 ms", "G15        yes", "S120       no"):
        assert text in done.stdout
    parts = json.loads(_stratum1("gnss", "--json", "--socket", daemon[1]).stdout)
    assert set(parts) == {"simulated", "gnss", "pps", "refclock"}


def test_watch_follows_until_the_daemon_ends(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with serving(lambda: make_control_app(FakeSource(make_status()), RecentSeries(), Actions(_nothing_new)), str(path)):
        watch = subprocess.Popen(
            [sys.executable, "-m", "stratum1", "status", "--watch", "--json", "--socket", str(path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert watch.stdout is not None
        for _ in range(2):
            assert json.loads(watch.stdout.readline())["lock"]["state"] == "locked"
    _, told = watch.communicate(timeout=10)
    assert watch.returncode == 1
    assert str(path) in told or "has ended" in told


def test_watch_redraws_on_a_terminal(daemon: tuple[FakeSource, Path]) -> None:
    ours, theirs = pty.openpty()
    watch = subprocess.Popen(
        [sys.executable, "-m", "stratum1", "status", "--watch", "--socket", str(daemon[1])],
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(theirs)
    seen, end = b"", time.monotonic() + 15
    while seen.count(b"Locked, in specification") < 2 and time.monotonic() < end:
        seen += os.read(ours, 65536)
    watch.terminate()
    watch.wait(10)
    os.close(ours)
    assert seen.count(b"Locked, in specification") >= 2
    assert b"\x1b[" in seen


def test_the_socket_is_found_by_the_configuration(daemon: tuple[FakeSource, Path], tmp_path: Path) -> None:
    file = tmp_path / "stratum1.toml"
    file.write_text(f'[control]\nsocket = "{daemon[1]}"\n[web]\nbeing-edited = 1\n')
    assert _stratum1("status", "-c", file).returncode == 0
    file.write_text("[control")
    broken = _stratum1("status", "-c", file)
    assert (broken.returncode, "not valid TOML" in broken.stderr) == (2, True)
    assert _stratum1("status", "-c", tmp_path / "none").returncode == 2


def test_the_simulated_runs_socket_is_found_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "stratum1" / "control.sock"
    with serving(lambda: make_control_app(FakeSource(make_status()), RecentSeries(), Actions(_nothing_new)), str(path)):
        done = _stratum1("status", XDG_RUNTIME_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr


def test_trust_reference_tells_what_was_done_or_why_not(tmp_path: Path) -> None:
    path = tmp_path / "s"
    actions = Actions(_nothing_new, trust=lambda: "the receivers are believed")
    with serving(lambda: make_control_app(FakeSource(make_status()), RecentSeries(), actions), str(path)):
        done = _stratum1("trust-reference", "--socket", path)
    assert (done.returncode, done.stdout) == (0, "the receivers are believed\n")
    missing = _stratum1("trust-reference", "--socket", tmp_path / "none")
    assert (missing.returncode, "no daemon answers there" in missing.stderr) == (1, True)


def test_no_daemon_is_told_with_the_remedy(tmp_path: Path) -> None:
    done = _stratum1("status", "--socket", tmp_path / "none")
    assert done.returncode == 1
    assert "no daemon answers there" in done.stderr
    assert "Traceback" not in done.stderr


def test_leap_shows_the_three_witnesses(daemon: tuple[FakeSource, Path]) -> None:
    done = _stratum1("leap", "--socket", daemon[1])
    assert done.returncode == 0
    for words in (
        "a second inserted right before 2027-01-01 00:00:00 UTC (by list)",
        "37 s",
        "leap-seconds.list",
        "none is to come, since",
    ):
        assert words in done.stdout
    assert set(json.loads(_stratum1("leap", "--json", "--socket", daemon[1]).stdout)) == {"simulated", "time", "leaps"}


def test_a_leap_second_can_be_rehearsed() -> None:
    done = _stratum1("leap", "rehearse", "--sign", "-1", "--smear", "cosine")
    assert done.returncode == 0, done.stdout
    for words in (
        "The last day begins:",
        "leap 2 (second to be deleted)",
        "the clock was moved by +1 s",
        "smeared: UTC +0.499",
        "TAI-UTC 36 s",
    ):
        assert words in done.stdout
    assert "23:59:59" not in done.stdout.split("The leap second:")[1], "there is no such second"
    figures = json.loads(_stratum1("leap", "rehearse", "--json").stdout)
    assert (figures["good"], figures["steps"], figures["tai_offset"], figures["alarms"]) == (True, 0, 38, [])
    assert {moment["leap"] for moment in figures["moments"] if "23:59:60.5" in moment["time"]} == {3}
    assert _stratum1("leap", "rehearse", "--sign", "0").returncode == 2


def test_status_starts_fast(daemon: tuple[FakeSource, Path]) -> None:
    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert _stratum1("status", "--socket", daemon[1]).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    # processor time, since other tests run beside this one: 0.25 s on a machine of 2026, all of it computing
    assert min(once() for _ in range(5)) < 0.6


def test_status_loads_no_web_framework(daemon: tuple[FakeSource, Path]) -> None:
    script = (
        "import sys; sys.argv = ['stratum1', 'status', '--socket', sys.argv[1]]\n"
        "from stratum1.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('aiohttp', 'prometheus_client', 'stratum1.config') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script, str(daemon[1])], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    done = _stratum1(name, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage: stratum1" in done.stdout


def test_the_top_lists_every_command_and_the_version() -> None:
    top = _stratum1("--help")
    assert top.returncode == 0, top.stderr
    for name in COMMANDS:
        assert f" {name} " in top.stdout
    assert _stratum1("--version").stdout.startswith("stratum1 ")


@pytest.mark.parametrize("arguments", [["config"], []])
def test_without_a_command_the_help_is_shown(arguments: list[str]) -> None:
    done = _stratum1(*arguments)
    assert done.returncode in (0, 2)  # click's own choice: 0 before its version 8.2, 2 since
    assert "Usage" in done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [["frobnicate"], ["status", "--bogus"], ["gnss", "frobnicate"]])
def test_bad_usage_is_2(arguments: list[str]) -> None:
    done = _stratum1(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_config_check(tmp_path: Path) -> None:
    file = tmp_path / "stratum1.toml"
    file.write_text('[web]\nlisten = "[::]:8080"\n')
    assert _stratum1("config", "check", "-c", file).returncode == 0
    file.write_text("[web]\nlisen = 5\n")
    bad = _stratum1("config", "check", "-c", file)
    assert bad.returncode == 2
    assert bad.stderr == f'{file}: web.lisen: unknown key; did you mean "listen"?\n'
    file.write_bytes(b"\xff\xfe")
    assert _stratum1("config", "check", "-c", file).returncode == 2
    assert "can't be read" in _stratum1("config", "check", "-c", tmp_path / "none").stderr


def test_config_show_has_the_defaults_and_reads_back(tmp_path: Path) -> None:
    file = tmp_path / "stratum1.toml"
    file.write_text('[clock]\ncontrol = "virtual"\n')
    shown = _stratum1("config", "show", "-c", file)
    assert shown.returncode == 0
    assert 'control = "virtual"' in shown.stdout
    assert "holdover-limit = 0.001" in shown.stdout
    file.write_text(shown.stdout)
    assert _stratum1("config", "show", "-c", file).stdout == shown.stdout


def test_config_schema_is_json() -> None:
    assert "receiver" in json.loads(_stratum1("config", "schema").stdout)["properties"]


def test_a_bare_server_has_words_too() -> None:
    bare = json.loads(json.dumps(status_json(make_bare_status())))
    assert "Cold, out of specification" in status_text(bare)
    assert "No receiver is configured" in gnss_text(bare)

"""The daemon under a service manager, and how it ends when it can't go on."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from testkit.daemon import started

pytestmark = pytest.mark.timeout(120)


class _Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self.environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "1000000"}
        self.heard: list[str] = []

    def await_word(self, word: str, within: float) -> None:
        """Listen until a message with the word comes."""
        end = time.monotonic() + within
        while not any(word in line for message in self.heard for line in message.splitlines()):
            left = end - time.monotonic()
            assert left > 0, f"no {word} within {within} s, heard {self.heard}"
            self._socket.settimeout(left)
            self.heard.append(self._socket.recv(4096).decode())

    def forget(self) -> None:
        """Start listening anew."""
        self.heard.clear()

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


def test_service_manager_is_told_of_every_turn(tmp_path: Path) -> None:
    manager = _Manager(tmp_path / "notify")
    try:
        with started(tmp_path, environment=manager.environment) as daemon:
            manager.await_word("READY=1", within=5)
            assert not daemon.ask().measurement.synchronised  # it serves by the time that it says so
            for _ in range(3):
                manager.forget()
                manager.await_word("WATCHDOG=1", within=1.0)
            manager.await_word("STATUS=acquiring", within=10)
            manager.forget()
            daemon.process.send_signal(signal.SIGHUP)
            manager.await_word("RELOADING=1", within=5)
            manager.await_word("READY=1", within=5)
            daemon.process.send_signal(signal.SIGTERM)
            manager.await_word("STOPPING=1", within=5)
            assert daemon.end() == 0
    finally:
        manager.close()


def test_stopped_daemon_sends_no_heartbeat(tmp_path: Path) -> None:
    manager = _Manager(tmp_path / "notify")
    try:
        with started(tmp_path, environment=manager.environment) as daemon:
            manager.await_word("WATCHDOG=1", within=5)
            daemon.process.send_signal(signal.SIGSTOP)  # hangs, as far as the manager can see
            time.sleep(0.2)
            manager.forget()
            with pytest.raises((AssertionError, TimeoutError)):
                manager.await_word("WATCHDOG=1", within=1.5)
            daemon.process.send_signal(signal.SIGCONT)
            manager.await_word("WATCHDOG=1", within=2)
    finally:
        manager.close()


def _run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(directory)}
    argv = [sys.executable, "-m", "stratum1", "run", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=30, check=False)


def test_port_in_use_is_explained_and_ends_with_status_1(tmp_path: Path) -> None:
    with started(tmp_path) as daemon:
        daemon.ask_soon(within=5)
        other = tmp_path / "other"
        other.mkdir()
        done = _run(other, "--simulate", "-c", str(daemon.file))
    assert done.returncode == 1
    assert str(daemon.ntp) in done.stderr
    assert "taken by" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[receiver]\nbuad = 9600\n", ("receiver.buad", 'did you mean "baud"')),
        ('[clock]\ndiscipline = "calman"\n', ("clock.discipline", "kalman", "pll-fll")),
        ('[receiver]\nhat = "uputronic"\n', ("receiver.hat", "uputronics")),
        ("[[server]\n", ("TOML",)),
    ],
)
def test_bad_configuration_names_the_place_and_ends_with_status_2(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text)
    done = _run(tmp_path, "-c", str(file))
    assert done.returncode == 2
    assert all(word in done.stderr for word in (str(file), *words)), done.stderr
    assert "Traceback" not in done.stderr


def test_missing_configuration_ends_with_status_2(tmp_path: Path) -> None:
    done = _run(tmp_path, "-c", str(tmp_path / "none.toml"))
    assert done.returncode == 2
    assert "none.toml" in done.stderr


def test_web_port_in_use_does_not_keep_time_from_being_served(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port: int = taken.getsockname()[1]
        with started(tmp_path, web=port) as daemon:
            daemon.ask_soon(within=5)
            daemon.await_status(lambda status: any(str(port) in event["text"] for event in status["events"]), within=5)


def test_without_a_receiver_it_serves_as_unsynchronised_and_shows_its_sources(tmp_path: Path) -> None:
    sources = "".join(f'[[source]]\nmode = "server"\naddress = "{name}"\n' for name in ("10.11.12.10", "ntp11.metas.ch"))
    extra = sources + f'[clock]\ncontrol = "virtual"\nstate-directory = "{tmp_path}/state"\n'
    with started(tmp_path, extra, arguments=()) as daemon:
        told = daemon.ask_soon(within=5).measurement
        assert not told.synchronised
        status = daemon.await_status(lambda picture: True, within=5)
        assert status["gnss"] is None
        assert [source["address"] for source in status["sources"]] == ["10.11.12.10", "ntp11.metas.ch"]
        assert "later version" in status["sources"][0]["state"]

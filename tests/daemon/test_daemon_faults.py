"""What ends the daemon, what must not, and what is served while something inside it fails: each fault in a whole daemon of this process."""

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from testkit.loopback import free_port

from stratum1.config import Config
from stratum1.daemon import Daemon, DaemonError, RunOptions
from stratum1.interchange import LockState
from stratum1.pipeline import Pipeline
from stratum1.settings import load_config, simulation_overrides
from stratum1.sources import query
from stratum1.sources.protocol import parse_target
from stratum1.timekeeper import Timekeeper

pytestmark = pytest.mark.timeout(100)


def _config(directory: Path, extra: str = "", plane: str = "auto") -> Config:
    file = directory / "file.toml"
    port = free_port(socket.SOCK_DGRAM)
    file.write_text(f'{extra}\n[[server]]\nlisten = "127.0.0.1:{port}"\ndata-plane = "{plane}"\n[web]\nenabled = false\n')
    return load_config(file, simulation_overrides(directory, load_config(file)))


def _run(config: Config, meddle: Callable[[Daemon], Awaitable[None]], within: float = 60.0) -> int:
    """Run a daemon while `meddle` is done to it; its exit status."""

    async def main() -> int:
        daemon = Daemon(RunOptions(config, lambda: config))
        running = asyncio.create_task(daemon.run())
        meddling = asyncio.ensure_future(meddle(daemon))
        async with asyncio.timeout(within):
            await asyncio.wait([running, meddling], return_when=asyncio.FIRST_COMPLETED)
            if meddling.done() and not running.done():
                meddling.result()
                daemon.stop()
            meddling.cancel()
            return await running

    return asyncio.run(main())


async def _until(condition: Callable[[], bool], within: float) -> None:
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.05)


async def _forever(_daemon: Daemon) -> None:
    await asyncio.sleep(3600)


class _FaultError(Exception):
    """A fault of ours."""


def _break(*_arguments: Any, **_more: Any) -> Any:
    raise _FaultError("a fault of ours")


def test_a_fault_in_the_pipeline_ends_the_daemon_whatever_brought_it_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Bytes and edges come as callbacks from threads: asyncio alone would log the fault and go on with half of a daemon.
    monkeypatch.setattr(Pipeline, "_observe", _break)
    with pytest.raises(_FaultError):
        _run(_config(tmp_path), _forever, within=10)


@pytest.mark.parametrize("part", ["serial", "server"])
def test_a_fault_in_a_thread_ends_the_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    config = _config(tmp_path, plane="python")
    target = parse_target(config.server[0].listen)

    async def ask(daemon: Daemon) -> None:
        if part == "server":
            monkeypatch.setattr("stratum1.server._worker.PythonWorker._answer", _break)
            for _ in range(2):  # the first may be under way
                await asyncio.gather(asyncio.to_thread(query, target, 0.2), return_exceptions=True)
        await _forever(daemon)

    if part == "serial":
        monkeypatch.setattr("stratum1.gnss.serial_reader.SerialReader._pump", _break)
    with pytest.raises(_FaultError):
        _run(config, ask, within=10)


def test_a_clock_left_by_a_fault_says_unsynchronised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    announced = []
    monkeypatch.setattr("stratum1.clock.VirtualClock.announce", lambda _clock, status: announced.append(status.synchronised))
    monkeypatch.setattr(Pipeline, "drift", _break)  # what is to be saved can't be had
    with pytest.raises(_FaultError):
        _run(_config(tmp_path), lambda daemon: _until(lambda: len(announced) >= 2, within=5))
    assert announced[-1] is False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_while_it_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    begin = Daemon._start_control

    async def interrupted(daemon: Daemon) -> None:
        os.kill(os.getpid(), number)
        await begin(daemon)

    monkeypatch.setattr(Daemon, "_start_control", interrupted)
    config = _config(tmp_path)
    told: list[str] = []

    async def meddle(daemon: Daemon) -> None:
        if number is signal.SIGHUP:
            await _until(lambda: any("read again" in event.text for event in daemon.snapshot().events), within=5)
            told.append("read again")
        else:
            await _forever(daemon)

    assert _run(config, meddle, within=10) == 0
    assert told == (["read again"] if number is signal.SIGHUP else [])
    assert not Path(config.control.socket).exists()


def test_a_loop_that_hangs_serves_as_unsynchronised_after_four_seconds(tmp_path: Path) -> None:
    config = _config(tmp_path, plane="python")
    target = parse_target(config.server[0].listen)
    heard: list[tuple[float, bool]] = []

    async def hang(daemon: Daemon) -> None:
        await _until(lambda: daemon.keeper.cell.current.state is LockState.LOCKED, within=60)
        ended = threading.Event()
        begun = time.monotonic()

        def ask() -> None:
            while not ended.wait(0.2):
                heard.append((time.monotonic() - begun, query(target, 0.5).measurement.synchronised))

        client = threading.Thread(target=ask)
        client.start()
        time.sleep(6.0)  # noqa: ASYNC251 - the loop is to hang
        ended.set()
        client.join()
        await _until(lambda: query(target, 0.5).measurement.synchronised, within=5)
        await _until(lambda: daemon.keeper.cell.current.state is LockState.LOCKED, within=20)

    assert _run(config, hang, within=95) == 0
    assert all(known for at, known in heard if at < 3.5)
    assert not any(known for at, known in heard if at > 4.2), heard
    assert sum(at > 4.2 for at, _ in heard) >= 5


def test_ports_are_looked_at_before_the_clock_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken_over = []
    monkeypatch.setattr("stratum1.startup.KernelClock", lambda: taken_over.append(1))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        config = Config.model_validate({"server": [{"listen": listen}], "clock": {"state-directory": str(tmp_path)}})
        with pytest.raises(DaemonError, match="taken by"):
            Daemon(RunOptions(config, lambda: config))
    assert not taken_over


def test_without_a_listener_the_daemon_is_healthy(tmp_path: Path) -> None:
    config = _config(tmp_path).model_copy(update={"server": ()})

    async def look(daemon: Daemon) -> None:
        await _until(lambda: daemon.healthy, within=5)

    assert _run(config, look, within=10) == 0


def test_health_is_that_of_the_second_hand_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def look(daemon: Daemon) -> None:
        await _until(lambda: daemon.healthy, within=5)
        monkeypatch.setattr(Timekeeper, "tick", lambda _keeper: None)
        await _until(lambda: not daemon.healthy, within=10)

    assert _run(_config(tmp_path), look, within=20) == 0


@pytest.mark.parametrize(
    ("extra", "word"),
    [
        ('[receiver]\npps = "gpiochip0:5000"\n', "5000"),
        ('[receiver]\npps = "/dev/gpiochip0:x"\n', "18"),
    ],
)
def test_what_cannot_be_built_is_said_in_a_sentence(tmp_path: Path, extra: str, word: str) -> None:
    (tmp_path / "file.toml").write_text(f'{extra}[clock]\ncontrol = "virtual"\nstate-directory = "{tmp_path}"\n')
    config = load_config(tmp_path / "file.toml")
    with pytest.raises(DaemonError, match=word):
        Daemon(RunOptions(config, lambda: config))


def test_listener_in_false_brackets_is_said_in_a_sentence(tmp_path: Path) -> None:
    config = _config(tmp_path).model_copy(update={"server": ()})
    server = type(Config().server[0]).model_construct(listen="[127.0.0.1]:11123", data_plane="auto")
    config = config.model_copy(update={"server": (server,)})
    with pytest.raises(DaemonError, match="brackets"):
        Daemon(RunOptions(config, lambda: config))


def test_simulated_receiver_without_a_place_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "in-the-way").write_text("")
    config = _config(tmp_path)
    clock = config.clock.model_copy(update={"state_directory": str(tmp_path / "in-the-way")})
    config = config.model_copy(update={"clock": clock})
    with pytest.raises(DaemonError, match="in-the-way"):
        Daemon(RunOptions(config, lambda: config))

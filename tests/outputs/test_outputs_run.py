"""The outputs' threads: each tells once what changes, goes on by itself, and one that hangs is seen and holds nobody up."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from output_moments import moment_now

from stratum1.config import OutputConfig
from stratum1.outputs import Moment, OutputReport, Outputs, OutputState
from stratum1.outputs import _run as run


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty turns a second."""
    monkeypatch.setattr(run, "_INTERVAL", 0.05)


def await_report(outputs: Outputs, condition: Callable[[OutputReport], bool], index: int = 0) -> OutputReport:
    end = time.monotonic() + 10
    while not condition(report := outputs.reports()[index]):
        assert time.monotonic() < end, report
        time.sleep(0.01)
    return report


def test_a_problem_is_told_once_and_its_end_too(tmp_path: Path) -> None:
    told: list[tuple[bool, str]] = []
    path = tmp_path / "reader.sock"
    outputs = Outputs([OutputConfig(mode="sock", path=str(path))], tmp_path, moment_now, lambda alarm, text: told.append((alarm, text)))
    outputs.start()
    await_report(outputs, lambda report: report.state is OutputState.PROBLEM)
    time.sleep(0.3)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reader:
        reader.bind(str(path))
        report = await_report(outputs, lambda report: report.sent >= 3)
        assert struct.unpack("@qqdiiii", reader.recv(100))[2] == 0.25
    outputs.stop()
    assert (report.mode, report.target, report.offset, report.clock_class) == ("sock", str(path), 0.25, None)
    assert report.last_sent is not None
    assert [alarm for alarm, _ in told[:2]] == [True, False]
    assert "there is no such socket" in told[0][1]
    assert told[1][1] == f"output sock {path}: a sample a second"


def test_waiting_at_the_start_is_not_worth_a_line(tmp_path: Path) -> None:
    told: list[str] = []
    outputs = Outputs(
        [OutputConfig(mode="sock", path="/nowhere")], tmp_path, lambda: moment_now(near_leap=True), lambda _, text: told.append(text)
    )
    outputs.start()
    await_report(outputs, lambda report: "leap second" in report.text)
    outputs.stop()
    assert told == []


def test_one_that_hangs_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_HUNG", 0.2)
    release = threading.Event()
    hung = threading.Event()

    def moment() -> Moment:
        if "first" in threading.current_thread().name:
            hung.set()
            release.wait(20)
        return moment_now()

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reader:
        path = str(tmp_path / "reader.sock")
        reader.bind(path)
        configs = [OutputConfig(mode="sock", path="/first"), OutputConfig(mode="sock", path=path)]
        outputs = Outputs(configs, tmp_path, moment, lambda _alarm, _text: None)
        outputs.start()
        assert hung.wait(5)
        assert "hangs" in await_report(outputs, lambda report: report.state is OutputState.PROBLEM).text
        await_report(outputs, lambda report: report.sent >= 3, index=1)
        release.set()
        outputs.stop()


def test_outputs_that_were_never_started_can_be_stopped(tmp_path: Path) -> None:
    outputs = Outputs([OutputConfig(mode="sock", path="/nowhere")], tmp_path, moment_now, lambda _alarm, _text: None)
    outputs.stop()
    assert outputs.reports()[0].state is OutputState.WAITING

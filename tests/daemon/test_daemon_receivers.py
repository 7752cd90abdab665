"""Two receivers on one box: both pulses are there, one falls behind, one is pulled out, and the unmodified daemon keeps its time."""

import os
import threading
import time
import tty
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from testkit.daemon import Daemon
from testkit.fakepps import FakePps, FakePpsBox

from stratum1.gnss._simulated_nmea import nmea_epoch
from stratum1.timescale import UtcNs

pytestmark = pytest.mark.timeout(180)

_NS = 10**9
_SHIFT = 2 * 86_400 + 11  # the truth is not the host's time, so that a daemon that believed the host would be found out


class _Receiver(threading.Thread):
    """Sentences into a pseudo-terminal and pulses into the fake device, second by second of the truth."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.pps = path
        path.touch()
        self.late_ns = 0
        self.silent = False
        self.device: FakePps | None = None
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.line = os.ttyname(self._slave)
        self._ended = threading.Event()

    def run(self) -> None:
        second = time.time_ns() // _NS + 1
        while self._sleep_until(second * _NS + self.late_ns):
            if not self.silent and self.device is not None:
                self.device.pulse(second * _NS + self.late_ns, "assert")
                if not self._sleep_until(second * _NS + 10**8 + self.late_ns):
                    return
                self.device.pulse(second * _NS + 10**8 + self.late_ns, "clear")
            if not self._sleep_until(second * _NS + 2 * 10**8):
                return
            if not self.silent:
                os.write(self._master, nmea_epoch(UtcNs((second + _SHIFT) * _NS), 7))
            second = max(second + 1, time.time_ns() // _NS)

    def stop(self) -> None:
        self._ended.set()
        self.join()
        os.close(self._master)
        os.close(self._slave)

    def _sleep_until(self, realtime_ns: int) -> bool:
        return not self._ended.wait(max(0.0, (realtime_ns - time.time_ns()) / _NS))


@dataclass
class _Rig:
    daemon: Daemon
    roof: _Receiver
    window: _Receiver

    def selection(self) -> dict[str, Any]:
        """The sources of time by name, as the status has them now."""
        return {each["name"]: each for each in self.daemon.status()["selection"]["sources"]}

    def await_state(self, name: str, states: str, within: float) -> Any:
        """The first picture in which a source has one of these letters."""

        def has(status: Any) -> bool:
            return any(each["name"] == name and each["state"] in states for each in status["selection"]["sources"])

        return self.daemon.await_status(has, within)

    def offset(self) -> float:
        """What is served, against the truth."""
        return self.daemon.ask().measurement.offset - _SHIFT


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Rig]:
    directory = tmp_path_factory.mktemp("receivers")
    roof, window = _Receiver(directory / "pps0"), _Receiver(directory / "pps1")
    devices = FakePps(roof.pps), FakePps(window.pps)
    roof.device, window.device = devices
    extra = (
        f'[receiver]\nname = "roof"\ndevice = "{roof.line}"\npps = "{roof.pps}"\nprefer = true\n'
        f'[[another-receiver]]\nname = "window"\ndevice = "{window.line}"\npps = "{window.pps}"\nrefid = "GPS2"\n'
        f'[clock]\ncontrol = "virtual"\nstate-directory = "{directory}/state"\n'
    )
    arguments = ("--record", str(directory / "run.jsonl"))
    daemon = Daemon(directory, extra, arguments=arguments, spawn=FakePpsBox(*devices).spawn)
    try:
        roof.start()
        window.start()
        yield _Rig(daemon, roof, window)
    finally:
        daemon.end()
        roof.stop()
        window.stop()


def test_both_are_numbered_and_the_preferred_one_leads(rig: _Rig) -> None:
    rig.daemon.await_lock("locked", within=90)
    status = rig.await_state("window", "P", within=60)
    sources = {each["name"]: each for each in status["selection"]["sources"]}
    assert sources["roof"]["state"] == "*"
    assert sources["roof"]["options"] == ["prefer"]
    assert "roof is preferred" in sources["window"]["text"]
    assert abs(sources["window"]["offset"]) < 1e-3
    assert [each["name"] for each in status["receivers"]] == ["roof", "window"]
    assert all(each["gnss"]["line"]["open"] and each["pps"]["pulses"] > 5 and each["refclock"]["usable"] for each in status["receivers"])
    assert status["gnss"]["line"]["device"] == rig.roof.line
    assert rig.offset() == pytest.approx(0, abs=2e-3)


def test_one_that_falls_behind_is_found_out_and_steers_nothing(rig: _Rig) -> None:
    steps = rig.daemon.status()["time"]["steps"]
    rig.window.late_ns = 20_000_000
    status = rig.await_state("window", "x", within=40)
    text = next(each["text"] for each in status["selection"]["sources"] if each["name"] == "window")
    assert "outside the interval of the majority" in text
    assert any("window is taken for a falseticker" in alarm for alarm in status["alarms"])
    assert status["lock"]["state"] == "locked"
    assert rig.offset() == pytest.approx(0, abs=2e-3)
    rig.window.late_ns = 0
    rig.await_state("window", "P", within=60)
    assert rig.daemon.status()["time"]["steps"] == steps


def test_the_other_one_takes_over_without_a_step(rig: _Rig) -> None:
    before = rig.daemon.status()
    rig.roof.silent = True
    status = rig.await_state("window", "*", within=30)
    rig.daemon.await_lock("locked", within=30)
    sources = {each["name"]: each for each in status["selection"]["sources"]}
    assert sources["roof"]["state"] == "S"
    assert "no pulse" in sources["roof"]["text"] or "silent" in sources["roof"]["text"]
    assert rig.daemon.await_status(lambda now: now["time"]["refid"] == "GPS2", within=20)["gnss"]["line"]["device"] == rig.window.line
    assert rig.offset() == pytest.approx(0, abs=2e-3)
    rig.roof.silent = False
    rig.await_state("roof", "*", within=60)
    back = rig.daemon.await_status(lambda now: now["time"]["refid"] == "GPS" and now["lock"]["state"] == "locked", within=20)
    assert back["time"]["steps"] == before["time"]["steps"]


def test_a_recording_of_both_replays_to_the_bit(rig: _Rig) -> None:
    from stratum1.replay import replay_lines  # noqa: PLC0415 - only here

    rig.daemon.end()
    with (rig.daemon.directory / "run.jsonl").open(encoding="utf-8") as lines:
        result = replay_lines(lines)
    assert result.whole
    assert result.different == 0
    assert result.steerings > 20
    assert [each.name for each in result.report.receivers] == ["roof", "window"]
    assert all(each.refclock.delays for each in result.report.receivers)

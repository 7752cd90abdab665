"""Each recorded receiver on a pseudo-terminal, with pulses from the fake device, until the unmodified daemon locks; nothing is set by hand.

The truth is the host's clock plus three days and some seconds, so a daemon that believed the host would be found out.
"""

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
from testkit.fakepps import FakePps
from testkit.looped import LoopedRecording

pytestmark = pytest.mark.timeout(200)

_RECORDINGS = Path(__file__).parent.parent / "data" / "gnss"
_NS = 10**9
_SHIFT = 3 * 86_400 + 7
_LOCKING = {  # at least 20 consecutive fixes; and the delay of the first byte after its pulse that each is played with, seconds
    "gp-320fw-2019-04-06-overflow": 0.21,
    "mt3339": 0.43,
    "neo-m8n": 0.08,
    "quectelLC79D": 0.61,
    "sirfstarv-nmea": 0.35,
}
_NEVER = ("skytraq", "bu303-nofix")
_BAUD_BYTES = 9600  # bytes a second: fast enough for the longest burst


class _Player(threading.Thread):
    """Plays a recording into a pseudo-terminal and pulses the fake device, second by second of the truth."""

    def __init__(self, recording: LoopedRecording, raw: bytes, delay: float, pps: FakePps) -> None:
        super().__init__(daemon=True)
        self._recording, self._raw, self._delay, self._pps = recording, raw, delay, pps
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.device = os.ttyname(self._slave)
        self._ended = threading.Event()

    def run(self) -> None:
        second = time.time_ns() // _NS + 1
        number = 0
        while self._sleep_until(second * _NS):
            self._pps.pulse(second * _NS, "assert")
            if not self._sleep_until(second * _NS + 10**8):
                return
            self._pps.pulse(second * _NS + 10**8, "clear")
            fraction = self._recording.fraction(number) if self._recording.epochs else 0.0
            data = (
                self._recording.at(number, second + _SHIFT) if self._recording.epochs else self._raw[number * 400 % len(self._raw) :][:400]
            )
            begin = second * _NS + round((self._delay + fraction) * _NS)
            if not self._play(data, begin):
                return
            number, second = number + 1, max(second + 1, time.time_ns() // _NS)

    def stop(self) -> None:
        self._ended.set()
        self.join()
        os.close(self._master)
        os.close(self._slave)

    def _play(self, data: bytes, begin: int) -> bool:
        for start in range(0, len(data), 480):
            if not self._sleep_until(begin + start * _NS // _BAUD_BYTES):
                return False
            os.write(self._master, data[start : start + 480])
        return True

    def _sleep_until(self, realtime_ns: int) -> bool:
        left = realtime_ns - time.time_ns()
        return not self._ended.wait(max(0.0, left / _NS))


@dataclass
class _Rig:
    daemon: Daemon
    player: _Player


@pytest.fixture(scope="module")
def rigs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, _Rig]]:
    """All recordings play at once: a lock takes as long as it takes, and the daemons cost next to nothing."""
    built: dict[str, _Rig] = {}
    try:
        for name in (*_LOCKING, *_NEVER):
            directory = tmp_path_factory.mktemp(name)
            pps = FakePps(directory / "pps")
            path = _RECORDINGS / f"{name}.log"
            player = _Player(LoopedRecording(path), path.read_bytes(), _LOCKING.get(name, 0.3), pps)
            extra = (
                f'[receiver]\ndevice = "{player.device}"\npps = "{pps.path}"\n'
                f'[clock]\ncontrol = "virtual"\nstate-directory = "{directory}/state"\n'
            )
            built[name] = _Rig(Daemon(directory, extra, arguments=(), spawn=pps.spawn), player)
            player.start()
        yield built
    finally:
        for rig in built.values():
            rig.daemon.end()
            rig.player.stop()


@pytest.mark.parametrize("name", _LOCKING)
def test_recording_locks_on_the_right_second(rigs: dict[str, _Rig], name: str) -> None:
    daemon = rigs[name].daemon
    status = daemon.await_lock("locked", within=120)
    told = daemon.ask().measurement
    assert (told.stratum, told.refid_text) == (1, "GPS")
    assert told.offset == pytest.approx(_SHIFT, abs=2e-3)
    delays = {each["sentence"]: each["delay"] for each in status["refclock"]["delays"]}
    fraction = LoopedRecording(_RECORDINGS / f"{name}.log").fraction(0)
    assert min(delays.values()) == pytest.approx(_LOCKING[name], abs=0.06), (delays, fraction)
    assert status["refclock"]["pulse_width"] == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("name", _NEVER)
def test_recording_without_a_fix_never_locks_and_says_why(rigs: dict[str, _Rig], name: str) -> None:
    daemon = rigs[name].daemon
    left = 45 - (time.monotonic() - daemon.started)
    time.sleep(max(0.0, left))  # longer than any of the others needs
    status: Any = daemon.status()
    assert status["lock"]["state"] in ("cold", "acquiring")
    assert status["pps"]["pulses"] > 20
    reason = status["refclock"]["reason"]
    assert "fix" in reason or "position" in reason, reason
    assert not daemon.ask().measurement.synchronised


def test_every_nmea_recording_with_enough_fixes_is_played() -> None:
    """Those in UBX alone carry their times in binary; a whole daemon on UBX is in test_daemon_ubx.py."""
    from stratum1.gnss import decode_recording  # noqa: PLC0415

    enough = set()
    for path in _RECORDINGS.glob("*.log"):
        if not LoopedRecording(path).epochs:
            continue
        run = best = 0
        for epoch in decode_recording(path.read_bytes(), None):
            run = run + 1 if epoch.fix.mode >= 2 and epoch.fix.time else 0
            best = max(best, run)
        if best >= 20:
            enough.add(path.stem)
    assert enough == set(_LOCKING)

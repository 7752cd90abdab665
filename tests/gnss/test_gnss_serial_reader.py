"""The shell over the serial line, on pseudo-terminals."""

import errno
import os
import pty
import subprocess
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from testkit.waiting import until

from stratum1.gnss import GnssDecoder, TimeMark
from stratum1.gnss import serial_reader as shell
from stratum1.gnss._probe import BAUD_RATES, Probe
from stratum1.gnss.serial_reader import LineState, SerialReader, explain_line_error
from stratum1.timescale import MonoNs

DATA = Path(__file__).parent.parent / "data" / "gnss"
RMC = b"$GPRMC,202640.000,A,4404.1306,N,12118.8515,W,0.03,225.97,130415,,,D*73\r\n"


def now() -> MonoNs:
    return MonoNs(time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW))


class Line:
    """A device path that can be unplugged and plugged in again: a symbolic link to the slave of a pseudo-terminal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.master = -1

    def plug(self) -> None:
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.path.symlink_to(os.ttyname(slave))
        os.close(slave)

    def unplug(self) -> None:
        self.path.unlink(missing_ok=True)
        if self.master >= 0:
            os.close(self.master)
        self.master = -1

    def say(self, data: bytes) -> None:
        os.write(self.master, data)


class Heard:
    """A reader with what it told."""

    def __init__(self, device: Path, baud: int | Literal["auto"] = "auto") -> None:
        self.chunks: list[tuple[bytes, MonoNs]] = []
        self.states: list[LineState] = []
        self.reader = SerialReader(str(device), baud, lambda data, at: self.chunks.append((data, at)), self.states.append, now)

    @property
    def data(self) -> bytes:
        return b"".join(data for data, _ in self.chunks)

    @property
    def open(self) -> bool:
        return bool(self.states) and self.states[-1].open


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    line = Line(tmp_path / "gps0")
    yield line
    line.unplug()


@pytest.fixture
def start() -> Iterator[Callable[..., Heard]]:
    running: list[Heard] = []

    def begin(device: Path, baud: int | Literal["auto"] = "auto") -> Heard:
        running.append(Heard(device, baud))
        running[-1].reader.start()
        return running[-1]

    yield begin
    for heard in running:
        heard.reader.stop()


@pytest.mark.parametrize("baud", ["auto", 9600])
def test_bytes_come_as_they_are_with_a_time(line: Line, start: Callable[..., Heard], baud: int | Literal["auto"]) -> None:
    line.plug()
    heard = start(line.path, baud)
    until(lambda: heard.open)
    before = now()
    line.say(RMC[:10])
    until(lambda: heard.data == RMC[:10])
    after = now()
    line.say(RMC[10:] + bytes(range(256)))
    until(lambda: heard.data == RMC + bytes(range(256)))
    assert before <= heard.chunks[0][1] <= after
    assert heard.states == [LineState(open=True, device=str(line.path), baud=None, error="")]


def test_a_recording_through_a_pseudo_terminal(line: Line, start: Callable[..., Heard]) -> None:
    line.plug()
    recording = (DATA / "mt3339.log").read_bytes()
    heard = start(line.path)
    until(lambda: heard.open)
    for offset in range(0, len(recording), 512):
        line.say(recording[offset : offset + 512])
    until(lambda: heard.data == recording)
    decoder = GnssDecoder(None)
    events = [event for data, at in heard.chunks for event in decoder.feed(data, at)]
    assert sum(isinstance(event, TimeMark) for event in events) == 89  # 30 epochs of GGA, RMC and ZDA, less the GGA before the first date


def test_unplugged_and_plugged_in_again(line: Line, start: Callable[..., Heard]) -> None:
    line.plug()
    heard = start(line.path)
    until(lambda: heard.open)
    for round_number in range(1, 3):
        line.say(RMC)
        until(lambda count=round_number: heard.data == RMC * count)  # type: ignore[misc]
        line.unplug()
        until(lambda: not heard.open)
        assert "unplugged" in heard.states[-1].error or "not there" in heard.states[-1].error
        line.plug()
        until(lambda: heard.open)
    line.say(RMC)
    until(lambda: heard.data == RMC * 3)


def test_a_device_that_is_not_there_yet_is_awaited_with_back_off(
    line: Line, start: Callable[..., Heard], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    wait = SerialReader._ready

    def shorter(self: SerialReader, fd: int | None, timeout: float, writing: bool = False) -> tuple[bool, bool]:
        if fd is None:
            waits.append(timeout)
        return wait(self, fd, timeout / 100 if fd is None else timeout, writing)

    monkeypatch.setattr(SerialReader, "_ready", shorter)
    heard = start(line.path)
    until(lambda: len(waits) >= 8)
    assert waits[:8] == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]
    assert heard.states == [LineState(False, str(line.path), None, explain_line_error(OSError(errno.ENOENT, ""), str(line.path)))]
    line.plug()
    until(lambda: heard.open)
    line.say(RMC)
    until(lambda: heard.data == RMC)
    count = len(waits)
    line.unplug()
    until(lambda: len(waits) > count)
    assert waits[count] == 0.5


def test_stop_is_prompt_and_may_come_at_any_time(line: Line) -> None:
    never_started = Heard(line.path)
    never_started.reader.stop()
    for plugged in (False, True):
        if plugged:
            line.plug()
        heard = Heard(line.path)
        heard.reader.start()
        until(lambda heard=heard: bool(heard.states))  # type: ignore[misc]
        begun = time.monotonic()
        heard.reader.stop()
        heard.reader.stop()
        assert time.monotonic() - begun < 0.5
        assert f"gnss {line.path}" not in {thread.name for thread in threading.enumerate()}


def test_two_readers_of_one_line_the_second_is_told_who_and_waits(line: Line, start: Callable[..., Heard]) -> None:
    line.plug()
    code = "import sys, time, serial; port = serial.Serial(sys.argv[1], exclusive=True); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code, str(line.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == b"open\n"
        heard = start(line.path)
        until(lambda: bool(heard.states))
        assert not heard.open
        assert f"({other.pid})" in heard.states[-1].error
        assert "stop it" in heard.states[-1].error
        other.stdin.close()
        other.wait()
    until(lambda: heard.open)
    line.say(RMC)
    until(lambda: heard.data == RMC)


def test_while_we_have_it_nobody_else_gets_it(line: Line, start: Callable[..., Heard]) -> None:
    line.plug()
    heard = start(line.path)
    until(lambda: heard.open)
    second = start(line.path)
    until(lambda: bool(second.states))
    assert "in use" in second.states[-1].error
    if os.geteuid() != 0:  # root passes TIOCEXCL
        with pytest.raises(OSError, match="busy"):
            os.open(line.path, os.O_RDWR | os.O_NOCTTY)


def test_what_is_no_serial_line_is_said_to_be_none(tmp_path: Path, start: Callable[..., Heard]) -> None:
    plain = tmp_path / "file"
    plain.write_bytes(b"")
    heard = start(plain)
    until(lambda: bool(heard.states))
    assert not heard.open
    assert "no serial line" in heard.states[-1].error


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOENT, "enable_uart=1"),
        (errno.EACCES, "group dialout"),
        (errno.EBUSY, "systemctl disable --now gpsd.socket"),
        (errno.EAGAIN, "serial-getty@ttyAMA0"),
        (errno.ENOTTY, "name a tty"),
        (errno.EIO, "opened again"),
        (errno.ENOMEM, "opened again"),
    ],
)
def test_errors_carry_their_remedy(number: int, remedy: str) -> None:
    for error in (OSError(number, "x"), termios.error(number, "x")):
        assert remedy in explain_line_error(error, "/dev/ttyAMA0")


def test_rate_is_found_when_only_one_makes_sense(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pseudo-terminal taken for a UART: whoever is at its other end speaks sense at 38,400 baud only."""
    monkeypatch.setattr(shell, "_is_pty", lambda fd: False)
    monkeypatch.setattr(shell, "_LISTEN", 0.15)
    line.plug()
    sense = threading.Event()
    done = threading.Event()

    def receiver() -> None:
        while not done.wait(0.02):
            right = termios.tcgetattr(line.master)[4] == termios.B38400 and not sense.is_set()
            line.say(RMC if right else b"\xf8\x00\x81" * 20)

    speaker = threading.Thread(target=receiver)
    speaker.start()
    heard = Heard(line.path)
    heard.reader.start()
    try:
        until(lambda: heard.open and heard.states[-1].baud == 38_400)
        until(lambda: heard.data.count(RMC) >= 4)
        assert RMC in b"".join(data for data, _ in heard.chunks[:3])  # what the search read is not lost
        sense.set()  # the receiver changes its rate: nothing makes sense at any
        until(lambda: heard.states[-1].error != "", 10)
        assert "no two sentences at any of 9600, 115200" in heard.states[-1].error
        sense.clear()
        until(lambda: heard.states[-1] == LineState(open=True, device=str(line.path), baud=38_400, error=""))
    finally:
        done.set()
        speaker.join()
        heard.reader.stop()


def test_a_silent_uart_is_told_with_what_to_check(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "_is_pty", lambda fd: False)
    monkeypatch.setattr(shell, "_LISTEN", 0.02)
    line.plug()
    heard = Heard(line.path)
    heard.reader.start()
    until(lambda: bool(heard.states))
    heard.reader.stop()
    assert "nothing comes at any of" in heard.states[0].error
    assert heard.states[0].open


def test_another_process_that_just_opened_a_real_line_is_named(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "_is_pty", lambda fd: False)
    line.plug()
    code = "import os, sys; os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code, str(line.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        other.stdout.readline()
        heard = Heard(line.path, 9600)
        heard.reader.start()
        until(lambda: bool(heard.states))
        heard.reader.stop()
        assert f"({other.pid})" in heard.states[0].error
        other.stdin.close()


def test_probe() -> None:
    assert set(BAUD_RATES) == {4800, 9600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800}
    probe = Probe()
    probe.feed(RMC[9:] + RMC, MonoNs(1))
    assert not probe.accepted
    probe.feed(b"\xb5\x62\x05\x01\x02\x00\x06\x01\x0f\x38", MonoNs(2))
    assert probe.accepted
    assert [at for _, at in probe.chunks] == [1, 2]
    garbage = Probe()
    garbage.feed(b"\xf8" * 3000, MonoNs(0))
    assert garbage.hopeless
    assert not garbage.accepted


def test_waiting_costs_next_to_nothing(line: Line, start: Callable[..., Heard]) -> None:
    line.plug()
    heard = start(line.path)
    until(lambda: heard.open)
    spent = time.process_time()
    time.sleep(1.5)
    assert time.process_time() - spent < 0.05

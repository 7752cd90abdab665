"""The set-up through the real serial reader, the receiver at the other end of a pseudo-terminal."""

import contextlib
import os
import pty
import threading
import time
import tty
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from setup_bench import WISH
from testkit.ublox import Ublox
from testkit.waiting import until

from stratum1.gnss import _setup_line as shell
from stratum1.gnss.serial_reader import LineState, SerialReader
from stratum1.gnss.setup import SetupMachine, SetupNote, SetupReport, SetupState, SetupWish
from stratum1.timescale import MonoNs


def now() -> MonoNs:
    return MonoNs(time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW))


class Played(threading.Thread):
    """A receiver on a pseudo-terminal: answers at once, and sends a "second" five times a second."""

    def __init__(self, path: Path, receiver: Ublox) -> None:
        super().__init__(daemon=True)
        self.receiver = receiver
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        path.symlink_to(os.ttyname(slave))
        os.close(slave)
        os.set_blocking(self._master, False)
        self._ended = threading.Event()

    def run(self) -> None:
        due = time.monotonic()
        while not self._ended.wait(0.01):
            with contextlib.suppress(OSError):  # nothing there, or nobody
                os.write(self._master, self.receiver.feed(os.read(self._master, 4096)))
            if time.monotonic() > due:
                due = time.monotonic() + 0.2
                self.say(self.receiver.second())

    def say(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # nobody listens
            os.write(self._master, data)

    def end(self) -> None:
        self._ended.set()
        self.join()
        os.close(self._master)


class Line:
    """The reader with the set-up, and what both told."""

    def __init__(self, path: Path, wish: SetupWish) -> None:
        self.data = b""
        self.states: list[LineState] = []
        self.reports: list[SetupReport] = []
        self.notes: list[SetupNote] = []
        self.machine = SetupMachine(wish)
        self.reader = SerialReader(str(path), "auto", self._bytes, self.states.append, now, setup=(self.machine, self._told))
        self.reader.start()

    @property
    def state(self) -> SetupState | None:
        return self.reports[-1].state if self.reports else None

    def _bytes(self, data: bytes, _at: MonoNs) -> None:
        self.data += data

    def _told(self, report: SetupReport, notes: tuple[SetupNote, ...]) -> None:
        self.reports.append(report)
        self.notes += notes


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Callable[[Ublox, SetupWish], tuple[Played, Line]]]:
    begun: list[tuple[Played, Line]] = []

    def begin(receiver: Ublox, wish: SetupWish = WISH) -> tuple[Played, Line]:
        path = tmp_path / f"line{len(begun)}"
        played = Played(path, receiver)
        played.start()
        begun.append((played, Line(path, wish)))
        return begun[-1]

    yield begin
    for played, line in begun:
        line.reader.stop()
        played.end()


Play = Callable[..., tuple[Played, Line]]


@pytest.mark.parametrize("generation", [6, 8, 9])
def test_a_receiver_is_set_up_over_a_pseudo_terminal(play: Play, generation: int) -> None:
    played, line = play(Ublox(generation))
    until(lambda: line.state is SetupState.DONE)
    assert [note.alarm for note in line.notes] == [False]
    assert b"RMC" not in played.receiver.second()
    before = len(line.data)
    until(lambda: len(line.data) > before)
    assert line.data[-200:].count(b"\xb5\x62") > 0
    played.say(played.receiver.reboot())
    until(lambda: line.state is SetupState.ASKING)
    until(lambda: line.state is SetupState.DONE)
    assert b"RMC" not in played.receiver.second()


def test_nothing_is_lost_of_what_comes_meanwhile(play: Play) -> None:
    played, line = play(Ublox(8, mute=True))
    sent = bytearray()
    say = played.say

    def keep(data: bytes) -> None:
        sent.extend(data)
        say(data)

    played.say = keep  # type: ignore[method-assign]
    until(lambda: len(line.data) > 500)
    assert bytes(sent).startswith(line.data[-300:]) or line.data[-300:] in bytes(sent)
    assert line.state is SetupState.ASKING


def test_without_a_set_up_nothing_is_written(play: Play, tmp_path: Path) -> None:
    path = tmp_path / "plain"
    played = Played(path, Ublox(8))
    played.start()
    seen: list[bytes] = []
    feed = played.receiver.feed
    played.receiver.feed = lambda data: seen.append(data) or feed(data)  # type: ignore[func-returns-value,method-assign]
    data: list[bytes] = []
    reader = SerialReader(str(path), "auto", lambda chunk, _at: data.append(chunk), lambda _state: None, now)
    reader.start()
    until(lambda: len(b"".join(data)) > 300)
    reader.stop()
    played.end()
    assert seen == []


def test_a_write_that_fails_is_told_and_the_line_is_still_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        """os, as the shell of the set-up sees it."""

        @staticmethod
        def write(_fd: int, _data: bytes) -> int:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(shell, "os", Broken)
    played = Played(tmp_path / "line", Ublox(8))
    played.start()
    line = Line(tmp_path / "line", WISH)
    until(lambda: line.state is SetupState.UNWRITABLE)
    assert [note.text for note in line.notes] == ["the receiver can't be set up: its line takes no bytes (Input/output error)"]
    before = len(line.data)
    until(lambda: len(line.data) > before)
    line.reader.stop()
    played.end()


def test_bytes_leave_in_pieces_where_the_line_takes_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        """Takes three bytes at a time, and sometimes none."""

        turns = 0

        @classmethod
        def write(cls, fd: int, data: bytes) -> int:
            cls.turns += 1
            if cls.turns % 5 == 0:
                raise BlockingIOError
            return os.write(fd, data[:3])

    monkeypatch.setattr(shell, "os", Slow)
    played = Played(tmp_path / "line", Ublox(9))
    played.start()
    line = Line(tmp_path / "line", replace(WISH, messages=False))
    until(lambda: line.state is SetupState.DONE)
    line.reader.stop()
    played.end()


def test_a_line_that_is_stuck_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stuck:
        @staticmethod
        def write(_fd: int, _data: bytes) -> int:
            raise BlockingIOError

    monkeypatch.setattr(shell, "os", Stuck)
    monkeypatch.setattr(shell, "_STUCK", 0.2)
    played = Played(tmp_path / "line", Ublox(9))
    played.start()
    line = Line(tmp_path / "line", WISH)
    until(lambda: line.state is SetupState.UNWRITABLE)
    line.reader.stop()
    played.end()


def test_the_set_up_begins_anew_when_the_line_is_back(tmp_path: Path) -> None:
    path = tmp_path / "line"
    first = Played(path, Ublox(8))
    first.start()
    line = Line(path, WISH)
    until(lambda: line.state is SetupState.DONE)
    first.end()
    until(lambda: line.state is SetupState.WAITING)
    path.unlink()
    second = Played(path, first.receiver)
    writes = len(first.receiver.writes)
    second.start()
    until(lambda: line.state is SetupState.DONE)
    assert len(second.receiver.writes) == writes
    line.reader.stop()
    second.end()

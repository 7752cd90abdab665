"""The reading thread on the fake device: edges in, edges out, and its way back from every failure."""

import errno
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from testkit.fakepps import FETCH, FakePps

from stratum1.pps import Edge, EdgeKind, PpsReader, PpsReport, PpsState

NS = 10**9
SECOND = 1_800_000_000 * NS


class Session:
    """A reader on the fake device, with its edges in a queue."""

    def __init__(self, path: Path, edge: EdgeKind) -> None:
        self.fake = FakePps(path)
        self.edges: queue.Queue[Edge] = queue.Queue()
        self.reader = PpsReader(str(path), self.edges.put, edge)
        self.fake.call(self.reader.start)

    def pulse(self, ns: int, *, clear: bool = False) -> Edge:
        self.fake.await_reader()
        self.fake.pulse(ns, "clear" if clear else "assert")
        return self.edges.get(timeout=5)

    def end(self) -> None:
        """Stop, and pulse so that the FETCH under way ends at once."""
        stopping = threading.Thread(target=self.reader.stop)
        stopping.start()
        while stopping.is_alive():
            self.fake.pulse(SECOND)
            stopping.join(0.02)

    def until(self, condition: Callable[[PpsReport], bool], timeout: float = 8.0) -> PpsReport:
        end = time.monotonic() + timeout
        while not condition(report := self.reader.report()):
            assert time.monotonic() < end, report
            time.sleep(0.02)
        return report


@pytest.fixture(params=[EdgeKind.ASSERT])
def session(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Session]:
    session = Session(tmp_path / "pps0", request.param)
    yield session
    session.end()


def test_pulses_are_counted_and_measured(session: Session) -> None:
    for second in range(8):
        start = SECOND + second * NS + (700 if second % 2 else -700)
        session.pulse(start)
        session.pulse(start + 100_000_000, clear=True)
    report = session.reader.report()
    assert (report.state, report.pulses, report.missed, report.last_sequence) == (PpsState.PULSING, 8, 0, 8)
    assert report.width == pytest.approx(0.1)
    assert report.jitter == pytest.approx(5600e-9 / 2 / 6**0.5)  # a zigzag of 1400 ns has second differences of 2800 ns
    assert "CAPTUREASSERT" in report.capabilities
    assert report.notes == ()


@pytest.mark.parametrize("session", [EdgeKind.CLEAR], indirect=True)
def test_the_other_edge_may_mark_the_second(session: Session) -> None:
    session.pulse(SECOND)
    session.pulse(SECOND + 100_000_000, clear=True)
    session.pulse(SECOND + NS)
    report = session.reader.report()
    assert (report.pulses, report.last_sequence) == (1, 1)
    assert report.width == pytest.approx(0.9)


def test_gap_in_the_kernels_count_is_missed_pulses(session: Session) -> None:
    session.pulse(SECOND)
    session.fake.count(4)
    assert session.pulse(SECOND + 4 * NS).missed == 3
    assert session.reader.report().missed == 3


def test_repeated_answer_is_no_second_edge(session: Session) -> None:
    session.pulse(SECOND)
    session.fake.await_reader()
    session.fake.count(0)
    session.fake.pulse(SECOND)  # the count is 1 again: the same edge shown twice
    session.pulse(SECOND + NS)
    assert session.edges.empty()
    assert session.reader.report().pulses == 2


def test_edge_without_a_stamp_changes_nothing(session: Session) -> None:
    session.fake.await_reader()
    session.fake.pulse(0)
    assert session.pulse(SECOND).sequence == 2
    assert session.reader.report().pulses == 1


def test_silence_is_said_and_ends(session: Session) -> None:
    waiting = session.until(lambda report: report.state is PpsState.WAITING)
    assert "no assert edge has come" in waiting.text
    session.pulse(SECOND)
    assert session.until(lambda report: report.state is PpsState.PULSING).text.startswith("Pulses arrive")
    silent = session.until(lambda report: report.state is PpsState.WAITING)
    assert "antenna" in silent.text
    session.pulse(SECOND + 4 * NS)
    assert session.until(lambda report: report.state is PpsState.PULSING).pulses == 2


def test_device_that_vanishes_is_found_again(session: Session) -> None:
    session.pulse(SECOND)
    session.fake.remove()
    assert "vanished" in session.until(lambda report: report.state is PpsState.FAILED).text
    assert "missing" in session.until(lambda report: report.failures >= 2).text
    session.fake.restore()
    edge = session.pulse(SECOND + 30 * NS)
    assert (edge.sequence, edge.missed) == (1, 0)
    assert session.reader.report().state is PpsState.PULSING


def test_failing_reads_are_retried_for_ever(session: Session) -> None:
    session.fake.await_reader()
    session.fake.refusals[FETCH] = errno.EIO
    session.fake.pulse(SECOND)  # ends the call that waits
    assert session.edges.get(timeout=5).stamp_ns == SECOND
    session.until(lambda report: report.failures >= 3)
    session.fake.refusals.clear()
    assert session.pulse(SECOND + NS).stamp_ns == SECOND + NS


def test_device_may_appear_after_the_start(tmp_path: Path) -> None:
    reader = PpsReader(str(tmp_path / "pps0"), lambda _: None)
    assert reader.report().state is PpsState.STOPPED
    reader.start()
    reader.start()
    end = time.monotonic() + 5
    while reader.report().state is not PpsState.FAILED and time.monotonic() < end:
        time.sleep(0.01)
    report = reader.report()
    reader.stop()
    assert (report.state, report.source) == (PpsState.FAILED, str(tmp_path / "pps0"))
    assert "dtoverlay=pps-gpio" in report.text
    assert reader.report().state is PpsState.STOPPED


def test_stop_ends_the_thread_and_no_edge_comes_after(session: Session) -> None:
    session.pulse(SECOND)
    started = time.monotonic()
    session.reader.stop()
    assert time.monotonic() - started < 1.8
    session.fake.pulse(SECOND + NS)
    assert session.edges.empty()


def test_a_reader_can_be_started_again(session: Session) -> None:
    session.pulse(SECOND)
    session.reader.stop()
    session.fake.call(session.reader.start)
    assert session.pulse(SECOND + NS).sequence == 2

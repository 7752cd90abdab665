"""The simulated pulse in real time: at the truth's seconds, with the jitter asked for, and its plug."""

import queue
import resource
import statistics
import threading
import time

import pytest

from stratum1.interchange import KernelClockId
from stratum1.pps import Edge, EdgeKind, PpsState
from stratum1.pps.simulated import SimulatedPulse
from stratum1.simulation.truth import SimulatedTruth
from stratum1.timescale import NS, MonoNs, UtcNs


def raw_now() -> MonoNs:
    return MonoNs(time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW))


class FastTruth:
    """A truth that runs 20 times as fast as ours, so that statistics take seconds and not minutes."""

    FACTOR = 20

    def __init__(self, start: MonoNs) -> None:
        self.start = start

    def twin(self) -> "FastTruth":
        return self

    def utc_at(self, raw: MonoNs) -> UtcNs:
        return UtcNs((raw - self.start) * self.FACTOR)

    def raw_at(self, utc: UtcNs) -> MonoNs:
        return MonoNs(self.start + utc // self.FACTOR)


class Collector:
    def __init__(self) -> None:
        self.edges: queue.Queue[Edge] = queue.Queue()
        self.late: list[int] = []

    def __call__(self, edge: Edge) -> None:
        self.late.append(raw_now() - edge.stamp_ns)
        self.edges.put(edge)

    def take(self, count: int, timeout: float = 5.0) -> list[Edge]:
        return [self.edges.get(timeout=timeout) for _ in range(count)]


def test_pulses_are_where_the_truth_says() -> None:
    truth = SimulatedTruth(5, UtcNs(time.time_ns()), raw_now(), frequency=100e-6)
    collector = Collector()
    pulse = SimulatedPulse(truth, collector, seed=1)
    pulse.start()
    edges = collector.take(6)
    pulse.stop()
    assert [edge.kind for edge in edges] == [EdgeKind.ASSERT, EdgeKind.CLEAR] * 3
    assert [edge.sequence for edge in edges] == [1, 1, 2, 2, 3, 3]
    assert {edge.clock for edge in edges} == {KernelClockId.MONOTONIC_RAW}
    assert {edge.missed for edge in edges} == {0}
    for edge in edges:
        fraction = truth.utc_at(MonoNs(edge.stamp_ns)) % NS
        nominal = 0 if edge.kind is EdgeKind.ASSERT else NS // 10
        assert abs((fraction - nominal + NS // 2) % NS - NS // 2) < 8_000  # 8 sigma
    assert min(collector.late) >= 0
    report = pulse.report()
    assert (report.pulses, report.missed, report.last_sequence) == (3, 0, 3)
    assert report.width == pytest.approx(0.1, abs=2e-5)


def test_jitter_is_gaussian_of_the_size_asked_for() -> None:
    truth = FastTruth(raw_now())
    collector = Collector()
    pulse = SimulatedPulse(truth, collector, seed=2, jitter=2e-6)
    pulse.start()
    edges = [edge for edge in collector.take(200, 20) if edge.kind is EdgeKind.ASSERT]
    pulse.stop()
    errors = [truth.utc_at(MonoNs(edge.stamp_ns)) / truth.FACTOR for edge in edges]
    errors = [(error + NS / 40) % (NS / 20) - NS / 40 for error in errors]
    assert statistics.fmean(errors) == pytest.approx(0, abs=800)
    assert statistics.pstdev(errors) == pytest.approx(2_000, rel=0.35)


def test_same_seed_same_jitter() -> None:
    truth = FastTruth(raw_now())
    stamps = []
    for _ in range(2):
        collector = Collector()
        pulse = SimulatedPulse(truth, collector, seed=3)
        pulse.start()
        first = collector.take(1)[0]
        pulse.stop()
        stamps.append((first.stamp_ns - truth.start + NS // 40) % (NS // 20))
    assert stamps[0] == stamps[1]


def test_pulled_plug_stops_the_pulses_and_the_count() -> None:
    collector = Collector()
    pulse = SimulatedPulse(FastTruth(raw_now()), collector, seed=4)
    pulse.start()
    last = collector.take(4)[-1]
    pulse.pause()
    time.sleep(0.1)
    while not collector.edges.empty():
        last = collector.edges.get()
    assert pulse.report().state is PpsState.WAITING
    assert "plug" in pulse.report().text
    time.sleep(0.3)
    assert collector.edges.empty()
    pulse.resume()
    edge = collector.take(1)[0]
    assert (edge.kind, edge.sequence) == (EdgeKind.ASSERT, last.sequence + 1 + edge.missed)
    assert edge.missed <= 2  # of eight: none, unless this machine held the thread up
    pulse.stop()
    assert pulse.report().state is PpsState.STOPPED


def test_thread_that_was_held_up_leaves_a_gap_in_the_count() -> None:
    collector, hold = Collector(), threading.Event()

    def held(edge: Edge) -> None:
        collector(edge)
        if edge.sequence == 3 and edge.kind is EdgeKind.CLEAR:
            hold.wait(5)

    pulse = SimulatedPulse(FastTruth(raw_now()), held, seed=5)
    pulse.start()
    collector.take(6)
    time.sleep(0.4)
    hold.set()
    edge = collector.take(1)[0]
    pulse.stop()
    assert edge.missed >= 6
    assert edge.sequence == 4 + edge.missed


def test_stop_is_prompt() -> None:
    pulse = SimulatedPulse(SimulatedTruth(1, UtcNs(time.time_ns()), raw_now()), lambda _: None, seed=6)
    pulse.start()
    started = time.monotonic()
    pulse.stop()
    pulse.stop()
    assert time.monotonic() - started < 0.5


def test_costs_next_to_nothing() -> None:
    pulse = SimulatedPulse(SimulatedTruth(1, UtcNs(time.time_ns()), raw_now()), lambda _: None, seed=7)
    pulse.start()
    before = resource.getrusage(resource.RUSAGE_SELF)
    time.sleep(2.0)
    after = resource.getrusage(resource.RUSAGE_SELF)
    pulse.stop()
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.02


@pytest.mark.parametrize(("jitter", "width"), [(-1e-6, 0.1), (1e-6, 0.0), (1e-6, 1.0), (float("nan"), 0.1)])
def test_absurd_pulse_is_refused(jitter: float, width: float) -> None:
    with pytest.raises(ValueError, match="can't be simulated"):
        SimulatedPulse(FastTruth(raw_now()), lambda _: None, seed=1, jitter=jitter, width=width)

"""The timekeeper on a clock whose truth is known: steering refused, clocks set by others, stamps under way while it steps."""

from pathlib import Path

import pytest

from stratum1.clock import ClockError, SimulatedClock
from stratum1.discipline import DisciplineSettings
from stratum1.gnss._simulated_nmea import nmea_epoch
from stratum1.inputs import DisturbedInput, EdgeInput, Input, SerialInput
from stratum1.interchange import KernelClockId, LockState, Steering
from stratum1.pipeline import Note, Output, Pipeline, PipelineSettings
from stratum1.pps.events import Edge, EdgeKind
from stratum1.recorder import Recorder
from stratum1.refclock import RefClockSettings
from stratum1.timekeeper import Memory, Timekeeper
from stratum1.timescale import NS, LeapTable, UtcNs

_START = UtcNs(1_900_000_000 * NS)


class _Clock(SimulatedClock):
    """May refuse to be steered, and can be set by somebody else; calls itself what the test wants."""

    refusal = ""
    called = "kernel"
    disturbed = 0

    @property
    def name(self) -> str:
        return self.called

    def steer(self, steering: Steering) -> None:
        if self.refusal:
            raise ClockError(self.refusal)
        super().steer(steering)

    def set_by_others(self, seconds: float) -> None:
        """As date(1) does."""
        self.seed(UtcNs(self.reading().clock_ns + round(seconds * NS)))


class _World:
    """A receiver that is right, seen by a timekeeper."""

    def __init__(
        self, directory: Path, offset: float = 0.2, *, pulse: bool = True, leaps: LeapTable | None = None, start: UtcNs = _START
    ) -> None:
        self.start = start
        self.clock = _Clock(start, offset_ns=round(offset * NS), crystal=5e-6)
        self.notes: list[Note] = []
        self.fed: list[Input] = []
        self.keeper = Timekeeper(
            self.clock,
            Pipeline(PipelineSettings(DisciplineSettings(), RefClockSettings(has_pulse=pulse)), self.clock.limits, None, leaps),
            memory=Memory(directory),
            recorder=Recorder(print),
            note=self.notes.append,
            panic=print,
        )
        feed = self.keeper.pipeline.feed

        def watched(event: Input) -> Output:
            self.fed.append(event)
            return feed(event)

        self.keeper.pipeline.feed = watched  # type: ignore[method-assign]
        self.number = 0

    def second(self, *, ticked: bool = True) -> None:
        """A pulse, its sentence, the second hand."""
        self.number += 1
        second = UtcNs(self.start + self.number * NS)
        self.clock.advance_to(UtcNs(second + 50_000))
        self.edge(second)
        self.clock.advance_to(UtcNs(second + 300_000_000))
        self.keeper.feed(SerialInput(self.clock.reading(), nmea_epoch(second, self.number)))
        self.clock.advance_to(UtcNs(second + 500_000_000))
        if ticked:
            self.keeper.tick()

    def edge(self, second: UtcNs) -> None:
        self.keeper.feed(self.edge_input(second))

    def edge_input(self, second: UtcNs) -> EdgeInput:
        stamp = self.clock.stamp(KernelClockId.MONOTONIC_RAW, second)
        edge = Edge(EdgeKind.ASSERT, self.number, stamp, KernelClockId.MONOTONIC_RAW, 0)
        return EdgeInput(self.clock.at(KernelClockId.MONOTONIC_RAW, stamp), edge)

    @property
    def state(self) -> LockState:
        return self.keeper.cell.current.state

    def until_locked(self) -> None:
        for _ in range(90):
            self.second()
            if self.state is LockState.LOCKED:
                return
        raise AssertionError(self.keeper.pipeline.report(self.clock.reading().at_ns))

    def told(self, kind: str) -> list[str]:
        """Texts of the notes of a kind."""
        return [note.text for note in self.notes if note.kind == kind]


def test_it_locks_with_one_step(tmp_path: Path) -> None:
    world = _World(tmp_path)
    world.until_locked()
    assert world.keeper.pipeline.report(world.clock.reading().at_ns).steps == 1
    assert abs(world.clock.true_error_ns) < 10_000
    assert world.clock.status is not None
    assert world.clock.status.synchronised


def test_a_clock_that_refuses_to_be_steered_is_never_served(tmp_path: Path) -> None:
    world = _World(tmp_path, offset=2e-6)  # so near that the measurements alone would claim a lock
    world.clock.refusal = "clock_adjtime failed: Operation not permitted; remedy"
    for _ in range(90):
        world.second()
        state = world.keeper.cell.current
        assert not state.synchronised
        assert not state.in_specification
        assert state.state not in (LockState.LOCKED, LockState.HOLDOVER)
    assert len([text for text in world.told("clock") if "Operation not permitted" in text]) == 1
    assert world.keeper.unsteerable
    assert world.clock.status is not None
    assert not world.clock.status.synchronised
    world.clock.refusal = ""
    world.until_locked()
    assert world.clock.status.synchronised
    assert not world.keeper.unsteerable


def test_a_locked_clock_that_stops_obeying_is_served_no_longer(tmp_path: Path) -> None:
    world = _World(tmp_path)
    world.until_locked()
    world.clock.refusal = "another program steers this clock"
    world.clock.set_crystal(5.2e-6)  # there is something to steer, and too little to make the pulses look wrong
    for _ in range(10):
        world.second()
    assert not world.keeper.cell.current.synchronised
    world.clock.refusal = ""
    world.second()
    world.second()
    assert world.keeper.cell.current.synchronised


def test_a_set_by_others_is_noticed_even_where_the_second_hand_sees_it_first(tmp_path: Path) -> None:
    world = _World(tmp_path)
    world.until_locked()
    world.clock.set_by_others(3.0)
    world.keeper.tick()  # before any publication, and before the kernel's own notice is read
    disturbed = [event for event in world.fed if isinstance(event, DisturbedInput)]
    assert [event.offset for event in disturbed] == [pytest.approx(-3.0, abs=1e-3)]
    assert not world.keeper.cell.current.synchronised
    world.until_locked()
    assert abs(world.clock.true_error_ns) < 10_000


def test_a_set_by_others_is_noticed_even_where_a_steering_comes_first(tmp_path: Path) -> None:
    world = _World(tmp_path)
    world.until_locked()
    world.number += 1
    second = UtcNs(_START + world.number * NS)
    world.clock.advance_to(UtcNs(second + 20_000_000))
    under_way = world.edge_input(second)
    world.clock.set_by_others(-2.0)
    world.keeper.feed(under_way)
    disturbed = [event for event in world.fed if isinstance(event, DisturbedInput)]
    assert [event.offset for event in disturbed] == [pytest.approx(2.0, abs=1e-3)]
    assert not world.keeper.cell.current.synchronised


def test_an_edge_of_before_a_step_never_reaches_the_pipeline(tmp_path: Path) -> None:
    world = _World(tmp_path, offset=0.2)
    late: EdgeInput | None = None
    while not world.keeper.accumulated_steps:
        world.number += 1
        second = UtcNs(_START + world.number * NS)
        world.clock.advance_to(UtcNs(second + 10_000_000))
        edge = world.edge_input(second)
        world.clock.advance_to(UtcNs(second + 110_000_000))
        late = world.edge_input(UtcNs(second + 100_000_000))  # stamped by its thread before the loop has taken the pulse
        world.keeper.feed(edge)
        world.clock.advance_to(UtcNs(second + 300_000_000))
        if not world.keeper.accumulated_steps:
            world.keeper.feed(SerialInput(world.clock.reading(), nmea_epoch(second, world.number)))
        world.keeper.tick()
        assert world.number < 60
    assert late is not None
    count = len(world.fed)
    world.keeper.feed(late)
    assert len(world.fed) == count


def test_bytes_of_before_a_step_are_read_on_the_clock_as_it_is_now(tmp_path: Path) -> None:
    world = _World(tmp_path, offset=0.4, pulse=False)
    under_way = SerialInput(world.clock.reading(), b"$GP")
    while not world.keeper.accumulated_steps:
        under_way = SerialInput(world.clock.reading(), b"$GP")
        world.second()
        assert world.number < 60
    world.keeper.feed(under_way)
    fed = world.fed[-1]
    assert isinstance(fed, SerialInput)
    now = world.clock.reading()
    assert now.clock_ns - fed.reading.clock_ns == pytest.approx(now.at_ns - fed.reading.at_ns, abs=1e6)


def test_leap_second_table_is_told_before_it_expires_and_after(tmp_path: Path) -> None:
    table = LeapTable((UtcNs(1_483_228_800 * NS),), (37,), expires=UtcNs(_START + 40 * NS))
    world = _World(tmp_path, leaps=table)
    for _ in range(60):
        world.second()
    assert world.state is LockState.LOCKED
    told = world.told("leap")
    assert ["in 0 days" in text for text in told] == [True, False]
    assert ["expired" in text for text in told] == [False, True]
    assert all("tzdata" in text for text in told)


def test_a_kernel_that_somebody_else_steers_too_is_told_without_flooding_the_log(tmp_path: Path) -> None:
    world = _World(tmp_path)
    world.until_locked()
    for count in range(1, 33):
        world.clock.disturbed = count
        world.second()
    told = [text for text in world.told("clock") if "another program" in text]
    assert 1 <= len(told) <= 6
    assert "stratum1 doctor" in told[0]


def test_state_directory_that_cannot_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "in-the-way").write_text("")
    told: list[str] = []
    Memory(tmp_path / "in-the-way").check(told.append)
    assert len(told) == 1
    assert "state-directory" in told[0] or "in-the-way" in told[0]
    Memory(tmp_path / "new").check(told.append)
    assert len(told) == 1

"""The shell around the pipeline: puts its steering into force, publishes what is served, remembers what was learned.

Everything here runs in the event loop's thread.
"""

from collections.abc import Callable
from pathlib import Path

from .clock import Clock, ClockError, ClockStatus
from .clock.state import Drift, DriftFile, StateError, StateFile, save_floor
from .inputs import DisturbedInput, Input, TickInput
from .interchange import KernelClockId, Reading, TimeState
from .pipeline import Note, Pipeline
from .recorder import Recorder
from .server import StateCell
from .timescale import NS, MonoNs

__all__ = ["Memory", "Timekeeper"]

_JUMP = 1e-3
"""Seconds; a smaller jump than this is left to the measurements."""
_FIRST_SAVE, _SAVE_INTERVAL = 300 * NS, 3600 * NS


class Memory:
    """What is kept between runs, in the state directory: drift, serial delays, the last known time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._drift = DriftFile(directory / "drift")
        self._delays = StateFile(directory / "serial-delays")

    def drift(self, problem: Callable[[str], None]) -> Drift | None:
        """The learned drift; what can't be read is told and taken as absent."""
        try:
            return self._drift.load()
        except StateError as error:
            problem(str(error))
            return None

    def delays(self, problem: Callable[[str], None]) -> dict[str, float]:
        """The learned serial delays, seconds by kind of sentence."""
        try:
            content = self._delays.load() or {}
        except StateError as error:
            problem(str(error))
            return {}
        return {kind: float(value) for kind, value in content.items() if isinstance(value, int | float) and 0 <= value < 10}

    def save(self, pipeline: Pipeline, state: TimeState) -> None:
        """Keep what was learned; the floor only while the time is known. Raises StateError."""
        drift = pipeline.drift()
        if drift is not None:
            self._drift.save(Drift(drift.frequency, drift.uncertainty, drift.saved))
        delays: dict[str, object] = {**pipeline.delays()}
        if delays:
            self._delays.save(delays)
        if state.synchronised:
            save_floor(self._directory, state.bound_at)


class Timekeeper:
    """Feeds the pipeline, steers the clock, publishes TimeState."""

    def __init__(
        self,
        clock: Clock,
        pipeline: Pipeline,
        *,
        memory: Memory,
        recorder: Recorder,
        note: Callable[[Note], None],
        panic: Callable[[str], None],
    ) -> None:
        """note: told of everything worth a line in the event log; panic: told why the daemon must end."""
        self.clock = clock
        self.pipeline = pipeline
        self._memory = memory
        self._note = note
        self._panic = panic
        self._recorder = recorder
        self._epoch = clock.epoch
        self._rate = clock.frequency
        self._ticked = clock.reading()
        self._monotonic = clock.mapping(KernelClockId.MONOTONIC)
        self._save_at = self._ticked.at_ns + _FIRST_SAVE
        self._save_problem = ""
        self.cell = StateCell(self._state(clock.reading()))
        self.accumulated_steps = 0.0
        """Seconds that the clock was stepped by since the start, absolute values added up."""

    def feed(self, event: Input) -> None:
        """Take one input to its end: pipeline, steering, publication."""
        output = self.pipeline.feed(event)
        self._recorder.input(event)
        steering = output.steering
        if steering is not None:
            self._recorder.output(steering)
            if steering.step:  # nobody may be served from a mapping that is about to be void
                self.cell.publish(self.pipeline.time_state(self.clock.reading(), None, None))
                self.accumulated_steps += abs(steering.step)
            try:
                self.clock.steer(steering)
            except ClockError as error:
                self._note(Note(self._ticked.at_ns, "clock", True, str(error)))
            self._rate = steering.frequency + steering.phase_rate
            self._epoch += steering.step != 0.0
            self._renew()
            self.publish()
        for note in output.notes:
            self._note(note)
        if output.panic:
            self._panic(output.panic)

    def tick(self) -> None:
        """The second hand."""
        self._renew()
        self.feed(TickInput(self._ticked))
        self.publish()
        self._announce(self.pipeline.clock_status(self.cell.current))
        if self._ticked.at_ns >= self._save_at:
            self._save_at = MonoNs(self._ticked.at_ns + _SAVE_INTERVAL)
            self.save()

    def publish(self) -> None:
        """Publish what is served from now on, with fresh mappings; notices that somebody else set the clock meanwhile."""
        self.cell.publish(self._state(self.clock.reading()))
        if self.clock.epoch != self._epoch:
            self._was_set()

    def _was_set(self) -> None:
        """Find out by how much our clock is off now. A virtual clock stays as it is: only its mapping was void, and is new already."""
        self._epoch = self.clock.epoch
        now = self.clock.reading()
        self._monotonic = self.clock.mapping(KernelClockId.MONOTONIC)
        elapsed = now.at_ns - self._ticked.at_ns
        jump = (now.clock_ns - self._ticked.clock_ns - elapsed - round(elapsed * self._rate)) / NS
        self._ticked = now
        if self.clock.name == "kernel" and abs(jump) > _JUMP:
            self.feed(DisturbedInput(now.at_ns, -jump))

    def save(self) -> None:
        """Write what was learned; a disk that is full or read-only is told once and changes nothing else."""
        try:
            self._memory.save(self.pipeline, self.cell.current)
            self._save_problem = ""
        except StateError as error:
            if str(error) != self._save_problem:
                self._save_problem = str(error)
                self._note(Note(self._ticked.at_ns, "state", True, str(error)))

    def close(self) -> None:
        """Save, stop serving, leave the clock in a safe state."""
        self.save()
        self.cell.publish(self.pipeline.time_state(self.clock.reading(), None, None))
        self._announce(self.pipeline.clock_status(self.cell.current))
        try:
            self.clock.close()
        except ClockError as error:
            self._note(Note(self._ticked.at_ns, "clock", True, str(error)))

    def _state(self, now: Reading) -> TimeState:
        return self.pipeline.time_state(now, self.clock.mapping(KernelClockId.REALTIME), self._monotonic)

    def _renew(self) -> None:
        """A fresh reading, and a mapping of MONOTONIC: its rate against ours changes only when we steer, so it may be a second old."""
        self._ticked = self.clock.reading()
        self._monotonic = self.clock.mapping(KernelClockId.MONOTONIC)

    def _announce(self, status: ClockStatus) -> None:
        try:
            self.clock.announce(status)
        except ClockError as error:
            self._note(Note(self._ticked.at_ns, "clock", True, str(error)))

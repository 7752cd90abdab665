"""The shell around the pipeline: puts its steering into force, publishes what is served, remembers what was learned.

Everything here runs in the event loop's thread.
"""

import tempfile
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path

from .clock import Clock, ClockError, ClockStatus
from .clock.state import Drift, DriftFile, StateError, StateFile, save_floor
from .discipline import CrystalMemory, DriftRecord
from .inputs import DisturbedInput, EdgeInput, Input, LeapStepInput, SerialInput, TickInput
from .interchange import KernelClockId, Leap, LockState, Reading, Steering, TimeState
from .leaps import leap_between
from .pipeline import Note, Pipeline
from .recorder import Recorder
from .server import StateCell
from .timescale import NS, MonoNs, UtcNs

__all__ = ["Memory", "Timekeeper"]

_JUMP = 1e-3
"""Seconds; a smaller jump than this is left to the measurements."""
_AHEAD = NS // 1000  # an edge that seems to come from so far in the future was stamped by a clock that has been set back since
_FIRST_SAVE, _SAVE_INTERVAL = 300 * NS, 3600 * NS


class Memory:
    """What is kept between runs, in the state directory: drift, serial delays, the last known time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._drift = DriftFile(directory / "drift")
        self._delays = StateFile(directory / "serial-delays")
        self._crystal = StateFile(directory / "crystal")

    def check(self, problem: Callable[[str], None]) -> None:
        """Tell now, and not when an hour's learning is lost, that nothing can be kept."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self._directory).close()
        except OSError as error:
            remedy = "set state-directory in [clock] to a directory that the daemon's user may write to"
            problem(f"{self._directory}: what is learned can't be kept: {error.strerror}; {remedy}")

    def drift(self, problem: Callable[[str], None]) -> DriftRecord | None:
        """The learned drift and what the crystal does; what can't be read is told and taken as absent."""
        try:
            drift = self._drift.load()
        except StateError as error:
            problem(str(error))
            return None
        return DriftRecord(drift.frequency, drift.uncertainty, drift.saved, self._known_crystal(problem)) if drift else None

    def _known_crystal(self, problem: Callable[[str], None]) -> CrystalMemory | None:
        try:
            content = self._crystal.load() or {}
        except StateError as error:
            problem(str(error))
            return None
        names = [each.name for each in fields(CrystalMemory)]
        numbers = {name: content.get(name) for name in names}
        memory = CrystalMemory(**{name: float(n) for name, n in numbers.items() if isinstance(n, int | float) and abs(n) < 1e12})
        return memory if memory.sound else None

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
            if drift.crystal is not None:
                self._crystal.save({**asdict(drift.crystal)})
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
        self._stepped_at = self._ticked.at_ns
        self._monotonic = clock.mapping(KernelClockId.MONOTONIC)
        self._save_at = self._ticked.at_ns + _FIRST_SAVE
        self._save_problem = self._announce_problem = ""
        self._wanted = Steering(clock.frequency)
        self._interferences = 0
        self.unsteerable = ""
        """Why the clock does not obey, empty while it does. Meanwhile no time is claimed to be known."""
        self.ticked_at = self._ticked.at_ns
        """When the second hand moved last."""
        self.accumulated_steps = 0.0
        """Seconds that the clock was stepped by since the start, absolute values added up."""
        self.cell = StateCell(self._state(clock.reading()))

    def feed(self, event: Input) -> None:
        """Take one input to its end: pipeline, steering, publication."""
        if isinstance(event, EdgeInput):
            self._renew()  # an edge may lead to a step, which must not hide that somebody else set the clock just now
        timely = self._timely(event)
        if timely is None:
            return
        output = self.pipeline.feed(timely)
        self._recorder.input(timely)
        if output.steering is not None:
            self._recorder.output(output.steering)
            self._steer(output.steering)
        for note in output.notes:
            self._note(note)
        if output.panic:
            self._panic(output.panic)

    def tick(self) -> None:
        """The second hand."""
        self._renew()
        self.ticked_at = self._ticked.at_ns
        self.feed(TickInput(self._ticked))
        if self.unsteerable:
            self._steer(self._wanted)
        self.publish()
        self._announce(self.pipeline.clock_status(self.cell.current))
        if self._ticked.at_ns >= self._save_at:
            self._save_at = MonoNs(self._ticked.at_ns + _SAVE_INTERVAL)
            self.save()

    def publish(self) -> None:
        """Publish what is served from now on, with fresh mappings; notices that somebody else set the clock meanwhile."""
        state = self._state(self.clock.reading())
        if self.clock.epoch != self._epoch:
            self._was_set()
            state = self._state(self.clock.reading())
        self.cell.publish(state)

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
        try:
            self.save()
        finally:
            self.cell.publish(self.pipeline.time_state(self.clock.reading(), None, None))
            self._announce(self.pipeline.clock_status(self.cell.current))
            try:
                self.clock.close()
            except ClockError as error:
                self._note(Note(self._ticked.at_ns, "clock", True, str(error)))

    def _timely(self, event: Input) -> Input | None:
        """The event as the clock of now sees it: read off by a device's thread, it may have waited while the clock was stepped."""
        if isinstance(event, EdgeInput):
            stale = event.reading.at_ns <= self._stepped_at or event.reading.at_ns > self._ticked.at_ns + _AHEAD
            return None if stale else event
        if isinstance(event, SerialInput) and event.reading.at_ns <= self._stepped_at:
            now = self.clock.reading()
            read = event.reading.at_ns
            return replace(event, reading=Reading(read, UtcNs(now.clock_ns - (now.at_ns - read))))
        return event

    def _steer(self, steering: Steering) -> None:
        self._wanted = replace(steering, step=0.0)
        if steering.step:  # nobody may be served from a mapping that is about to be void
            self.cell.publish(self.pipeline.time_state(self.clock.reading(), None, None))
        try:
            self.clock.steer(steering)
        except ClockError as error:
            if str(error) != self.unsteerable:
                self._note(Note(self._ticked.at_ns, "clock", True, f"the clock does not obey, so no time is served as known: {error}"))
            self.unsteerable = str(error)
        else:
            self._obeyed(steering)
        self._renew()
        self.publish()

    def _obeyed(self, steering: Steering) -> None:
        if self.unsteerable:
            self.unsteerable = ""
            self._note(Note(self._ticked.at_ns, "clock", False, "the clock obeys again"))
        self._rate = steering.frequency + steering.phase_rate
        if steering.step:
            self._epoch += 1
            self._ticked = Reading(self._ticked.at_ns, UtcNs(self._ticked.clock_ns + round(steering.step * NS)))
            self._stepped_at = self.clock.reading().at_ns
            self.accumulated_steps += abs(steering.step)

    def _was_set(self) -> None:
        """Find out what it was: a leap second, or somebody else, and then by how much our clock is off now.

        A virtual clock stays as it is when the host's is set: only its mapping was void, and is new already.
        """
        self._epoch = self.clock.epoch
        now = self.clock.reading()
        self._monotonic = self.clock.mapping(KernelClockId.MONOTONIC)
        elapsed = now.at_ns - self._ticked.at_ns
        jump = (now.clock_ns - self._ticked.clock_ns - elapsed - round(elapsed * self._rate)) / NS
        before, self._ticked = self._ticked, now
        self._stepped_at = now.at_ns
        plan = self.pipeline.leap_plan
        if plan is not None and leap_between(plan, before, now, jump):
            self.feed(LeapStepInput(now.at_ns, plan.sign))
            return
        if self.clock.name != "kernel" or abs(jump) <= _JUMP:
            return
        self.feed(DisturbedInput(now.at_ns, -jump))

    def _state(self, now: Reading) -> TimeState:
        state = self.pipeline.time_state(now, self.clock.mapping(KernelClockId.REALTIME), self._monotonic)
        if not (self.unsteerable and state.synchronised):
            return state
        unknown = LockState.UNSYNCHRONISED
        return replace(state, state=unknown, in_specification=False, leap=Leap.UNKNOWN, stratum=16, refid=b"\0\0\0\0")

    def _renew(self) -> None:
        """A fresh reading, and a mapping of MONOTONIC: its rate against ours changes only when we steer, so it may be a second old.

        The reading is taken first: if nobody is found to have set the clock by then, it belongs to the clock as it was.
        """
        now = self.clock.reading()
        self._monotonic = self.clock.mapping(KernelClockId.MONOTONIC)
        if self.clock.epoch == self._epoch:
            self._ticked = now
        else:
            self._was_set()

    def _announce(self, status: ClockStatus) -> None:
        problem = ""
        try:
            self.clock.announce(status)
        except ClockError as error:
            problem = str(error)
        if problem and problem != self._announce_problem:
            self._note(Note(self._ticked.at_ns, "clock", True, problem))
        self._announce_problem = problem
        found = getattr(self.clock, "disturbed", 0)  # the kernel's clock only
        if found > 2 * self._interferences or found == 1 > self._interferences:
            self._interferences = found
            text = f"another program steers the clock too ({found} times so far): stop it, `stratum1 doctor` names it"
            self._note(Note(self._ticked.at_ns, "clock", True, text))

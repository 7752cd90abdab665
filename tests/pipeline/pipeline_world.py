"""The whole pipeline in a closed loop: a crystal, a pulse, NMEA bytes, and a simulated clock that obeys the steering."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from stratum1._pace import late_pulse
from stratum1.clock import ClockLimits, SimulatedClock
from stratum1.discipline import DisciplineSettings, DriftRecord
from stratum1.gnss._simulated_nmea import nmea_epoch
from stratum1.gnss._simulated_ubx import ubx_epoch
from stratum1.inputs import DisturbedInput, EdgeInput, Input, LineInput, SerialInput, TickInput
from stratum1.interchange import KernelClockId, LockState, Steering, TimeState
from stratum1.pipeline import Note, Output, Pipeline, PipelineSettings
from stratum1.pps.events import Edge, EdgeKind
from stratum1.recording import Header, encode_header, encode_input, encode_output
from stratum1.refclock import RefClockSettings
from stratum1.timescale import NS, LeapTable, UtcNs

START = UtcNs(1_795_478_400 * NS)  # 2026-11-24T00:00:00Z
FLOOR = UtcNs(1_780_000_000 * NS)
LIMITS = ClockLimits(max_frequency=500e-6, max_slew=0.1, precision=-24)
REFCLOCK = RefClockSettings(accuracy=1e-7)


@dataclass(frozen=True)
class Conditions:
    """What is pulled. pulse, line, fix: whether it is there in a second. delay: of the first byte; baud: how fast the rest follows.

    speaks: "nmea", "ubx" or "both". tick: of the receiver's own clock, seconds, which makes the sawtooth that TIM-TP announces.
    """

    pulse: bool = True
    line: bool = True
    fix: bool = True
    delay: float = 0.25
    baud: int = 9600
    jitter: float = 1e-6
    serial_jitter: float = 0.02
    speaks: str = "nmea"
    tick: float = 0.0


@dataclass(frozen=True)
class Row:
    """One second, read right before its pulse. error: ours minus truth, seconds."""

    second: int
    error: float
    bound: float
    state: LockState
    served: TimeState


@dataclass
class Rig:
    """Time passes second by second in `run`; everything that happened is kept."""

    offset: float = 0.1
    crystal: float = 20e-6
    refclock: RefClockSettings = REFCLOCK
    drift: DriftRecord | None = None
    leaps: LeapTable | None = None
    start: UtcNs = START
    seed: int = 1
    wander: float = 1e-9
    rows: list[Row] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    steps: list[tuple[int, float]] = field(default_factory=list)
    recording: list[str] = field(default_factory=list)
    panic: str | None = None

    def __post_init__(self) -> None:
        self.second = 0
        self.draw = random.Random(self.seed)
        self.clock = SimulatedClock(self.start, offset_ns=-round(self.offset * NS), crystal=self.crystal, limits=LIMITS)
        self.settings = PipelineSettings(DisciplineSettings(), self.refclock, FLOOR)
        self.pipeline = Pipeline(self.settings, LIMITS, self.drift, self.leaps)
        self.recording.append(encode_header(Header(self.settings, LIMITS, self.drift, self.leaps, whole=True)) + "\n")
        self._line = False
        self._sequence = 0

    def restart(self) -> None:
        """A new daemon on the same machine, with what the old one had learned."""
        settings = PipelineSettings(DisciplineSettings(), RefClockSettings(accuracy=1e-7, delays=self.pipeline.delays()), FLOOR)
        self.pipeline = Pipeline(settings, LIMITS, self.pipeline.drift(), self.leaps)
        self._line = False

    def run(self, seconds: int, conditions: Conditions | None = None) -> "Rig":
        """Let time pass under the same conditions."""
        wanted = conditions or Conditions()
        for _ in range(seconds):
            self._one(wanted)
        return self

    def disturb(self, seconds: float) -> None:
        """Another program sets the clock forward, and the shell notices."""
        self.clock.steer(Steering(self.clock.frequency, 0.0, seconds))
        self.feed(DisturbedInput(self.clock.reading().at_ns, -seconds))

    def feed(self, event: Input) -> Output:
        """One input, and what the shell makes of the output."""
        output = self.pipeline.feed(event)
        self.recording.append(encode_input(event) + "\n")
        if output.steering is not None:
            self.recording.append(encode_output(output.steering) + "\n")
            self.clock.steer(output.steering)
            if output.steering.step:
                self.steps.append((self.second, output.steering.step))
        self.notes += output.notes
        self.panic = self.panic or output.panic
        return output

    @property
    def error(self) -> float:
        """Ours minus truth, seconds."""
        return self.clock.true_error_ns / NS

    @property
    def state(self) -> LockState:
        return self.pipeline.report(self.clock.reading().at_ns).state

    @property
    def reason(self) -> str:
        """Why the reference clock is not usable, empty if it is."""
        return self.pipeline.report(self.clock.reading().at_ns).refclock.health.reason

    def first(self, state: LockState, since: int = 0) -> int:
        """The first second that began in a state."""
        return next(row.second for row in self.rows if row.second >= since and row.state is state)

    def worst(self, since: int, until: int | None = None) -> float:
        return max(abs(row.error) for row in self.rows if since <= row.second < (until or self.second))

    def served(self) -> TimeState:
        """What is served now."""
        return self.pipeline.time_state(
            self.clock.reading(), self.clock.mapping(KernelClockId.REALTIME), self.clock.mapping(KernelClockId.MONOTONIC)
        )

    def _one(self, conditions: Conditions) -> None:
        self._at(0.0)
        self.clock.set_crystal(self.crystal)
        self.crystal += self.draw.gauss(0.0, self.wander)
        self._note_row()
        later: list[tuple[float, Callable[[], None]]] = [(0.7, self._tick)]
        if conditions.line != self._line:
            self._line = conditions.line
            text = "the line is open at 9600 baud" if self._line else "the serial line is gone: is it plugged in?"
            self.feed(LineInput(self.clock.reading().at_ns, self._line, text))
        error = self.draw.gauss(0.0, conditions.jitter) + late_pulse(self._true(0.0) // NS, conditions.tick)
        if conditions.pulse:
            later += [(0.0005, lambda: self._edge(EdgeKind.ASSERT, error)), (0.1005, lambda: self._edge(EdgeKind.CLEAR, 0.1))]
        delay = conditions.delay + self.draw.uniform(-conditions.serial_jitter, conditions.serial_jitter)
        if self._line:
            later += self._bytes(conditions, delay)
        for at, action in sorted(later, key=lambda each: each[0]):
            self._at(at)
            action()
        self.second += 1

    def _bytes(self, conditions: Conditions, delay: float) -> list[tuple[float, Callable[[], None]]]:
        now, data, size = self._true(0.0), b"", 64
        if conditions.speaks != "ubx":
            data = nmea_epoch(now, 7, fix=conditions.fix)
        if conditions.speaks != "nmea":
            data += ubx_epoch(now, 7, fix=conditions.fix, late=late_pulse(now // NS + 1, conditions.tick))
        return [
            (min(0.999, delay + (start + min(size, len(data) - start)) * 10 / conditions.baud), self._piece(data[start : start + size]))
            for start in range(0, len(data), size)
        ]

    def _piece(self, data: bytes) -> Callable[[], None]:
        return lambda: self._serial(data)

    def _serial(self, data: bytes) -> None:
        if self._line:
            self.feed(SerialInput(self.clock.reading(), data))

    def _edge(self, kind: EdgeKind, error: float) -> None:
        """Stamped by the kernel with its own clock, at the edge; handed on half a millisecond later."""
        if kind is EdgeKind.ASSERT:
            self._sequence += 1
        stamp = self.clock.stamp(KernelClockId.REALTIME, self._true(error))
        edge = Edge(kind, self._sequence, stamp, KernelClockId.REALTIME, 0)
        self.feed(EdgeInput(self.clock.at(edge.clock, edge.stamp_ns), edge))

    def _tick(self) -> None:
        self.feed(TickInput(self.clock.reading()))

    def _note_row(self) -> None:
        served = self.served()
        bound = served.error_bound_at(self.clock.reading().clock_ns)
        self.rows.append(Row(self.second, self.error, bound, served.state, served))

    def _true(self, fraction: float) -> UtcNs:
        return UtcNs(self.start + self.second * NS + round(fraction * NS))

    def _at(self, fraction: float) -> None:
        self.clock.advance_to(max(self.clock.true_ns, self._true(fraction)))

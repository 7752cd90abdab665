"""The whole way from a byte and an edge to steering and served time, as one pure object.

The daemon, the simulator and a replayed recording all run this; they differ only in where the inputs come from and what
becomes of the steering.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .clock import ClockLimits, ClockStatus
from .discipline import UNKNOWN_BOUND, Decision, Discipline, DisciplineReport, DisciplineSettings, DriftRecord, Transition
from .gnss import Counters as GnssCounters
from .gnss import GnssDecoder
from .gnss.events import Event, Fix, Health, Satellite, Sky
from .inputs import DisturbedInput, EdgeInput, EnvironmentInput, GnssInput, Input, LineInput, SampleInput, SerialInput, TickInput
from .interchange import Leap, LeapPlan, LockState, Reading, Sample, Steering, TimeState
from .interchange import Mapping as ClockMapping
from .refclock import RefClock, RefClockReport, RefClockSettings
from .timescale import NS, LeapTable, MonoNs, UtcNs

__all__ = ["Note", "Output", "Pipeline", "PipelineReport", "PipelineSettings"]

_VALID = 4 * NS  # a state not renewed for so long comes from a publisher that hangs
_SERVING = frozenset({LockState.LOCKED, LockState.HOLDOVER, LockState.NETWORK})
_LEAP_WARNING = 86_400 * NS  # leap bits are shown in the last day only, since the kernel acts at the next midnight


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """Everything that shapes the pipeline: what a recording must carry so that its replay is the same run.

    floor: no date before it is believed, None to take dates as sent. repair: move such dates by multiples of 1024 weeks.
    """

    discipline: DisciplineSettings
    refclock: RefClockSettings = field(default_factory=RefClockSettings)
    floor: UtcNs | None = None
    repair: bool = True


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth an event log line. kind: "lock", "step", "receiver", "clock", ...; alarm: needs a person."""

    at_ns: MonoNs
    kind: str
    alarm: bool
    text: str


@dataclass(frozen=True, slots=True)
class Output:
    """What an input led to: steering to put into force (None: leave as it is), notes, and the panic that ends the daemon, if any."""

    steering: Steering | None = None
    notes: tuple[Note, ...] = ()
    panic: str | None = None


@dataclass(frozen=True, slots=True)
class PipelineReport:
    """The rooms' reports, for people."""

    state: LockState
    since: MonoNs
    reason: str
    decision: Decision | None
    fix: Fix | None
    satellites: tuple[Satellite, ...]
    refclock: RefClockReport
    discipline: DisciplineReport
    gnss: GnssCounters
    health: Mapping[str, Health]
    steps: int
    samples: int


class Pipeline:
    """Pure composition of gnss, refclock and discipline. Not thread-safe: one caller feeds it, in the order of events."""

    def __init__(
        self, settings: PipelineSettings, limits: ClockLimits, drift: DriftRecord | None = None, leaps: LeapTable | None = None
    ) -> None:
        self.settings = settings
        self._precision = limits.precision
        self._leaps = leaps
        self._decoder = GnssDecoder(settings.floor, settings.repair)
        self._refclock = RefClock(settings.refclock, leaps)
        self._discipline = Discipline(settings.discipline, limits, drift)
        self._decision: Decision | None = None
        self._decided_at = MonoNs(0)
        self._fix: Fix | None = None
        self._sky: Sky | None = None
        self._health: dict[str, Health] = {}
        self._state_since = MonoNs(0)
        self._state_reason = "started"
        self._steps = 0
        self._samples = 0
        self._last_sample: Sample | None = None

    def feed(self, event: Input) -> Output:
        """Take one input to its end."""
        match event:
            case SerialInput():
                output = self._gnss(self._decoder.feed(event.data, event.reading.at_ns), event.reading)
            case GnssInput():
                output = self._gnss(list(event.events), event.reading)
            case EdgeInput():
                output = self._observe(self._refclock.edge(event.edge, event.reading))
            case SampleInput():
                output = self._observe(event.sample)
            case TickInput():
                output = self._tick(event.reading)
            case LineInput():
                output = self._line(event)
            case EnvironmentInput():
                self._discipline.environment(event.environment)
                output = Output()
            case DisturbedInput():
                output = self._disturbed(event)
        return output

    def time_state(self, now: Reading, realtime: ClockMapping | None, monotonic: ClockMapping | None) -> TimeState:
        """What is served from now on. A void mapping (None for realtime) or an unknown time gives leap UNKNOWN and stratum 16."""
        decision = self._decision
        serving = decision is not None and decision.state in _SERVING and realtime is not None
        elapsed = 0.0
        if decision is not None:
            elapsed = max(0.0, (now.at_ns - self._decided_at) / NS)
        plan = self._leap_plan(now.clock_ns)
        return TimeState(
            state=decision.state if decision else LockState.COLD,
            in_specification=bool(decision and decision.in_specification),
            leap=self._leap(plan, now.clock_ns) if serving else Leap.UNKNOWN,
            leap_plan=plan,
            stratum=1 if serving else 16,
            refid=self.settings.refclock.refid if serving else b"\0\0\0\0",
            precision=self._precision,
            root_delay=0.0,
            error_bound=decision.error_bound + decision.bound_rate * elapsed if decision else UNKNOWN_BOUND,
            bound_at=now.clock_ns,
            bound_rate=decision.bound_rate if decision else 15e-6,
            reference_time=self._last_sample.reference_time if self._last_sample else UtcNs(0),
            valid_until=UtcNs(now.clock_ns + _VALID),
            realtime=realtime,
            monotonic=monotonic,
        )

    def clock_status(self, state: TimeState) -> ClockStatus:
        """What the kernel is to be told while `state` is served."""
        sigma = self._decision.sigma if self._decision else 16.0
        tai = self._leaps.tai_offset(state.bound_at) if self._leaps and state.synchronised else None
        return ClockStatus(state.synchronised, state.leap, state.error_bound, sigma, tai)

    def drift(self) -> DriftRecord | None:
        """The learned frequency, None before anything is learned; `saved` is the last sample's time."""
        if self._last_sample is None or self._decision is None:
            return None
        learned = self._discipline.drift()
        return DriftRecord(learned.frequency, learned.uncertainty, self._last_sample.reference_time)

    def delays(self) -> dict[str, float]:
        """Learned serial delays, seconds by kind of sentence."""
        return self._refclock.memory()

    @property
    def engine(self) -> DisciplineReport:
        """The discipline alone, for people."""
        return self._discipline.report()

    def report(self, at_ns: MonoNs) -> PipelineReport:
        """All rooms, for people."""
        return PipelineReport(
            state=self._decision.state if self._decision else LockState.COLD,
            since=self._state_since,
            reason=self._state_reason,
            decision=self._decision,
            fix=self._fix,
            satellites=self._sky.satellites if self._sky else (),
            refclock=self._refclock.report(at_ns),
            discipline=self._discipline.report(),
            gnss=self._decoder.counters,
            health=dict(self._health),
            steps=self._steps,
            samples=self._samples,
        )

    def _gnss(self, events: list[Event], reading: Reading) -> Output:
        output = Output()
        notes: list[Note] = []
        for event in events:
            if isinstance(event, Fix):
                self._fix = event
            elif isinstance(event, Sky):
                self._sky = event
            elif isinstance(event, Health):
                before = self._health.get(event.kind)
                self._health[event.kind] = event
                if before is None or (before.alarm, before.text) != (event.alarm, event.text):
                    notes.append(Note(event.at_ns, "receiver", event.alarm, event.text))
            sample = self._refclock.gnss(event, Reading(event.at_ns, UtcNs(reading.clock_ns - (reading.at_ns - event.at_ns))))
            if sample is not None:
                output = _joined(output, self._observe(sample))
                if output.steering is not None and output.steering.step:  # the rest was read off the clock as it was before
                    self._refclock.clock_stepped(reading.at_ns)
        return _joined(Output(notes=tuple(notes)), output)

    def _line(self, event: LineInput) -> Output:
        self._refclock.line(event.is_open, event.text)
        if not event.is_open:
            self._decoder.reset()
            self._fix = self._sky = None
        return Output(notes=(Note(event.at_ns, "receiver", not event.is_open, event.text),))

    def _disturbed(self, event: DisturbedInput) -> Output:
        self._refclock.clock_stepped(event.at_ns)
        output = self._decide(self._discipline.disturbed(event.at_ns, event.offset), event.at_ns)
        note = Note(event.at_ns, "clock", True, f"another program set the clock by {-event.offset:+.6f} s: it is measured anew")
        return Output(output.steering, (note, *output.notes), output.panic)

    def _observe(self, sample: Sample | None) -> Output:
        if sample is None:
            return Output()
        self._samples += 1
        self._last_sample = sample
        return self._decide(self._discipline.observe(sample), sample.at_ns)

    def _tick(self, reading: Reading) -> Output:
        output = self._gnss(self._decoder.poll(reading.at_ns), reading)
        health = self._refclock.health(reading.at_ns)
        return _joined(output, self._decide(self._discipline.tick(reading.at_ns, health), reading.at_ns))

    def _decide(self, decision: Decision, at_ns: MonoNs) -> Output:
        self._decision = decision
        self._decided_at = at_ns
        notes = [self._transition(t) for t in decision.transitions]
        steering = decision.steering
        if steering is not None and steering.step:
            self._steps += 1
            self._refclock.clock_stepped(at_ns)
            notes.append(Note(at_ns, "step", False, f"the clock is stepped by {steering.step:+.6f} s"))
        if decision.panic:
            notes.append(Note(at_ns, "panic", True, decision.panic))
        return Output(steering, tuple(notes), decision.panic)

    def _transition(self, transition: Transition) -> Note:
        self._state_since, self._state_reason = transition.at_ns, transition.reason
        alarm = transition.after in (LockState.HOLDOVER, LockState.UNSYNCHRONISED)
        return Note(transition.at_ns, "lock", alarm, f"{transition.before} -> {transition.after}: {transition.reason}")

    def _leap_plan(self, now: UtcNs) -> LeapPlan | None:
        leap = self._leaps.next_leap(now) if self._leaps and not self._leaps.expired(now) else None
        return LeapPlan(leap.at, leap.sign, leap.tai_offset, ("leap-seconds.list",)) if leap else None

    @staticmethod
    def _leap(plan: LeapPlan | None, now: UtcNs) -> Leap:
        if plan is None or plan.at - now > _LEAP_WARNING:
            return Leap.NONE
        return Leap.INSERT if plan.sign > 0 else Leap.DELETE


def _joined(first: Output, second: Output) -> Output:
    """Two outputs of one input: the later rates hold, both steps are made."""
    steering = second.steering or first.steering
    if first.steering is not None and second.steering is not None:
        steering = replace(second.steering, step=first.steering.step + second.steering.step)
    return Output(steering, (*first.notes, *second.notes), first.panic or second.panic)

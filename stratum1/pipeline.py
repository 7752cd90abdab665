"""The whole way from a byte and an edge to steering and served time, as one pure object.

The daemon, the simulator and a replayed recording all run this; they differ only in where the inputs come from and what
becomes of the steering.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from .clock import ClockLimits, ClockStatus
from .discipline import UNKNOWN_BOUND, Decision, Discipline, DisciplineReport, DisciplineSettings, DriftRecord, Transition
from .gnss import Counters as GnssCounters
from .gnss.events import Fix, Health, Satellite
from .inputs import (
    DisturbedInput,
    EdgeInput,
    EnvironmentInput,
    GnssInput,
    Input,
    LeapListInput,
    LeapStepInput,
    LineInput,
    SampleInput,
    SerialInput,
    TickInput,
)
from .interchange import Leap, LeapPlan, LockState, Reading, ReferenceHealth, Sample, Steering, TimeState
from .interchange import Mapping as ClockMapping
from .leaps import LeapJudge, LeapReport, believed_until, leap_bits
from .refclock import RefClockReport, RefClockSettings
from .reference import Reference, ReferenceReport
from .timescale import NS, LeapTable, MonoNs, UtcNs

__all__ = ["Note", "Output", "Pipeline", "PipelineReport", "PipelineSettings"]

_VALID = 4 * NS  # a state not renewed for so long comes from a publisher that hangs
_SERVING = frozenset({LockState.LOCKED, LockState.HOLDOVER, LockState.NETWORK})
_LEAP_PAUSE = 5 * NS  # around a leap second in which no sample of another server counts: it may make its own a little earlier or later
_LEAP_MOMENT = 2 * NS  # before a leap second in which the kernel is left alone with TAI - UTC, which it changes by itself


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """Everything that shapes the pipeline: what a recording must carry so that its replay is the same run.

    refclock: of the first receiver; more: of the others. floor: no date before it is believed, None to take dates as sent.
    repair: move such dates by multiples of 1024 weeks. Raises ValueError where two receivers have the same name.
    """

    discipline: DisciplineSettings
    refclock: RefClockSettings = field(default_factory=RefClockSettings)
    floor: UtcNs | None = None
    repair: bool = True
    more: tuple[RefClockSettings, ...] = ()

    def __post_init__(self) -> None:
        names = [each.name for each in self.receivers]
        if len(set(names)) < len(names):
            raise ValueError(f"receivers need names of their own, not {', '.join(names)}")

    @property
    def receivers(self) -> tuple[RefClockSettings, ...]:
        """All receivers, in the order that their inputs are counted in."""
        return (self.refclock, *self.more)


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
    """The rooms' reports, for people. fix, satellites, refclock, gnss, health: of the first receiver; receivers: all of them."""

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
    leaps: LeapReport
    steps: int
    samples: int
    receivers: tuple[ReferenceReport, ...]


class Pipeline:
    """Pure composition of receivers and discipline. Not thread-safe: one caller feeds it, in the order of events."""

    def __init__(
        self, settings: PipelineSettings, limits: ClockLimits, drift: DriftRecord | None = None, leaps: LeapTable | None = None
    ) -> None:
        self.settings = settings
        self._precision = limits.precision
        self._leaps = LeapJudge(leaps)
        self._references = tuple(
            Reference(each, settings.floor, settings.repair, leaps, partial(self._leaps.hear, i))
            for i, each in enumerate(settings.receivers)
        )
        self._last_tick: Reading | None = None
        self._in_force = Steering(drift.frequency if drift else 0.0)
        self._discipline = Discipline(settings.discipline, limits, drift)
        self._decision: Decision | None = None
        self._decided_at = MonoNs(0)
        self._state_since = MonoNs(0)
        self._state_reason = "started"
        self._steps = 0
        self._samples = 0
        self._last_sample: Sample | None = None

    def feed(self, event: Input) -> Output:
        """Take one input to its end."""
        match event:
            case SerialInput() | LineInput() | GnssInput() | EdgeInput():
                output = self._receiver(event)
            case SampleInput():
                output = self._network(event)
            case TickInput():
                output = self._tick(event.reading)
            case EnvironmentInput():
                self._discipline.environment(event.environment)
                output = Output()
            case DisturbedInput():
                output = self._disturbed(event)
            case LeapListInput():
                self._leaps.take_list(event.table)
                output = Output()
            case LeapStepInput():
                output = self._leapt(event)
        return output

    def time_state(self, now: Reading, realtime: ClockMapping | None, monotonic: ClockMapping | None) -> TimeState:
        """What is served from now on. A void mapping (None for realtime) or an unknown time gives leap UNKNOWN and stratum 16."""
        decision = self._decision
        serving = self._knows and realtime is not None and not self._leaps.running(now.clock_ns)
        elapsed = 0.0
        if decision is not None:
            elapsed = max(0.0, (now.at_ns - self._decided_at) / NS)
        plan = self._leaps.plan
        return TimeState(
            state=decision.state if decision else LockState.COLD,
            in_specification=bool(decision and decision.in_specification),
            leap=leap_bits(plan, now.clock_ns) if serving else Leap.UNKNOWN,
            leap_plan=plan,
            stratum=1 if serving else 16,
            refid=self.settings.refclock.refid if serving else b"\0\0\0\0",
            precision=self._precision,
            root_delay=0.0,
            error_bound=decision.error_bound + decision.bound_rate * elapsed if decision else UNKNOWN_BOUND,
            bound_at=now.clock_ns,
            bound_rate=decision.bound_rate if decision else 15e-6,
            reference_time=self._last_sample.reference_time if self._last_sample else UtcNs(0),
            valid_until=believed_until(plan, now.clock_ns, _VALID),
            realtime=realtime,
            monotonic=monotonic,
            smeared_leap=self._leaps.near(now.clock_ns),
        )

    def clock_status(self, state: TimeState) -> ClockStatus:
        """What the kernel is to be told while `state` is served."""
        sigma = self._decision.sigma if self._decision else 16.0
        plan, now = state.leap_plan, state.bound_at
        known = state.synchronised or (self._knows and state.realtime is not None and self._leaps.running(now))
        moment = plan is not None and abs(plan.at - now) < _LEAP_MOMENT
        tai = self._leaps.tai_offset if known and not moment else None
        return ClockStatus(known, state.leap, state.error_bound, sigma, tai)

    def drift(self) -> DriftRecord | None:
        """The learned frequency, None before anything is learned; `saved` is the last sample's time."""
        if self._last_sample is None or self._decision is None:
            return None
        learned = self._discipline.drift()
        return DriftRecord(learned.frequency, learned.uncertainty, self._last_sample.reference_time)

    def delays(self) -> dict[str, float]:
        """Learned serial delays of the first receiver, seconds by kind of sentence."""
        return self._references[0].delays()

    @property
    def leap_plan(self) -> LeapPlan | None:
        """The leap second that our clock has been, or will be, told to make."""
        return self._leaps.plan

    @property
    def engine(self) -> DisciplineReport:
        """The discipline alone, for people."""
        return self._discipline.report()

    def report(self, at_ns: MonoNs) -> PipelineReport:
        """All rooms, for people."""
        receivers = tuple(reference.report(at_ns) for reference in self._references)
        first = receivers[0]
        return PipelineReport(
            state=self._decision.state if self._decision else LockState.COLD,
            since=self._state_since,
            reason=self._state_reason,
            decision=self._decision,
            fix=first.fix,
            satellites=first.satellites,
            refclock=first.refclock,
            discipline=self._discipline.report(),
            gnss=first.gnss,
            health=first.health,
            leaps=self._leaps.report(Reading(at_ns, self._clock_at(at_ns))),
            steps=self._steps,
            samples=self._samples,
            receivers=receivers,
        )

    def _receiver(self, event: SerialInput | LineInput | GnssInput | EdgeInput) -> Output:
        if not 0 <= event.receiver < len(self._references):
            return Output()  # a recording's word for a receiver that its header does not have
        reference = self._references[event.receiver]
        match event:
            case SerialInput():
                return self._take(reference, reference.serial(event), event.reading)
            case GnssInput():
                return self._take(reference, reference.events(list(event.events), event.reading), event.reading)
            case EdgeInput():
                return self._observe(reference.edge(event))
            case LineInput():
                reference.line(event)
                if not event.is_open:
                    self._leaps.line_lost(event.receiver)
                return Output(notes=(Note(event.at_ns, "receiver", not event.is_open, event.text),))

    def _take(self, reference: Reference, found: Iterator[Sample | Health], reading: Reading) -> Output:
        """What a receiver's bytes led to, one after the other."""
        output = Output()
        notes: list[Note] = []
        for each in found:
            if isinstance(each, Health):
                notes.append(Note(each.at_ns, "receiver", each.alarm, each.text))
                continue
            output = _joined(output, self._observe(each))
            if output.steering is not None and output.steering.step:  # the rest was read off the clock as it was before
                reference.clock_stepped(reading.at_ns)
        return _joined(Output(notes=tuple(notes)), output)

    def _disturbed(self, event: DisturbedInput) -> Output:
        self._forget_stamps(event.at_ns)
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
        output = Output()
        for reference in self._references:
            output = _joined(output, self._take(reference, reference.poll(reading), reading))
        output = _joined(output, self._judge_leaps(reading))
        return _joined(output, self._decide(self._discipline.tick(reading.at_ns, self._health(reading.at_ns)), reading.at_ns))

    def _health(self, at_ns: MonoNs) -> ReferenceHealth:
        """Of all receivers together: one that can be used is enough."""
        found = [reference.health(at_ns) for reference in self._references]
        best = next((each for each in found if each.usable), found[0])
        return ReferenceHealth(any(each.heard for each in found), best.usable, best.reason, any(each.pausing for each in found))

    def _forget_stamps(self, at_ns: MonoNs) -> None:
        """Our clock was stepped: what was stamped by then is of another clock."""
        for reference in self._references:
            reference.clock_stepped(at_ns)

    def _decide(self, decision: Decision, at_ns: MonoNs) -> Output:
        self._decision = decision
        self._decided_at = at_ns
        for reference in self._references:
            reference.decided(decision.state)
        notes = [self._transition(t) for t in decision.transitions]
        steering = decision.steering
        self._in_force = replace(steering, step=0.0) if steering is not None else self._in_force
        if steering is not None and steering.step:
            self._steps += 1
            self._forget_stamps(at_ns)
            notes.append(Note(at_ns, "step", False, f"the clock is stepped by {steering.step:+.6f} s"))
        if decision.panic:
            notes.append(Note(at_ns, "panic", True, decision.panic))
        return Output(steering, tuple(notes), decision.panic)

    def _transition(self, transition: Transition) -> Note:
        self._state_since, self._state_reason = transition.at_ns, transition.reason
        alarm = transition.after in (LockState.HOLDOVER, LockState.UNSYNCHRONISED)
        return Note(transition.at_ns, "lock", alarm, f"{transition.before} -> {transition.after}: {transition.reason}")

    @property
    def _knows(self) -> bool:
        return self._decision is not None and self._decision.state in _SERVING

    def _clock_at(self, at_ns: MonoNs) -> UtcNs:
        """Our clock at an instant of the last seconds, as the last tick has it."""
        tick = self._last_tick
        return UtcNs(tick.clock_ns + at_ns - tick.at_ns) if tick is not None else UtcNs(0)

    def _network(self, event: SampleInput) -> Output:
        self._leaps.sample(event.sample, agreeing=True)
        if self._leaps.pausing(event.clock_ns, _LEAP_PAUSE):
            return Output()
        return self._observe(event.sample)

    def _judge_leaps(self, reading: Reading) -> Output:
        """Who announces what; and the leap second that the clock has failed to make."""
        told = self._leaps.judge(reading, self._knows)
        self._last_tick = reading
        near = self._leaps.near(reading.clock_ns)
        forbidden = self._leaps.forbidden_shifts(reading.clock_ns)
        for reference in self._references:
            reference.leap_scale(self._leaps.scale, forbidden, near.at if near is not None else None)
        output = Output(notes=tuple(Note(reading.at_ns, "leap", alarm, text) for alarm, text in told))
        overdue = self._leaps.overdue
        if overdue is None or not self._knows:
            return output
        self._leaps.executed(overdue.sign)
        self._steps += 1
        self._forget_stamps(reading.at_ns)
        text = f"the clock did not make the leap second by itself: it is stepped by {-overdue.sign:+d} s"
        return _joined(output, Output(replace(self._in_force, step=-float(overdue.sign)), (Note(reading.at_ns, "leap", True, text),)))

    def _leapt(self, event: LeapStepInput) -> Output:
        self._leaps.executed(event.sign)
        self._forget_stamps(event.at_ns)
        text = f"leap second: the clock was moved by {-event.sign:+d} s, as announced"
        return Output(notes=(Note(event.at_ns, "leap", False, text),))


def _joined(first: Output, second: Output) -> Output:
    """Two outputs of one input: the later rates hold, both steps are made."""
    steering = second.steering or first.steering
    if first.steering is not None and second.steering is not None:
        steering = replace(second.steering, step=first.steering.step + second.steering.step)
    return Output(steering, (*first.notes, *second.notes), first.panic or second.panic)

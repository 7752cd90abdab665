"""The whole way from bytes, edges and measurements to steering and served time, as one pure object.

The daemon, the simulator and a replayed recording all run this; they differ only in where the inputs come from and what
becomes of the steering.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from .clock import ClockLimits, ClockStatus
from .discipline import UNKNOWN_BOUND, Decision, Discipline, DisciplineReport, DisciplineSettings, DriftRecord, Transition
from .gnss import Counters as GnssCounters
from .gnss.events import Fix, Health, Satellite
from .inputs import DisturbedInput, EdgeInput, EnvironmentInput, GnssInput, Input, LineInput, SampleInput, SerialInput, TickInput
from .interchange import Leap, LeapPlan, LockState, Reading, ReferenceHealth, Sample, Steering, TimeState
from .interchange import Mapping as ClockMapping
from .refclock import RefClockReport, RefClockSettings
from .reference import Reference, ReferenceReport
from .selection import Own, Selection, SelectionReport, SelectionSettings, Watch
from .timescale import NS, LeapTable, MonoNs, UtcNs

__all__ = ["Note", "Output", "Pipeline", "PipelineReport", "PipelineSettings"]

_VALID = 4 * NS  # a state not renewed for so long comes from a publisher that hangs
_SERVING = frozenset({LockState.LOCKED, LockState.HOLDOVER, LockState.NETWORK})
_LEAP_WARNING = 86_400 * NS  # leap bits are shown in the last day only, since the kernel acts at the next midnight


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """Everything that shapes the pipeline: what a recording must carry so that its replay is the same run.

    refclock: of the first receiver; more: of the others. floor: no date before it is believed, None to take dates as sent.
    repair: move such dates by multiples of 1024 weeks. selection: options of receivers and servers, by their names.
    Raises ValueError where two receivers have the same name.
    """

    discipline: DisciplineSettings
    refclock: RefClockSettings = field(default_factory=RefClockSettings)
    floor: UtcNs | None = None
    repair: bool = True
    more: tuple[RefClockSettings, ...] = ()
    selection: SelectionSettings = field(default_factory=SelectionSettings)

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
    """The rooms' reports, for people.

    fix, satellites, refclock, gnss, health: of the receiver that is selected, else of the first; receivers: all of them.
    """

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
    receivers: tuple[ReferenceReport, ...]
    selection: SelectionReport


class Pipeline:
    """Pure composition of receivers, selection and discipline. Not thread-safe: one caller feeds it, in the order of events."""

    def __init__(
        self, settings: PipelineSettings, limits: ClockLimits, drift: DriftRecord | None = None, leaps: LeapTable | None = None
    ) -> None:
        self.settings = settings
        self._precision = limits.precision
        self._leaps = leaps
        self._references = tuple(Reference(each, settings.floor, settings.repair, leaps) for each in settings.receivers)
        self._selection = Selection(settings.selection, (reference.name for reference in self._references))
        self._watch = Watch()
        self._now = Reading(MonoNs(0), UtcNs(0))
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
                output = self._select(event.sample, event.clock_ns, event.reach, event.poll)
            case TickInput():
                output = self._tick(event.reading)
            case EnvironmentInput():
                self._discipline.environment(event.environment)
                output = Output()
            case DisturbedInput():
                output = self._disturbed(event)
        return output

    def time_state(self, now: Reading, realtime: ClockMapping | None, monotonic: ClockMapping | None) -> TimeState:
        """What is served from now on. A void mapping (None for realtime) or an unknown time gives leap UNKNOWN and stratum 16."""
        decision = self._decision
        source = self._last_sample
        serving = decision is not None and source is not None and decision.state in _SERVING and realtime is not None
        plan = self._leap_plan(now.clock_ns)
        return TimeState(
            state=decision.state if decision else LockState.COLD,
            in_specification=bool(decision and decision.in_specification),
            leap=self._leap(plan, now.clock_ns) if serving else Leap.UNKNOWN,
            leap_plan=plan,
            stratum=min(16, source.stratum + 1) if serving and source else 16,
            refid=source.refid if serving and source else b"\0\0\0\0",
            precision=self._precision,
            root_delay=source.delay + source.root_delay if source else 0.0,
            error_bound=self._bound(now.at_ns),
            bound_at=now.clock_ns,
            bound_rate=decision.bound_rate if decision else 15e-6,
            reference_time=source.reference_time if source else UtcNs(0),
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
        """Learned serial delays, seconds by kind of sentence; those of receivers other than the first as "NAME/KIND"."""
        first, *others = self._references
        return first.delays() | {f"{each.name}/{kind}": delay for each in others for kind, delay in each.delays().items()}

    @property
    def learned_settings(self) -> PipelineSettings:
        """The settings with what was learned of the serial delays: what a recording from now on begins with."""
        first, *more = (replace(s, delays=r.delays()) for s, r in zip(self.settings.receivers, self._references, strict=True))
        return replace(self.settings, refclock=first, more=tuple(more))

    @property
    def engine(self) -> DisciplineReport:
        """The discipline alone, for people."""
        return self._discipline.report()

    def report(self, at_ns: MonoNs) -> PipelineReport:
        """All rooms, for people."""
        receivers = tuple(reference.report(at_ns) for reference in self._references)
        selection = self._selection.report(self._now, self._own(self._now.at_ns))
        first = next((each for each in receivers if each.name == selection.selected), receivers[0])
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
            steps=self._steps,
            samples=self._samples,
            receivers=receivers,
            selection=selection,
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
        """A reference clock's sample: its reference time and its offset tell what our clock read."""
        if sample is None:
            return Output()
        return self._select(sample, UtcNs(sample.reference_time - round(sample.offset * NS)))

    def _select(self, measured: Sample, clock_ns: UtcNs, reach: int = 0xFF, poll: int = 0) -> Output:
        self._now = Reading(measured.at_ns, clock_ns)
        sample = self._selection.observe(measured, clock_ns, self._own(measured.at_ns), reach, poll)
        if sample is None:
            return Output()
        self._samples += 1
        self._last_sample = sample
        return self._decide(self._discipline.observe(sample), sample.at_ns)

    def _tick(self, reading: Reading) -> Output:
        output = Output()
        for reference in self._references:
            output = _joined(output, self._take(reference, reference.poll(reading), reading))
        self._now = reading
        output = _joined(output, self._decide(self._discipline.tick(reading.at_ns, self._health(reading)), reading.at_ns))
        if self._selection.has_one:
            return output
        seen = self._watch.look(self._selection.report(reading, self._own(reading.at_ns)))
        return _joined(output, Output(notes=tuple(Note(reading.at_ns, "source", alarm, text) for alarm, text in seen)))

    def _health(self, now: Reading) -> ReferenceHealth:
        """Of what steers: the servers, or all receivers together, of which one that can be used is enough."""
        found = [reference.health(now.at_ns) for reference in self._references]
        for reference, health in zip(self._references, found, strict=True):
            self._selection.tell_health(reference.name, health)
        if self._last_sample is not None and self._last_sample.stratum:
            return self._selection.server_health(now)
        best = next((each for each in found if each.usable), found[0])
        return ReferenceHealth(any(each.heard for each in found), best.usable, best.reason)

    def _bound(self, at_ns: MonoNs) -> float:
        """What our error stays below now, seconds."""
        if self._decision is None:
            return UNKNOWN_BOUND
        return self._decision.error_bound + self._decision.bound_rate * max(0.0, (at_ns - self._decided_at) / NS)

    def _own(self, at_ns: MonoNs) -> Own:
        """Our clock as a witness of the selection."""
        decision, source = self._decision, self._last_sample
        if decision is None or source is None or decision.state not in _SERVING:
            return Own()
        return Own(self._bound(at_ns), decision.state is LockState.HOLDOVER and source.stratum == 0)

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

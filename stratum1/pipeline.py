"""The whole way from bytes, edges and measurements to steering and served time, as one pure object.

The daemon, the simulator and a replayed recording all run this; they differ only in where the inputs come from and what
becomes of the steering.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

from .clock import ClockLimits, ClockStatus
from .discipline import UNKNOWN_BOUND, Decision, Discipline, DisciplineReport, DriftRecord, Transition
from .gnss.events import Health
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
    TrustInput,
)
from .integrity import Standing
from .interchange import Leap, LeapPlan, LockState, Reading, ReferenceHealth, Sample, Steering, TimeState
from .interchange import Mapping as ClockMapping
from .leaps import LeapJudge, believed_until, kernel_offset, leap_bits
from .pipeline_values import Note, Output, PipelineReport, PipelineSettings, joined
from .reference import INTEGRITY, Reference, ReferenceReport
from .selection import Own, Selection, SelectionReport, Watch
from .timescale import NS, LeapTable, MonoNs, UtcNs

__all__ = ["Note", "Output", "Pipeline", "PipelineReport", "PipelineSettings"]

_AGREEING = "*+-"
_LOOK = 5 * NS  # between looks at the sources for what is worth a line in the event log
_VALID = 4 * NS  # a state not renewed for so long comes from a publisher that hangs
_SERVING = frozenset({LockState.LOCKED, LockState.HOLDOVER, LockState.NETWORK})
_LEAP_PAUSE = 5 * NS  # around a leap second in which no sample of a server counts: it may make its own a little earlier or later


class Pipeline:
    """Pure composition of receivers, selection and discipline. Not thread-safe: one caller feeds it, in the order of events."""

    def __init__(
        self, settings: PipelineSettings, limits: ClockLimits, drift: DriftRecord | None = None, leaps: LeapTable | None = None
    ) -> None:
        self.settings = settings
        self._precision = limits.precision
        self._leaps = LeapJudge(leaps)
        self._leapt_ns = 0
        self._in_force = Steering(drift.frequency if drift else 0.0)
        self._references = tuple(
            Reference(
                receiver, settings.floor, settings.repair, leaps, of_leaps=partial(self._leaps.hear, number), integrity=settings.integrity
            )
            for number, receiver in enumerate(settings.receivers)
        )
        self._selection = Selection(settings.selection, (reference.name for reference in self._references))
        self._watch = Watch()
        self._looked_ns = MonoNs(0)
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
                output = self._network(event)
            case TickInput():
                output = self._tick(event.reading)
            case EnvironmentInput():
                self._discipline.environment(event.environment)
                for reference in self._references:
                    reference.environment(event.environment)
                output = Output()
            case TrustInput():
                output = self._trust(event.at_ns)
            case DisturbedInput():
                output = self._disturbed(event)
            case LeapListInput():
                self._leaps.take_list(event.table)
                output = Output()
            case LeapStepInput():
                self._leapt(event.sign, event.at_ns)
                text = f"leap second: the clock was moved by {-event.sign:+d} s, as announced"
                output = Output(notes=(Note(event.at_ns, "leap", False, text),))
        return output

    def time_state(self, now: Reading, realtime: ClockMapping | None, monotonic: ClockMapping | None) -> TimeState:
        """What is served from now on. A void mapping (None for realtime) or an unknown time gives leap UNKNOWN and stratum 16."""
        decision = self._decision
        source = self._last_sample
        serving = source is not None and self._knows and realtime is not None and not self._leaps.running(now.clock_ns)
        plan = self._leaps.plan
        return TimeState(
            state=decision.state if decision else LockState.COLD,
            in_specification=bool(decision and decision.in_specification),
            leap=leap_bits(plan, now.clock_ns) if serving else Leap.UNKNOWN,
            leap_plan=plan,
            stratum=min(16, source.stratum + 1) if serving and source else 16,
            refid=source.refid if serving and source else b"\0\0\0\0",
            precision=self._precision,
            root_delay=source.delay + source.root_delay if source else 0.0,
            error_bound=self._bound(now.at_ns),
            bound_at=now.clock_ns,
            bound_rate=decision.bound_rate + self._misled(now.at_ns)[1] if decision else 15e-6,
            reference_time=source.reference_time if source else UtcNs(0),
            valid_until=believed_until(plan, now.clock_ns, _VALID),
            realtime=realtime,
            monotonic=monotonic,
            smeared_leap=self._leaps.near(now.clock_ns),
            tai_offset=self._leaps.tai_offset or 0,
        )

    def clock_status(self, state: TimeState) -> ClockStatus:
        """What the kernel is to be told while `state` is served."""
        sigma = self._decision.sigma if self._decision else 16.0
        now = state.bound_at
        known = state.synchronised or (self._knows and state.realtime is not None and self._leaps.running(now))
        tai = kernel_offset(self._leaps.tai_offset, state.leap_plan, now) if known else None
        return ClockStatus(known, state.leap, state.error_bound, sigma, tai)

    def drift(self) -> DriftRecord | None:
        """The learned frequency, None before anything is learned; `saved` is the last sample's time."""
        if self._last_sample is None or self._decision is None:
            return None
        learned = self._discipline.drift()
        return DriftRecord(learned.frequency, learned.uncertainty, self._last_sample.reference_time, self._discipline.crystal)

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
    def leap_plan(self) -> LeapPlan | None:
        """The leap second that our clock has been, or will be, told to make."""
        return self._leaps.plan

    @property
    def selection(self) -> SelectionReport:
        """The sources alone, for people, as of the last tick or sample."""
        return self._selection.report(self._counted(self._now), self._own(self._now.at_ns))

    @property
    def engine(self) -> DisciplineReport:
        """The discipline alone, for people."""
        return self._discipline.report()

    def report(self, at_ns: MonoNs) -> PipelineReport:
        """All rooms, for people."""
        receivers = tuple(reference.report(at_ns) for reference in self._references)
        selection = self.selection
        first = next((each for each in receivers if each.name == selection.selected), receivers[0])
        return PipelineReport(
            state=self._decision.state if self._decision else LockState.COLD,
            since=self._state_since,
            reason=self._why(receivers),
            decision=self._decision,
            fix=first.fix,
            satellites=first.satellites,
            refclock=first.refclock,
            discipline=self._discipline.report(),
            gnss=first.gnss,
            health=first.health,
            leaps=self._leaps.report(Reading(at_ns, UtcNs(self._now.clock_ns + at_ns - self._now.at_ns))),
            steps=self._steps,
            samples=self._samples,
            receivers=receivers,
            selection=selection,
        )

    def _why(self, receivers: Iterable[ReferenceReport]) -> str:
        """The reason of the state; where a receiver is refused it's that, whatever was seen of it first."""
        refusal = next((each.integrity.reason for each in receivers if each.integrity.reason), "")
        locked = self._decision is not None and self._decision.state is LockState.LOCKED
        return refusal if refusal and not locked else self._state_reason

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
                return self._pulse(reference, event)
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
                kind = INTEGRITY if each.kind == INTEGRITY else "receiver"
                notes.append(Note(each.at_ns, kind, each.alarm, each.text))
                continue
            output = joined(output, self._observe(each))
            if output.steering is not None and output.steering.step:  # the rest was read off the clock as it was before
                reference.clock_stepped(reading.at_ns)
        return joined(Output(notes=tuple(notes)), output)

    def _pulse(self, reference: Reference, event: EdgeInput) -> Output:
        """A lone receiver's first numbered pulse brings along those before it: so the clock is measured some seconds sooner."""
        sample, early = reference.edge(event), reference.early()
        if early and self._selection.has_one and not self._samples:
            self._discipline.collect(early)
        return self._observe(sample)

    def _trust(self, at_ns: MonoNs) -> Output:
        """The owner vouches for every receiver."""
        done = [(reference.name, reference.trust(at_ns)) for reference in self._references]
        return Output(notes=tuple(Note(at_ns, INTEGRITY, False, f"{name}: {text}") for name, text in done))

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

    def _network(self, event: SampleInput) -> Output:
        sample = event.sample
        self._leaps.sample(sample)
        if self._leaps.pausing(event.clock_ns, _LEAP_PAUSE):
            return Output()
        if self.settings.selection.trusts(sample.source):
            for reference in self._references:
                reference.compare(sample)
        return self._select(sample, event.clock_ns, event.reach, event.poll)

    def _select(self, measured: Sample, clock_ns: UtcNs, reach: int = 0xFF, poll: int = 0) -> Output:
        self._now = Reading(measured.at_ns, clock_ns)
        counted = self._counted(self._now)
        sample = self._selection.observe(measured, counted.clock_ns, self._own(measured.at_ns), reach, poll)
        if sample is None or (sample.stratum and not self.settings.servers_steer):
            return Output()
        if self._leapt_ns:
            sample = replace(sample, reference_time=UtcNs(clock_ns + round(sample.offset * NS)))
        self._samples += 1
        self._last_sample = sample
        return self._decide(self._discipline.observe(sample), sample.at_ns)

    def _tick(self, reading: Reading) -> Output:
        output = Output()
        for reference in self._references:
            output = joined(output, self._take(reference, reference.poll(reading), reading))
        self._now = reading
        output = joined(output, self._judge_leaps(reading))
        output = joined(output, self._decide(self._discipline.tick(reading.at_ns, self._health(reading)), reading.at_ns))
        if self._selection.has_one or 0 <= reading.at_ns - self._looked_ns < _LOOK:
            return output
        self._looked_ns = reading.at_ns
        report = self._selection.report(self._counted(reading), self._own(reading.at_ns))
        self._leaps.agree(each.name for each in report.sources if each.state.symbol in _AGREEING)
        seen = self._watch.look(report)
        return joined(output, Output(notes=tuple(Note(reading.at_ns, "source", alarm, text) for alarm, text in seen)))

    def _health(self, now: Reading) -> ReferenceHealth:
        """Of what steers: the servers, or all receivers together, of which one that can be used is enough."""
        found = [reference.health(now.at_ns) for reference in self._references]
        for reference, health in zip(self._references, found, strict=True):
            self._selection.tell_health(reference.name, health)
        if self._last_sample is not None and self._last_sample.stratum:
            return replace(self._selection.server_health(now), pausing=self._leaps.pausing(now.clock_ns, 2 * _LEAP_PAUSE))
        best = next((each for each in found if each.usable), found[0])
        return ReferenceHealth(any(each.heard for each in found), best.usable, best.reason, any(each.pausing for each in found))

    def _bound(self, at_ns: MonoNs) -> float:
        """What our error stays below now, seconds."""
        if self._decision is None:
            return UNKNOWN_BOUND
        own = self._decision.error_bound + self._decision.bound_rate * max(0.0, (at_ns - self._decided_at) / NS)
        return own + self._misled(at_ns)[0]

    def _misled(self, at_ns: MonoNs) -> tuple[float, float]:
        """What receivers that turned out false may have done to our clock; nothing any more once servers steer it."""
        if self._last_sample is None or self._last_sample.stratum:
            return 0.0, 0.0
        return max(reference.misled(at_ns) for reference in self._references)

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
            reference.decided(Standing(at_ns, decision.state, decision.error_bound, decision.bound_rate))
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

    def _counted(self, reading: Reading) -> Reading:
        """A reading of our clock as if it made no leap seconds: what was measured before one stays comparable with what comes after."""
        return Reading(reading.at_ns, UtcNs(reading.clock_ns + self._leapt_ns))

    def _judge_leaps(self, reading: Reading) -> Output:
        """Who announces what; and the leap second that the clock has failed to make."""
        told = self._leaps.judge(reading, self._knows)
        near = self._leaps.near(reading.clock_ns)
        forbidden = self._leaps.forbidden_shifts(reading.clock_ns)
        for reference in self._references:
            reference.leap_scale(self._leaps.scale, forbidden, near.at if near is not None else None)
        output = Output(notes=tuple(Note(reading.at_ns, "leap", alarm, text) for alarm, text in told))
        overdue = self._leaps.overdue
        if overdue is None or not self._knows:
            return output
        self._leapt(overdue.sign, reading.at_ns)
        self._steps += 1
        text = f"the clock did not make the leap second by itself: it is stepped by {-overdue.sign:+d} s"
        return joined(output, Output(replace(self._in_force, step=-float(overdue.sign)), (Note(reading.at_ns, "leap", True, text),)))

    def _leapt(self, sign: int, at_ns: MonoNs) -> None:
        self._leaps.executed(sign)
        self._leapt_ns += sign * NS
        self._forget_stamps(at_ns)

"""Gathers the rooms' reports into `Status`, the one picture that everything shown is made from."""

from collections.abc import Sequence
from dataclasses import fields
from math import isfinite

from .config import Config, ReceiverConfig
from .control import (
    DisciplineStatus,
    EventRecord,
    EvidenceStatus,
    GnssStatus,
    IntegrityStatus,
    LeapStatus,
    LeapWitness,
    LineStatus,
    LockStatus,
    NextLeap,
    OutputStatus,
    PpsStatus,
    ReceiverStatus,
    RefclockStatus,
    SelectionStatus,
    SerialDelay,
    SetupStatus,
    SourceChoice,
    SourceStatus,
    StabilityFigure,
    StabilityStatus,
    TemperatureStatus,
    TimeStatus,
)
from .control.foresight import CrystalStatus, HoldoverStatus, LearnedLaw
from .control.receiver import RadioStatus, ReceiverTold, SawtoothStatus, SurveyStatus
from .discipline import DAY, Law
from .gnss.events import FixMode
from .gnss.serial_reader import LineState
from .gnss.setup import SetupReport
from .integrity import IntegrityReport
from .interchange import LockState, TimeState
from .ntp import refid_text
from .outputs import OutputReport
from .pipeline import PipelineReport
from .pps import PpsReport
from .receivers import Seen
from .refclock import EdgeVerdict
from .reference import ReferenceReport
from .selection import SelectionReport, SourceOptions, SourceReport
from .stability import StabilityPoint
from .temperature import TemperatureState
from .timekeeper import Timekeeper
from .timescale import NS, MonoNs, UtcNs

__all__ = [
    "event_record",
    "gnss_status",
    "lock_status",
    "output_status",
    "pps_status",
    "receiver_statuses",
    "refclock_status",
    "selection_status",
    "source_status",
    "temperature_status",
]

__all__ += ["crystal_status", "discipline_status", "holdover_status", "integrity_status", "leap_status", "stability_status", "time_status"]


def lock_status(report: PipelineReport, state: TimeState, now_raw: MonoNs, unsteerable: str) -> LockStatus:
    """The lock, as it is served; its `since` is told on our own clock, which knows best. unsteerable: why the clock does not obey."""
    since = UtcNs(state.bound_at - (now_raw - report.since))
    return LockStatus(state.state, since, unsteerable or report.reason, state.in_specification)


def time_status(report: PipelineReport, state: TimeState, keeper: Timekeeper, panic_limit: float) -> TimeStatus:
    """What is served."""
    decision, now = report.decision, state.bound_at
    plan = state.leap_plan
    return TimeStatus(
        utc=now,
        stratum=state.stratum,
        refid=refid_text(state.refid, state.stratum) if state.synchronised else "",
        leap=state.leap,
        offset=report.discipline.last_offset,
        sigma=decision.sigma if decision and report.samples else None,
        error_bound=state.error_bound,
        bound_rate=state.bound_rate,
        root_delay=state.root_delay,
        root_dispersion=state.root_dispersion_at(now),
        frequency_ppm=keeper.clock.frequency * 1e6,
        reference_time=state.reference_time if report.samples else None,
        precision=state.precision,
        tai_offset=report.leaps.tai_offset,
        leap_file_expires=report.leaps.expires,
        next_leap=NextLeap(plan.at, plan.sign, plan.tai_offset) if plan else None,
        clock=keeper.clock.name,
        steps=report.steps,
        accumulated_steps=keeper.accumulated_steps,
        step_limit=panic_limit,
    )


def leap_status(report: PipelineReport) -> LeapStatus:
    """The three witnesses of leap seconds."""
    leaps = report.leaps
    witnesses = tuple(LeapWitness(each.witness, each.says, each.at, each.since, each.text) for each in leaps.witnesses)
    return LeapStatus(leaps.plan.witnesses if leaps.plan else (), leaps.origin, witnesses, leaps.alarms)


def crystal_status(report: PipelineReport) -> CrystalStatus | None:
    """What was learned of the crystal, None before the first sample."""
    engine = report.discipline
    if not engine.samples:
        return None
    warmth, ageing = _law(engine.warmth, 1e6), _law(engine.ageing, 1e6 * DAY)
    return CrystalStatus(engine.frequency * 1e6, engine.frequency_sigma * 1e6, warmth, ageing, engine.learned)


def holdover_status(report: PipelineReport, limit: float) -> HoldoverStatus:
    """How long the time would stay good. limit: [clock] holdover-limit."""
    engine = report.discipline
    return HoldoverStatus(report.state is LockState.HOLDOVER, engine.age, limit, engine.lasts)


def _law(law: Law, unit: float) -> LearnedLaw:
    known = isfinite(law.sigma)
    return LearnedLaw(law.value * unit if known else 0.0, law.sigma * unit if known else None, law.used)


def discipline_status(report: PipelineReport) -> DisciplineStatus:
    """The engine."""
    engine = report.discipline
    known = report.samples > 0
    return DisciplineStatus(engine.engine, engine.time_constant, engine.jitter if known else None, engine.wander * 1e6 if known else None)


def gnss_status(report: ReferenceReport, config: ReceiverConfig, line: LineState | None, setup: SetupReport | None = None) -> GnssStatus:
    """The receiver."""
    fix = report.fix
    shown = LineStatus(line.open, line.device, line.baud, line.error) if line else LineStatus(False, config.device, None, "")
    return GnssStatus(
        line=shown,
        mode=fix.mode if fix else FixMode.UNKNOWN,
        satellites_used=fix.satellites_used if fix else 0,
        satellites_seen=fix.satellites_seen if fix else 0,
        utc=fix.time if fix else None,
        trusted=bool(fix and fix.trusted),
        position=fix.position if fix else None,
        dop=fix.dop if fix else None,
        rollovers=fix.rollovers if fix else 0,
        sentences=report.gnss.sentences,
        rejects={reason.value: count for reason, count in report.gnss.rejects.items()},
        satellites=report.satellites,
        receiver=_told(report),
        setup=_setup_status(setup) if setup else None,
    )


def _told(report: ReferenceReport) -> ReceiverTold:
    """What it says of itself."""
    fix, said, survey, version = report.fix, report.authenticity, report.survey, report.health.get("version")
    return ReceiverTold(
        time_accuracy=fix.time_accuracy if fix else None,
        position_accuracy=fix.position_accuracy if fix else None,
        fixed_position=bool(fix and fix.fixed_position),
        leap_seconds=fix.leap_seconds if fix else None,
        survey=SurveyStatus(survey.active, survey.valid, survey.duration, survey.accuracy, survey.observations) if survey else None,
        radio=tuple(RadioStatus(r.block, r.antenna, r.jamming, r.jamming_indicator, r.agc, r.noise) for r in report.radio),
        spoofing=said.spoofing if said else "unknown",
        jamming=said.jamming if said else "unknown",
        version=version.text if version else "",
    )


def _setup_status(setup: SetupReport) -> SetupStatus:
    who = setup.identity
    return SetupStatus(
        state=setup.state.value,
        model=who.model if who else "",
        firmware=who.firmware if who else "",
        protocol=who.protocol if who else "",
        generation=who.generation if who else None,
        timing=setup.timing,
        refused=setup.refused,
        changes=setup.changes,
    )


def receiver_statuses(report: PipelineReport, receivers: Sequence[Seen]) -> tuple[ReceiverStatus, ...]:
    """All receivers, in the order of the configuration."""
    return tuple(_receiver(found, seen) for found, seen in zip(report.receivers, receivers, strict=False))


def _receiver(report: ReferenceReport, seen: Seen) -> ReceiverStatus:
    pulse = seen.devices.pulse_report()
    return ReceiverStatus(
        name=seen.name,
        gnss=gnss_status(report, seen.config, seen.line, seen.setup),
        pps=pps_status(pulse, seen.last_edge) if pulse else None,
        refclock=refclock_status(report),
    )


def selection_status(report: SelectionReport, now: MonoNs, has_receiver: bool) -> SelectionStatus:
    """Every source of time. has_receiver False: the reference clock that the pipeline always has stands for none, and is not shown."""
    shown = tuple(_choice(each, now) for each in report.sources if has_receiver or not each.is_reference)
    return SelectionStatus(report.selected, report.text, shown)


def _choice(each: SourceReport, now: MonoNs) -> SourceChoice:
    return SourceChoice(
        name=each.name,
        kind="receiver" if each.is_reference else "server",
        state=each.state.value,
        symbol=each.state.symbol,
        text=each.text,
        options=tuple(option.name for option in fields(SourceOptions) if getattr(each.options, option.name)),
        offset=each.offset,
        sigma=each.sigma,
        distance=each.distance,
        jitter=each.jitter,
        delay=each.delay,
        age=None if each.last_ns is None else max(0, now - each.last_ns) / NS,
        weight=each.weight,
        stratum=each.stratum,
        refid=refid_text(each.refid, (each.stratum or 0) + 1) if each.stratum is not None else "",
        reach=each.reach,
        poll=each.poll,
        samples=each.samples,
    )


def pps_status(pulse: PpsReport, last_edge: UtcNs | None) -> PpsStatus:
    """The pulse; `last_edge` on our own clock."""
    failed = pulse.state.value == "failed"
    return PpsStatus(
        pulse.source, pulse.state.value, pulse.pulses, pulse.missed, pulse.jitter, last_edge, error=pulse.text if failed else ""
    )


def refclock_status(report: ReferenceReport) -> RefclockStatus:
    """Numbering, gates and learned delays."""
    clock = report.refclock
    delays = tuple(SerialDelay(e.sentence, e.delay, e.spread, e.samples) for e in clock.delays)
    refused = {v: clock.verdicts.get(v, 0) for v in EdgeVerdict if v not in (EdgeVerdict.USED, EdgeVerdict.OTHER_EDGE)}
    label = "numbered" if clock.second is not None else "not numbered yet"
    health = tuple(h.text for h in report.health.values() if h.alarm)
    return RefclockStatus(
        usable=clock.health.usable,
        reason=clock.health.reason,
        label=label,
        delays=delays,
        pulse_width=clock.width,
        rejected={str(verdict): count for verdict, count in refused.items()},
        alarms=(*clock.alarms, *health),
        sawtooth=SawtoothStatus(
            in_use=clock.sawtooth.in_use,
            last=clock.sawtooth.last,
            spread=clock.sawtooth.spread,
            corrected=clock.sawtooth.corrected,
            uncorrected=clock.sawtooth.missing,
            late=clock.sawtooth.late,
            agreement=clock.sawtooth.agreement,
            uncertainty=clock.sawtooth.uncertainty,
        ),
    )


def integrity_status(report: PipelineReport, state: TimeState, now_raw: MonoNs) -> tuple[IntegrityStatus, ...]:
    """What speaks against each receiver; instants on our own clock."""

    def utc(at_ns: MonoNs) -> UtcNs:
        return UtcNs(state.bound_at - (now_raw - at_ns))

    def shown(name: str, each: IntegrityReport) -> IntegrityStatus:
        return IntegrityStatus(
            source=name,
            enabled=each.enabled,
            score=each.score,
            limit=each.limit,
            refused_since=None if each.refused_since is None else utc(each.refused_since),
            reason=each.reason,
            evidence=tuple(EvidenceStatus(e.kind, e.name, e.strength, e.value, e.sentence, utc(e.since)) for e in each.evidence),
            learned=each.learned,
            watched=each.watched,
            refusals=each.refusals,
            withheld=each.withheld,
        )

    return tuple(shown(each.name, each.integrity) for each in report.receivers)


def stability_status(report: PipelineReport) -> tuple[StabilityStatus, ...]:
    """What was measured of pulses and clock, by reference clock."""

    def shown(points: tuple[StabilityPoint, ...]) -> tuple[StabilityFigure, ...]:
        return tuple(StabilityFigure(p.tau, p.adev, p.adev_samples, p.tdev, p.tdev_samples, p.mtie, p.mtie_samples) for p in points)

    watched = [(each.name, each.stability) for each in report.receivers]
    return tuple(StabilityStatus(name, shown(found.pulses), shown(found.clock)) for name, found in watched if found is not None)


def source_status(config: Config) -> tuple[SourceStatus, ...]:
    """The [[source]] tables, which this version checks and shows but does not ask."""
    text = "inert: network sources come with a later version"
    return tuple(SourceStatus(source.mode, source.address, text) for source in config.source)


def temperature_status(state: TemperatureState) -> TemperatureStatus:
    """The sensor beside the crystal."""
    return TemperatureStatus(state.sensor, state.celsius, state.error)


def output_status(reports: tuple[OutputReport, ...]) -> tuple[OutputStatus, ...]:
    """The [[output]] tables."""
    return tuple(
        OutputStatus(
            mode=each.mode,
            target=each.target,
            state=each.state.value,
            text=each.text,
            sent=each.sent,
            last_sent=each.last_sent,
            offset=each.offset,
            clock_class=each.clock_class,
        )
        for each in reports
    )


def event_record(at: UtcNs, kind: str, text: str) -> EventRecord:
    """A line of the event log."""
    return EventRecord(at, kind, text)

"""One receiver as the pipeline sees it: its decoder and its reference clock, bytes and edges in, samples and notes out."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from .gnss import Counters as GnssCounters
from .gnss import GnssDecoder
from .gnss.events import Authenticity, Event, Fix, Health, LeapNotice, RadioPath, Satellite, Sky, Survey
from .inputs import EdgeInput, LineInput, SerialInput
from .integrity import Guard, IntegrityReport, IntegritySettings, Standing
from .interchange import Environment, LockState, Reading, ReferenceHealth, Sample
from .refclock import RefClock, RefClockReport, RefClockSettings
from .stability import StabilityReport, StabilityWatch
from .timescale import LeapTable, MonoNs, UtcNs

__all__ = ["INTEGRITY", "Reference", "ReferenceReport"]

INTEGRITY = "integrity"
"""Kind of the `Health` that says that a receiver is refused, or believed again."""


@dataclass(frozen=True, slots=True)
class ReferenceReport:
    """One receiver for people. health: what it said of itself last, by kind; stability: None where no pulse is to come.

    survey, radio (by block), authenticity: what it said last, since its line was opened.
    """

    name: str
    fix: Fix | None
    satellites: tuple[Satellite, ...]
    refclock: RefClockReport
    gnss: GnssCounters
    health: Mapping[str, Health]
    stability: StabilityReport | None
    integrity: IntegrityReport
    survey: Survey | None = None
    radio: tuple[RadioPath, ...] = ()
    authenticity: Authenticity | None = None


class Reference:
    """Pure. Samples are yielded one by one, so that a step which one leads to is known before the next is made."""

    def __init__(
        self,
        settings: RefClockSettings,
        floor: UtcNs | None,
        repair: bool,
        leaps: LeapTable | None,
        *,
        of_leaps: Callable[[Fix | LeapNotice, bool], None],
        integrity: IntegritySettings | None = None,
    ) -> None:
        """floor, repair: of dates, as in `PipelineSettings`. of_leaps: told what it says of leap seconds, and whether to trust it."""
        self.name = settings.name
        self._of_leaps = of_leaps
        self._decoder = GnssDecoder(floor, repair, settings.protocol)
        self._refclock = RefClock(settings, leaps)
        self._guard = Guard(integrity or IntegritySettings())
        self._fix: Fix | None = None
        self._sky: Sky | None = None
        self._survey: Survey | None = None
        self._radio: dict[int, RadioPath] = {}
        self._authenticity: Authenticity | None = None
        self._health: dict[str, Health] = {}
        self._stability = StabilityWatch() if settings.has_pulse else None  # sentences are too coarse for it
        self._locked = False

    def serial(self, event: SerialInput) -> Iterator[Sample | Health]:
        """Bytes of the line."""
        return self.events(self._decoder.feed(event.data, event.reading.at_ns), event.reading)

    def poll(self, reading: Reading) -> Iterator[Sample | Health]:
        """The second hand: what the decoder had held back until now."""
        yield from self.events(self._decoder.poll(reading.at_ns), reading)
        self._guard.tick(reading.at_ns)
        for at_ns, alarm, text in self._guard.told():
            self._health[INTEGRITY] = Health(at_ns, INTEGRITY, alarm, text)
            yield self._health[INTEGRITY]

    def events(self, events: list[Event], reading: Reading) -> Iterator[Sample | Health]:
        """Decoded events; `reading` is both clocks at their arrival. Yields samples, and each `Health` that says something new."""
        for event in events:
            if isinstance(event, Fix):
                self._fix = event
                self._of_leaps(event, event.trusted)
            elif isinstance(event, LeapNotice):
                self._of_leaps(event, self._fix is not None and self._fix.trusted)
            elif isinstance(event, Sky):
                self._sky = event
            elif isinstance(event, Survey | RadioPath | Authenticity):
                self._keep(event)
            elif isinstance(event, Health):
                before = self._health.get(event.kind)
                self._health[event.kind] = event
                if before is None or (before.alarm, before.text) != (event.alarm, event.text):
                    yield event
            self._guard.gnss(event)
            sample = self._refclock.gnss(event, Reading(event.at_ns, UtcNs(reading.clock_ns - (reading.at_ns - event.at_ns))))
            if sample is not None and self._guard.sentence(sample):
                yield sample

    def _keep(self, event: Survey | RadioPath | Authenticity) -> None:
        if isinstance(event, Survey):
            self._survey = event
        elif isinstance(event, RadioPath):
            self._radio[event.block] = event
        else:
            self._authenticity = event

    def edge(self, event: EdgeInput) -> Sample | None:
        """An edge of the pulse: the sample that may steer, None for none."""
        sample = self._refclock.edge(event.edge, event.reading)
        if sample is None:
            return None
        if self._stability is not None:
            self._stability.observe(sample, self._locked)
        if not self._guard.pulse(sample):
            return None
        disputed = self._guard.disputed(sample.at_ns)
        return replace(sample, root_dispersion=sample.root_dispersion + disputed) if disputed else sample

    def early(self) -> tuple[Sample, ...]:
        """See `RefClock.early`; nothing of a receiver that is refused."""
        early = self._refclock.early()
        return () if self._guard.refusal else early

    def decided(self, standing: Standing) -> None:
        """What is claimed of our clock from now on."""
        self._locked = standing.state is LockState.LOCKED
        self._guard.standing(standing)

    def environment(self, environment: Environment) -> None:
        """The temperature of now: what it explains is no evidence."""
        self._guard.environment(environment)

    def compare(self, sample: Sample) -> None:
        """What a trusted server says of our clock, to be held against what this receiver says."""
        uncertainty = abs(sample.delay + sample.root_delay) / 2 + abs(sample.root_dispersion) + 4 * abs(sample.sigma)
        self._guard.compare(sample.source, sample.at_ns, sample.offset, uncertainty)

    def misled(self, at_ns: MonoNs) -> tuple[float, float]:
        """What an attack may have done to our clock before it was found out: seconds, and seconds a second."""
        return self._guard.misled(at_ns)

    def trust(self, at_ns: MonoNs) -> str:
        """The owner vouches for it. Returns what was done."""
        return self._guard.trust(at_ns)

    def line(self, event: LineInput) -> None:
        """The serial line was opened or lost."""
        self._refclock.line(event.is_open, event.text)
        if not event.is_open:
            self._decoder.reset()
            self._fix = self._sky = self._survey = self._authenticity = None
            self._radio.clear()

    def leap_scale(self, scale: LeapTable | None, forbidden: frozenset[int], expected: UtcNs | None) -> None:
        """TAI - UTC by date as it is believed now, shifts of the seconds not to be believed, and the leap second to be ready for."""
        self._refclock.leap_scale(scale, forbidden)
        self._decoder.expect_leap(expected)

    def clock_stepped(self, at_ns: MonoNs) -> None:
        """Our clock was stepped, by whomever: what was stamped by then is of another clock."""
        self._refclock.clock_stepped(at_ns)
        self._guard.clock_stepped()
        if self._stability is not None:
            self._stability.clock_stepped()

    def health(self, at_ns: MonoNs) -> ReferenceHealth:
        """Whether it can be used at a raw time, and if not, why."""
        health = self._refclock.health(at_ns)
        return replace(health, usable=False, reason=self._guard.refusal) if self._guard.refusal else health

    def delays(self) -> dict[str, float]:
        """Learned serial delays, seconds by kind of sentence."""
        return self._refclock.memory()

    def report(self, at_ns: MonoNs) -> ReferenceReport:
        """The state for people."""
        return ReferenceReport(
            name=self.name,
            fix=self._fix,
            satellites=self._sky.satellites if self._sky else (),
            refclock=self._refclock.report(at_ns),
            gnss=self._decoder.counters,
            health=dict(self._health),
            integrity=self._guard.report(),
            stability=self._stability.report() if self._stability is not None else None,
            survey=self._survey,
            radio=tuple(self._radio[block] for block in sorted(self._radio)),
            authenticity=self._authenticity,
        )

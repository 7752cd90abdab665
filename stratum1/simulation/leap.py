"""A leap second rehearsed: the whole pipeline from NMEA bytes and pulses to served time, on a clock that makes it as the kernel does.

The world counts every second. A receiver with a pulse, and servers if wanted, tell it; each witness announces what the scenario
lets it announce, true or false. No I/O; the only randomness is seeded.
"""

import random
from dataclasses import dataclass, field
from functools import reduce
from operator import xor

from stratum1.clock import ClockLimits, SimulatedClock
from stratum1.discipline import DisciplineSettings
from stratum1.gnss.events import LeapNotice
from stratum1.inputs import EdgeInput, GnssInput, Input, LeapStepInput, SampleInput, SerialInput, TickInput
from stratum1.interchange import KernelClockId, Leap, LeapPlan, LockState, Sample, TimeState
from stratum1.leaps import LeapReport, leap_between
from stratum1.pipeline import Note, Pipeline, PipelineSettings
from stratum1.pps.events import Edge, EdgeKind
from stratum1.timescale import NS, LeapTable, UtcNs, from_rfc3339, rfc3339

__all__ = ["LeapScenario", "Moment", "Rehearsal", "leap_label", "rehearse"]

_LIMITS = ClockLimits(max_frequency=500e-6, max_slew=0.1, precision=-24)
_OFFSET = 37  # TAI - UTC before the leap second, s; GPS - UTC is 19 s less
_GPS_TAI = 19
_CRYSTAL, _JITTER = 5e-6, 1e-6
_NOTICE_EVERY, _POLL = 10, 16
_DAY = 86_400 * NS
_CLOSE = 10  # s before and after it in which every half second is kept
_LISTS = ("listed", "none", "expired", "missing")


@dataclass(frozen=True, slots=True)
class LeapScenario:
    """sign: what really happens at `at` (+1 inserted, -1 deleted, 0 nothing). list: "listed" (it says what happens), "none" (valid, and
    it says that nothing happens), "expired", "missing". receiver: what it announces, None for a receiver that says nothing of leap
    seconds. receiver_makes: what it makes of its own time, None for what really happens. label: how it names an inserted second:
    "60", or the "59" or "00" once more. sources: what each server announces. before, after: seconds from the start of the rehearsal
    to the leap second, and from there to its end. Raises ValueError for what can't be.
    """

    sign: int = 1
    at: UtcNs = field(default_factory=lambda: from_rfc3339("2027-07-01"))
    list: str = "listed"
    receiver: int | None = None
    receiver_makes: int | None = None
    label: str = "60"
    sources: tuple[int, ...] = ()
    before: int = 2400
    after: int = 120

    def __post_init__(self) -> None:
        signs = (self.sign, self.receiver or 0, self.receiver_makes or 0, *self.sources)
        if any(each not in (-1, 0, 1) for each in signs):
            raise ValueError("a leap second has the sign +1 (inserted) or -1 (deleted); 0 is none")
        if self.list not in _LISTS or self.label not in ("60", "59", "00"):
            raise ValueError(f"list must be one of {', '.join(_LISTS)}, label one of 60, 59, 00")
        if not 30 <= self.before <= 200_000 or not -100_000 <= self.after <= 100_000 or self.at % _DAY:
            raise ValueError("before: 30 to 200,000 s; after: up to 100,000 s; at: a midnight")


@dataclass(frozen=True, slots=True)
class Moment:
    """What a client would see. seconds: SI seconds since the instant at which the leap second begins or is left out. error: served
    minus true UTC as POSIX clocks count it, seconds, None where no time is given (leap 3). tai_offset: as it is known, seconds.
    """

    seconds: float
    label: str
    leap: Leap
    error: float | None
    bound: float
    state: LockState
    plan: LeapPlan | None
    tai_offset: int | None
    told: TimeState


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """moments: every tenth second, each half second close to it, and each change. notes: with the label of their time. steps: made by the
    discipline after the first lock. report: of the witnesses at the end; alarms: all that there were.
    """

    scenario: LeapScenario
    moments: tuple[Moment, ...]
    notes: tuple[tuple[str, Note], ...]
    locked_at: float | None
    steps: int
    worst: float
    report: LeapReport
    alarms: tuple[str, ...]


def leap_label(at: UtcNs, sign: int, counted: int) -> str:
    """The UTC of an instant as people write it. counted: as if there were no leap second."""
    if sign > 0 and at <= counted < at + NS:
        return rfc3339(UtcNs(counted - NS), 1).replace(":59.", ":60.")
    return rfc3339(UtcNs(_utc(at, sign, counted)), 1)


def rehearse(scenario: LeapScenario, seed: int = 1) -> Rehearsal:
    """Run it; takes about a second of CPU for an hour."""
    world = _World(scenario, seed)
    for second in range(-scenario.before, scenario.after):
        world.second(second)
    return world.result()


def _utc(at: UtcNs, sign: int, counted: int) -> int:
    """True UTC as POSIX clocks count it: the second before an inserted one is counted once more."""
    due = at if sign >= 0 else at - NS
    return counted - sign * NS if counted >= due else counted


def _table(scenario: LeapScenario) -> LeapTable | None:
    if scenario.list == "missing":
        return None
    expires = UtcNs(scenario.at - 180 * _DAY) if scenario.list == "expired" else UtcNs(scenario.at + 180 * _DAY)
    starts, offsets = [from_rfc3339("2015-07-01"), from_rfc3339("2017-01-01")], [_OFFSET - 1, _OFFSET]
    if scenario.list == "listed" and scenario.sign:
        starts.append(scenario.at)
        offsets.append(_OFFSET + scenario.sign)
    return LeapTable(tuple(starts), tuple(offsets), expires, "the list of the rehearsal")


class _World:
    """The truth, the devices, and what the daemon's shell does with the pipeline."""

    def __init__(self, scenario: LeapScenario, seed: int) -> None:
        self.scenario = scenario
        self._draw = random.Random(seed)  # noqa: S311 (a simulation has to be repeatable)
        self._due = scenario.at if scenario.sign >= 0 else UtcNs(scenario.at - NS)
        makes = scenario.receiver_makes
        self._makes = scenario.sign if makes is None else makes
        self.clock = SimulatedClock(UtcNs(self._due - scenario.before * NS), offset_ns=100_000_000, crystal=_CRYSTAL, limits=_LIMITS)
        self.pipeline = Pipeline(PipelineSettings(DisciplineSettings()), _LIMITS, None, _table(scenario))
        self._epoch = self.clock.epoch
        self._ticked = self.clock.reading()
        self._pulses = 0
        self._moments: list[Moment] = []
        self._notes: list[tuple[str, Note]] = []
        self._alarms: dict[str, None] = {}
        self._locked_at: float | None = None
        self._steps = 0
        self._worst = 0.0
        self._tai: int | None = None
        self._state = self._fresh = self._publish()

    def second(self, second: int) -> None:
        """One true second, counted from the leap second."""
        begin = UtcNs(self._due + second * NS)
        self._go(begin)
        self._observe(second)
        self._go(UtcNs(begin + 1_000_000))
        self._pulse(begin)
        self._go(UtcNs(begin + 300_000_000))
        self._feed(SerialInput(self.clock.reading(), self._sentences(begin)))
        self._announce_leap(second)
        self._poll_sources(second)
        self._go(UtcNs(begin + 500_000_000))
        self._observe(second + 0.5)
        self._tick()
        self._go(UtcNs(begin + 900_000_000))

    def result(self) -> Rehearsal:
        """All that was seen."""
        report = self.pipeline.report(self.clock.reading().at_ns)
        alarms = dict.fromkeys((*self._alarms, *report.refclock.alarms))
        found = tuple(self._moments), tuple(self._notes)
        return Rehearsal(self.scenario, *found, self._locked_at, self._steps, self._worst, report.leaps, tuple(alarms))

    @property
    def _truth(self) -> int:
        return _utc(self.scenario.at, self.scenario.sign, self.clock.true_ns)

    @property
    def _label(self) -> str:
        return leap_label(self.scenario.at, self.scenario.sign, self.clock.true_ns)

    def _go(self, counted: UtcNs) -> None:
        """Time passes; the clock may make its leap second, which is noticed as the daemon notices it."""
        self.clock.advance_to(counted)
        now = self.clock.reading()
        if self.clock.epoch != self._epoch:
            self._epoch = self.clock.epoch
            jump = (now.clock_ns - self._ticked.clock_ns - (now.at_ns - self._ticked.at_ns)) / NS
            plan = self.pipeline.leap_plan
            if plan is not None and leap_between(plan, self._ticked, now, float(round(jump))):
                self._feed(LeapStepInput(now.at_ns, plan.sign))
        self._ticked = now
        stale = self._state
        self._state = self._publish()
        self._fresh = self._state
        if counted % (NS // 2) == 0:
            self._state = stale  # a request comes before the news

    def _publish(self) -> TimeState:
        return self.pipeline.time_state(
            self.clock.reading(), self.clock.mapping(KernelClockId.REALTIME), self.clock.mapping(KernelClockId.MONOTONIC)
        )

    def _feed(self, event: Input) -> None:
        output = self.pipeline.feed(event)
        if output.steering is not None:
            self.clock.steer(output.steering)
            self._epoch = self.clock.epoch
            self._ticked = self.clock.reading()
            self._steps += output.steering.step != 0.0 and self._locked_at is not None
        for note in output.notes:
            self._notes.append((self._label, note))
            if note.alarm:
                self._alarms[note.text] = None

    def _tick(self) -> None:
        self._feed(TickInput(self.clock.reading()))
        self._state = self._publish()
        self.clock.announce(self.pipeline.clock_status(self._state))

    def _pulse(self, begin: UtcNs) -> None:
        self._pulses += 1
        late = round(self._draw.gauss(0.0, _JITTER) * NS)
        stamp = self.clock.stamp(KernelClockId.MONOTONIC_RAW, UtcNs(begin + late))
        edge = Edge(EdgeKind.ASSERT, self._pulses, stamp, KernelClockId.MONOTONIC_RAW, 0)
        self._feed(EdgeInput(self.clock.at(KernelClockId.MONOTONIC_RAW, stamp), edge))

    def _sentences(self, begin: UtcNs) -> bytes:
        """RMC, GGA and GSA of the second that the last pulse has begun, named by the receiver's own lights."""
        at, sign = self.scenario.at, self._makes
        text = leap_label(at, sign, begin)
        if sign > 0 and at <= begin < at + NS and self.scenario.label != "60":
            text = rfc3339(UtcNs(begin - NS if self.scenario.label == "59" else begin), 1)
        time, date = text[11:19].replace(":", "") + ".00", text[8:10] + text[5:7] + text[2:4]
        place = "4655.4334,N,00727.8666,E"
        return b"".join(
            map(
                _sentence,
                (
                    f"GNRMC,{time},A,{place},0.02,,{date},,,A,V",
                    f"GNGGA,{time},{place},1,09,0.80,563.0,M,49.6,M,,",
                    "GNGSA,A,3,01,02,03,04,05,06,07,08,09,,,,1.50,0.80,1.20,1",
                ),
            )
        )

    def _announce_leap(self, second: int) -> None:
        """What NAV-TIMELS says: how many leap seconds there are now, and which one is to come."""
        claim = self.scenario.receiver
        if claim is None or second % _NOTICE_EVERY:
            return
        now = self.clock.reading()
        over = second >= 0
        current = _OFFSET - _GPS_TAI + (self._makes if over else 0)
        self._feed(GnssInput(now, (LeapNotice(now.at_ns, self.scenario.at, 0 if over else claim, current),)))

    def _poll_sources(self, second: int) -> None:
        for number, claim in enumerate(self.scenario.sources):
            if (second - number) % _POLL:
                continue
            now = self.clock.reading()
            announced = claim if 0 < self.scenario.at - now.clock_ns <= _DAY else 0
            leap = {1: Leap.INSERT, -1: Leap.DELETE}.get(announced, Leap.NONE)
            offset = (self._truth - now.clock_ns) / NS + self._draw.gauss(0.0, 2e-5)
            refid, seen = bytes((192, 0, 2, number)), UtcNs(self._truth - NS)
            sample = Sample(f"server-{number + 1}", now.at_ns, offset, 2e-5, 2e-3, 1, refid, 0.0, 1e-4, seen, leap)
            self._feed(SampleInput(sample, now.clock_ns, poll=4))

    def _observe(self, seconds: float) -> None:
        """What a request would be told now."""
        state, now = self._state, self.clock.reading()
        known = state.synchronised and now.clock_ns <= state.valid_until
        error = self._error(now.clock_ns) if known else None
        if abs(seconds) <= _CLOSE or seconds % 10 == 0:
            self._tai = self.pipeline.report(now.at_ns).leaps.tai_offset
        if known and self._locked_at is None and state.state is LockState.LOCKED:
            self._locked_at = seconds
        if error is not None:
            self._worst = max(self._worst, abs(error))
        moment = Moment(
            seconds,
            self._label,
            state.leap if known else Leap.UNKNOWN,
            error,
            state.error_bound_at(now.clock_ns),
            state.state,
            state.leap_plan,
            self._tai,
            state,
        )
        if abs(seconds) <= _CLOSE or seconds % 10 == 0 or self._changed(moment):
            self._moments.append(moment)
        self._state = self._fresh

    def _error(self, served: UtcNs) -> float:
        """Served minus true UTC, seconds. Right at the step a clock that is off by a microsecond makes it a microsecond early or late."""
        error = (served - self._truth) / NS
        if abs(self.clock.true_ns - self._due) < NS // 1000:
            return min(error, error - 1, error + 1, key=abs)
        return error

    def _changed(self, moment: Moment) -> bool:
        if not self._moments:
            return True
        last = self._moments[-1]
        return (moment.leap, moment.state, moment.plan, moment.tai_offset) != (last.leap, last.state, last.plan, last.tai_offset)


def _sentence(body: str) -> bytes:
    data = body.encode("ascii")
    return b"$%b*%02X\r\n" % (data, reduce(xor, data))

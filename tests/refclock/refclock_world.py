"""A receiver and its pulse, as data, and what a reference clock makes of them: every sample is compared with the truth."""

import heapq
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

from stratum1.gnss.events import Event, Fix, FixMode, PulseCorrection, TimeMark
from stratum1.interchange import KernelClockId, Reading, ReferenceHealth, Sample
from stratum1.pps.events import Edge, EdgeKind
from stratum1.refclock import RefClock
from stratum1.timescale import NS, LeapTable, MonoNs, TaiNs, UtcNs

START = 1_800_000_000  # 2027-01-15T08:00:00Z
BOOT_NS = 5_000 * NS
CLOCK_ERROR_NS = 100_000_000
"""Our clock is so much ahead of truth, always."""

Delay = float | Callable[[int], float]
THREE_KINDS: dict[str, Delay] = {"GNRMC": 0.0, "GNGGA": 0.07, "GNZDA": 0.31}


def always(_second: int) -> bool:
    return True


def never(_second: int) -> bool:
    return False


@dataclass(frozen=True)
class Talk:
    """How a receiver speaks. delay: of the first sentence, seconds after its epoch; kinds: the others' seconds after it.

    jitter: uniform half width, seconds. fractions: of the second, one epoch each. named: seconds that its time is ahead of truth.
    The arguments of the functions are seconds since the start of the world.
    """

    delay: Delay = 0.4
    kinds: Mapping[str, Delay] = field(default_factory=lambda: THREE_KINDS)
    jitter: float = 0.005
    fractions: tuple[float, ...] = (0.0,)
    named: Callable[[int], int] = lambda _: 0
    valid: Callable[[int], bool] = always
    silent: Callable[[int], bool] = never
    lost: Callable[[int, str], bool] = lambda _second, _kind: False


@dataclass(frozen=True)
class Pulse:
    """How it pulses. jitter: standard deviation; late: share of pulses late by an exponential law of 50 us; width: seconds.

    moved: seconds that the pulse is late by. ghosts: further edges, seconds after the pulse.

    tick: period of the receiver's own clock, seconds, at whose edges alone it can pulse; drift: by how much that clock is off, s/s.
    announced: what it says of the pulse of a second (seconds that it is late), given the truth; "silent": nothing. lead: how long before.
    """

    jitter: float = 1e-6
    late: float = 0.0
    width: float | None = 0.1
    inverted: bool = False
    missing: Callable[[int], bool] = never
    moved: Callable[[int], float] = lambda _: 0.0
    ghosts: Callable[[int], tuple[float, ...]] = lambda _: ()
    tick: float = 0.0
    drift: float = 0.37e-9
    announced: Callable[[int, float], float | str | None] = lambda _second, _late: "silent"
    lead: float = 0.3

    def sawtooth(self, second: int) -> float:
        """How late the receiver gives the pulse of a second: up to half a tick, either way."""
        return 0.0 if not self.tick else (second * self.drift / self.tick % 1.0 - 0.5) * self.tick


@dataclass
class Run:
    """What came out. healths: second and health, once a second; first: seconds from the start of the run to the first sample."""

    samples: list[tuple[float, Sample]] = field(default_factory=list)
    healths: list[tuple[int, ReferenceHealth]] = field(default_factory=list)
    alarms: dict[int, tuple[str, ...]] = field(default_factory=dict)
    first: float | None = None

    @property
    def worst(self) -> float:
        """Largest error of any sample, seconds."""
        return max((abs(error) for error, _ in self.samples), default=0.0)

    @property
    def alarm_text(self) -> str:
        return "\n".join(sorted({text for alarms in self.alarms.values() for text in alarms}))


class World:
    """True time is counted in nanoseconds without leap seconds from `START`; the crystal's reading of it is what others see."""

    def __init__(self, talk: Talk | None = None, pulse: Pulse | None = None, *, ppm: float = 40.0, seed: int = 1) -> None:
        self.talk = talk or Talk()
        self.pulse = pulse or Pulse()
        self.leaps: LeapTable | None = None
        self.start = START
        self.second = 0
        self.line_open = True
        self._crystal = ppm * 1e-6
        self._draw = random.Random(seed)
        self._queue: list[tuple[float, int, Edge | Event, float]] = []
        self._number = count()
        self._known: tuple[int, float] | None = None
        self._confirmed = 0
        self._last_delivery = 0.0

    def raw(self, time: float) -> MonoNs:
        """The crystal at a true time (seconds since the start)."""
        whole = int(time)
        return MonoNs(BOOT_NS + whole * NS + round((time - whole) * NS) + round(time * self._crystal * NS))

    def time(self, raw: int) -> float:
        """The true time of a reading of the crystal."""
        return (raw - BOOT_NS) / NS / (1 + self._crystal)

    def utc(self, whole: int, fraction: float = 0.0) -> UtcNs:
        """What a clock that is right shows."""
        instant = (self.start + whole) * NS + round(fraction * NS)
        if self.leaps is None:
            return UtcNs(instant)
        return self.leaps.utc_from_tai(TaiNs(instant + self.leaps.offsets[0] * NS))

    def run(self, clock: RefClock, seconds: int, cut: Callable[[int], bool] = never) -> Run:
        """Let time pass. cut: seconds in which the serial line is unplugged."""
        result = Run()
        began = self.second
        for second in range(self.second, self.second + seconds):
            self._make(second)
            if cut(second) == self.line_open:
                self.line_open = not self.line_open
                self._known, self._confirmed = None, 0
                clock.line(self.line_open, "the line is open" if self.line_open else "the line is unplugged")
            while self._queue and self._queue[0][0] < second + 1:
                at, _, event, stamp = heapq.heappop(self._queue)
                if self.line_open or isinstance(event, Edge):
                    self._feed(clock, event, stamp, result, began)
                self._last_delivery = at
            now = self.raw(second + 1)
            result.healths.append((second, clock.health(now)))
            result.alarms[second] = clock.report(now).alarms
        self.second += seconds
        return result

    def _feed(self, clock: RefClock, event: Edge | Event, stamp: float, result: Run, began: int) -> None:
        raw = self.raw(stamp)
        whole = int(stamp)
        reading = Reading(raw, UtcNs(self.utc(whole, stamp - whole) + CLOCK_ERROR_NS))
        sample = clock.edge(event, reading) if isinstance(event, Edge) else clock.gnss(event, reading)
        if sample is None:
            return
        if result.first is None:
            result.first = stamp - began
        result.samples.append((sample.offset + CLOCK_ERROR_NS / NS, sample))

    def _make(self, second: int) -> None:
        for at, edge in self._edges(second):
            self._push(at + 0.001, edge, at)
        late = self.pulse.sawtooth(second)
        word = self.pulse.announced(second, late)
        if not isinstance(word, str):
            at = second - self.pulse.lead
            self._push(at, PulseCorrection(self.raw(at), self.utc(second), word), at)
        if not self.talk.silent(second):
            for fraction in self.talk.fractions:
                self._speak(second, fraction)

    def _push(self, delivery: float, event: Edge | Event, stamp: float) -> None:
        heapq.heappush(self._queue, (delivery, next(self._number), event, stamp))

    def _edges(self, second: int) -> Iterator[tuple[float, Edge]]:
        pulse, draw = self.pulse, self._draw
        error = draw.gauss(0.0, pulse.jitter)
        if draw.random() < pulse.late:
            error += draw.expovariate(1 / 50e-6)
        if pulse.missing(second):
            return
        start = second + pulse.moved(second) + pulse.sawtooth(second) + error
        rise, fall = (EdgeKind.CLEAR, EdgeKind.ASSERT) if pulse.inverted else (EdgeKind.ASSERT, EdgeKind.CLEAR)
        yield start, self._edge(rise, second, start)
        if pulse.width is not None:
            yield start + pulse.width, self._edge(fall, second, start + pulse.width)
        for ghost in pulse.ghosts(second):
            yield second + ghost, self._edge(rise, second, second + ghost)

    def _edge(self, kind: EdgeKind, second: int, at: float) -> Edge:
        return Edge(kind, second, self.raw(at), KernelClockId.MONOTONIC_RAW, 0)

    def _speak(self, second: int, fraction: float) -> None:
        talk = self.talk
        epoch = second + fraction
        base = talk.delay(second) if callable(talk.delay) else talk.delay
        lead = epoch + base + self._draw.uniform(-talk.jitter, talk.jitter)
        named = UtcNs(self.utc(second, fraction) + talk.named(second) * NS)
        valid = talk.valid(second)
        agrees = self._trust(named, lead, valid)
        end = lead
        for kind, offset in talk.kinds.items():
            end = lead + (offset(second) if callable(offset) else offset)
            if not talk.lost(second, kind):
                self._push(end, TimeMark(self.raw(end), named, kind, valid, agrees, 0), end)
        mode = FixMode.THREE_D if valid else FixMode.NONE
        fix = Fix(self.raw(lead), named, mode, 8, 12, None, None, None, self._confirmed >= 3, 0)
        self._push(end + min(0.5, 0.9 / len(talk.fractions)), fix, lead)

    def _trust(self, named: UtcNs, at: float, valid: bool) -> bool:
        """As the decoder does: three consecutive consistent fixes, then every time that follows from the one before."""
        agrees = self._known is not None and abs((named - self._known[0]) / NS - (at - self._known[1])) < 0.5
        trusted = agrees and self._confirmed >= 3
        if not agrees and self._known is not None:
            self._confirmed = 0
        self._known = (named, at)
        if valid:
            self._confirmed += 1
        elif self._confirmed < 3:
            self._confirmed = 0
        return trusted

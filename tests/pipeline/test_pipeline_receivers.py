"""Two receivers in a closed loop whose truth is known: both better than one, a bad one found out, the other one takes over unseen."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

import pytest

from stratum1.clock import ClockLimits, SimulatedClock
from stratum1.discipline import DisciplineSettings
from stratum1.gnss.events import Fix, FixMode, TimeMark
from stratum1.inputs import EdgeInput, GnssInput, Input, TickInput
from stratum1.integrity import IntegritySettings
from stratum1.interchange import KernelClockId, LockState
from stratum1.pipeline import Note, Pipeline, PipelineSettings
from stratum1.pps.events import Edge, EdgeKind
from stratum1.refclock import RefClockSettings
from stratum1.selection import SelectionSettings, SourceOptions
from stratum1.timescale import NS, UtcNs

START = UtcNs(1_795_478_400 * NS)
LIMITS = ClockLimits(max_frequency=500e-6, max_slew=0.1, precision=-30)
Error = Callable[[int], float | None]


def good(_second: int) -> float | None:
    return 0.0


@dataclass
class Box:
    """errors: by receiver and second how late its pulse is beyond its jitter, seconds; None: it does not come, nor do its sentences."""

    jitters: tuple[float, ...]
    errors: tuple[Error, ...]
    options: dict[str, SourceOptions] = field(default_factory=dict)
    seed: int = 1
    found: list[float] = field(default_factory=list)
    states: list[dict[str, str]] = field(default_factory=list)
    locks: list[LockState] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    outside: int = 0

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.draws = [random.Random(100 * self.seed + number) for number in range(len(self.jitters))]
        first, *more = (RefClockSettings(name=f"r{number}", refid=f"PPS{number}".encode()) for number in range(len(self.jitters)))
        selection = SelectionSettings(1, self.options)
        unguarded = IntegritySettings(enabled=False)  # what the selection does by itself
        settings = PipelineSettings(DisciplineSettings(), first, more=tuple(more), selection=selection, integrity=unguarded)
        self.pipeline = Pipeline(settings, LIMITS)
        self.clock = SimulatedClock(START, offset_ns=-NS // 10, crystal=20e-6, limits=LIMITS)
        self.crystal = 20e-6
        self.second = 0

    def run(self, seconds: int) -> "Box":
        for _ in range(seconds):
            self._one()
        return self

    def rms(self, first: int, last: int | None = None) -> float:
        """Of the true error, seconds."""
        part = self.found[first:last]
        return math.sqrt(sum(error * error for error in part) / len(part))

    def worst(self, first: int, last: int | None = None) -> float:
        return max(abs(error) for error in self.found[first:last])

    def first(self, name: str, letter: str, since: int = 0) -> int:
        """The first second in which a receiver had a letter."""
        return next(second for second in range(since, self.second) if self.states[second].get(name) == letter)

    def _one(self) -> None:
        true_ns = UtcNs(START + self.second * NS)
        self.clock.advance_to(true_ns)
        self.clock.set_crystal(self.crystal)
        self.crystal += self.draw.gauss(0, 1e-9)
        now = self.clock.reading()
        error = self.clock.true_error_ns / NS
        served = self.pipeline.time_state(now, self.clock.mapping(KernelClockId.REALTIME), None)
        self.found.append(error)
        self.outside += abs(error) > served.error_bound
        self.locks.append(served.state)
        late = [each(self.second) for each in self.errors]
        noise = [jitter * draw.gauss(0, 1) for jitter, draw in zip(self.jitters, self.draws, strict=True)]
        self.clock.advance_to(UtcNs(true_ns + 5_000_000))
        for number, (error_of, jitter) in enumerate(zip(late, noise, strict=True)):
            if error_of is not None:
                stamp = self.clock.stamp(KernelClockId.REALTIME, UtcNs(true_ns + round((error_of + jitter) * NS) + 1000))
                edge = Edge(EdgeKind.ASSERT, self.second, stamp - 1000, KernelClockId.REALTIME, 0)
                self._feed(EdgeInput(self.clock.at(edge.clock, edge.stamp_ns), edge, number))
        for number, error_of in enumerate(late):
            self.clock.advance_to(UtcNs(true_ns + 300_000_000 + 10_000_000 * number))
            at = self.clock.reading()
            if error_of is not None:
                trusted = self.second > 2
                mark = TimeMark(at.at_ns, true_ns, "GNRMC", True, trusted, 0)
                self._feed(GnssInput(at, (mark, Fix(at.at_ns, true_ns, FixMode.THREE_D, 9, 12, None, None, None, trusted, 0)), number))
        self.clock.advance_to(UtcNs(true_ns + 700_000_000))
        self._feed(TickInput(self.clock.reading()))
        self.states.append({each.name: each.state.value for each in self.pipeline.selection.sources})
        self.second += 1

    def _feed(self, event: Input) -> None:
        output = self.pipeline.feed(event)
        self.notes += output.notes
        if output.steering is not None:
            self.clock.steer(output.steering)
            if output.steering.step:
                self.steps.append(self.second)


def test_two_equal_pulses_are_better_than_one() -> None:
    boxes = [[Box((1e-6,) * n, (good,) * n, seed=seed).run(1500) for seed in (1, 2, 3)] for n in (2, 1)]
    both, single = (math.sqrt(sum(box.rms(300) ** 2 for box in those)) for those in boxes)
    assert both < 0.85 * single, "the noise of the mean is 1/sqrt(2) of that of one, and the crystal's wander stays"
    for box in boxes[0]:
        assert box.locks[-1] is LockState.LOCKED
        assert box.outside == 0
        assert set(box.states[-1].values()) == {"*", "+"}


@pytest.mark.parametrize("jitters", [(0.5e-6, 2e-6), (2e-6, 0.5e-6), (0.2e-6, 20e-6)])
def test_a_noisier_pulse_beside_it_does_no_harm(jitters: tuple[float, float]) -> None:
    ratios = []
    for seed in (1, 2):
        both = Box(jitters, (good, good), seed=seed).run(800)
        quiet = jitters.index(min(jitters))
        single = Box((jitters[quiet],), (good,), seed=seed)
        single.draws = [random.Random(100 * seed + quiet)]
        ratios.append(both.rms(300) / single.run(800).rms(300))
    assert median(ratios) < 1.05


def test_one_that_is_suddenly_late_by_a_millisecond_steers_nothing() -> None:
    box = Box((1e-6, 1e-6), (good, lambda second: 1e-3 if 600 <= second < 900 else 0.0)).run(1200)
    assert box.first("r1", "x", 600) < 640
    assert box.states[700]["r0"] == "*"
    assert box.worst(300) < 6e-6
    assert box.states[-1]["r1"] in "*+"
    assert len(box.steps) == 1
    assert all(state is LockState.LOCKED for state in box.locks[100:])
    assert box.outside == 0
    texts = [note.text for note in box.notes if note.kind == "source"]
    assert any(text.startswith("r1 is taken for a falseticker: offset -1 ms") for text in texts)
    assert any(note.alarm for note in box.notes if note.kind == "source")


def test_the_first_one_late_leaves_the_second_to_steer() -> None:
    box = Box((1e-6, 1e-6), (lambda second: 1e-3 if second >= 600 else 0.0, good)).run(1000)
    assert box.states[-1] == {"r0": "x", "r1": "*"}
    assert box.worst(300) < 6e-6
    assert len(box.steps) == 1
    assert box.pipeline.report(box.clock.reading().at_ns).receivers[1].name == "r1"


@pytest.mark.parametrize("rate", [1e-7, 1e-6])
def test_one_that_drifts_away_is_found_out(rate: float) -> None:
    box = Box((1e-6, 3e-6), (good, lambda second: rate * max(0, second - 600))).run(1200)
    assert box.states[-1] == {"r0": "*", "r1": "x"}
    assert box.worst(300) < 10e-6
    assert box.worst(1000) < 5e-6
    assert len(box.steps) == 1
    assert box.outside == 0


def test_the_other_one_takes_over_without_a_step_and_gives_back() -> None:
    box = Box((1e-6, 2e-6), (lambda second: None if 600 <= second < 900 else 0.0, good)).run(1200)
    assert box.states[650] == {"r0": "S", "r1": "*"}
    assert box.states[-1]["r0"] in "*+"
    assert len(box.steps) == 1
    assert box.worst(300) < 6e-6
    assert all(state is LockState.LOCKED for state in box.locks[100:]), "it never leaves the lock"
    assert box.outside == 0


def test_both_dead_is_a_holdover_and_one_back_ends_it() -> None:
    box = Box((1e-6, 1e-6), (lambda s: None if s >= 600 else 0.0, lambda s: None if 600 <= s < 700 else 0.0)).run(900)
    assert box.locks[650] is LockState.HOLDOVER
    assert box.locks[-1] is LockState.LOCKED
    assert box.states[-1] == {"r0": "S", "r1": "*"}
    assert len(box.steps) == 1


def test_the_preferred_one_steers_alone() -> None:
    options = {"r1": SourceOptions(prefer=True)}
    box = Box((1e-6, 1e-6), (lambda second: 1.5e-6, good), options).run(900)
    assert box.states[-1] == {"r0": "P", "r1": "*"}
    assert sum(box.found[300:]) / 600 == pytest.approx(0.0, abs=0.3e-6)


def test_learned_delays_are_kept_by_receiver() -> None:
    box = Box((1e-6, 1e-6), (good, good)).run(60)
    delays = box.pipeline.delays()
    assert delays["GNRMC"] == pytest.approx(0.3, abs=1e-3)
    assert delays["r1/GNRMC"] == pytest.approx(0.31, abs=1e-3)
    learned = box.pipeline.learned_settings
    assert learned.refclock.delays["GNRMC"] == delays["GNRMC"]
    assert learned.more[0].delays["GNRMC"] == delays["r1/GNRMC"]


def test_receivers_need_names_of_their_own() -> None:
    with pytest.raises(ValueError, match="names of their own"):
        PipelineSettings(DisciplineSettings(), RefClockSettings(), more=(RefClockSettings(),))

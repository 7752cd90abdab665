"""One run of a loop over a prepared series, and every figure that the tables show of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from math import nan, sqrt
from statistics import median
from typing import NamedTuple

from bench.noise import draw
from stratum1.clock import ClockLimits
from stratum1.discipline import DisciplineSettings, DriftRecord
from stratum1.integrity import IntegritySettings
from stratum1.interchange import LockState
from stratum1.pipeline import PipelineSettings
from stratum1.simulation import SETTLING, Loop, PipelineLoop, Row, SampleLoop, Scenario, SimulationResult, quantile, simulate

__all__ = ["Figures", "Subject", "Trial", "figures", "make_loop", "of_scenario", "ran", "rms"]


class Subject(NamedTuple):
    """What is measured. alone: the discipline alone, each pulse numbered rightly; else the daemon's whole pipeline.

    engine: its name, None for the default.
    """

    engine: str | None = None
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Trial:
    """A prepared run. offset: reference minus our clock at the start, seconds. begin, end: the seconds that RMS and so on are taken over.

    seed: of the receiver's serial delays. jitter: what the discipline alone is told of a stamp, seconds. guarded: whether the receiver's
    pulses are held against the crystal ([integrity]).
    """

    frequency: Sequence[float]
    pulses: Sequence[float]
    temperature: Sequence[float] | None = None
    offset: float = 0.1
    seed: int = 1
    begin: int = SETTLING
    end: int | None = None
    jitter: float = 1e-6
    drift: DriftRecord | None = None
    guarded: bool = True


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one run; seconds and s/s. nan: never, or there is nothing to judge.

    rms, p99, p999, largest: of |true error| from `begin` to `end`; frequency: RMS of the second-to-second change of the true error there.
    t1: first second from which |error| < 1 us holds for 60 s; locked: first second in lock.
    seconds, uncovered: of the whole run, and how many of them had a bound smaller than the true error.
    bound, widest: median and largest bound in lock from `begin` to `end`.
    last_error, last_bound: in the last second. rows: only where they were asked for.
    """

    rms: float
    p99: float
    p999: float
    largest: float
    frequency: float
    t1: float
    locked: float
    seconds: int
    uncovered: int
    bound: float
    widest: float
    last_error: float
    last_bound: float
    rows: tuple[Row, ...] = field(default=(), repr=False)

    @property
    def coverage(self) -> float:
        """Share of the seconds whose bound contains the true error."""
        return 1 - self.uncovered / self.seconds


def of_scenario(scenario: Scenario, seed: int) -> Trial:
    """The trial of a scenario: judged from the first hour to its outage."""
    frequency, pulses = draw(scenario, seed)
    return Trial(frequency.tolist(), pulses.tolist(), None, scenario.offset, seed, SETTLING, scenario.outage, scenario.jitter)


def make_loop(subject: Subject, trial: Trial, limits: ClockLimits) -> Loop:
    """The subject, ready to run."""
    settings = DisciplineSettings() if subject.engine is None else DisciplineSettings(engine=subject.engine)
    if subject.alone:
        return SampleLoop(limits, settings, trial.drift, trial.jitter)
    integrity = IntegritySettings(enabled=trial.guarded)
    return PipelineLoop(limits, PipelineSettings(settings, integrity=integrity), trial.drift)


def ran(trial: Trial, subject: Subject) -> SimulationResult:
    """Run it."""
    make: Callable[[ClockLimits], Loop] = partial(make_loop, subject, trial)
    return simulate(trial.frequency, trial.pulses, trial.temperature, offset=trial.offset, make_loop=make, seed=trial.seed)


def figures(trial: Trial, subject: Subject, keep_rows: bool = False) -> Figures:
    """Run it and judge it."""
    result = ran(trial, subject)
    rows = result.rows[trial.begin : trial.end]
    errors = [abs(row.true_error) for row in rows]
    bounds = [row.error_bound for row in rows if row.state is LockState.LOCKED] or [nan]
    last = result.rows[-1]
    return Figures(
        rms=rms(errors),
        p99=quantile(errors, 0.99),
        p999=quantile(errors, 0.999),
        largest=max(errors),
        frequency=rms([b.true_error - a.true_error for a, b in pairwise(rows)]),
        t1=nan if result.t1 is None else float(result.t1),
        locked=next((float(row.second) for row in result.rows if row.state is LockState.LOCKED), nan),
        seconds=len(result.rows),
        uncovered=sum(abs(row.true_error) > row.error_bound for row in result.rows),
        bound=median(bounds),
        widest=max(bounds),
        last_error=last.true_error,
        last_bound=last.error_bound,
        rows=result.rows if keep_rows else (),
    )


def rms(values: Sequence[float]) -> float:
    """Root of the mean square."""
    return sqrt(sum(v * v for v in values) / len(values))

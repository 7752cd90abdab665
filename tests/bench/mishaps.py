"""What happens to a clock in service: late bursts, gaps, other jitter on the way, jumps of clock and crystal, odd starts, a sensor.

All have S1's law under the mishap unless they say otherwise. A jump of the reference and one of our clock cannot be told apart: here the
clock jumps against truth and reference within one second, and no bound can contain what nobody could foresee in that second.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import nan, pi
from statistics import median
from typing import NamedTuple

import numpy as np

from bench import goals, report
from bench.figures import Figures, Subject, Trial, figures, of_scenario, rms
from bench.noise import Array, draw
from bench.report import amount
from stratum1.discipline import DriftRecord
from stratum1.simulation import SCENARIOS, SETTLING, Row, Scenario
from stratum1.timescale import UtcNs

__all__ = ["MISHAPS", "tables"]

SEEDS = (1, 2, 3)
US = 1e-6
HOUR = 3600
PLAIN = SCENARIOS["S1"]
SAVED = UtcNs(1_799_000_000 * 10**9)
Rows = Sequence[Row]


@dataclass(frozen=True, slots=True)
class Mishap:
    """What is done to the series of a seed, and what is looked at beside the usual figures: words, unit (seconds) and measure."""

    name: str
    make: Callable[[int], Trial]
    looks: tuple[tuple[str, float, Callable[[Rows], float]], ...] = ()


def peak(rows: Rows, begin: int, end: int) -> float:
    """Largest true error, seconds."""
    return max(abs(row.true_error) for row in rows[begin:end])


def rms_in(begin: int, end: int) -> Callable[[Rows], float]:
    """RMS of the true error from one second to another."""
    return lambda rows: rms([row.true_error for row in rows[begin:end]])


def good_again(rows: Rows, since: int) -> float:
    """Seconds from `since` until |error| < 1 us holds for 60 s, nan for never."""
    run = 0
    for k, row in enumerate(rows[since:]):
        run = run + 1 if abs(row.true_error) < US else 0
        if run == 60:
            return float(k - 59)
    return nan


def outside(rows: Rows, begin: int = 0, end: int | None = None) -> float:
    """Seconds whose bound did not contain the true error."""
    return float(sum(abs(row.true_error) > row.error_bound for row in rows[begin:end]))


def changed(seed: int, scenario: Scenario, frequency: Callable[[Array], Array] | None, pulses: Callable[[Array], Array] | None) -> Trial:
    """A scenario's trial with its series changed."""
    steps, stamps = draw(scenario, seed)
    trial = of_scenario(scenario, seed)
    return replace(
        trial,
        frequency=(frequency(steps) if frequency else steps).tolist(),
        pulses=(pulses(stamps) if pulses else stamps).tolist(),
    )


def every_half_hour(length: int, last: int = 5 * HOUR) -> Array:
    """Numbers of the seconds in a stretch of `length` that begins each half hour from 90 minutes on."""
    return np.concatenate([np.arange(begin, begin + length) for begin in range(HOUR + 1800, last - length, 1800)])


def bursts(seed: int) -> Trial:
    """Twenty pulses in a row come 50 us late, every half hour."""

    def late(stamps: Array) -> Array:
        stamps[every_half_hour(20)] += 50e-6
        return stamps

    return changed(seed, PLAIN, None, late)


def gaps(length: int) -> Callable[[int], Trial]:
    """Pulses missing for a stretch every half hour."""

    def cut(stamps: Array) -> Array:
        stamps[every_half_hour(length)] = nan
        return stamps

    return lambda seed: changed(seed, PLAIN, None, cut)


def at_gaps(length: int, judge: Callable[[Rows, int], float]) -> Callable[[Rows], float]:
    """The worst over the ends of the gaps."""
    ends = [begin + length for begin in range(HOUR + 1800, 5 * HOUR - length, 1800)]
    return lambda rows: max(judge(rows, end) for end in ends)


def noisier(seed: int) -> Trial:
    """The jitter is 5 us from the second to the third hour."""

    def more(stamps: Array) -> Array:
        stamps[2 * HOUR : 3 * HOUR] *= 5
        return stamps

    return changed(seed, PLAIN, None, more)


def clock_jump(size: float) -> Callable[[int], Trial]:
    """Our clock jumps within the second after two hours. Unguarded: a counter can't jump, so the guard rightly calls the pulses forged."""

    def jump(steps: Array) -> Array:
        steps[2 * HOUR] += size
        return steps

    return lambda seed: replace(changed(seed, PLAIN, jump, None), guarded=False)


def crystal_jump(seed: int) -> Trial:
    """The crystal's frequency jumps by 1 ppm after two hours. Unguarded, as above: pulses dragged by 1 us a second look the same."""

    def jump(steps: Array) -> Array:
        steps[2 * HOUR :] += 1e-6
        return steps

    return replace(changed(seed, PLAIN, jump, None), guarded=False)


def with_drift(frequency: float, uncertainty: float) -> Callable[[int], Trial]:
    """A drift file is there; the right correction is -20 ppm."""
    return lambda seed: replace(of_scenario(PLAIN, seed), drift=DriftRecord(frequency, uncertainty, SAVED))


def with_sensor(lag: float, noise: float, quantum: float) -> Callable[[int], Trial]:
    """S4T with a sensor: 10 K of amplitude for 0.5 ppm, behind the crystal by `lag` seconds, with noise and quantum in K."""

    def make(seed: int) -> Trial:
        scenario = SCENARIOS["S4T"]
        seconds = np.arange(scenario.seconds)
        read = 45.0 + 10.0 * np.sin(2 * pi * (seconds - lag) / scenario.period)
        read = read + noise * np.random.default_rng([seed, 45]).standard_normal(len(read))
        return replace(of_scenario(scenario, seed), temperature=(np.round(read / quantum) * quantum).tolist())

    return make


_OUTAGE = SCENARIOS["S4T"].outage or 0
_WORST = ("largest error in the hour, us", US, lambda rows: peak(rows, _OUTAGE, len(rows)))
_AFTER = ("error after the hour, us", US, lambda rows: abs(rows[-1].true_error))
_BOUND = ("bound after the hour, us", US, lambda rows: rows[-1].error_bound)
_HOUR_TWO = 2 * HOUR
_AGAIN = ("below 1 us again, s", 1.0, lambda rows: good_again(rows, _HOUR_TWO + 1))
_OUTSIDE = ("outside the bound after it, s", 1.0, lambda rows: outside(rows, _HOUR_TWO))
_JUMP_ENDS = ("largest error from 30 s after it on, us", US, lambda rows: peak(rows, _HOUR_TWO + 30, _HOUR_TWO + HOUR))

MISHAPS = (
    Mishap("none (S1)", lambda seed: of_scenario(PLAIN, seed)),
    Mishap("20 pulses in a row late by 50 us, each half hour", bursts),
    Mishap("5 % late pulses", lambda seed: of_scenario(replace(PLAIN, late_share=0.05), seed)),
    Mishap("half of the pulses missing", lambda seed: of_scenario(replace(PLAIN, missing_share=0.5), seed)),
    Mishap(
        "jitter 5 us for an hour",
        noisier,
        (
            ("RMS in its first 10 min, us", US, rms_in(2 * HOUR, 2 * HOUR + 600)),
            ("RMS in the rest of it (limit 0.711), us", US, rms_in(2 * HOUR + 600, 3 * HOUR)),
            ("RMS in the 10 min after, us", US, rms_in(3 * HOUR, 3 * HOUR + 600)),
            ("RMS later (limit 0.214), us", US, rms_in(3 * HOUR + 600, 5 * HOUR)),
        ),
    ),
    *(
        Mishap(
            f"no pulse for {length} s, each half hour",
            gaps(length),
            (
                ("error at the end of a gap, us", US, at_gaps(length, lambda rows, end: abs(rows[end].true_error))),
                ("bound at the end of a gap, us", US, at_gaps(length, lambda rows, end: rows[end].error_bound)),
                ("below 1 us after a gap, s", 1.0, at_gaps(length, good_again)),
            ),
        )
        for length in (60, 600)
    ),
    *(
        Mishap(f"the clock jumps by {words}", clock_jump(size), (_AGAIN, _OUTSIDE, _JUMP_ENDS))
        for size, words in ((10e-6, "10 us"), (1e-3, "1 ms"), (-1e-3, "-1 ms"))
    ),
    Mishap("the crystal jumps by 1 ppm", crystal_jump, (_AGAIN, _OUTSIDE, _JUMP_ENDS)),
    Mishap("a crystal of 200 ppm", lambda seed: of_scenario(replace(PLAIN, frequency=200e-6), seed)),
    Mishap("a drift file, right within 0.1 ppm", with_drift(-20.1e-6, 1e-7)),
    Mishap("a drift file, wrong by 5 ppm and sure of it", with_drift(-25e-6, 1e-8)),
    Mishap(
        "an hour of holdover with a temperature cycle (S4T), no sensor",
        lambda seed: of_scenario(SCENARIOS["S4T"], seed),
        (_WORST, _AFTER, _BOUND),
    ),
    Mishap("S4T, sensor without fault", with_sensor(0.0, 0.0, 1e-3), (_WORST, _AFTER, _BOUND)),
    Mishap("S4T, sensor 60 s late, 0.2 K of noise, in steps of 0.5 K", with_sensor(60.0, 0.2, 0.5), (_WORST, _AFTER, _BOUND)),
)


class Seen(NamedTuple):
    """A run of a mishap and what was looked at."""

    ours: Figures
    looks: tuple[float, ...]


def run(job: tuple[int, int, Subject]) -> Seen:
    """For a process of its own: number of the mishap, seed, subject."""
    number, seed, subject = job
    mishap = MISHAPS[number]
    found = figures(mishap.make(seed), subject, keep_rows=True)
    return Seen(replace(found, rows=()), tuple(measure(found.rows) for _, _, measure in mishap.looks))


HEADER = (
    "", "RMS, us", "largest, us", "frequency, ppb", "t1, s", "outside the bound, s of 1e5", "bound / p99.9 (largest)",
    "looked at: median (worst)",
)  # fmt: skip


def tables(asked: Sequence[int], subject: Subject, processes: int) -> tuple[str, list[str]]:
    """The table in Markdown; of what is in it only the bound's coverage over all is required."""
    seeds = asked or SEEDS
    jobs = [(number, seed, subject) for number in range(len(MISHAPS)) for seed in seeds]
    answers = iter(report.over(jobs, run, processes))
    rows = []
    uncovered = seconds = 0
    for mishap in MISHAPS:
        runs = [next(answers) for _ in seeds]
        uncovered += sum(each.ours.uncovered for each in runs)
        seconds += sum(each.ours.seconds for each in runs)
        rows.append(_row(mishap, runs))
    text = f"Seeds {', '.join(map(str, seeds))}; medians, t1 and the largest error the worst of all. From the first hour to the outage."
    text += f" Over all these runs the bound contains the true error in {1 - uncovered / seconds:.4%} of {seconds} seconds."
    missed = (
        [] if uncovered <= (1 - goals.COVERAGE) * seconds else [f"mishaps: the bound holds in {1 - uncovered / seconds:.4%} of all seconds"]
    )
    return f"{report.table(HEADER, rows)}\n\n{text}", missed


def _row(mishap: Mishap, runs: Sequence[Seen]) -> list[str]:
    ours = [each.ours for each in runs]
    looked = []
    for number, (words, unit, _) in enumerate(mishap.looks):
        values = [each.looks[number] for each in runs]
        never = any(value != value for value in values)
        digits = 0 if unit == 1.0 else 2
        looked.append(f"{words}: {amount(median(values), unit, digits)} ({'never' if never else amount(max(values), unit, digits)})")
    return [
        mishap.name,
        amount(median(each.rms for each in ours), US),
        amount(max(each.largest for each in ours), US, 2),
        amount(median(each.frequency for each in ours), 1e-9, 1),
        amount(max(each.t1 for each in ours), digits=0),
        amount(1e5 * sum(each.uncovered for each in ours) / sum(each.seconds for each in ours), digits=1),
        f"{median(each.bound / each.p999 for each in ours):.2f} ({max(each.widest / each.p999 for each in ours):.2f})",
        "; ".join(looked),
    ]


assert SETTLING == HOUR, "the figures begin after the first hour"

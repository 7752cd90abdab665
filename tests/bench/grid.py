"""Other noise than the scenarios'.

Jitter from 50 ns to 20 us, wander from 1e-10 to 1e-8, temperature cycles from 0.1 to 2 ppm and 10 min to 24 h. Each point is judged
against the filters of `optimum` on the same series: the RMS may be 1.2 times that of the yardstick. The usual points are each jitter
with each wander, each temperature cycle at 1 us and 1e-9, and some corners; the full grid is every combination.
"""

from collections.abc import Sequence
from itertools import product
from statistics import median
from typing import NamedTuple

from bench import goals, report
from bench.figures import Figures, Subject, figures, of_scenario, rms
from bench.noise import draw
from bench.optimum import Steerer, knowing, knowing_the_period, steered
from bench.report import amount
from stratum1.simulation import SETTLING, Scenario

__all__ = ["FULL", "POINTS", "tables"]

SEEDS = (6, 7, 8)
JITTERS = (50e-9, 200e-9, 1e-6, 5e-6, 20e-6)
WANDERS = (1e-10, 1e-9, 1e-8)
HOUR = 3600.0
CYCLES = tuple(product((0.1e-6, 0.5e-6, 2e-6), (600.0, HOUR, 6 * HOUR, 24 * HOUR)))
_NONE = ((0.0, HOUR),)


def point(jitter: float, wander: float, temperature: float, period: float) -> Scenario:
    """A scenario of five hours with this noise."""
    return Scenario("noise", jitter=jitter, wander=wander, temperature=temperature, period=period)


FULL = [point(j, w, *cycle) for j, w, cycle in product(JITTERS, WANDERS, (*_NONE, *CYCLES))]
POINTS = [
    *(point(j, w, *_NONE[0]) for j, w in product(JITTERS, WANDERS)),
    *(point(1e-6, 1e-9, *cycle) for cycle in CYCLES),
    *(point(j, w, 2e-6, 600.0) for j, w in product((50e-9, 20e-6), (1e-10, 1e-8))),
    point(200e-9, 1e-10, 0.5e-6, HOUR),
    point(5e-6, 1e-9, 0.5e-6, HOUR),
    point(20e-6, 1e-10, 0.1e-6, HOUR),
    point(20e-6, 1e-9, 2e-6, 6 * HOUR),
    point(50e-9, 1e-10, 2e-6, 24 * HOUR),
]


class Compared(NamedTuple):
    """Ours, and the RMS of the filters (s): the yardstick, the same with the phase taken out in 4 s, the one that knows the period."""

    ours: Figures
    yardstick: float
    smooth: float
    period: float


def compare(job: tuple[Scenario, int, Subject]) -> Compared:
    """For a process of its own."""
    scenario, seed, subject = job
    frequency, pulses = draw(scenario, seed)

    def reached(steerer: Steerer) -> float:
        return rms(steered(frequency, pulses, steerer)[SETTLING:].tolist())

    ours = figures(of_scenario(scenario, seed), subject)
    yardstick = reached(knowing(scenario))
    period = reached(knowing_the_period(scenario)) if scenario.temperature else yardstick
    return Compared(ours, yardstick, reached(knowing(scenario, 4.0)), period)


def tables(asked: Sequence[int], subject: Subject, processes: int, full: bool = False) -> tuple[str, list[str]]:
    """The table in Markdown, and what is missed."""
    seeds, points = asked or SEEDS, FULL if full else POINTS
    answers = iter(report.over([(each, seed, subject) for each in points for seed in seeds], compare, processes))
    rows, failures = [], []
    ratios, covered, seconds = [], 0, 0
    for each in points:
        runs = [next(answers) for _ in seeds]
        ratio = median(run.ours.rms / run.yardstick for run in runs)
        ratios.append(ratio)
        covered += sum(run.ours.seconds - run.ours.uncovered for run in runs)
        seconds += sum(run.ours.seconds for run in runs)
        if not ratio <= goals.GRID_RATIO:
            failures.append(f"other noise: {_name(each)}: {ratio:.2f} times the filter that knows it")
        rows.append(_row(each, runs, ratio))
    if covered < goals.COVERAGE * seconds:
        failures.append(f"other noise: the bound holds in {covered / seconds:.4%} of all seconds")
    within = sum(ratio <= goals.GRID_RATIO for ratio in ratios)
    text = (
        f"Seeds {', '.join(map(str, seeds))}. Within {goals.GRID_RATIO:g} of the yardstick: {within} of {len(ratios)} points; "
        f"largest ratio {max(ratios):.2f}, median {median(ratios):.2f}. "
        f"The bound contains the true error in {covered / seconds:.4%} of {seconds} seconds."
    )
    return f"{report.table(HEADER, rows)}\n\n{text}", failures


HEADER = (
    "jitter, us", "wander", "cycle, ppm", "period, h", "RMS, us", "yardstick, us", "RMS / yardstick", "yardstick over 4 s, us",
    "RMS / that", "knowing the period, us", "RMS / that", "frequency, ppb", "bound holds, % (worst)", "bound / p99.9 (largest)", "",
)  # fmt: skip


def _row(scenario: Scenario, runs: Sequence[Compared], ratio: float) -> list[str]:
    def middle(key: str) -> float:
        return median(float(getattr(run, key)) for run in runs)

    return [
        f"{scenario.jitter / 1e-6:g}",
        f"{scenario.wander:g}",
        f"{scenario.temperature / 1e-6:g}",
        f"{scenario.period / HOUR:.3g}" if scenario.temperature else "–",
        f"**{amount(median(run.ours.rms for run in runs), 1e-6, 4)}**",
        amount(middle("yardstick"), 1e-6, 4),
        f"**{ratio:.2f}**",
        amount(middle("smooth"), 1e-6, 4),
        amount(median(run.ours.rms / run.smooth for run in runs), digits=2),
        amount(middle("period"), 1e-6, 4),
        amount(median(run.ours.rms / run.period for run in runs), digits=2),
        amount(median(run.ours.frequency for run in runs), 1e-9, 1),
        f"{100 * min(run.ours.coverage for run in runs):.3f}",
        f"{median(run.ours.bound / run.ours.p999 for run in runs):.2f} ({max(run.ours.widest / run.ours.p999 for run in runs):.2f})",
        "PASS" if ratio <= goals.GRID_RATIO else "**FAIL**",
    ]


def _name(scenario: Scenario) -> str:
    cycle = f", {scenario.temperature / 1e-6:g} ppm in {scenario.period / HOUR:.3g} h" if scenario.temperature else ""
    return f"{scenario.jitter / 1e-6:g} us, {scenario.wander:g}{cycle}"

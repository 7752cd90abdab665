"""How well the clock is kept: prints tables of the seeded scenarios, other noise and mishaps, the required figures and peers beside them.

python tests/bench/timing.py                  the scenarios, seeds 1 to 5 (holdover's bound: seeds 1 to 20)
python tests/bench/timing.py S1 S2 7 8        these scenarios with these seeds
    --engine NAME      another engine than the default
    --discipline       the discipline alone, each pulse numbered rightly; without it the daemon's whole pipeline
    --grid, --full-grid  also other noise than the scenarios', against the filters that know it
    --network          also S6: no pulse, three servers, one of them wrong
    --mishaps          also late bursts, gaps, jumps, other jitter on the way, odd starts, a temperature sensor
    --cpu              also the CPU of a simulated day
    --only-others      leave out the scenarios themselves
    --jobs N           processes (default: as many as there are cores)
    --write PAGE       put the tables into PAGE where they belong
    --check            exit status 1 if anything required is missed
"""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import isnan
from pathlib import Path
from statistics import median
from time import process_time
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import goals, grid, mishaps, network, report
from bench.figures import Figures, Subject, figures, of_scenario, ran, rms
from bench.noise import draw
from bench.optimum import knowing, steered
from bench.report import amount, verdict
from stratum1.discipline import ENGINES
from stratum1.simulation import SCENARIOS, SETTLING, Scenario

US, PPB = 1e-6, 1e-9
SEEDS = (1, 2, 3, 4, 5)
HOLDOVER_SEEDS = tuple(range(1, 21))
DAY, DAY_LIMIT = 86_401, 60.0


class Measured(NamedTuple):
    """A run, and the RMS that the filter that knows the noise has on the same series (seconds), None where nobody asked."""

    ours: Figures
    limit: float | None


def by_pulses(name: str, seed: int, subject: Subject) -> Measured:
    """A scenario with pulses."""
    scenario = SCENARIOS[name]
    errors = steered(*draw(scenario, seed), knowing(scenario))[SETTLING : scenario.outage]
    return Measured(figures(of_scenario(scenario, seed), subject), rms(errors.tolist()))


MEASURES: Mapping[str, Callable[[str, int, Subject], Measured]] = dict.fromkeys(SCENARIOS, by_pulses)
"""Scenario -> what runs it. One that has no pulses brings its own; its goal and peers go into `goals`."""


def measure(job: tuple[str, int, Subject]) -> Measured:
    """For a process of its own."""
    name, seed, subject = job
    return MEASURES[name](name, seed, subject)


def in_lock_row(name: str, runs: Sequence[Measured]) -> tuple[list[str], list[str]]:
    """The cells of a scenario's row, and what it fails."""
    ours = [run.ours for run in runs]
    goal = goals.GOALS.get(name, goals.Goal())
    middle = {key: median(getattr(each, key) for each in ours) for key in ("rms", "p99", "largest", "frequency", "t1", "locked")}
    limit = median(run.limit for run in runs if run.limit is not None) if runs[0].limit is not None else None
    worst_t1 = max((each.t1 for each in ours), key=lambda t1: (isnan(t1), t1))
    ratios = [each.bound / each.p999 for each in ours], [each.widest / each.p999 for each in ours]
    failures = [
        f"{what} {found:.4g} > {most:g} {sign}"
        for what, found, most, sign in (
            ("RMS", middle["rms"] / US, goal.rms and goal.rms / US, "us"),
            ("frequency", middle["frequency"] / PPB, goal.frequency and goal.frequency / PPB, "ppb"),
            ("t1", worst_t1, goal.t1, "s"),
            ("bound", max(ratios[1]), goals.BOUND_RATIO, "p99.9"),
        )
        if most is not None and not found <= most
    ]
    peers = goals.PEERS.get(name, ())
    cells = [
        name,
        f"**{amount(middle['rms'], US)}**",
        amount(goal.rms, US),
        amount(middle["p99"], US),
        amount(middle["largest"], US),
        amount(middle["frequency"], PPB, 1),
        f"{amount(middle['t1'], digits=0)} ({amount(worst_t1, digits=0)})",
        f"{amount(middle['locked'], digits=0)} ({amount(max(each.locked for each in ours), digits=0)})",
        f"{100 * min(each.coverage for each in ours):.3f}",
        f"{amount(median(ratios[0]), digits=2)} ({amount(max(ratios[1]), digits=2)})",
        amount(limit, US),
        amount(middle["rms"] / limit if limit else None, digits=2),
        *(f"{peer:g}" for peer in peers),
        *("–" for _ in goals.PEER_NAMES[len(peers) :]),
        verdict(failures),
    ]
    return cells, failures


IN_LOCK = (
    "", "RMS, us", "required", "p99, us", "max, us", "frequency, ppb", "t1, s (worst)", "locked, s (worst)", "bound holds, % (worst)",
    "bound / p99.9 (largest)", "limit, us", "RMS / limit", *(f"{name}, us" for name in goals.PEER_NAMES), "",
)  # fmt: skip
HOLDOVER = (
    "", "RMS locked, us", "limit, us", "error after the hour, us (worst)", "bound after the hour, us (worst)", "required",
    "seconds outside the bound", "bound / p99.9 in lock (largest)", "chrony: error, us", "chrony: bound, us", "",
)  # fmt: skip


def holdover_row(name: str, runs: Sequence[Measured]) -> tuple[list[str], list[str]]:
    """As `in_lock_row`; the RMS is that of the seeds that the others ran."""
    ours = [run.ours for run in runs]
    goal = goals.GOALS.get(name, goals.Goal())
    worst = max(each.last_bound for each in ours)
    outside = sum(each.uncovered for each in ours)
    ratio = max(each.widest / each.p999 for each in ours)
    failures = []
    if goal.last_bound is not None and worst > goal.last_bound:
        failures.append(f"bound {worst / US:.0f} us")
    if goal.always_covered and outside:
        failures.append(f"outside the bound for {outside} s")
    if not ratio <= goals.BOUND_RATIO:
        failures.append(f"bound {ratio:.3g} p99.9 in lock")
    few = runs[: len(SEEDS)]
    cells = [
        name,
        f"**{amount(median(run.ours.rms for run in few), US)}**",
        amount(median(run.limit for run in few if run.limit is not None), US),
        f"{amount(rms([each.last_error for each in ours]), US, 1)} ({amount(max(abs(each.last_error) for each in ours), US, 1)})",
        f"{amount(median(each.last_bound for each in ours), US, 0)} ({amount(worst, US, 0)})",
        amount(goal.last_bound, US, 0),
        f"{outside} of {sum(each.seconds for each in ours)}",
        f"{amount(median(each.bound / each.p999 for each in ours), digits=2)} ({amount(ratio, digits=2)})",
        *(("107", "3700") if name == "S4" else ("–", "–")),
        verdict(failures),
    ]
    return cells, failures


def seeds_of(name: str, asked: Sequence[int]) -> Sequence[int]:
    """Bounds in holdover are required over more seeds."""
    return asked or (HOLDOVER_SEEDS if SCENARIOS.get(name, Scenario(name)).outage is not None else SEEDS)


def scenarios(names: Sequence[str], asked: Sequence[int], subject: Subject, processes: int) -> tuple[str, list[str]]:
    """The tables of the scenarios, and what is missed."""
    jobs = [(name, seed, subject) for name in names for seed in seeds_of(name, asked)]
    answers = dict(zip(jobs, report.over(jobs, measure, processes), strict=True))
    runs = {name: [answers[name, seed, subject] for seed in seeds_of(name, asked)] for name in names}
    held = {name for name in names if name in SCENARIOS and SCENARIOS[name].outage is not None}
    parts, failures = [], []
    for header, make, those in (
        (IN_LOCK, in_lock_row, [name for name in names if name not in held]),
        (HOLDOVER, holdover_row, [name for name in names if name in held]),
    ):
        rows = [make(name, runs[name]) for name in those]
        failures += [f"{row[0]}: {failure}" for row, missed in rows for failure in missed]
        if rows:
            parts.append(report.table(header, [row for row, _ in rows]))
    everything = [run.ours for each in runs.values() for run in each]
    covered = 1 - sum(each.uncovered for each in everything) / sum(each.seconds for each in everything)
    if covered < goals.COVERAGE:
        failures.append(f"the bound holds in {covered:.4%} of all seconds")
    parts.append(f"Over all these runs the bound contains the true error in {covered:.4%} of {sum(e.seconds for e in everything)} seconds.")
    t1 = ", ".join(f"{name} {seconds}" for name, seconds in zip(goals.PEER_NAMES, goals.PEER_T1, strict=True))
    parts.append(f"t1 of the others in S1, s: {t1}.")
    return "\n\n".join(parts), failures


def day(subject: Subject) -> tuple[str, list[str]]:
    """The CPU of a simulated day with a temperature cycle."""
    trial = of_scenario(Scenario("day", seconds=DAY, temperature=0.5e-6), 1)
    before = process_time()
    result = ran(trial, subject)
    used = process_time() - before
    text = f"A simulated day takes {used:.1f} s of CPU (required: less than {DAY_LIMIT:.0f}); RMS {amount(result.rms, US)} us."
    return text, [] if used < DAY_LIMIT else [f"a simulated day takes {used:.1f} s"]


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", help=f"scenarios ({', '.join(MEASURES)}) and seeds")
    parser.add_argument("--engine", choices=ENGINES)
    parser.add_argument("--write", type=Path, metavar="PAGE")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    for name in ("discipline", "grid", "full-grid", "network", "mishaps", "cpu", "only-others", "check"):
        parser.add_argument(f"--{name}", action="store_true")
    options = parser.parse_args(arguments)
    wrong = [each for each in options.what if each not in MEASURES and not each.isdigit()]
    if wrong:
        parser.error(f"{', '.join(wrong)}: neither a scenario ({', '.join(MEASURES)}) nor a seed")
    return options


def main(arguments: Sequence[str]) -> int:
    """Print what is asked for."""
    options = parsed(arguments)
    subject = Subject(options.engine, options.discipline)
    seeds = [int(each) for each in options.what if each.isdigit()]
    names = [each for each in MEASURES if each in options.what] or list(MEASURES)
    sections: list[tuple[str, str, Callable[[], tuple[str, list[str]]]]] = []
    if not options.only_others:
        sections.append(("scenarios", "Scenarios", partial(scenarios, names, seeds, subject, options.jobs)))
    if options.grid or options.full_grid:
        sections.append(("other-noise", "Other noise", partial(grid.tables, seeds, subject, options.jobs, options.full_grid)))
    if options.network:
        sections.append(("network", "Network", partial(network.tables, seeds, options.engine, options.jobs)))
    if options.mishaps:
        sections.append(("mishaps", "Mishaps", partial(mishaps.tables, seeds, subject, options.jobs)))
    if options.cpu:
        sections.append(("cpu", "Cost", partial(day, subject)))
    missed = []
    print(
        f"engine {options.engine or 'as by default'}, {'discipline alone' if options.discipline else 'whole pipeline'}, {report.version()}"
    )
    for name, title, make in sections:
        text, failures = make()
        missed += failures
        print(f"\n## {title}\n\n{text}", flush=True)
        if options.write:
            report.write(options.write, {name: text})
    print("", *(f"missed: {each}" for each in missed), sep="\n")
    return int(options.check and bool(missed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Prints the timing table: the loop on the seeded scenarios, medians over the seeds, the best-known peer beside it.

Usage: python tests/bench/timing.py [--discipline] [SCENARIO ...] [SEED ...]
--discipline: the discipline alone, each pulse numbered rightly; without it the daemon's whole pipeline.
"""

import sys
from itertools import pairwise
from statistics import median

from noise import series

from stratum1.interchange import LockState
from stratum1.simulation import SCENARIOS, SETTLING, PipelineLoop, SampleLoop, quantile, simulate

PEER = {"S1": 0.401, "S2": 1.025, "S3": 0.397, "S5": 0.436}
"""chrony with its defaults on the same series: RMS in us."""
COLUMNS = (
    "rms us", "p99 us", "max us", "freq ppb", "t1 s", "lock s", "coverage %", "bound / p99.9", "end error us", "end bound us",
)  # fmt: skip


def figures(name: str, seed: int, alone: bool) -> list[float]:
    """One run; the columns from the first hour to the outage, if there is one, except t1, lock, coverage (whole run) and the end."""
    frequency, pulses = series(name, seed)
    scenario = SCENARIOS[name]
    loop = SampleLoop if alone else PipelineLoop
    result = simulate(frequency.tolist(), pulses.tolist(), offset=scenario.offset, make_loop=loop, seed=seed)
    rows = result.rows[SETTLING : scenario.outage]
    errors = [abs(row.true_error) for row in rows]
    last = result.rows[-1]
    return [
        1e6 * rms(errors),
        1e6 * quantile(errors, 0.99),
        1e6 * max(errors),
        1e9 * rms([b.true_error - a.true_error for a, b in pairwise(rows)]),
        float("nan") if result.t1 is None else float(result.t1),
        next((float(row.second) for row in result.rows if row.state is LockState.LOCKED), float("nan")),
        100 * result.bound_coverage,
        median(row.error_bound for row in rows) / quantile(errors, 0.999),
        1e6 * abs(last.true_error),
        1e6 * last.error_bound,
    ]


def rms(values: list[float]) -> float:
    """Root of the mean square."""
    return float((sum(v * v for v in values) / len(values)) ** 0.5)


def main(arguments: list[str]) -> None:
    """Run what is asked for, or everything over seeds 1 to 5."""
    alone = "--discipline" in arguments
    seeds = [int(a) for a in arguments if a.isdigit()] or [1, 2, 3, 4, 5]
    names = [a for a in arguments if a in SCENARIOS] or list(SCENARIOS)
    print("| | " + " | ".join(COLUMNS) + " | worst t1 s | worst coverage % | chrony rms us |")
    print("|" + "---|" * (len(COLUMNS) + 4))
    for name in names:
        runs = [figures(name, seed, alone) for seed in seeds]
        middle = [f"{median(column):.4g}" for column in zip(*runs, strict=True)]
        worst = [f"{max(run[4] for run in runs):.4g}", f"{min(run[6] for run in runs):.6g}"]
        print("| " + " | ".join((name, *middle, *worst, str(PEER.get(name, "")))) + " |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

"""The daemon's pipeline on this machine's own clock, against a truth that only CLOCK_MONOTONIC_RAW knows. Root; puts the clock back.

The truth is a line over CLOCK_MONOTONIC_RAW whose slope wanders (`SimulatedTruth`), 20 ms and 15 ppm off what the host showed. Its
pulses come with a jitter that is known, its sentences 0.4 s late. Kernel clock, timekeeper and pipeline are the daemon's own; they see
nothing of the truth but stamps, and those are what the kernel would have given: CLOCK_REALTIME when CLOCK_MONOTONIC_RAW read the instant
of the pulse. The true error is read twice a second, just before the correction by a pulse and half a second later.

python tests/bench/kernel.py [--seconds 1500] [--settle 600] [--engine NAME] [--jitter 1e-6] [--trace OUT.csv] [--json] [--write PAGE]
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count, pairwise
from pathlib import Path
from random import Random
from statistics import median
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from long.host_clock import Guard, Saved

from bench import report
from bench.figures import rms
from bench.report import amount
from stratum1.clock import KernelClock, read_timex
from stratum1.clock._host import bracket
from stratum1.clock._timex import timex_rate
from stratum1.discipline import ENGINES, DisciplineSettings
from stratum1.inputs import EdgeInput, GnssInput
from stratum1.interchange import KernelClockId, LockState
from stratum1.pipeline import Note, Pipeline, PipelineSettings
from stratum1.pps.events import Edge, EdgeKind
from stratum1.recorder import Recorder
from stratum1.simulation import SimulatedTruth, quantile, spoken
from stratum1.timekeeper import Memory, Timekeeper
from stratum1.timescale import NS, MonoNs, UtcNs

RAW, REALTIME = time.CLOCK_MONOTONIC_RAW, time.CLOCK_REALTIME
_PHASE, _FREQUENCY, _WANDER = 0.02, 15e-6, 1e-9
_LATE = 0.4
_FARTHEST = 0.2  # s; farther than this from what the host showed nobody may bend its clock
_AFTER_PULSE = 2_000_000  # ns after a pulse until it is looked at, as an event loop would


class Moment(NamedTuple):
    """since: seconds from the start. error: ours minus truth, width: of the readings that it comes from, bound: claimed then; seconds."""

    since: float
    at_pulse: bool
    state: LockState
    error: float
    width: float
    bound: float


class Rig:
    """The daemon's own parts, and the truth beside them."""

    def __init__(self, saved: Saved, clock: KernelClock, directory: Path, options: argparse.Namespace) -> None:
        start = MonoNs(time.clock_gettime_ns(RAW))
        rate = timex_rate(saved.tick, saved.freq) + _FREQUENCY
        started = UtcNs(saved.real_at(start))
        self.truth = SimulatedTruth(options.seed, started, start, frequency=rate, phase=_PHASE, wander=_WANDER)
        self.start = start
        self._saved = saved
        self._clock = clock
        self._jitter = options.jitter
        self._random = Random(options.seed)
        engine = DisciplineSettings() if options.engine is None else DisciplineSettings(engine=options.engine)
        self.keeper = Timekeeper(
            clock,
            Pipeline(PipelineSettings(engine), clock.limits),
            memory=Memory(directory),
            recorder=Recorder(print),
            note=partial(_tell, start),
            panic=sys.exit,
        )

    def second(self, number: int, utc: UtcNs) -> tuple[Moment, Moment]:
        """Live through a second of true time from its pulse on."""
        raw = self.truth.raw_at(utc)
        _sleep_until(raw + _AFTER_PULSE)
        first = self.moment(at_pulse=True)
        stamp = self._clock.at(KernelClockId.MONOTONIC_RAW, raw + round(self._random.gauss(0.0, self._jitter * NS))).clock_ns
        edge = Edge(EdgeKind.ASSERT, number, stamp, KernelClockId.REALTIME, 0)
        self.keeper.feed(EdgeInput(self._clock.at(KernelClockId.REALTIME, stamp), edge))
        self.keeper.tick()
        _sleep_until(raw + round((_LATE + self._random.uniform(-0.02, 0.02)) * NS))
        now = self._clock.reading()
        self.keeper.feed(GnssInput(now, spoken(now.at_ns, utc, number)))
        _sleep_until(raw + NS // 2)
        return first, self.moment(at_pulse=False)

    def moment(self, *, at_pulse: bool) -> Moment:
        """How far off the clock is now, and what is claimed. Raises SystemExit where the host has been bent too far."""
        pair = bracket(RAW, REALTIME)
        if abs(pair.inner - self._saved.real_at(pair.outer)) > _FARTHEST * NS:
            sys.exit("the clock went farther off than it may: stopped")
        if self.keeper.unsteerable:
            sys.exit(self.keeper.unsteerable)
        state = self.keeper.cell.current
        bound = state.error_bound + state.bound_rate * max(0.0, (pair.inner - state.bound_at) / NS)
        error = (pair.inner - self.truth.utc_at(MonoNs(pair.outer))) / NS
        return Moment((pair.outer - self.start) / NS, at_pulse, state.state, error, pair.width / NS, bound)


@dataclass(frozen=True, slots=True)
class Result:
    """rms, p99, largest, frequency: after `settle` seconds, s and s/s; coverage: of all moments; width: median of the readings', s."""

    engine: str
    seconds: float
    settle: float
    jitter: float
    rms: float
    p99: float
    largest: float
    frequency: float
    t1: float | None
    locked: float | None
    coverage: float
    bound: float
    widest: float
    width: float
    cpu: float
    left: float


def lived(options: argparse.Namespace) -> tuple[list[Moment], str, float]:
    """Bend the clock, follow the truth, put it back: every moment, the engine's name, and what is left of the bending (seconds)."""
    moments: list[Moment] = []
    with tempfile.TemporaryDirectory() as name, Guard(options.seconds + 60) as guard, KernelClock() as clock:
        rig = Rig(guard.saved, clock, Path(name), options)
        first = rig.truth.utc_at(rig.start) // NS + 1
        for number in count():
            moments += rig.second(number, UtcNs((first + number) * NS))
            if moments[-1].since > options.seconds:
                break
        engine = rig.keeper.pipeline.engine.engine
        rig.keeper.close()
    return moments, engine, guard.left_ns / NS


def judged(moments: Sequence[Moment], engine: str, left: float, cpu: float, options: argparse.Namespace) -> Result:
    """The figures of a run."""
    late = [moment for moment in moments if moment.since >= options.settle]
    errors = [abs(moment.error) for moment in late]
    at_pulses = [moment.error for moment in late if moment.at_pulse]
    return Result(
        engine=engine,
        seconds=moments[-1].since,
        settle=options.settle,
        jitter=options.jitter,
        rms=rms(errors),
        p99=quantile(errors, 0.99),
        largest=max(errors),
        frequency=rms([b - a for a, b in pairwise(at_pulses)]),
        t1=_first_good(moments),
        locked=next((moment.since for moment in moments if moment.state is LockState.LOCKED), None),
        coverage=sum(abs(moment.error) <= moment.bound for moment in moments) / len(moments),
        bound=median(moment.bound for moment in late),
        widest=max(moment.bound for moment in late),
        width=median(moment.width for moment in moments),
        cpu=cpu,
        left=left,
    )


def shown(result: Result) -> str:
    """The table in Markdown."""
    us = partial(amount, unit=1e-6)
    header = (
        "engine", "seconds (judged from)", "RMS, us", "p99, us", "max, us", "frequency, ppb", "t1, s", "locked, s", "bound holds, %",
        "bound, us (largest)", "two clocks read within, us", "CPU, s",
    )  # fmt: skip
    row = (
        result.engine,
        f"{result.seconds:.0f} ({result.settle:.0f})",
        f"**{us(result.rms)}**",
        us(result.p99),
        us(result.largest),
        amount(result.frequency, 1e-9, 1),
        amount(result.t1, digits=0),
        amount(result.locked, digits=0),
        f"{100 * result.coverage:.3f}",
        f"{us(result.bound)} ({us(result.widest)})",
        us(result.width),
        f"{result.cpu:.1f}",
    )
    return report.table(header, [row])


def _first_good(moments: Sequence[Moment]) -> float | None:
    """When |error| < 1 us began to hold for 60 s."""
    since = None
    for moment in moments:
        since = (moment.since if since is None else since) if abs(moment.error) < 1e-6 else None
        if since is not None and moment.since - since >= 60:
            return since
    return None


def _tell(start: MonoNs, note: Note) -> None:
    print(f"{(note.at_ns - start) / NS:8.1f} s  {note.text}", file=sys.stderr, flush=True)


def _sleep_until(raw: int) -> None:
    time.sleep(max(0, raw - time.clock_gettime_ns(RAW)) / NS)


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1500.0)
    parser.add_argument("--settle", type=float)
    parser.add_argument("--engine", choices=ENGINES)
    parser.add_argument("--jitter", type=float, default=1e-6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trace", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args(arguments)
    options.settle = min(600.0, options.seconds / 2) if options.settle is None else options.settle
    if not 120 <= options.seconds <= 4 * 3600 or not 0 <= options.settle < options.seconds - 10:
        parser.error(
            "--seconds: allowed is 120 to 14400, with --settle shorter by 10 s at least: the truth must not run away from the host"
        )
    return options


def main(arguments: Sequence[str]) -> int:
    """Exit status 1 where the bound missed the truth more often than it may, or the clock could not be put back well."""
    options = parsed(arguments)
    frequency, begun = read_timex().freq, time.process_time()
    moments, engine, left = lived(options)
    result = judged(moments, engine, left, time.process_time() - begun, options)
    print(json.dumps(asdict(result)) if options.json else shown(result))
    print(
        f"the clock is put back to {left * 1e6:+.1f} us, its frequency {'too' if read_timex().freq == frequency else 'NOT'}",
        file=sys.stderr,
    )
    if options.trace:
        lines = (f"{m.since:.6f},{m.error:.9e},{m.bound:.9e},{m.state.value},{int(m.at_pulse)}\n" for m in moments)
        options.trace.write_text("since,true_error,error_bound,state,at_pulse\n" + "".join(lines), encoding="utf-8")
    if options.write:
        report.write(options.write, {"kernel": shown(result)})
    return int(result.coverage < 0.999)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`stratum1 simulate`: the daemon's own code over a noise series, on virtual time."""

import csv
import json
import math
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from stratum1.clock import ClockLimits
from stratum1.simulation import ATTACKS, MISSING, SETTLING, Attack, PipelineLoop, SimulationResult, parse_attack
from stratum1.simulation import simulate as run
from stratum1.timescale import NS

__all__ = ["simulate"]

_LARGEST_FREQUENCY = 1e-2
_LARGEST_PULSE = 0.5
_COLDEST, _HOTTEST = -273.15, 1000.0


def simulate(
    *,
    frequency: Annotated[
        Path, typer.Option(metavar="FILE", help="Frequency error of the crystal, s/s, one number a second.", show_default=False)
    ],
    pulses: Annotated[Path, typer.Option(metavar="FILE", help="Stamp error of each pulse, s; 1e9 or nan: no pulse.", show_default=False)],
    temperature: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Temperature, degrees Celsius, one number a second.", show_default=False)
    ] = None,
    offset: Annotated[float, typer.Option(metavar="S", help="Reference minus our clock at the start, s: positive, ours is behind.")] = 0.1,
    trace: Annotated[
        Path | None,
        typer.Option(metavar="OUT.csv", help="Write second,true_error,error_bound,state here.", show_default=False),
    ] = None,
    attack: Annotated[
        str | None,
        typer.Option(metavar="NAME[:SIZE]", help=f"What is done to the receiver: {', '.join(ATTACKS)}.", show_default=False),
    ] = None,
    attack_at: Annotated[int, typer.Option(min=0, metavar="S", help="The second at which the attack begins.")] = 3600,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Run the reference clock and discipline code over noise series and print how well the clock was kept."""
    if not abs(offset) < 1e9:
        _refuse(f"--offset {offset}: allowed are numbers of seconds between -1e9 and 1e9")
    for given in (frequency, pulses, temperature):
        if trace is not None and given is not None and trace.resolve() == given.resolve():
            _refuse(f"--trace {trace}: is one of the files to read; name another one to write to")
    steps = _column(frequency, -_LARGEST_FREQUENCY, _LARGEST_FREQUENCY, "s/s")
    stamps = _column(pulses, -_LARGEST_PULSE, _LARGEST_PULSE, "s, or 1e9 or nan where there is no pulse", missing=True)
    degrees = _column(temperature, _COLDEST, _HOTTEST, "degrees Celsius") if temperature else None
    for path, column in ((pulses, stamps), (temperature, degrees)):
        if column is not None and len(column) != len(steps):
            _refuse(f"{path}: {len(column)} lines, but {frequency} has {len(steps)}; all files must have one number for each second")
    loops: list[PipelineLoop] = []

    def make_loop(limits: ClockLimits) -> PipelineLoop:
        loops.append(PipelineLoop(limits))
        return loops[0]

    result = run(steps, stamps, degrees, offset=offset, make_loop=make_loop, attack=_attack(attack, attack_at))
    said = _integrity(loops[0], len(steps))
    if trace is not None:
        _write_trace(trace, result)
    typer.echo(json.dumps({**_figures(result), "integrity": said}) if as_json else _text(result, said))


def _attack(text: str | None, start: int) -> Attack | None:
    try:
        return None if text is None else parse_attack(text, start)
    except ValueError as error:
        _refuse(f"--attack {error}")


def _integrity(loop: PipelineLoop, length: int) -> list[dict[str, object]]:
    """When the reference was refused and believed again, in seconds of the run, and why."""
    end = loop.last or 0
    return [
        {"second": round(length + (note.at_ns - end) / NS, 1), "refused": note.alarm, "text": note.text}
        for note in loop.notes
        if note.kind == "integrity"
    ]


def _column(path: Path, least: float, most: float, unit: str, missing: bool = False) -> list[float]:
    """One number a line. Ends the command (status 2) with file, line and what is allowed."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        _refuse(f"{path}: {error.strerror or error}")
    except UnicodeDecodeError:
        _refuse(f"{path}: not a text file; it must hold one number a line")
    values = []
    for number, line in enumerate(lines, 1):
        value = _number(line)
        none = missing and value is not None and (math.isnan(value) or value == MISSING)
        if value is None or not (none or least <= value <= most):
            _refuse(f"{path}, line {number}: {line.strip()[:40]!r}; allowed: one number from {least:g} to {most:g} {unit}")
        values.append(value)
    if not values:
        _refuse(f"{path}: empty; it must hold one number a line, one line a second")
    return values


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _refuse(message: str) -> NoReturn:
    typer.echo(f"{message}.", err=True)
    raise typer.Exit(2)


def _write_trace(path: Path, result: SimulationResult) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("second", "true_error", "error_bound", "state"))
            writer.writerows((row.second, f"{row.true_error:.12e}", f"{row.error_bound:.12e}", row.state.value) for row in result.rows)
    except OSError as error:
        _refuse(f"{path}: {error.strerror or error}")


def _figures(result: SimulationResult) -> dict[str, object]:
    return {
        "rms": result.rms,
        "p99": result.p99,
        "max": result.max,
        "t1": result.t1,
        "frequency_rms": result.frequency_rms,
        "bound_coverage": result.bound_coverage,
        "states": {state.value: seconds for state, seconds in result.states.items()},
    }


def _text(result: SimulationResult, said: list[dict[str, object]]) -> str:
    if result.rms is None or result.p99 is None or result.max is None:
        error = f"true error       not judged: the run does not pass the {SETTLING} s that are left out"
    else:
        error = f"true error       RMS {result.rms * 1e6:.3f} us, p99 {result.p99 * 1e6:.3f} us, max {result.max * 1e6:.3f} us"
    frequency = "not judged" if result.frequency_rms is None else f"RMS {result.frequency_rms * 1e9:.1f} ppb"
    good = "never for 60 s" if result.t1 is None else f"from second {result.t1} on, for at least 60 s"
    states = ", ".join(f"{state.value} {seconds} s" for state, seconds in result.states.items())
    return "\n".join(
        (
            error,
            f"frequency error  {frequency}",
            f"below 1 us       {good}",
            f"error bound      contains the true error in {result.bound_coverage:.4%} of {len(result.rows)} s",
            f"states           {states}",
            *(f"second {each['second']}: {each['text']}" for each in said),
        )
    )

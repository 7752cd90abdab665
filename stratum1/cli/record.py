"""`stratum1 record` and `stratum1 replay`: a bug report is a recording."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from stratum1.recording import RecordingError
from stratum1.replay import Replayed, replay_lines

from .client import ControlClient, ControlError
from .paths import ConfigOption, SocketOption, find_socket

__all__ = ["record", "replay"]


def record(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the recording goes; must not exist.")],
    seconds: Annotated[float, typer.Option(min=1.0, max=86_400.0, metavar="S", help="How long to record.")] = 60.0,
    socket: SocketOption = None,
    config: ConfigOption = None,
) -> None:
    """Record the running daemon's inputs (serial bytes, edges, clock readings) and its steering.

    A recording holds where the antenna is. Exit status 1 if no daemon answers, 2 if the file can't be written.
    """
    until = time.monotonic() + seconds
    try:
        with file.open("xb") as out:
            for chunk in ControlClient(find_socket(socket, config)).stream("POST", "/api/v1/record"):
                out.write(chunk)
                if time.monotonic() >= until:  # a chunk comes at least once a second
                    break
    except ControlError as error:
        if not file.stat().st_size:
            file.unlink()  # or the next try would find it in its way
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    except OSError as error:
        typer.echo(f"{file}: {error.strerror}", err=True)
        raise typer.Exit(2) from None
    typer.echo(f"{file}: {file.stat().st_size} bytes; it holds the position of the antenna")


def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A recording of `stratum1 record` or `stratum1 run --record`.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Run a recording through the same pipeline as the daemon, and show what it makes of it.

    The recorded clock readings are taken as they are, so the clock moves as it did then; for a recording of a whole run the steering
    must agree with what was recorded, to the last bit. Exit status 1 if it does not, 2 if the file is not a recording.
    """
    try:
        result = replay_lines(_lines(file))
    except RecordingError as error:
        typer.echo(f"{file}: {error}", err=True)
        raise typer.Exit(2) from None
    except OSError as error:
        typer.echo(f"{file}: {error.strerror}", err=True)
        raise typer.Exit(2) from None
    typer.echo(json.dumps(_as_dict(result)) if as_json else _as_text(result))
    if result.whole and result.different:
        raise typer.Exit(1)


def _lines(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8", errors="replace", newline="\n") as stream:
        while line := stream.readline(1 << 21):
            yield line


def _as_dict(result: Replayed) -> dict[str, Any]:
    return {
        "inputs": dict(result.inputs),
        "seconds": result.seconds,
        "whole": result.whole,
        "steerings": result.steerings,
        "different": result.different,
        "state": result.report.state.value,
        "reason": result.report.reason,
        "samples": result.report.samples,
        "verdicts": dict(result.report.refclock.verdicts),
        "serial_delays": {e.sentence: e.delay for e in result.report.refclock.delays},
        "alarms": list(result.report.refclock.alarms),
        "events": [[at, note.kind, note.text] for at, note in result.notes],
    }


def _as_text(result: Replayed) -> str:
    agree = "all as recorded" if not result.different else f"{result.different} not as recorded"
    if not result.whole:
        agree += " (the recording began in the middle of a run, so the first ones may differ)"
    lines = [f"{result.seconds:.1f} s, inputs: " + ", ".join(f"{count} {name}" for name, count in result.inputs.items())]
    lines += [f"{at:10.3f} s  {note.kind:9} {note.text}" for at, note in result.notes]
    lines += [f"steering  {result.steerings}, {agree}", f"state     {result.report.state}: {result.report.reason}"]
    lines += [f"delay     {e.sentence} {e.delay:.4f} s +-{e.spread:.4f}" for e in result.report.refclock.delays]
    lines += [f"alarm     {text}" for text in result.report.refclock.alarms]
    return "\n".join(lines)

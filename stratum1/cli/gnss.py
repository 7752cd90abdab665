"""`stratum1 gnss`: what the receiver says."""

import json
from pathlib import Path
from typing import Annotated

import typer

from stratum1.gnss import RecordedEpoch, decode_recording, epoch_dict, epoch_line, recording_counters
from stratum1.timescale import UtcNs, from_rfc3339

__all__ = ["app", "decode"]

_EARLIEST, _LATEST = from_rfc3339("1980-01-01"), from_rfc3339("2200-01-01")

app = typer.Typer(help="What the GNSS receiver says.", no_args_is_help=True)


@app.command()
def decode(
    file: Annotated[Path, typer.Argument(help="A recorded byte stream.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object an epoch.")] = False,
    not_before: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Move dates before DATE by multiples of 1024 weeks.", show_default=False),
    ] = None,
) -> None:
    """Decode a recording, one line an epoch."""
    try:
        floor = _floor(not_before)
        data = file.read_bytes()
    except ValueError:
        typer.echo(f"--not-before {not_before}: not a date from 1980 to 2200; write it as 2017-01-01.", err=True)
        raise typer.Exit(2) from None
    except OSError as error:
        typer.echo(f"{file}: {error.strerror or error}.", err=True)
        raise typer.Exit(2) from None
    told = False
    for epoch in decode_recording(data, floor):
        told = True
        typer.echo(_line(epoch, as_json))
    if not told:
        typer.echo(_nothing(file, data), err=True)


def _floor(text: str | None) -> UtcNs | None:
    """Raises ValueError for what is no date, or one so far off that no receiver's date can be moved there."""
    if text is None:
        return None
    floor = from_rfc3339(text)
    if not _EARLIEST <= floor < _LATEST:
        raise ValueError(text)
    return floor


def _line(epoch: RecordedEpoch, as_json: bool) -> str:
    return json.dumps(epoch_dict(epoch)) if as_json else epoch_line(epoch)


def _nothing(file: Path, data: bytes) -> str:
    counters = recording_counters(data)
    sentences = sum(count for kind, count in counters.sentences.items() if not kind.startswith("UBX-"))
    faults = ", ".join(f"{count} x {reason.value}" for reason, count in counters.rejects.items())
    return (
        f"{file}: no epoch in {len(data)} bytes: {sentences} NMEA sentences, {counters.ubx_frames} UBX frames, rejects: {faults or 'none'}."
    )

"""`stratum1 query`: asks any NTP server for the time, once."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from stratum1.interchange import Leap
from stratum1.nts.records import KE_PORT
from stratum1.sources import Answer, QueryError
from stratum1.sources import query as ask
from stratum1.sources.protocol import NTP_PORT, Measurement, Target, parse_target
from stratum1.timescale import UtcNs, rfc3339

__all__ = ["Secured", "query"]


@dataclass(frozen=True, slots=True)
class Secured:
    """What is told of NTS: for the JSON, and as rows for people."""

    as_dict: dict[str, object]
    rows: tuple[tuple[str, str], ...]


_LEAPS = {Leap.NONE: "none", Leap.INSERT: "61 s in the month's last minute", Leap.DELETE: "59 s in the month's last minute"}


def query(
    server: Annotated[str, typer.Argument(metavar="HOST[:PORT]", help="Name or address; an IPv6 address with a port in brackets.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    nts: Annotated[
        bool, typer.Option("--nts", help="Authenticate with NTS; PORT is then that of key establishment (TCP), 4460 if not given.")
    ] = False,
    ca: Annotated[
        Path | None, typer.Option("--ca", metavar="FILE", help="With --nts: PEM of the authority to believe, instead of the system's.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.05, max=60.0, metavar="S", help="Seconds to wait for each of 3 requests.")] = 2.0,
) -> None:
    """Ask a server for the time once; show the four timestamps, offset (server minus us), delay and error bound.

    Exit status 0 if the server knows the time, 1 if it does not or does not answer, 2 if the arguments are wrong.
    """
    if ca is not None and not nts:
        typer.echo("--ca: only NTS has a use for an authority; add --nts.", err=True)
        raise typer.Exit(2)
    try:
        target = parse_target(server, KE_PORT if nts else NTP_PORT)
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    try:
        answer, secured = _ask(target, timeout, nts, ca)
    except QueryError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    typer.echo(json.dumps(_as_dict(server, answer, secured)) if as_json else _as_text(server, answer, secured))
    if not answer.measurement.synchronised:
        typer.echo("The server says that it does not know the time.", err=True)
        raise typer.Exit(1)


def _ask(target: Target, timeout: float, nts: bool, ca: Path | None) -> tuple[Answer, Secured | None]:
    if not nts:
        return ask(target, timeout), None
    from .query_nts import ask_with_nts  # noqa: PLC0415 - what it takes to load is not for those who ask plainly

    return ask_with_nts(target, timeout, ca)


def _as_dict(server: str, answer: Answer, secured: Secured | None) -> dict[str, object]:
    """Seconds as numbers, instants as RFC 3339 text, names as in the RFC."""
    told = answer.measurement
    return {
        "server": server,
        "address": answer.address,
        "port": answer.port,
        "version": told.version,
        "synchronised": told.synchronised,
        "leap": int(told.leap),
        "stratum": told.stratum,
        "refid": told.refid_text,
        "poll": told.poll,
        "precision": told.precision,
        "root_delay": told.root_delay,
        "root_dispersion": told.root_dispersion,
        "reference_time": None if told.reference_time is None else rfc3339(told.reference_time),
        "origin_time": rfc3339(told.sent),
        "receive_time": rfc3339(told.received),
        "transmit_time": rfc3339(told.answered),
        "destination_time": rfc3339(told.returned),
        "offset": told.offset,
        "delay": told.delay,
        "error_bound": told.error_bound,
        "authenticated": secured is not None,
        **({} if secured is None else {"nts": secured.as_dict}),
    }


def _as_text(server: str, answer: Answer, secured: Secured | None) -> str:
    told = answer.measurement
    side = "ours is behind" if told.offset > 0 else "ours is ahead"
    rows = [
        ("leap", _LEAPS.get(told.leap, "unknown: not synchronised")),
        ("stratum", str(told.stratum)),
        ("reference", f"{told.refid_text or 'none'}{_last_update(told)}"),
        ("T1 sent", _time(told.sent)),
        ("T2 received", f"{_time(told.received)}  (server's clock)"),
        ("T3 answered", f"{_time(told.answered)}  (server's clock)"),
        ("T4 back", _time(told.returned)),
        ("offset", f"{told.offset:+.9f} s  (server minus us: {side})"),
        ("delay", f"{told.delay:.9f} s"),
        ("root delay", f"{told.root_delay:.6f} s"),
        ("root dispersion", f"{told.root_dispersion:.6f} s"),
        ("error bound", f"{told.error_bound:.9f} s  (delay / 2 + root delay / 2 + root dispersion)"),
    ]
    rows += [] if secured is None else list(secured.rows)
    head = f"{server}: {answer.address} port {answer.port}, NTP version {told.version}{', authenticated by NTS' if secured else ''}"
    return "\n".join([head, *(f"  {name:<16}{value}" for name, value in rows)])


def _last_update(told: Measurement) -> str:
    return "" if told.reference_time is None else f", last update {_time(told.reference_time)}"


def _time(instant: UtcNs) -> str:
    return rfc3339(instant)

"""`stratum1 bench`: load for a time server of one's own, and how it bears it."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from functools import partial
from ipaddress import IPv4Address
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from stratum1.dataplane import MISSING, native
from stratum1.sources.protocol import parse_target

from .bench_load import Load, figures, highest, served_time, watched
from .bench_nts import authentic, establish, ready_requests
from .bench_target import BenchTarget, frame_addresses, refusal, resolve

__all__ = ["bench"]

_KE_PORT = 4460
_LOOPBACK_CLIENTS = IPv4Address("127.1.0.1")
_MOST_RATE = 1e7


class Mode(StrEnum):
    """What is asked for."""

    PLAIN = "plain"
    INTERLEAVED = "interleaved"
    NTS = "nts"
    KE = "ke"


def bench(
    target: Annotated[str, typer.Argument(metavar="HOST[:PORT]", help="Loopback, or in a network namespace of its own.")],
    *,
    mode: Annotated[Mode, typer.Option(help="Requests as clients send them, or NTS key establishments.")] = Mode.PLAIN,
    rate: Annotated[float, typer.Option(min=0.1, max=_MOST_RATE, metavar="R", help="Requests or key establishments a second.")] = 1000.0,
    saturate: Annotated[
        bool, typer.Option("--saturate", help="Find the highest rate at which under 1 % is lost (ke: as many as CLIENTS can).")
    ] = False,
    clients: Annotated[
        int, typer.Option(min=1, max=65_536, metavar="N", help="Client addresses (IPv4); ke: connections at a time, up to 256.")
    ] = 1,
    seconds: Annotated[float, typer.Option(min=0.1, max=86_400.0, metavar="S", help="How long.")] = 5.0,
    served: Annotated[
        bool, typer.Option("--served-time", help="Ask one by one with kernel stamps: the error of a server on this very clock.")
    ] = False,
    interface: Annotated[
        str | None, typer.Option(metavar="NAME", help="Send whole frames here (root), from addresses that need not exist.")
    ] = None,
    clients_from: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="First client address (loopback: 127.1.0.1).", show_default=False)
    ] = None,
    sample: Annotated[
        int, typer.Option(min=1, max=64, metavar="N", help="Expect answers to every Nth request only: others are dropped on their way.")
    ] = 1,
    aead: Annotated[int, typer.Option(help="AEAD of NTS: 15, 16, 17 or 30.")] = 15,
    ke_port: Annotated[int, typer.Option(min=1, max=65535, metavar="PORT", help="TCP port of key establishment.")] = _KE_PORT,
    name: Annotated[str, typer.Option(help="Name asked for in TLS; the certificate is not checked.")] = "localhost",
    own: Annotated[bool, typer.Option("--i-own-this-server", help="Send load to any address: you answer for it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object; seconds as numbers.")] = False,
) -> None:
    """Send requests at fixed instants, whatever comes back (an open loop), and show losses, latencies and rates.

    Latency counts from the instant at which a request was due to the kernel's stamp of its answer. Exit status 0 if anything was
    answered, 1 if nothing was, 2 if the arguments are wrong or the target is refused.
    """
    crate = native()
    if crate is None:
        _refuse(f"bench needs the native data plane: {MISSING}")
    server = _target(target, own)
    keys_at = BenchTarget(server.host, ke_port)
    load = _load(server, mode, clients, sample, (interface, clients_from))
    run = _Run(crate, keys_at if mode is Mode.KE else server, seconds, quiet=as_json)
    with run.errors():
        if served:
            found = run.served_time(rate, mode is Mode.INTERLEAVED)
        elif mode is Mode.KE:
            found = run.handshakes(math.inf if saturate else rate, min(clients, 256), name, aead)
        elif mode is Mode.NTS:
            found = run.authenticated(load, None if saturate else rate, (keys_at, name, aead))
        else:
            found = run.requests(load, None if saturate else rate)
    found.pop("kept", None)
    found = {"target": str(keys_at if mode is Mode.KE else server), "mode": mode.value, "clients": clients, "sample": sample, **found}
    typer.echo(json.dumps(found) if as_json else _text(found))
    if not (found.get("answered") or found.get("done") or found.get("exchanges")):
        raise typer.Exit(1)


def _refuse(message: str) -> NoReturn:
    typer.echo(f"{message}.", err=True)
    raise typer.Exit(2)


def _target(text: str, own: bool) -> BenchTarget:
    try:
        server = resolve(parse_target(text))
    except ValueError as error:
        _refuse(str(error))
    why = "" if own else refusal(server.host)
    if why:
        _refuse(f"{server} is refused: {why}. --i-own-this-server says that you may")
    return server


def _load(server: BenchTarget, mode: Mode, clients: int, sample: int, way: tuple[str | None, str | None]) -> Load:
    interface, clients_from = way
    first = None
    try:
        if clients_from is not None:
            first = IPv4Address(clients_from)
    except ValueError:
        _refuse(f"--clients-from {clients_from}: an IPv4 address is expected")
    if mode is Mode.KE:
        return Load()
    if first is None and (clients > 1 or interface is not None):
        if not server.host.is_loopback:
            _refuse("--clients-from is needed: the first address of the clients")
        first = _LOOPBACK_CLIENTS
    if first is not None and not isinstance(server.host, IPv4Address):
        _refuse(f"{server}: many client addresses are possible with IPv4 only")
    try:
        frames = None if interface is None else frame_addresses(interface, IPv4Address(server.host))
    except ValueError as error:
        _refuse(f"--interface {error}")
    return Load(mode.value, (), clients, first, frames, sample)


class _Run:
    """The native generator at one server, with a progress bar."""

    def __init__(self, crate: Any, server: BenchTarget, seconds: float, *, quiet: bool) -> None:
        self._crate = crate
        self._address = (str(server.host), server.port)
        self._seconds = seconds
        self._quiet = quiet

    @contextmanager
    def errors(self) -> Iterator[None]:
        """What the network or the arguments make impossible ends the command."""
        try:
            yield
        except (OSError, ValueError) as error:
            _refuse(f"bench: {error}")

    def requests(self, load: Load, rate: float | None) -> dict[str, Any]:
        """At a rate, or (None) at the highest."""
        return highest(partial(self._at, load), self._seconds) if rate is None else self._at(load, rate, self._seconds)

    def authenticated(self, load: Load, rate: float | None, keys_from: tuple[BenchTarget, str, int]) -> dict[str, Any]:
        """The same with NTS. authentic: of `checked` answers, how many were authenticated and brought a cookie."""
        keys = establish(self._crate, *keys_from)
        requests = ready_requests(keys, load.open)
        found = self.requests(replace(load, mode="ready", ready=requests), rate)
        return {**found, "aead": keys.aead.value, "checked": len(found["kept"]), "authentic": authentic(keys, requests, found["kept"])}

    def _at(self, load: Load, rate: float, seconds: float) -> dict[str, Any]:
        plan = load.plan(rate, seconds)
        found = self._watched(f"{rate:,.0f}/s", rate * seconds, lambda watch: self._crate.load_requests(watch, *self._address, plan))
        return {"rate": rate, **figures(found)}

    def served_time(self, rate: float, interleaved: bool) -> dict[str, Any]:
        """Error of the served time."""
        count = round(rate * self._seconds)
        asked = {"rate": rate, "count": count, "interleaved": interleaved}
        found = self._watched("one by one", count, lambda watch: self._crate.load_served_time(watch, *self._address, **asked))
        return {"rate": rate, **served_time(found)}

    def handshakes(self, rate: float, threads: int, name: str, aead: int) -> dict[str, Any]:
        """Key establishments."""
        asked = {"name": name, "aead": aead, "rate": rate, "seconds": self._seconds, "threads": threads}
        total = None if math.isinf(rate) else rate * self._seconds
        found = self._watched("handshakes", total, lambda watch: self._crate.load_handshakes(watch, *self._address, **asked))
        return {"rate": None if math.isinf(rate) else rate, **found, "done_per_second": found["done"] / found["seconds"]}

    def _watched(self, title: str, total: float | None, call: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        console = Console(stderr=True)
        if self._quiet or not console.is_terminal:
            return watched(self._crate, call)
        columns = TextColumn("{task.description:>12}"), BarColumn(), TextColumn("{task.fields[answered]:,} answered"), TimeElapsedColumn()
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task(title, total=total, answered=0)
            return watched(self._crate, call, lambda sent, answered: progress.update(task, completed=sent, answered=answered))


def _text(found: dict[str, Any]) -> str:
    rows = {"exchanges": _served_rows, "done": _handshake_rows, "sent": _request_rows}
    make = next(make for key, make in rows.items() if key in found)
    head = f"{found['target']}, {found['mode']}" + (" (ended early)" if found.get("interrupted") else "")
    return "\n".join([head, *(f"  {name:<22}{value}" for name, value in make(found))])


def _request_rows(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "sent", f"{found['sent']:,} in {found['seconds']:.2f} s: {found['sent_per_second']:,.0f}/s of {found['rate']:,.0f}/s wanted"
    if found["skipped"] or found["refused"]:
        yield "never sent", f"{found['skipped']:,} since this machine fell behind, {found['refused']:,} refused by its kernel"
    if found["loss"] is not None:
        yield "answered", f"{found['answered']:,} of {found['expected']:,}: {found['answered_per_second']:,.0f}/s"
        yield "lost", f"{found['lost']:,}, {found['loss']:.3%}"
    if found["mode"] == Mode.INTERLEAVED:
        yield "interleaved", f"{found['interleaved']:,}; {found['interleaved_clients']:,} clients at the end"
    if "aead" in found:
        yield "NTS", f"AEAD {found['aead']}; {found['authentic']} of {found['checked']} answers looked at are authentic"
    if found["unsynchronised"] or found["kisses"]:
        kisses = ", ".join(f"{count:,} {code}" for code, count in found["kisses"].items())
        yield "not time", f"{found['unsynchronised']:,} unsynchronised" + (f", kisses: {kisses}" if kisses else "")
    yield "strays", f"{found['strays']:,} packets that answer nothing"
    yield "latency", _latency(found["latency"])
    yield "left late by", f"at most {found['latest'] * 1e6:,.0f} us (the generator's own doing)"
    if "limit" in found:
        yield "limit", f"the {found['limit']}"


def _handshake_rows(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "established", f"{found['done']:,} in {found['seconds']:.2f} s: {found['done_per_second']:,.0f}/s, {found['cookies']:,} cookies"
    for reason, count in found["failed"].items():
        yield "failed", f"{count:,}: {reason}"
    yield "latency", _latency(found["latency"])


def _served_rows(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "exchanges", f"{found['exchanges']:,}, {found['lost']:,} lost, {found['rate']:,.0f}/s"
    if found["exchanges"]:
        yield "error, median", f"{found['offset_median'] * 1e6:+.3f} us (server minus client, which read one clock)"
        yield "error, size", f"p99 {found['offset_size_p99'] * 1e6:.3f} us, max {found['offset_size_max'] * 1e6:.3f} us"
        yield "round trip, median", f"{found['delay_median'] * 1e6:.3f} us, and {found['turnaround_median'] * 1e6:.3f} us in the server"


def _latency(found: dict[str, float | None]) -> str:
    return ", ".join(f"{name} {value * 1e6:,.1f} us" for name, value in found.items() if value is not None) or "nothing was answered"

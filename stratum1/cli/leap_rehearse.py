"""`stratum1 leap rehearse`: a leap second on virtual time, with the daemon's own code, told as it passes."""

import json
from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any, Literal

import typer

from stratum1.control.words import LEAP_WORDS, STATE_WORDS, time_span
from stratum1.interchange import Leap
from stratum1.server import Smear, smear_ns
from stratum1.simulation import LeapScenario, Moment, Rehearsal, rehearse

__all__ = ["run"]

_DAY = 86_400
_SETTLED, _STEADY = 120, 1700  # s: until it is locked; until a receiver has said the same for long enough
_CLOSE = 2.5
_GOOD = 1e-3
_TOLD = ("leap", "lock", "step")

ListKind = Literal["listed", "none", "expired", "missing"]


# Enumerations, since the typer of Debian trixie takes no Literal.
class _List(StrEnum):
    LISTED = "listed"
    NONE = "none"
    EXPIRED = "expired"
    MISSING = "missing"


class _Receiver(StrEnum):
    ANNOUNCES = "announces"
    DENIES = "denies"
    SILENT = "silent"


class _Liar(StrEnum):
    NOBODY = "nobody"
    RECEIVER = "receiver"
    SOURCE = "source"
    BOTH = "both"


def run(
    *,
    sign: Annotated[int, typer.Option(min=-1, max=1, help="1: a second is inserted; -1: one is deleted.")] = 1,
    list_kind: Annotated[
        _List,
        typer.Option(
            "--list", help='What the list says: it has the leap second ("listed"), it is valid and has none, expired, or missing.'
        ),
    ] = _List.LISTED,
    receiver: Annotated[
        _Receiver, typer.Option(help="What the receiver announces; one that speaks NMEA only is silent.")
    ] = _Receiver.ANNOUNCES,
    sources: Annotated[int, typer.Option(min=0, max=16, help="How many other servers there are; all of them announce.")] = 0,
    false: Annotated[
        _Liar,
        typer.Option("--false", help="Nothing really happens: who announces it all the same (of the servers, the first one)."),
    ] = _Liar.NOBODY,
    smear: Annotated[Smear, typer.Option(help="Tell also what a listener that smears would show.")] = Smear.NONE,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Rehearse a leap second: who believes whom, what clients are told, and how right it is, second by second.

    Touches nothing of this machine. Exit status 0 if every time given was right, 1 if not, 2 for bad usage.
    """
    if sign == 0:
        typer.echo("--sign 0: allowed are 1 (a second is inserted) and -1 (one is deleted).", err=True)
        raise typer.Exit(2)
    scenario = _scenario(sign, list_kind.value, receiver, sources, false)
    legs = (replace(scenario, before=_DAY + scenario.before, after=20 - _DAY), scenario)
    done = [rehearse(leg) for leg in legs]
    good = all(_good(each) for each in done)
    typer.echo(json.dumps(_figures(done, smear)) if as_json else "\n".join(_text(done, smear)))
    if not good:
        raise typer.Exit(1)


def _scenario(sign: int, list_kind: ListKind, receiver: str, sources: int, false: str) -> LeapScenario:
    heard: int | None = {"announces": sign, "denies": 0, "silent": None}[receiver]
    if false == "nobody":
        before = _SETTLED if list_kind == "listed" else _STEADY
        return LeapScenario(sign, list=list_kind, receiver=heard, sources=(sign,) * sources, before=before)
    lying = false in ("receiver", "both")
    claims = [0] * max(sources, 3 if false != "receiver" else sources)
    if false in ("source", "both"):
        claims[0] = sign
    kind = "none" if list_kind == "listed" else list_kind
    claim = sign if lying else None if receiver == "silent" else 0
    makes = sign if lying else 0
    return LeapScenario(0, list=kind, receiver=claim, receiver_makes=makes, sources=tuple(claims), before=_STEADY, after=1200)


def _good(each: Rehearsal) -> bool:
    return each.locked_at is not None and each.worst < _GOOD and not each.steps


def _text(done: list[Rehearsal], smear: Smear) -> Iterator[str]:
    for title, each in zip(("The last day begins", "The leap second"), done, strict=True):
        yield f"{title}:"
        lines = [*((moment.label, _moment(moment, smear)) for moment in _interesting(each)), *_notes(each)]
        last = ""
        for label, text in sorted(lines, key=lambda line: line[0]):
            day = label[:10]
            yield f"  {day if day != last else ' ' * 10} {label[11:21]}  {text}"
            last = day
        yield ""
    if alarms := _alarms(done):
        yield from ("Alarms:", *(f"  ! {text}" for text in alarms), "")
    yield _verdict(done)


def _alarms(done: list[Rehearsal]) -> list[str]:
    return list(dict.fromkeys(text for each in done for text in each.alarms))


def _interesting(each: Rehearsal) -> Iterator[Moment]:
    """The moments around the leap second, and those at which what is told has changed."""
    last: Moment | None = None
    for moment in each.moments:
        same = last is not None and (moment.leap, moment.state, moment.tai_offset) == (last.leap, last.state, last.tai_offset)
        if not same or abs(moment.seconds) <= _CLOSE:
            yield moment
        last = moment


def _notes(each: Rehearsal) -> Iterator[tuple[str, str]]:
    for label, note in each.notes:
        if note.kind in _TOLD or note.alarm:
            yield label, f"{'! ' if note.alarm else '- '}{note.text}"


def _moment(moment: Moment, smear: Smear) -> str:
    told = f"leap {int(moment.leap)} ({LEAP_WORDS[int(moment.leap)]})"
    right = "no time is given" if moment.error is None else f"served {time_span(moment.error)} off the truth"
    tai = "" if moment.tai_offset is None else f", TAI-UTC {moment.tai_offset} s"
    shown = ""
    if smear is not Smear.NONE and moment.leap is not Leap.UNKNOWN and not (moment.leap is Leap.INSERT and -1 <= moment.seconds <= 0):
        offset = smear_ns(smear, moment.told.smeared_leap, moment.told.bound_at) / 1e9
        shown = f"; smeared: UTC {offset:+.6f} s"
    return f"{told}, {right}{tai}, {STATE_WORDS[moment.state.value]}{shown}"


def _verdict(done: list[Rehearsal]) -> str:
    if any(each.locked_at is None for each in done):
        return "The clock was never locked: the rehearsal says nothing."
    worst = max(each.worst for each in done)
    steps = sum(each.steps for each in done)
    plan = any(moment.plan is not None for moment in done[1].moments)
    what = "was made" if plan and done[1].scenario.sign else "was not made" if not plan else "was made although nothing happened"
    return (
        f"The leap second {what}. Every time given was right to {time_span(worst)}; the discipline made {steps} steps after the first lock."
    )


def _figures(done: list[Rehearsal], smear: Smear) -> dict[str, Any]:
    return {
        "worst": max(each.worst for each in done),
        "steps": sum(each.steps for each in done),
        "good": all(_good(each) for each in done),
        "tai_offset": done[1].report.tai_offset,
        "alarms": _alarms(done),
        "moments": [
            {
                "time": moment.label,
                "leap": int(moment.leap),
                "error": moment.error,
                "state": moment.state.value,
                "tai_offset": moment.tai_offset,
                "smear": smear_ns(smear, moment.told.smeared_leap, moment.told.bound_at) / 1e9,
            }
            for each in done
            for moment in _interesting(each)
        ],
    }

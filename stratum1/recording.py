"""A recording: the pipeline's inputs and what it made of them, one JSON array a line, after a header that holds its settings.

Kinds of line: s serial bytes, l line state, g decoded events (never written by the daemon), e edge, t tick, d disturbance, i owner's word,
v temperature, m finished measurement against a server, y list of leap seconds, p leap second made by our clock; o is the output that
the input before it led to. Lines of a receiver other than the first end with its number. Pure: text in, values out; nothing is believed
unchecked, since recordings come with bug reports from strangers.
"""

import base64
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from types import NoneType
from typing import Any, TypeVar, get_args

from .clock import ClockLimits
from .discipline import CrystalMemory, DisciplineSettings, DriftRecord
from .inputs import (
    DisturbedInput,
    EdgeInput,
    EnvironmentInput,
    Input,
    LeapListInput,
    LeapStepInput,
    LineInput,
    SampleInput,
    SerialInput,
    TickInput,
    TrustInput,
)
from .integrity import IntegritySettings
from .interchange import Environment, KernelClockId, Leap, Reading, Sample, Steering
from .pipeline import PipelineSettings
from .pps.events import Edge, EdgeKind
from .refclock import RefClockSettings
from .selection import SelectionSettings, SourceOptions
from .timescale import LeapTable, MonoNs, UtcNs

__all__ = ["Header", "RecordedOutput", "RecordingError", "encode_header", "encode_input", "encode_output", "read_recording"]

FORMAT = "stratum1-recording"
VERSION = 1
_LONGEST_LINE = 1 << 20
_Word = TypeVar("_Word", bound=StrEnum)


class RecordingError(ValueError):
    """A line of a recording is not what it should be; the message names the line, the field and what would be right."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the pipeline was made of when the recording began. whole: it began with the daemon, so a replay must agree exactly."""

    settings: PipelineSettings
    limits: ClockLimits
    drift: DriftRecord | None
    leaps: LeapTable | None
    whole: bool


@dataclass(frozen=True, slots=True)
class RecordedOutput:
    """The steering that the recorded daemon put into force after the input before."""

    steering: Steering


def encode_header(header: Header) -> str:
    """The first line, without its newline."""
    settings = asdict(header.settings)
    for table, receiver in zip((settings["refclock"], *settings["more"]), header.settings.receivers, strict=True):
        table["refid"] = receiver.refid.hex()
    document = {
        FORMAT: VERSION,
        "whole": header.whole,
        "settings": settings,
        "limits": asdict(header.limits),
        "drift": asdict(header.drift) if header.drift else None,
        "leaps": asdict(header.leaps) if header.leaps else None,
    }
    return json.dumps(document, separators=(",", ":"))


def encode_input(event: Input) -> str:
    """One input as a line, without its newline. Raises TypeError for decoded events, which have no bytes to keep."""
    row: list[object]
    match event:
        case SerialInput():
            row = ["s", event.reading.at_ns, event.reading.clock_ns, base64.b64encode(event.data).decode(), *_number(event.receiver)]
        case LineInput():
            row = ["l", event.at_ns, event.is_open, event.text, *_number(event.receiver)]
        case EdgeInput():
            e = event.edge
            row = [
                "e",
                event.reading.at_ns,
                event.reading.clock_ns,
                e.kind,
                e.sequence,
                e.stamp_ns,
                e.clock,
                e.missed,
                *_number(event.receiver),
            ]
        case TickInput():
            row = ["t", event.reading.at_ns, event.reading.clock_ns]
        case TrustInput():
            row = ["i", event.at_ns]
        case DisturbedInput():
            row = ["d", event.at_ns, event.offset]
        case EnvironmentInput():
            row = ["v", event.environment.at_ns, event.environment.temperature]
        case SampleInput():
            row = ["m", event.clock_ns, event.reach, event.poll, {**asdict(event.sample), "refid": event.sample.refid.hex()}]
        case LeapListInput():
            row = ["y", event.at_ns, asdict(event.table) if event.table else None]
        case LeapStepInput():
            row = ["p", event.at_ns, event.sign]
        case _:
            raise TypeError(f"{type(event).__name__} is not recorded")
    return json.dumps(row, separators=(",", ":"))


def _number(receiver: int) -> list[object]:
    """What a line ends with: nothing for the first receiver."""
    return [receiver] if receiver else []


def encode_output(steering: Steering) -> str:
    """A steering as a line, without its newline."""
    return json.dumps(["o", steering.frequency, steering.phase_rate, steering.step])


def read_recording(lines: Iterable[str]) -> Iterator[Header | Input | RecordedOutput]:
    """The header, then inputs and outputs in their order. Raises RecordingError at the first line that is wrong.

    A last line without its newline was cut by a power failure or a full disk, and is left out.
    """
    number = 0
    for number, line in enumerate(lines, 1):
        try:
            if number == 1:
                yield _header(_json(line))
            elif line.endswith("\n"):
                yield _row(_json(line))
        except (KeyError, IndexError, TypeError, ValueError, OverflowError, RecursionError) as error:
            what = f"field {error} is missing" if isinstance(error, KeyError) else str(error)
            raise RecordingError(f"line {number}: {what}") from None
    if number == 0:
        raise RecordingError("line 1: the recording is empty")


def _json(line: str) -> Any:
    if len(line) > _LONGEST_LINE:
        raise ValueError(f"longer than {_LONGEST_LINE} characters")
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error})") from None


def _header(document: Any) -> Header:
    if not isinstance(document, dict) or document.get(FORMAT) != VERSION:
        raise ValueError(f'not a recording of this version (expected "{FORMAT}": {VERSION})')
    settings = _table(document, "settings")
    floor = _value(settings["floor"], UtcNs | None, "floor")
    return Header(
        settings=PipelineSettings(
            discipline=DisciplineSettings(**_fields(DisciplineSettings, _table(settings, "discipline"), "discipline")),
            refclock=_refclock(_table(settings, "refclock")),
            floor=floor,
            repair=_value(settings["repair"], bool, "repair"),
            servers_steer=_value(settings["servers_steer"], bool, "servers_steer"),
            selection=_selection(_table(settings, "selection")),
            integrity=IntegritySettings(**_fields(IntegritySettings, _table(settings, "integrity"), "integrity")),
            more=tuple(_refclock(_object(each, "more")) for each in settings["more"]),
        ),
        limits=_limits(_table(document, "limits")),
        drift=_drift(_table(document, "drift")) if document["drift"] is not None else None,
        leaps=_leap_table(_table(document, "leaps")) if document["leaps"] is not None else None,
        whole=_value(document["whole"], bool, "whole"),
    )


def _refclock(table: dict[str, Any]) -> RefClockSettings:
    delays = {kind: _finite(value, f"refclock.delays.{kind}") for kind, value in _table(table, "delays").items()}
    special = {"refid": _refid(table["refid"], "refclock.refid"), "edge": _word(EdgeKind, table["edge"], "refclock.edge"), "delays": delays}
    return RefClockSettings(**_fields(RefClockSettings, table, "refclock", special))


def _drift(table: dict[str, Any]) -> DriftRecord:
    known = table.get("crystal")
    crystal = None if known is None else CrystalMemory(**_fields(CrystalMemory, _object(known, "drift.crystal"), "drift.crystal"))
    return DriftRecord(**_fields(DriftRecord, table, "drift", {"crystal": crystal}))


def _selection(table: dict[str, Any]) -> SelectionSettings:
    options = {
        name: SourceOptions(**_fields(SourceOptions, _object(each, "selection.options"), "selection.options"))
        for name, each in _table(table, "options").items()
    }
    return SelectionSettings(**_fields(SelectionSettings, table, "selection", {"options": options}))


def _limits(table: dict[str, Any]) -> ClockLimits:
    limits = ClockLimits(**_fields(ClockLimits, table, "limits"))
    if not 0 < limits.max_frequency <= 1 or not 0 < limits.max_slew <= 1 or not -64 <= limits.precision <= 0:
        raise ValueError(f"limits: out of range: {limits}")
    return limits


def _leap_table(leaps: dict[str, Any]) -> LeapTable:
    starts = tuple(UtcNs(_whole(v, "leaps.starts")) for v in leaps["starts"])
    offsets = tuple(_whole(v, "leaps.offsets") for v in leaps["offsets"])
    if not starts or len(starts) != len(offsets) or list(starts) != sorted(set(starts)):
        raise ValueError("leaps: starts and offsets must be equally many, at least one, ascending")
    if any(abs(offset) >= 1000 for offset in offsets):
        raise ValueError("leaps.offsets: each must be below 1000 s")
    origin = _printable(str(_value(leaps.get("origin", ""), str, "leaps.origin")))
    return LeapTable(starts, offsets, UtcNs(_whole(leaps["expires"], "leaps.expires")), origin)


def _fields(kind: type[Any], table: dict[str, Any], name: str, special: dict[str, Any] | None = None) -> dict[str, Any]:
    """The arguments of a dataclass of numbers, words and flags; `special` holds those that are read already."""
    values = dict(special or {})
    for each in fields(kind):
        if each.name not in values:
            values[each.name] = _value(table[each.name], each.type, f"{name}.{each.name}")
    unknown = sorted(table.keys() - values.keys())
    if unknown:
        raise ValueError(f"{name}.{unknown[0][:40]}: unknown")
    return values


def _value(value: Any, kind: Any, name: str) -> Any:
    if NoneType in get_args(kind):
        return None if value is None else _value(value, get_args(kind)[0], name)
    if kind in (bool, str):
        if not isinstance(value, kind):
            raise ValueError(f"{name}: must be a {'flag' if kind is bool else 'text'}, not {str(value)[:40]}")
        return value
    return _finite(value, name) if kind is float else _whole(value, name)


def _row(row: Any) -> Input | RecordedOutput:
    if not isinstance(row, list) or not row:
        raise ValueError("expected a JSON array")
    if row[0] in ("s", "l", "e", "y", "p", "d", "i"):
        return _from_receiver(row) if row[0] in ("s", "l", "e") else _from_owner(row) if row[0] in ("d", "i") else _of_leaps(row)
    match row:
        case ["t", at, clock]:
            return TickInput(_reading(at, clock))
        case ["v", at, temperature]:
            return EnvironmentInput(Environment(MonoNs(_whole(at, "at")), _finite(temperature, "temperature")))
        case ["m", clock, reach, poll, dict(table)]:
            return SampleInput(_sample(table), UtcNs(_whole(clock, "clock")), _whole(reach, "reach") & 0xFF, _whole(poll, "poll"))
        case ["o", frequency, phase_rate, step]:
            return RecordedOutput(Steering(_finite(frequency, "frequency"), _finite(phase_rate, "phase_rate"), _finite(step, "step")))
    raise _unknown(row)


def _from_receiver(row: list[Any]) -> Input:
    match row:
        case ["s", at, clock, str(data), *number] if len(number) < 2:
            return SerialInput(_reading(at, clock), _bytes(data), _receiver(number))
        case ["l", at, bool(is_open), str(text), *number] if len(number) < 2:
            return LineInput(MonoNs(_whole(at, "at")), is_open, _printable(text), _receiver(number))
        case ["e", at, clock, kind, sequence, stamp, source, missed, *number] if len(number) < 2:
            edge = Edge(
                kind=_word(EdgeKind, kind, "kind"),
                sequence=_whole(sequence, "sequence"),
                stamp_ns=_whole(stamp, "stamp"),
                clock=_word(KernelClockId, source, "clock"),
                missed=_whole(missed, "missed"),
            )
            return EdgeInput(_reading(at, clock), edge, _receiver(number))
    raise _unknown(row)


def _from_owner(row: list[Any]) -> Input:
    match row:
        case ["d", at, offset]:
            return DisturbedInput(MonoNs(_whole(at, "at")), _finite(offset, "offset"))
        case ["i", at]:
            return TrustInput(MonoNs(_whole(at, "at")))
    raise _unknown(row)


def _of_leaps(row: list[Any]) -> Input:
    match row:
        case ["y", at, dict() | None as table]:
            return LeapListInput(MonoNs(_whole(at, "at")), _leap_table(table) if table is not None else None)
        case ["p", at, (1 | -1) as sign]:
            return LeapStepInput(MonoNs(_whole(at, "at")), _whole(sign, "sign"))
    raise _unknown(row)


def _unknown(row: list[Any]) -> ValueError:
    return ValueError(f"unknown kind of line or wrong number of fields: {str(row)[:60]}")


def _receiver(number: list[Any]) -> int:
    return _whole(number[0], "receiver") if number else 0


def _sample(table: dict[str, Any]) -> Sample:
    special = {"refid": _refid(table["refid"], "sample.refid"), "leap": Leap(_whole(table["leap"], "sample.leap"))}
    return Sample(**_fields(Sample, {**table, "source": _printable(str(table["source"]))}, "sample", special))


def _refid(text: object, name: str) -> bytes:
    try:
        refid = bytes.fromhex(_value(text, str, name))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if len(refid) != 4:
        raise ValueError(f"{name}: must be four octets")
    return refid


def _reading(at: object, clock: object) -> Reading:
    return Reading(MonoNs(_whole(at, "at")), UtcNs(_whole(clock, "clock")))


def _printable(text: str) -> str:
    """It ends on somebody's terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise ValueError(f"data: not base64 ({error})") from None


def _table(of: Any, key: str) -> dict[str, Any]:
    return _object(of[key], key)


def _object(value: Any, key: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{key}: must be an object")
    return value


def _word(words: type[_Word], value: object, field: str) -> _Word:
    if not isinstance(value, str) or value not in list(words):
        raise ValueError(f"{field}: must be one of {', '.join(words)}, not {str(value)[:40]}")
    return words(value)


def _whole(value: object, field: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 1 << 62:
        raise ValueError(f"{field}: must be a whole number of 63 bits, not {str(value)[:40]}")
    return value


def _finite(value: object, field: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{field}: must be a finite number, not {str(value)[:40]}")
    return float(value)

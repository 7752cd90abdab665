"""Runs a recording through the pipeline that the daemon runs. Pure: lines of text in, a result out."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .inputs import (
    DisturbedInput,
    EdgeInput,
    EnvironmentInput,
    GnssInput,
    Input,
    LeapListInput,
    LeapStepInput,
    LineInput,
    SampleInput,
    SerialInput,
    TickInput,
    TrustInput,
)
from .interchange import Steering
from .pipeline import Note, Pipeline, PipelineReport
from .recording import Header, RecordedOutput, RecordingError, read_recording
from .timescale import NS, MonoNs

__all__ = ["Replayed", "replay_lines"]

_NAMES: dict[type, str] = {
    SerialInput: "serial",
    LineInput: "line",
    GnssInput: "gnss",
    EdgeInput: "edge",
    TickInput: "tick",
    DisturbedInput: "disturbed",
    EnvironmentInput: "environment",
    SampleInput: "sample",
    LeapListInput: "leap-list",
    LeapStepInput: "leap-step",
    TrustInput: "trust",
}


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of a recording. notes: (seconds since the first input, note); different: steerings that are not as recorded."""

    whole: bool
    seconds: float
    inputs: Mapping[str, int]
    notes: tuple[tuple[float, Note], ...]
    steerings: int
    different: int
    report: PipelineReport


def replay_lines(lines: Iterable[str]) -> Replayed:
    """Raises RecordingError at the first line that is wrong."""
    entries = read_recording(lines)
    header = next(entries)
    if not isinstance(header, Header):
        raise RecordingError("line 1: the header is missing")
    pipeline = Pipeline(header.settings, header.limits, header.drift, header.leaps)
    counts: Counter[str] = Counter()
    notes: list[Note] = []
    pending: Steering | None = None
    steerings = different = 0
    first = last = MonoNs(0)
    for entry in entries:
        if isinstance(entry, RecordedOutput):
            steerings += 1
            different += entry.steering != pending
            pending = None
            continue
        if isinstance(entry, Header):
            raise RecordingError("a second header stands in the middle")
        different += pending is not None
        last = _instant(entry)
        first = first or last
        counts[_NAMES[type(entry)]] += 1
        output = pipeline.feed(entry)
        pending = output.steering
        notes += output.notes
    timed = tuple(((note.at_ns - first) / NS, note) for note in notes)
    return Replayed(header.whole, (last - first) / NS, dict(counts), timed, steerings, different, pipeline.report(last))


def _instant(entry: Input) -> MonoNs:
    match entry:
        case LineInput() | DisturbedInput() | TrustInput() | LeapListInput() | LeapStepInput():
            return entry.at_ns
        case EnvironmentInput():
            return entry.environment.at_ns
        case SampleInput():
            return entry.sample.at_ns
        case _:
            return entry.reading.at_ns

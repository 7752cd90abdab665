"""Recordings as text: what is written is read again exactly, and what is wrong is named by line and field."""

import json
import math
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum1.clock import ClockLimits
from stratum1.discipline import DisciplineSettings, DriftRecord
from stratum1.inputs import (
    DisturbedInput,
    EdgeInput,
    EnvironmentInput,
    GnssInput,
    Input,
    LineInput,
    SampleInput,
    SerialInput,
    TickInput,
    TrustInput,
)
from stratum1.integrity import IntegritySettings
from stratum1.interchange import Environment, KernelClockId, Leap, Reading, Sample, Steering
from stratum1.pipeline import PipelineSettings
from stratum1.pps.events import Edge, EdgeKind
from stratum1.recording import Header, RecordedOutput, RecordingError, encode_header, encode_input, encode_output, read_recording
from stratum1.refclock import RefClockSettings
from stratum1.replay import replay_lines
from stratum1.selection import SelectionSettings, SourceOptions
from stratum1.timescale import LeapTable, MonoNs, UtcNs

_T = TypeVar("_T")
LIMITS = ClockLimits(500e-6, 0.1, -24)
PLAIN = Header(PipelineSettings(DisciplineSettings()), LIMITS, None, None, whole=True)
FULL = Header(
    PipelineSettings(
        DisciplineSettings(holdover_limit=1e-4, panic_limit=7.5),
        RefClockSettings(
            edge=EdgeKind.CLEAR, pulse_delay=-3e-8, accuracy=2e-7, refid=b"GAL\0", serial_delay=0.25, delays={"GNRMC": 0.1, "GNZDA": 1.3}
        ),
        UtcNs(1_780_000_000_000_000_000),
        repair=False,
        integrity=IntegritySettings(stationary=False, limit=1.5, earliest=UtcNs(7), radio_weight=0.0),
        selection=SelectionSettings(3, {"second": SourceOptions(prefer=True, trust=True), "µ": SourceOptions(noselect=True)}),
        more=(RefClockSettings("second", refid=b"PPS2"), RefClockSettings("third", delays={"GPGGA": 0.2})),
    ),
    LIMITS,
    DriftRecord(-2e-5, 1e-8, UtcNs(5)),
    LeapTable((UtcNs(0), UtcNs(7)), (37, 38), UtcNs(9)),
    whole=False,
)

whole = st.integers(-(2**62) + 1, 2**62 - 1)
readings = st.builds(Reading, whole.map(MonoNs), whole.map(UtcNs))
finite = st.floats(allow_nan=False, allow_infinity=False)
edges = st.builds(Edge, st.sampled_from(EdgeKind), whole, whole, st.sampled_from(KernelClockId), whole)
words = st.text().filter(str.isprintable)
samples = st.builds(
    Sample,
    words,
    whole.map(MonoNs),
    finite,
    finite,
    finite,
    whole,
    st.binary(min_size=4, max_size=4),
    finite,
    finite,
    whole.map(UtcNs),
    st.sampled_from(Leap),
)
receivers = st.integers(0, 3)
inputs = st.one_of(
    st.builds(SerialInput, readings, st.binary(max_size=300), receivers),
    st.builds(LineInput, whole.map(MonoNs), st.booleans(), words, receivers),
    st.builds(EdgeInput, readings, edges, receivers),
    st.builds(SampleInput, samples, whole.map(UtcNs), st.integers(0, 255), whole),
    st.builds(TickInput, readings),
    st.builds(DisturbedInput, whole.map(MonoNs), finite),
    st.builds(TrustInput, whole.map(MonoNs)),
    st.builds(EnvironmentInput, st.builds(Environment, whole.map(MonoNs), finite)),
)
outputs = st.builds(RecordedOutput, st.builds(Steering, finite, finite, finite))


def line_of(entry: Input | RecordedOutput) -> str:
    return (encode_output(entry.steering) if isinstance(entry, RecordedOutput) else encode_input(entry)) + "\n"


@pytest.mark.parametrize("header", [PLAIN, FULL])
def test_a_header_is_read_again_exactly(header: Header) -> None:
    assert list(read_recording([encode_header(header) + "\n"])) == [header]
    assert "\n" not in encode_header(header)


@settings(deadline=None)
@given(st.lists(st.one_of(inputs, outputs), max_size=20))
def test_every_input_and_output_is_read_again_exactly(entries: list[Input | RecordedOutput]) -> None:
    lines = [encode_header(PLAIN) + "\n", *map(line_of, entries)]
    assert all(line.count("\n") == 1 and line.endswith("\n") for line in lines)
    assert list(read_recording(lines)) == [PLAIN, *entries]


def test_decoded_events_can_t_be_recorded() -> None:
    with pytest.raises(TypeError, match="GnssInput is not recorded"):
        encode_input(GnssInput(Reading(MonoNs(0), UtcNs(0)), ()))


def test_a_last_line_that_was_cut_is_left_out() -> None:
    tick = TickInput(Reading(MonoNs(1), UtcNs(2)))
    lines = [encode_header(PLAIN) + "\n", line_of(tick), line_of(tick)[:-5]]
    assert list(read_recording(lines)) == [PLAIN, tick]
    assert replay_lines(lines).inputs == {"tick": 1}
    with pytest.raises(RecordingError, match="line 2: not JSON"):
        list(read_recording([lines[0], lines[2] + "\n"]))


def test_an_empty_recording_says_so() -> None:
    with pytest.raises(RecordingError, match="line 1: the recording is empty"):
        list(read_recording([]))
    with pytest.raises(RecordingError, match="line 1"):
        replay_lines([""])


def test_a_second_header_is_refused() -> None:
    header = encode_header(PLAIN) + "\n"
    with pytest.raises(RecordingError, match="line 2"):
        replay_lines([header, header])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('["t",1]', "unknown kind of line or wrong number of fields"),
        ('["z",1,2]', "unknown kind"),
        ("{}", "expected a JSON array"),
        ("[]", "expected a JSON array"),
        ('["t",1.5,2]', "at: must be a whole number"),
        ('["t",1,true]', "clock: must be a whole number"),
        ('["t",1,null]', "clock: must be a whole number"),
        ('["t",9223372036854775807,1]', "at: must be a whole number"),
        ('["s",1,2,"?"]', "data: not base64"),
        ('["s",1,2,"é"]', "data: not base64"),
        ('["s",1,2,3]', "unknown kind of line"),
        ('["e",1,2,"rising",1,1,"realtime",0]', "kind: must be one of assert, clear, not rising"),
        ('["e",1,2,"assert",1,1,"tai",0]', "clock: must be one of realtime"),
        ('["e",1,2,[],1,1,"realtime",0]', "kind: must be one of"),
        ('["e",1,2,"assert","1",1,"realtime",0]', "sequence: must be a whole number"),
        ('["v",1,"warm"]', "temperature: must be a finite number"),
        ('["d",1,NaN]', "offset: must be a finite number"),
        ('["d",1,1e999]', "offset: must be a finite number"),
        ('["o",0,0,"x"]', "step: must be a finite number"),
        ('["o",0,Infinity,0]', "phase_rate: must be a finite number"),
        ('["l",1,1,"open"]', "unknown kind"),
        ("[" * 100_000, "line 2"),
        ('["t",1,' + "9" * 5000 + "]", "line 2"),
        ('["t",1,2' + " " * (1 << 20) + "]", "longer than"),
        ("\0", "not JSON"),
    ],
)
def test_a_wrong_line_is_named_with_its_field(line: str, words: str) -> None:
    with pytest.raises(RecordingError, match=r"^line 2: ") as caught:
        list(read_recording([encode_header(PLAIN) + "\n", line + "\n"]))
    assert words in str(caught.value)
    assert len(str(caught.value)) < 300


def changed(path: str, value: object) -> str:
    document = json.loads(encode_header(FULL))
    *parents, last = path.split(".")
    place = document
    for name in parents:
        place = place[name]
    if value is KeyError:
        del place[last]
    else:
        place[last] = value
    return json.dumps(document) + "\n"


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("stratum1-recording", 2, "not a recording of this version"),
        ("whole", KeyError, "'whole' is missing"),
        ("whole", 1, "whole: must be a flag"),
        ("settings", [], "settings: must be an object"),
        ("settings.discipline.engine", "fuzzy", 'discipline = "fuzzy"'),
        ("settings.discipline.engine", 3, "discipline.engine: must be a text"),
        ("settings.discipline.holdover_limit", "1e-3", "discipline.holdover_limit: must be a finite number"),
        ("settings.discipline.holdover_limit", -1, "holdover-limit = -1"),
        ("settings.discipline.stepout", KeyError, "'stepout' is missing"),
        ("settings.discipline.colour", 3, "discipline.colour: unknown"),
        ("settings.refclock.edge", "up", "refclock.edge: must be one of assert, clear"),
        ("settings.refclock.refid", "4750", "refid"),
        ("settings.refclock.refid", "xyz", "refclock.refid"),
        ("settings.refclock.refid", 7, "refclock.refid: must be a text"),
        ("settings.selection.minimum", 0, "minimum-agreeing-sources = 0"),
        ("settings.selection.options", {"a": 1}, "selection.options: must be an object"),
        ("settings.selection.options", {"a": {}}, "field 'prefer' is missing"),
        ("settings.more", [1], "more: must be an object"),
        ("settings.refclock.delays", {"GNRMC": "soon"}, "refclock.delays.GNRMC: must be a finite number"),
        ("settings.refclock.delays", 5, "delays: must be an object"),
        ("settings.refclock.pulse_delay", None, "refclock.pulse_delay: must be a finite number"),
        ("settings.refclock.pulse_delay", 1e300, "pulse-delay"),
        ("settings.refclock.serial_delay", [], "refclock.serial_delay: must be a finite number"),
        ("settings.refclock.has_pulse", "yes", "refclock.has_pulse: must be a flag"),
        ("settings.floor", "2026", "floor: must be a whole number"),
        ("settings.repair", None, "repair: must be a flag"),
        ("limits.precision", 1.5, "limits.precision: must be a whole number"),
        ("limits.precision", 5000, "limits: out of range"),
        ("limits.max_slew", 0, "limits: out of range"),
        ("drift.frequency", "fast", "drift.frequency: must be a finite number"),
        ("drift.saved", 0.5, "drift.saved: must be a whole number"),
        ("drift", 5, "drift: must be an object"),
        ("leaps.offsets", [37], "equally many"),
        ("leaps.offsets", [37, 10**6], "leaps.offsets"),
        ("leaps.starts", [7, 0], "ascending"),
        ("leaps.starts", 7, "line 1"),
        ("leaps.expires", KeyError, "'expires' is missing"),
    ],
)
def test_a_wrong_header_is_named_with_its_field(path: str, value: object, words: str) -> None:
    with pytest.raises(RecordingError, match=r"^line 1: ") as caught:
        list(read_recording([changed(path, value)]))
    assert words in str(caught.value)


@pytest.mark.parametrize("path", ["settings.floor", "drift", "leaps", "settings.refclock.serial_delay"])
def test_what_may_be_absent_may_be_null(path: str) -> None:
    assert len(list(read_recording([changed(path, None)]))) == 1


def test_the_words_of_a_recording_can_t_steer_a_terminal() -> None:
    lines = [encode_header(PLAIN) + "\n", json.dumps(["l", 1, False, "gone\x1b[2J\ud800\n"]) + "\n"]
    assert list(read_recording(lines))[1] == LineInput(MonoNs(1), False, "gone?[2J??")


def outcome(read: Callable[[], _T]) -> _T | str:
    """What was read, or the message of the one error that is allowed."""
    try:
        return read()
    except RecordingError as error:
        return str(error)


_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=8), st.dictionaries(st.text(max_size=12), inner, max_size=4)),
    max_leaves=12,
)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.one_of(st.text(max_size=60), _JSON.map(json.dumps)), max_size=6), st.booleans())
def test_any_lines_lead_to_a_typed_error_or_to_values(lines: list[str], headed: bool) -> None:
    whole_text = ([encode_header(PLAIN) + "\n"] if headed else []) + [line + "\n" for line in lines]
    entries = outcome(lambda: list(read_recording(whole_text)))
    if isinstance(entries, str):
        assert entries.startswith("line ")
    else:
        assert isinstance(entries[0], Header)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_a_header_with_any_one_value_changed_leads_to_a_typed_error_or_to_a_pipeline(data: st.DataObject) -> None:
    document = json.loads(encode_header(FULL))
    place: Any = document
    while isinstance(place, dict) and place:
        key = data.draw(st.sampled_from(sorted(place)))
        if not isinstance(place[key], dict) or data.draw(st.booleans()):
            place[key] = data.draw(_JSON)
            break
        place = place[key]
    tick = line_of(TickInput(Reading(MonoNs(1), UtcNs(2))))
    result = outcome(lambda: replay_lines([json.dumps(document) + "\n", tick]))
    if isinstance(result, str):
        assert result.startswith("line 1: ")
    else:
        assert math.isfinite(result.report.discipline.frequency)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.one_of(inputs, outputs), max_size=30))
def test_any_recording_that_can_be_read_can_be_replayed(entries: list[Input | RecordedOutput]) -> None:
    result = replay_lines([encode_header(FULL) + "\n", *map(line_of, entries)])
    assert sum(result.inputs.values()) == sum(not isinstance(entry, RecordedOutput) for entry in entries)
    assert math.isfinite(result.seconds)

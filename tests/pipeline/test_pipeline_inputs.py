"""Whatever is fed to the pipeline, in whatever order: no exception, finite numbers, and a state that can be served."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline_world import FLOOR, LIMITS, START, Conditions, Rig

from stratum1.discipline import DisciplineSettings, DriftRecord
from stratum1.gnss._simulated_nmea import nmea_epoch
from stratum1.gnss.events import Event, Fix, FixMode, Health, TimeMark
from stratum1.inputs import DisturbedInput, EdgeInput, GnssInput, Input, LineInput, SerialInput, TickInput
from stratum1.interchange import KernelClockId, LockState, Mapping, Reading
from stratum1.pipeline import Pipeline, PipelineSettings
from stratum1.pps.events import Edge, EdgeKind
from stratum1.refclock import RefClockSettings
from stratum1.timescale import NS, MonoNs, UtcNs

_WILD = st.integers(-(2**61), 2**61)
_STEP = st.one_of(st.integers(0, 3 * NS), _WILD)
_KINDS = st.one_of(
    st.tuples(st.just("serial"), st.one_of(st.binary(max_size=200), st.integers(0, 10**6))),
    st.tuples(st.just("line"), st.booleans()),
    st.tuples(st.just("edge"), st.sampled_from(EdgeKind)),
    st.tuples(st.just("tick")),
    st.tuples(st.just("mark"), _WILD, st.booleans()),
    st.tuples(st.just("disturbed"), st.floats(allow_nan=False, allow_infinity=False)),
)


def wild_input(kind: tuple[Any, ...], at: int, clock: int) -> Input:
    reading = Reading(MonoNs(at), UtcNs(clock))
    match kind:
        case ("serial", bytes(data)):
            return SerialInput(reading, data)
        case ("serial", second):
            return SerialInput(reading, nmea_epoch(UtcNs(START + second * NS), 3, fix=second % 5 != 0))
        case ("line", is_open):
            return LineInput(MonoNs(at), is_open, "the line")
        case ("edge", edge):
            return EdgeInput(reading, Edge(edge, 1, at, KernelClockId.REALTIME, 0))
        case ("mark", utc, trusted):
            fix = Fix(MonoNs(at), UtcNs(utc), FixMode.THREE_D, 5, 5, None, None, None, trusted, 0)
            return GnssInput(reading, (TimeMark(MonoNs(at), UtcNs(utc), "GNRMC", True, trusted, 0), fix))
        case ("disturbed", offset):
            return DisturbedInput(MonoNs(at), offset)
    return TickInput(reading)


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 30), st.booleans(), st.lists(st.tuples(_KINDS, _STEP, _STEP), max_size=40))
def test_any_sequence_of_inputs_is_survived(warm: int, pulses: bool, inputs: list[tuple[tuple[Any, ...], int, int]]) -> None:
    rig = Rig(refclock=RefClockSettings(has_pulse=pulses)).run(warm)
    now = rig.clock.reading()
    at, clock = int(now.at_ns), int(now.clock_ns)
    for kind, later, shift in inputs:
        at = at + later if abs(later) <= 3 * NS else later
        clock = clock + shift if abs(shift) <= 3 * NS else shift
        output = rig.pipeline.feed(wild_input(kind, at, clock))
        if output.steering is not None:
            assert all(math.isfinite(n) for n in (output.steering.frequency, output.steering.phase_rate, output.steering.step))
            assert abs(output.steering.frequency) <= LIMITS.max_frequency
        served = rig.pipeline.time_state(Reading(MonoNs(at), UtcNs(clock)), None, None)
        assert not served.synchronised
        assert math.isfinite(served.error_bound)
        assert served.error_bound > 0
        rig.pipeline.report(MonoNs(at))
        rig.pipeline.clock_status(served)


def pipeline(**refclock: Any) -> Pipeline:
    return Pipeline(PipelineSettings(DisciplineSettings(), RefClockSettings(**refclock), FLOOR), LIMITS)


def test_before_anything_is_heard_nothing_is_known() -> None:
    fresh = pipeline()
    mapping = Mapping(0, KernelClockId.REALTIME, 0, UtcNs(0), 0.0)
    served = fresh.time_state(Reading(MonoNs(0), START), mapping, None)
    assert (served.state, served.synchronised, served.stratum) == (LockState.COLD, False, 16)
    assert served.error_bound >= 1e8, "nothing is claimed"
    assert fresh.report(MonoNs(0)).reason == "started"
    assert not fresh.clock_status(served).synchronised


def test_what_the_receiver_tells_is_noted_once() -> None:
    fresh = pipeline()
    told = Health(MonoNs(5), "antenna", alarm=True, text="the antenna is cut")
    event = GnssInput(Reading(MonoNs(5), START), (told, told))
    assert [note.text for note in fresh.feed(event).notes] == ["the antenna is cut"]
    assert fresh.feed(event).notes == ()
    assert fresh.report(MonoNs(5)).health == {"antenna": told}


def test_two_samples_of_one_read_step_once() -> None:
    """The second one was read off the clock as it was before the step that the first led to."""
    fresh = pipeline(has_pulse=False, serial_delay=0.0)
    steps: list[float] = []
    for second in range(0, 60, 2):
        marks: list[Event] = []
        for each in (second, second + 1):
            at = MonoNs(each * NS)
            utc = UtcNs(START + each * NS)
            marks += [
                TimeMark(at, utc, "GNRMC", True, True, 0),
                Fix(at, utc, FixMode.THREE_D, 5, 5, None, None, None, True, 0),
            ]
        clock_ns = START + (second + 1) * NS - 50 * NS + round(sum(steps) * NS)
        output = fresh.feed(GnssInput(Reading(MonoNs((second + 1) * NS), UtcNs(clock_ns)), tuple(marks)))
        if output.steering is not None and output.steering.step:
            steps.append(output.steering.step)
    assert sum(steps) == pytest.approx(50, abs=0.1)
    assert len(steps) == 1


def test_a_drift_from_an_earlier_run_is_kept_while_nothing_is_measured() -> None:
    record = DriftRecord(3e-6, 1e-8, START)
    rig = Rig(drift=record, crystal=-3e-6).run(60)
    assert rig.state is LockState.LOCKED
    assert rig.worst(rig.first(LockState.LOCKED)) < 2e-6


def test_the_line_s_words_are_shown_as_the_reason() -> None:
    rig = Rig().run(20, Conditions(line=False))
    assert rig.reason == "the receiver has not told a position yet"
    rig.run(5).run(3, Conditions(line=False))
    assert rig.reason == "the serial line is gone: is it plugged in?"

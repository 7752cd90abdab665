"""A recording is a test: a whole run replays to the last bit, and a change of any kind is seen."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import islice

import pytest

from stratum1.clock import ClockLimits, SimulatedClock
from stratum1.discipline import DisciplineSettings
from stratum1.gnss._simulated_nmea import nmea_epoch
from stratum1.inputs import DisturbedInput, EdgeInput, GnssInput, Input, LineInput, SerialInput, TickInput
from stratum1.interchange import KernelClockId, LockState, Reading, Steering
from stratum1.pipeline import Pipeline, PipelineSettings
from stratum1.pps.events import Edge, EdgeKind
from stratum1.recorder import Recorder
from stratum1.recording import Header, encode_header
from stratum1.refclock import RefClockSettings
from stratum1.replay import replay_lines
from stratum1.timescale import NS, MonoNs, UtcNs

START = UtcNs(1_795_478_400 * NS)
LIMITS = ClockLimits(500e-6, 0.1, -24)
SETTINGS = PipelineSettings(DisciplineSettings(), RefClockSettings(delays={"GNRMC": 0.31}), UtcNs(1_780_000_000 * NS))
HEADER = Header(SETTINGS, LIMITS, None, None, whole=True)


class Daemon:
    """What the shell does with a pipeline, on simulated time."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.clock = SimulatedClock(START, offset_ns=-1_700_000_000, crystal=30e-6, limits=LIMITS)
        self.pipeline = Pipeline(SETTINGS, LIMITS)
        self.steerings = self.second = 0

    def feed(self, event: Input) -> None:
        output = self.pipeline.feed(event)
        self.recorder.input(event)
        if output.steering is not None:
            self.steerings += 1
            self.recorder.output(output.steering)
            self.clock.steer(output.steering)

    def run(self, seconds: int) -> None:
        self.feed(LineInput(self.clock.reading().at_ns, True, "the line is open"))
        for _ in range(seconds):
            second = self.second
            self.second += 1
            self._at(second, 0)
            for kind, at in ((EdgeKind.ASSERT, 0), (EdgeKind.CLEAR, NS // 10)):
                self._at(second, at + 1000)
                stamp = self.clock.stamp(KernelClockId.REALTIME, UtcNs(START + second * NS + at + (second * 7919) % 2000))
                self.feed(EdgeInput(self.clock.at(KernelClockId.REALTIME, stamp), Edge(kind, second, stamp, KernelClockId.REALTIME, 0)))
            self._at(second, 310_000_000)
            data = nmea_epoch(UtcNs(START + second * NS), 5)
            self.feed(SerialInput(self.clock.reading(), data[:100]))
            self._at(second, 600_000_000)
            self.feed(SerialInput(self.clock.reading(), data[100:]))
            self.feed(TickInput(self.clock.reading()))

    def _at(self, second: int, ns: int) -> None:
        self.clock.advance_to(max(self.clock.true_ns, UtcNs(START + second * NS + ns)))


@pytest.fixture(scope="module")
def recorded() -> list[str]:
    """Lock, a disturbance, and lock again."""
    file = _Kept()
    recorder = Recorder(pytest.fail)
    recorder.open(file, HEADER)
    daemon = Daemon(recorder)
    daemon.run(60)
    daemon.clock.steer(Steering(daemon.clock.frequency, 0.0, 0.4))
    daemon.feed(DisturbedInput(daemon.clock.reading().at_ns, -0.4))
    daemon.run(60)
    assert daemon.pipeline.report(daemon.clock.reading().at_ns).state is LockState.LOCKED
    recorder.close()
    return file.lines


class _Kept(io.StringIO):
    """What was in it is still there after it was closed."""

    lines: list[str]

    def close(self) -> None:
        if not self.closed:
            self.lines = self.getvalue().splitlines(keepends=True)
        super().close()


def test_a_whole_run_replays_to_the_last_bit(recorded: list[str]) -> None:
    result = replay_lines(recorded)
    assert result.whole
    assert result.different == 0
    assert result.steerings > 100
    assert result.inputs == {"line": 2, "edge": 240, "serial": 240, "tick": 120, "disturbed": 1}
    assert result.seconds == pytest.approx(119.6, abs=0.1)
    assert result.report.state is LockState.LOCKED
    assert [note.kind for _, note in result.notes if note.kind == "step"] == ["step", "step"]
    assert all(0 <= at <= 120 for at, _ in result.notes)


def test_a_run_that_was_cut_anywhere_still_agrees(recorded: list[str]) -> None:
    for end in range(2, len(recorded), 97):
        cut = [*recorded[:end], recorded[end][: len(recorded[end]) // 2]]
        assert replay_lines(cut).different == 0


def test_a_steering_that_is_not_as_recorded_is_counted(recorded: list[str]) -> None:
    outputs = [number for number, line in enumerate(recorded) if line.startswith('["o"')]
    row = json.loads(recorded[outputs[40]])
    row[1] += 1e-15
    changed = [*recorded]
    changed[outputs[40]] = json.dumps(row) + "\n"
    assert replay_lines(changed).different == 1
    missing = [line for number, line in enumerate(recorded) if number != outputs[40]]
    assert replay_lines(missing).different == 1
    twice = [*recorded[: outputs[40]], recorded[outputs[40]], *recorded[outputs[40] :]]
    assert replay_lines(twice).different == 1


def test_other_settings_give_another_run(recorded: list[str]) -> None:
    header = replace(HEADER, settings=replace(SETTINGS, refclock=replace(SETTINGS.refclock, pulse_delay=1e-4)))
    assert replay_lines([encode_header(header) + "\n", *recorded[1:]]).different > 50


def test_a_recording_from_the_middle_says_so(recorded: list[str]) -> None:
    middle = [encode_header(replace(HEADER, whole=False)) + "\n", *recorded[400:]]
    result = replay_lines(middle)
    assert not result.whole
    assert result.report.state is LockState.LOCKED


def test_a_full_disk_ends_the_recording_and_nothing_else() -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            if self.tell() > 3000:
                raise OSError(28, "No space left on device")
            return super().write(text)

    problems: list[str] = []
    recorder = Recorder(problems.append)
    recorder.open(Full(), HEADER)
    Daemon(recorder).run(30)
    recorder.close()
    assert problems == ["the recording ends here: No space left on device"]


def test_a_disk_that_is_full_at_the_end_is_told() -> None:
    class Late(io.StringIO):
        def close(self) -> None:
            super().close()
            raise OSError(28, "No space left on device")

    problems: list[str] = []
    recorder = Recorder(problems.append)
    recorder.open(Late(), HEADER)
    recorder.close()
    recorder.close()
    assert problems == ["the end of the recording is lost: No space left on device"]


async def test_whoever_asks_later_gets_the_rest() -> None:
    recorder = Recorder(pytest.fail)
    daemon = Daemon(recorder)
    daemon.run(30)
    stream = recorder.stream(lambda: replace(HEADER, whole=False))
    lines = [await anext(stream)]
    daemon.run(30)
    recorder.close()
    lines += [line async for line in stream]
    result = replay_lines([line.decode() for line in lines])
    assert not result.whole
    assert result.inputs["tick"] == 30
    daemon.run(1)


async def test_nothing_is_lost_between_the_header_and_the_first_line() -> None:
    recorder = Recorder(pytest.fail)
    stream = recorder.stream(lambda: HEADER)
    await anext(stream)
    recorder.input(TickInput(Reading(MonoNs(1), UtcNs(2))))
    assert await anext(stream) == b'["t",1,2]\n'
    await _closed(stream)


async def test_a_reader_that_falls_behind_is_cut_off() -> None:
    recorder = Recorder(pytest.fail)
    slow, quick = recorder.stream(lambda: HEADER), recorder.stream(lambda: HEADER)
    await anext(slow)
    await anext(quick)
    received = 0
    for number in range(5000):
        recorder.input(TickInput(Reading(MonoNs(number), UtcNs(2))))
        received += bool(await asyncio.wait_for(anext(quick), 1))
    assert received == 5000
    assert [line async for line in slow] == [], "what it has is without holes"
    await _closed(quick)


async def test_decoded_events_and_an_idle_recorder_cost_nothing() -> None:
    recorder = Recorder(pytest.fail)
    recorder.input(GnssInput(Reading(MonoNs(0), UtcNs(0)), ()))
    recorder.output(Steering(0.0))
    stream = recorder.stream(lambda: HEADER)
    await anext(stream)
    recorder.input(GnssInput(Reading(MonoNs(0), UtcNs(0)), ()))
    recorder.output(Steering(1e-5, -2e-6, 0.25))
    assert json.loads(await anext(stream)) == ["o", 1e-5, -2e-6, 0.25]
    await _closed(stream)


async def _closed(stream: AsyncIterator[bytes]) -> None:
    close = getattr(stream, "aclose", None)
    assert close is not None
    await close()


def test_the_lines_are_short_enough_to_be_read_again(recorded: list[str]) -> None:
    assert max(map(len, islice(recorded, 1, None))) < 2000

"""A PTP hardware clock: the layouts of the kernel's header, the servo, and the real calls on an emulated device."""

import contextlib
import errno
import random
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from output_moments import moment_now
from testkit.fakeptp import EXTENDED, GETCAPS, OFFSET, PRECISE, FakePtp
from testkit.notify import ClockCall

from stratum1.interchange import LockState
from stratum1.outputs import Moment, OutputState, Turn
from stratum1.outputs._phc import Phc, PhcOutput
from stratum1.outputs._ptp_clock import (
    CAPS_SIZE,
    EXTENDED_SIZE,
    OFFSET_SIZE,
    PRECISE_SIZE,
    PTP_CLOCK_GETCAPS,
    PTP_SYS_OFFSET,
    PTP_SYS_OFFSET_EXTENDED,
    PTP_SYS_OFFSET_PRECISE,
    PhcLayoutError,
    clock_id,
    pack_sample_count,
    parse_extended,
    parse_max_adjustment,
    parse_offset,
    parse_precise,
)
from stratum1.outputs._servo import PhcServo, ServoState
from stratum1.timescale import NS

T = TypeVar("T")


def test_requests_and_sizes_are_those_of_the_kernel_header() -> None:
    # Printed by a C program that includes linux/ptp_clock.h, on x86-64; aarch64 encodes requests in the same way.
    assert (PTP_CLOCK_GETCAPS, PTP_SYS_OFFSET, PTP_SYS_OFFSET_PRECISE, PTP_SYS_OFFSET_EXTENDED) == (GETCAPS, OFFSET, PRECISE, EXTENDED)
    assert (CAPS_SIZE, OFFSET_SIZE, PRECISE_SIZE, EXTENDED_SIZE) == (80, 832, 64, 1216)
    assert (clock_id(3), clock_id(0)) == (-29, -5)


def stamps(*times: int) -> bytes:
    return b"".join(struct.pack("@qI4x", *divmod(each, NS)) for each in times)


def test_the_tightest_triple_is_taken() -> None:
    system, phc = 1_800_000_000 * NS, 1_800_000_037 * NS
    triples = stamps(system, phc + 500, system + 1000, system + 2000, phc + 2050, system + 2100, system + 3000, phc + 3400, system + 3900)
    reading = parse_extended((struct.pack("I12x", 3) + triples).ljust(EXTENDED_SIZE, b"\0"))
    assert (reading.system_ns, reading.phc_ns, reading.window_ns) == (system + 2050, phc + 2050, 100)
    row = stamps(system, phc + 500, system + 1000, phc + 1100, system + 1200)
    reading = parse_offset((struct.pack("I12x", 2) + row).ljust(OFFSET_SIZE, b"\0"))
    assert (reading.system_ns, reading.phc_ns, reading.window_ns) == (system + 1100, phc + 1100, 200)
    reading = parse_precise(stamps(phc, system, 5) + bytes(16))
    assert (reading.system_ns, reading.phc_ns, reading.window_ns) == (system, phc, 0)


@given(
    st.sampled_from([CAPS_SIZE, OFFSET_SIZE, PRECISE_SIZE, EXTENDED_SIZE]).flatmap(lambda n: st.binary(min_size=n, max_size=n))
    | st.binary()
)
@settings(deadline=None, max_examples=300)
def test_arbitrary_bytes_give_a_value_or_a_named_field(data: bytes) -> None:
    for parse in (parse_max_adjustment, parse_precise, parse_extended, parse_offset):
        with contextlib.suppress(PhcLayoutError):
            parse(data)


@pytest.mark.parametrize("count", [0, 26, -1])
def test_impossible_number_of_samples_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 25"):
        pack_sample_count(count, OFFSET_SIZE)


class World:
    """A hardware clock in arithmetic: error is its crystal's, s/s; noise the readings' standard deviation, ns."""

    def __init__(self, error: float, start_ns: int, noise: float = 30.0, most: float = 500e-6) -> None:
        self.servo = PhcServo(most, 0.0)
        self.offset = float(start_ns)
        self.error, self.noise, self.most = error, noise, most
        self.frequency = 0.0
        self.second = 0
        self.random = random.Random(1)
        self.steps: list[int] = []

    def run(self, seconds: int, strange: Callable[[int], int] = lambda _: 0) -> list[float]:
        """True offsets (ns) at the end of each second."""
        found = []
        for _ in range(seconds):
            self.second += 1
            self.offset -= (self.error + self.frequency) * NS
            seen = self.offset + self.random.gauss(0, self.noise) + strange(self.second)
            steering = self.servo.sample(self.second * NS, round(seen), 100)
            if steering is not None:
                assert abs(steering.frequency) <= self.most
                self.frequency = steering.frequency
                self.offset -= steering.step_ns
                self.steps += [steering.step_ns] if steering.step_ns else []
            found.append(self.offset)
        return found


@pytest.mark.parametrize(("error", "start"), [(37e-6, 10**18), (-100e-6, -(10**18)), (0.0, 0), (480e-6, 5_000_000)])
def test_the_servo_finds_frequency_and_phase(error: float, start: int) -> None:
    world = World(error, start)
    world.run(60)
    settled = world.run(300)
    assert max(map(abs, settled)) < 150  # of readings with 30 ns of noise
    assert abs(world.frequency + error) < 0.1e-6
    assert len(world.steps) <= 1


def test_a_lone_strange_reading_is_passed_over_and_a_lasting_one_believed() -> None:
    world = World(20e-6, 10**15)
    world.run(60)
    steps = len(world.steps)
    assert max(map(abs, world.run(60, lambda second: 50_000_000 if second % 20 == 0 else 0))) < 150
    assert len(world.steps) == steps
    world.offset += 80_000_000  # somebody has set it
    world.run(60)
    assert len(world.steps) == steps + 1
    assert max(map(abs, world.run(60))) < 150


def test_an_error_of_less_than_a_millisecond_is_slewed_within_a_minute() -> None:
    world = World(20e-6, 0)
    world.run(60)
    steps = len(world.steps)
    world.offset += 500_000
    world.run(60)
    assert max(map(abs, world.run(60))) < 150
    assert len(world.steps) == steps


def test_a_clock_that_can_t_reach_the_frequency_stays_within_its_limit() -> None:
    world = World(600e-6, 0, most=500e-6)
    world.run(100)
    assert abs(world.frequency) <= 500e-6


def test_after_a_pause_it_measures_anew() -> None:
    world = World(20e-6, 0)
    world.run(60)
    world.second += 100
    world.run(1)
    assert world.servo.state is ServoState.MEASURING


# --- the emulated device -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def fake(tmp_path: Path) -> FakePtp:
    return FakePtp(tmp_path / "ptp0", error=40e-6)


def seen(fake: FakePtp, function: Callable[[], T]) -> T:
    return fake.call(function)


@pytest.mark.parametrize(
    ("lacking", "used"), [((), PRECISE), ((PRECISE,), EXTENDED), ((PRECISE, EXTENDED), OFFSET)], ids=["precise", "extended", "plain"]
)
def test_the_best_way_of_reading_is_found(fake: FakePtp, lacking: tuple[int, ...], used: int) -> None:
    fake.refusals = dict.fromkeys(lacking, errno.EOPNOTSUPP)

    def read() -> int:
        phc = Phc(str(fake.path))
        for _ in range(3):
            reading = phc.read()
        phc.close()
        assert abs(reading.system_ns - time.clock_gettime_ns(time.CLOCK_REALTIME)) < NS
        return reading.phc_ns

    assert abs(seen(fake, read) - fake.now()) < NS
    assert fake.calls[used] == 3
    assert all(fake.calls[request] == 1 for request in lacking)


def turns(fake: FakePtp, output: PhcOutput, moments: Callable[[], Moment], count: int, pause: float = 0.0) -> list[Turn]:
    def session() -> list[Turn]:
        done = []
        for _ in range(count):
            done.append(output.turn(moments()))
            time.sleep(pause)
        return done

    return seen(fake, session)


def test_the_device_is_brought_to_our_time_in_tai(fake: FakePtp) -> None:
    """Six real seconds: four to measure, a step over decades, then tracking."""
    output = PhcOutput(str(fake.path))
    done = turns(fake, output, lambda: moment_now(ahead=0.25), 7, 1.0)
    assert [turn.state for turn in done] == [OutputState.SENDING] * 7
    assert len(fake.steps) == 1
    assert abs(fake.frequency / 65536 + 40) < 1  # the crystal runs 40 ppm fast
    assert abs(fake.ahead() - (37 * NS + NS // 4)) < 100_000
    offset = done[-1].offset
    assert offset is not None
    assert abs(offset) < 100e-6
    output.close()


def test_another_program_at_the_same_clock_is_noticed(fake: FakePtp) -> None:
    output = PhcOutput(str(fake.path))
    turns(fake, output, moment_now, 6, 1.0)
    fake.frequency += 10 << 16
    turn = turns(fake, output, moment_now, 1)[0]
    assert turn.state is OutputState.PROBLEM
    assert "phc2sys" in turn.text
    output.close()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": LockState.ACQUIRING, "stratum": 16}, "not known"),
        ({"realtime": None}, "not known"),
        ({"tai_offset": None}, "TAI - UTC is not known"),
        ({"near_leap": True}, "leap second"),
    ],
)
def test_without_a_time_the_clock_is_left_alone(fake: FakePtp, changes: dict[str, Any], words: str) -> None:
    output = PhcOutput(str(fake.path))
    turn = turns(fake, output, lambda: moment_now(**changes), 1)[0]
    assert turn.state is OutputState.WAITING
    assert words in turn.text
    assert fake.calls[ClockCall.ADJTIME] == 0
    assert output.error is None


@pytest.mark.parametrize(
    ("request_number", "number", "words"),
    [
        (GETCAPS, errno.ENOTTY, "no PTP hardware clock"),
        (GETCAPS, errno.EIO, "can't be used: Input/output error"),
        (ClockCall.ADJTIME, errno.EBUSY, "virtual"),
        (ClockCall.ADJTIME, errno.EACCES, "udev rule"),
    ],
)
def test_what_the_kernel_refuses_is_explained_and_tried_again(
    fake: FakePtp, request_number: int | ClockCall, number: int, words: str
) -> None:
    fake.refusals[request_number] = number
    output = PhcOutput(str(fake.path))
    turn = turns(fake, output, moment_now, 1)[0]
    assert turn.state is OutputState.PROBLEM
    assert words in turn.text
    fake.refusals.clear()
    assert turns(fake, output, moment_now, 1)[0].state is OutputState.SENDING
    output.close()


def test_a_missing_device_and_an_ordinary_file(tmp_path: Path) -> None:
    assert "is missing" in PhcOutput(str(tmp_path / "ptp7")).turn(moment_now()).text
    (tmp_path / "file").touch()
    assert "no PTP hardware clock" in PhcOutput(str(tmp_path / "file")).turn(moment_now()).text


def test_other_clocks_calls_go_to_the_kernel(fake: FakePtp) -> None:
    program = "from stratum1.clock import read_timex; print(read_timex().tick)"
    process = fake.spawn([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    told, _ = process.communicate(timeout=20)
    assert 9_000 <= int(told) <= 11_000
    assert fake.calls[ClockCall.ADJTIME] == 0

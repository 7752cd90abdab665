"""struct timex and the sums around it; and the real call, which here only reads."""

import math
import platform
import subprocess
import sys
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stratum1.clock import ClockError, Timex, read_timex
from stratum1.clock._timex import TIMEX_SIZE, microseconds_up, pack_timex, split_rate, timex_rate, unpack_timex

TOLERANCE = 500 << 16
ints = st.integers(-(2**31), 2**31 - 1)
longs = st.integers(-(2**63), 2**63 - 1)
timexes = st.builds(
    Timex,
    modes=st.integers(0, 2**32 - 1),
    offset=longs,
    freq=longs,
    maxerror=longs,
    esterror=longs,
    status=ints,
    constant=longs,
    tolerance=longs,
    time_sec=longs,
    time_frac=longs,
    tick=longs,
    tai=ints,
)


@settings(deadline=None)
@given(timexes)
def test_packing_loses_nothing(timex: Timex) -> None:
    packed = pack_timex(timex)
    assert len(packed) == TIMEX_SIZE == 208
    assert unpack_timex(packed) == timex


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_timex_or_a_clock_error(data: bytes) -> None:
    if len(data) == TIMEX_SIZE:
        assert unpack_timex(data).status == int.from_bytes(data[40:44], "little", signed=True)
    else:
        with pytest.raises(ClockError, match="208 bytes"):
            unpack_timex(data)


def test_fields_stand_where_the_kernel_has_them() -> None:
    packed = pack_timex(Timex(modes=1, offset=2, freq=3, status=4, constant=5, time_sec=6, time_frac=7, tick=8, tai=9))
    places = {0: 1, 8: 2, 16: 3, 40: 4, 48: 5, 72: 6, 80: 7, 88: 8, 160: 9}
    assert {place: packed[place] for place in places} == places
    assert sum(packed) == sum(places.values())


def test_what_does_not_fit_is_refused_by_name() -> None:
    with pytest.raises(ClockError, match="does not fit"):
        pack_timex(Timex(offset=2**63))


@settings(deadline=None)
@given(st.floats(-0.1, 0.1))
@example(500e-6)
@example(-500e-6)
@example(0.1)
@example(-0.1)
def test_a_rate_becomes_tick_and_frequency_and_comes_back(rate: float) -> None:
    tick, freq = split_rate(rate, TOLERANCE)
    assert 9000 <= tick <= 11000
    assert abs(freq) <= TOLERANCE
    assert timex_rate(tick, freq) == pytest.approx(rate, abs=1e-11)
    assert tick == 10000 or abs(rate) > 500e-6


@settings(deadline=None)
@given(st.floats(0, 1e12))
@example(15.9999999)
def test_bounds_are_rounded_up_and_end_at_the_kernel_limit(bound: float) -> None:
    value = microseconds_up(bound)
    assert value >= min(bound * 1e6, 16e6)
    assert value <= min(bound * 1e6 + 1, 16e6)


def test_bounds_that_are_no_numbers_are_the_worst() -> None:
    assert [microseconds_up(math.inf), microseconds_up(math.nan), microseconds_up(-1.0)] == [16_000_000, 16_000_000, 0]


def test_the_kernel_of_this_machine_is_read_and_left_alone() -> None:
    assert platform.machine() in {"x86_64", "aarch64"}
    before, after = read_timex(), read_timex()
    assert abs(before.time_sec - time.time()) < 2
    assert 9000 <= before.tick <= 11000
    assert before.tolerance == TOLERANCE
    assert abs(before.freq) <= TOLERANCE
    assert 0 <= before.tai < 60
    assert (before.freq, before.tick, before.tai) == (after.freq, after.tick, after.tai)


UNPRIVILEGED = """
import os
from stratum1.clock import ClockError, KernelClock
if os.geteuid() == 0:
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
assert "CapEff:\\t0000000000000000" in open("/proc/self/status").read()
try:
    KernelClock()
except ClockError as error:
    print(error)
"""


def test_without_the_privilege_the_refusal_says_what_to_do() -> None:
    done = subprocess.run([sys.executable, "-c", UNPRIVILEGED], capture_output=True, text=True, timeout=30, check=True)
    assert "Operation not permitted" in done.stdout
    assert "CAP_SYS_TIME" in done.stdout
    assert 'control = "virtual"' in done.stdout

"""How the host's clocks are related, over a model of them whose truth is known, and over the real ones."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum1.clock._host import HostClocks, bracket, reading_time

RAW, MONOTONIC, REALTIME = time.CLOCK_MONOTONIC_RAW, time.CLOCK_MONOTONIC, time.CLOCK_REALTIME


class Machine:
    """Three clocks; each reading takes some time, and another part of it before the value is taken."""

    def __init__(self, costs: list[tuple[int, int]]) -> None:
        self.raw = 5_000_000_000_000
        self.offset = 1_795_000_000_000_000_000
        self.slewed_at, self.slewed, self.rate = self.raw, 4_000_000_000_000, 0.0
        self._costs = costs
        self._reads = 0

    def read(self, clock_id: int) -> int:
        before, after = self._costs[self._reads % len(self._costs)]
        self._reads += 1
        self.raw += before
        value = {RAW: self.raw, MONOTONIC: self.monotonic(self.raw), REALTIME: self.monotonic(self.raw) + self.offset}[clock_id]
        self.raw += after
        return value

    def monotonic(self, raw: int) -> int:
        return self.slewed + (raw - self.slewed_at) + round((raw - self.slewed_at) * self.rate)

    def slew(self, rate: float) -> None:
        self.slewed_at, self.slewed, self.rate = self.raw, self.monotonic(self.raw), rate

    def sleep(self, seconds: float) -> None:
        self.raw += round(seconds * 1e9)


costs = st.lists(st.tuples(st.integers(10, 90), st.integers(10, 90)), min_size=3, max_size=50)
EVEN = [(40, 50), (30, 61), (55, 38), (47, 40), (33, 70)]


@settings(deadline=None)
@given(costs)
def test_the_offset_narrows_and_is_never_taken_for_a_set(taken: list[tuple[int, int]]) -> None:
    machine = Machine(taken)
    machine.rate = 3e-5
    host = HostClocks(read=machine.read)
    for _ in range(20):
        machine.sleep(0.1)
        assert abs(host.offset() - machine.offset) <= 100
    assert host.sets == 0


@settings(deadline=None)
@given(costs, st.integers(1000, 10**15) | st.integers(-(10**15), -1000))
def test_a_set_of_the_clock_by_others_is_counted_once(taken: list[tuple[int, int]], step: int) -> None:
    machine = Machine(taken)
    host = HostClocks(read=machine.read)
    machine.offset += step
    for _ in range(3):
        assert abs(host.offset() - machine.offset) <= 100
    assert host.sets == 1


def test_our_own_set_is_not_counted() -> None:
    machine = Machine(EVEN)
    host = HostClocks(read=machine.read)
    machine.offset -= 3_000_000_000
    host.forget_offset()
    assert abs(host.offset() - machine.offset) <= 100
    assert host.sets == 0


def test_the_rate_is_believed_then_measured() -> None:
    machine = Machine(EVEN)
    machine.rate = 7e-5
    host = HostClocks(prior_rate=1e-5, read=machine.read)
    assert host.rate(host.look()) == 1e-5
    for _ in range(16):
        machine.sleep(0.125)
        host.look()
    assert host.rate(host.look()) == pytest.approx(7e-5, abs=2e-7)


def test_a_change_of_rate_by_others_is_followed_at_the_next_look() -> None:
    machine = Machine(EVEN)
    host = HostClocks(read=machine.read)
    for _ in range(16):
        machine.sleep(0.125)
        host.look()
    machine.slew(5e-4)
    machine.sleep(0.125)
    assert host.rate(host.look()) == pytest.approx(5e-4, abs=2e-6)


def test_a_change_of_rate_by_us_is_known_at_once() -> None:
    machine = Machine(EVEN)
    host = HostClocks(read=machine.read)
    for _ in range(16):
        machine.sleep(0.125)
        host.look()
    machine.slew(-2e-4)
    host.restarted(-2e-4)
    machine.sleep(0.01)
    assert host.rate(host.look()) == -2e-4


@settings(deadline=None)
@given(costs, st.lists(st.floats(-5e-4, 5e-4), min_size=1, max_size=12), st.floats(0.0, 0.999))
def test_a_stamp_between_two_looks_is_placed_between_them(taken: list[tuple[int, int]], rates: list[float], place: float) -> None:
    machine = Machine(taken)
    host = HostClocks(read=machine.read)
    for rate in rates:
        host.look(keep=True)
        machine.slew(rate)
        start = machine.raw
        machine.sleep(0.125)
    raw = start + round((machine.raw - start) * place)
    # half a bracket, and the microseconds between the look and the change of rate
    assert abs(host.monotonic_from_raw(raw) - machine.monotonic(raw)) <= 150
    assert abs(host.raw_from_monotonic(machine.monotonic(raw)) - raw) <= 150


def test_a_stamp_from_before_the_first_look_is_extrapolated() -> None:
    machine = Machine(EVEN)
    machine.rate = 1e-4
    machine.sleep(5)
    host = HostClocks(prior_rate=1e-4, read=machine.read)
    raw = machine.raw - 2_000_000_000
    assert abs(host.monotonic_from_raw(raw) - machine.monotonic(raw)) <= 100


def test_the_real_clocks_agree_with_themselves() -> None:
    host = HostClocks()
    pair = bracket(MONOTONIC, REALTIME)
    assert abs(host.offset() - (pair.inner - pair.outer)) <= pair.width + 2000
    stamp = time.clock_gettime_ns(RAW)
    assert abs(host.raw_from_monotonic(host.monotonic_from_raw(stamp)) - stamp) <= 2000
    assert 0 < reading_time(RAW) < 100_000

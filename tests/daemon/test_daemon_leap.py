"""A leap second on the timekeeper: what is served every tenth of a second around it, whatever the clock, and what is told."""

from pathlib import Path

import pytest
from test_daemon_timekeeper import _World

from stratum1.clock import ClockStatus
from stratum1.gnss._simulated_nmea import nmea_epoch
from stratum1.inputs import DisturbedInput, LeapListInput, LeapStepInput, SerialInput
from stratum1.interchange import KernelClockId, Leap, LockState
from stratum1.timescale import NS, LeapTable, UtcNs, from_rfc3339

END = from_rfc3339("2027-07-01")


class _LeapWorld(_World):
    """The world's time counts every second; the receiver names the repeated or left-out one as receivers do."""

    def __init__(self, directory: Path, sign: int) -> None:
        table = LeapTable((UtcNs(0), END), (37, 37 + sign), from_rfc3339("2027-12-28"))
        super().__init__(directory, offset=0.0, leaps=table, start=UtcNs(END - 120 * NS))
        self.sign = sign
        self.due = END if sign > 0 else END - NS
        self.bits: list[tuple[int, Leap]] = []
        self.worst = 0.0

    @property
    def truth(self) -> int:
        """UTC now as POSIX clocks count it: an inserted second counts the one before it once more."""
        true = self.clock.true_ns
        return true - self.sign * NS if true >= self.due else true

    def served(self) -> None:
        """What a request would be told now. Mappings and stamps as in the worker; the simulated REALTIME is our clock."""
        state = self.keeper.cell.current
        now = self.clock.reading().clock_ns
        known = state.synchronised and state.realtime is not None and now <= state.valid_until
        self.bits.append((self.clock.true_ns - END, state.leap if known else Leap.UNKNOWN))
        if known and self.state is LockState.LOCKED:
            self.worst = max(self.worst, abs(now - self.truth) / NS)

    def second(self, *, ticked: bool = True) -> None:
        self.number += 1
        begin = UtcNs(self.start + self.number * NS)
        for tenth in range(10):
            self.clock.advance_to(UtcNs(begin + tenth * NS // 10 + 50_000))
            if tenth == 0:
                self.edge(begin)
            elif tenth == 3:
                self.keeper.feed(SerialInput(self.clock.reading(), self.sentences(begin)))
            elif tenth == 5:
                self.keeper.tick()
            self.keeper.publish()
            self.served()

    def sentences(self, begin: UtcNs) -> bytes:
        if self.sign > 0 and begin == END:
            data = nmea_epoch(UtcNs(END - NS), self.number).replace(b",235959.00", b",235960.00")
            return b"".join(_checked(line) for line in data.splitlines())
        return nmea_epoch(UtcNs(begin - self.sign * NS if begin >= self.due else begin), self.number)


def _checked(line: bytes) -> bytes:
    body = line[1:].partition(b"*")[0]
    value = 0
    for byte in body:
        value ^= byte
    return b"$%b*%02X\r\n" % (body, value)


@pytest.mark.parametrize("called", ["kernel", "virtual"])
@pytest.mark.parametrize("sign", [1, -1])
def test_it_passes_and_nobody_is_served_a_wrong_time(tmp_path: Path, sign: int, called: str) -> None:
    world = _LeapWorld(tmp_path, sign)
    world.clock.called = called
    world.until_locked()
    locked = world.clock.true_ns
    while world.clock.true_ns < END + 60 * NS:
        world.second()
        assert world.state is LockState.LOCKED
    assert locked < END - 30 * NS
    assert world.worst < 20e-6
    assert [event for event in world.fed if isinstance(event, DisturbedInput)] == []
    assert [event.sign for event in world.fed if isinstance(event, LeapStepInput)] == [sign]
    assert world.told("leap") == [
        f"a leap second is to come: a second {'inserted' if sign > 0 else 'deleted'} at the end of 2027-06-30 (by list)",
        f"leap second: the clock was moved by {-sign:+d} s, as announced",
    ]
    report = world.keeper.pipeline.report(world.clock.reading().at_ns)
    assert report.steps == 0
    assert report.leaps.tai_offset == 37 + sign
    assert world.clock.status is not None
    assert (world.clock.status.tai_offset, world.clock.status.leap) == (37 + sign, Leap.NONE)
    assert_bits(world.bits, sign)


def assert_bits(bits: list[tuple[int, Leap]], sign: int) -> None:
    """Announced up to the leap second, not believed while the inserted second runs, none after it."""
    announced = Leap.INSERT if sign > 0 else Leap.DELETE
    before = {leap for at, leap in bits if -30 * NS < at < (0 if sign > 0 else -NS)}
    during = {leap for at, leap in bits if 0 <= at < NS} if sign > 0 else {Leap.UNKNOWN}
    after = {leap for at, leap in bits if at >= (1.2 * NS if sign > 0 else -NS // 2)}
    assert (before, during, after) == ({announced}, {Leap.UNKNOWN}, {Leap.NONE})


def test_a_clock_that_does_not_make_it_is_stepped(tmp_path: Path) -> None:
    world = _LeapWorld(tmp_path, 1)
    announce = world.clock.announce

    def deaf(status: ClockStatus) -> None:
        announce(ClockStatus(status.synchronised, Leap.NONE, status.error_bound, status.error_estimate, status.tai_offset))

    world.clock.announce = deaf  # type: ignore[method-assign]
    world.until_locked()
    while world.clock.true_ns < END + 30 * NS:
        world.second()
        assert world.state is LockState.LOCKED
    assert "the clock did not make the leap second by itself: it is stepped by -1 s" in world.told("leap")
    assert abs(world.clock.reading().clock_ns - world.truth) < 20_000
    assert [leap for at, leap in world.bits if 0 <= at < NS // 2] == [Leap.UNKNOWN] * 5, "the plan's end was in the state served"


def test_the_kernels_tai_is_left_alone_at_the_leap_second(tmp_path: Path) -> None:
    world = _LeapWorld(tmp_path, 1)
    told: list[tuple[int, int | None]] = []
    announce = world.clock.announce

    def watched(status: ClockStatus) -> None:
        told.append((world.clock.true_ns - END, status.tai_offset))
        announce(status)

    world.clock.announce = watched  # type: ignore[method-assign]
    while world.clock.true_ns < END + 10 * NS:
        world.second()
    assert {tai for at, tai in told if -10 * NS < at < -2 * NS} == {37}
    assert {tai for at, tai in told if -2 * NS < at < 0} == {None}
    assert {tai for at, tai in told if at > 0} == {38}


def test_a_list_that_arrives_in_time_is_followed(tmp_path: Path) -> None:
    world = _LeapWorld(tmp_path, 1)
    world.keeper.feed(LeapListInput(world.clock.reading().at_ns, None))
    world.until_locked()
    assert not world.keeper.cell.current.leap
    table = LeapTable((UtcNs(0), END), (37, 38), from_rfc3339("2027-12-28"))
    world.keeper.feed(LeapListInput(world.clock.reading().at_ns, table))
    world.second()
    assert world.keeper.cell.current.leap is Leap.INSERT
    while world.clock.true_ns < END + 10 * NS:
        world.second()
        assert world.state is LockState.LOCKED
    assert world.worst < 20e-6
    assert world.clock.at(KernelClockId.REALTIME, world.clock.reading().clock_ns).clock_ns == world.clock.reading().clock_ns

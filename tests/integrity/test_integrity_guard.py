"""The score, the refusal and the way back."""

import math
import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum1.gnss.events import Authenticity, Fix, FixMode, Position, RadioPath, Satellite, Sky
from stratum1.integrity import Guard, IntegritySettings, Standing
from stratum1.interchange import Environment, Leap, LockState, Sample
from stratum1.timescale import NS, MonoNs, UtcNs

START = 1_800_000_000


def at(second: float) -> MonoNs:
    return MonoNs(10**12 + round(second * NS))


class World:
    """Pulses of 100 ns jitter, a clock that is right to 1 us."""

    def __init__(self, **chosen: object) -> None:
        self.guard = Guard(IntegritySettings(**chosen))  # type: ignore[arg-type]
        self.draw = random.Random(1)
        self.second = 0
        self.delay = 0.0
        self.word = "none"
        self.bound = 1e-6
        self.state = LockState.LOCKED
        self.told: list[tuple[int, bool, str]] = []

    def run(self, seconds: int) -> list[bool]:
        """Whether each pulse may steer."""
        return list(self._pulses(seconds))

    def _pulses(self, seconds: int) -> Iterator[bool]:
        for _ in range(seconds):
            self.second += 1
            error = self.delay + self.draw.gauss(0, 1e-7)
            self.guard.standing(Standing(at(self.second), self.state, self.bound, 0.0))
            self.guard.gnss(Authenticity(at(self.second), self.word, "none"))
            yield self.guard.pulse(sample(self.second, error))
            self.guard.tick(at(self.second + 0.5))
            self.told += [(self.second, alarm, text) for _, alarm, text in self.guard.told()]

    @property
    def refused(self) -> bool:
        return bool(self.guard.refusal)


def sample(second: int, error: float) -> Sample:
    """Our clock is right: a pulse that comes late says that ours is ahead."""
    return Sample("refclock", at(second + error), -error, 1e-7, 0.0, 0, b"GPS\0", 0.0, 1e-7, UtcNs((START + second) * NS), Leap.NONE)


def test_quiet_pulses_pass_and_nothing_is_said() -> None:
    world = World()
    assert all(world.run(1500))
    report = world.guard.report()
    assert (report.score, report.refused_since, report.evidence, report.learned, world.told) == (0.0, None, (), True, [])
    assert report.watched == 1500


def test_a_delay_is_refused_with_its_number_and_believed_when_it_ends() -> None:
    world = World()
    world.run(1200)
    world.delay = 30e-6
    passed = world.run(20)
    assert world.refused
    assert sum(passed) <= 1  # single pulses far from their place are withheld until the tests decide
    assert "they come 30.2 µs too late" in world.guard.refusal
    assert world.guard.report().withheld > 0
    assert world.told[0][1] is True
    assert "trust-reference" in world.told[0][2]
    world.run(300)
    assert world.refused
    (evidence,) = world.guard.report().evidence
    assert "differ from our clock by" in evidence.sentence
    assert evidence.value == pytest.approx(-30e-6, abs=1e-6)
    world.delay = 0.0
    world.run(450)
    assert not world.refused
    assert world.told[-1][1] is False
    assert "believed again" in world.told[-1][2]


def test_a_bound_that_has_grown_over_a_new_phase_lets_it_in_and_keeps_the_difference() -> None:
    world = World()
    world.run(1200)
    world.delay = 30e-6
    world.run(400)
    assert world.refused
    world.bound = 40e-6
    world.run(250)
    assert world.refused  # not for return_after yet
    world.run(100)
    assert not world.refused
    disputed = world.guard.disputed(at(world.second))
    assert disputed == pytest.approx(70e-6, rel=0.05)
    assert world.guard.disputed(at(world.second + 90_000)) == 0.0


def test_a_drag_is_not_let_in_by_a_bound_alone() -> None:
    world = World()
    world.run(1200)
    for _ in range(1200):
        world.delay += 1e-6
        world.run(1)
    world.bound = 1.0
    for _ in range(900):
        world.delay += 1e-6
        world.run(1)
    assert world.refused
    assert "ppb from before" in world.guard.report().evidence[0].sentence
    world.state = LockState.UNSYNCHRONISED  # nothing is claimed any more, so nothing is contradicted
    for _ in range(320):
        world.delay += 1e-6
        world.run(1)
    assert not world.refused


def test_what_was_done_before_it_was_found_stays_in_the_bound() -> None:
    world = World()
    world.run(1500)
    while not world.refused:
        world.delay += 1e-7
        world.run(1)
    amount, rate = world.guard.misled(at(world.second))
    assert world.delay / 2 < amount < 3 * world.delay
    assert 0.3e-7 < rate < 2e-7


def test_the_owners_word_ends_a_refusal_at_once() -> None:
    world = World()
    world.run(1200)
    world.delay = 30e-6
    world.run(30)
    assert world.refused
    assert "learned anew" in world.guard.trust(at(world.second))
    assert not world.refused
    assert all(world.run(400))
    assert world.guard.disputed(at(world.second)) == 0.0
    assert not world.guard.report().learned


def test_the_receivers_own_word_refuses_from_the_start() -> None:
    world = World()
    world.word = "affirmed"
    assert world.run(3) == [False] * 3
    world.word = "none"
    world.run(340)
    assert not world.refused


def test_a_trusted_server_refuses_and_another_vouches() -> None:
    world = World()
    world.run(100)
    for _ in range(3):
        world.guard.compare("ntp", at(world.second), 0.1, 1e-3)
        world.run(1)
    assert world.refused
    assert "ntp, which we trust, differs" in world.guard.refusal
    world.delay = -0.05  # the reference says now that ours is behind, and so does the server
    for _ in range(4):
        world.run(1)
        world.guard.compare("ntp", at(world.second), 0.05, 1e-3)
    world.run(1)
    assert not world.refused
    assert "ntp, which we trust, says that it is right" in world.told[-1][2]


def test_hints_alone_never_refuse() -> None:
    """Flat and jumping strengths, jamming, gain, a constellation left out, all at once and for ever."""
    world = World()
    for second in range(300):
        world.guard.gnss(_sky(second, flat=False))
        world.guard.gnss(RadioPath(at(second), 0, "ok", "ok", 10, 0.6, 90))
    world.run(1200)
    for _ in range(400):
        world.guard.gnss(_sky(world.second, flat=True))
        world.guard.gnss(RadioPath(at(world.second), 0, "ok", "critical", 250, 0.1, 90))
        world.run(1)
    report = world.guard.report()
    assert len(report.evidence) >= 4
    assert report.score == pytest.approx(0.7)
    assert not world.refused
    # with half as much by the receiver itself it is enough
    world.word = "indicated"
    world.run(2)
    assert world.refused


def _sky(second: float, flat: bool) -> Sky:
    def satellite(i: int) -> Satellite:
        letter = "GE"[i % 2]
        return Satellite(letter, i, 0, 40, 50 if flat else 30 + 2 * i, not (flat and letter == "E"))

    return Sky(at(second), tuple(satellite(i) for i in range(10)))


def test_switched_off_it_judges_nothing() -> None:
    world = World(enabled=False)
    world.word = "affirmed"
    assert all(world.run(50))
    world.delay = 1e-3
    assert all(world.run(50))
    assert world.guard.report().enabled is False


def test_a_vehicle_may_move_and_a_house_not() -> None:
    for stationary in (True, False):
        world = World(stationary=stationary)
        for second in range(1300):
            place = Position(47.0 + (0.01 if second > 1200 else 0.0), 8.0, 500.0)
            time = UtcNs((START + second) * NS)
            world.guard.gnss(Fix(at(second + 0.3), time, FixMode.THREE_D, 9, 12, place, None, 18, True, 0))
            world.run(1)
        assert world.refused is stationary
        if stationary:
            assert "moved by 1112 m" in world.guard.refusal
            assert "47" not in world.guard.refusal  # a distance, never the place


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"limit": 0.0}, "limit = 0.0: allowed are 0.1 to 10"),
        ({"learn_time": 10.0}, "learn-time = 10.0: allowed are 600 to 86400"),
        ({"return_after": math.nan}, "return-after = nan"),
        ({"radio_weight": -1.0}, "radio-weight = -1.0: allowed are 0 to 10"),
    ],
)
def test_settings_out_of_range_are_refused(chosen: dict[str, float], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        IntegritySettings(**chosen)  # type: ignore[arg-type]


_WHOLE = st.integers(-(2**61), 2**61) | st.integers(0, 5).map(lambda i: i * NS)
_FLOATS = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, 1e-6, -1e-6, 1e300])
_SAMPLES = st.builds(
    Sample,
    st.just("refclock"),
    _WHOLE.map(MonoNs),
    _FLOATS,
    st.floats(1e-9, 1.0),
    st.just(0.0),
    st.just(0),
    st.just(b"GPS\0"),
    st.just(0.0),
    st.floats(0, 1),
    _WHOLE.map(UtcNs),
    st.just(Leap.NONE),
)
_ANY = st.floats() | st.just(0.0)
_POSITIONS = st.builds(Position, _ANY, _ANY, _ANY)
_FIXES = st.builds(
    Fix,
    _WHOLE.map(MonoNs),
    st.none() | _WHOLE.map(UtcNs),
    st.sampled_from(FixMode),
    st.just(5),
    st.just(9),
    st.none() | _POSITIONS,
    st.none(),
    st.none() | st.integers(-99, 99),
    st.booleans(),
    st.integers(0, 3),
    position_accuracy=st.none() | _ANY,
)
_ENVIRONMENTS = st.builds(Environment, _WHOLE.map(MonoNs), _FLOATS)


@settings(deadline=None, max_examples=200)
@given(st.lists(_SAMPLES | _FIXES | _ENVIRONMENTS | st.tuples(_WHOLE, _FLOATS, _FLOATS), max_size=40))
def test_nothing_upsets_it(fed: list[Sample | Fix | Environment | tuple[int, float, float]]) -> None:
    guard = Guard(IntegritySettings())
    for each in fed:
        match each:
            case Sample():
                guard.pulse(each)
            case Fix():
                guard.gnss(each)
            case Environment():
                guard.environment(each)
            case (when, offset, uncertainty):
                guard.compare("a", MonoNs(when), offset, uncertainty)
                guard.tick(MonoNs(when))
    report = guard.report()
    assert math.isfinite(report.score)
    assert all(math.isfinite(each.value) and 0 <= each.strength <= 1 for each in report.evidence)

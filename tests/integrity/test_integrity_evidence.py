"""Each kind of evidence by itself: place, time, radio, servers, temperature."""

import math
import random
from dataclasses import replace

import pytest

from stratum1.gnss.events import Authenticity, Dop, Fix, FixMode, LeapNotice, Position, RadioPath, Satellite, Sky
from stratum1.integrity._clock_time import TimeWatch
from stratum1.integrity._position import PositionWatch
from stratum1.integrity._radio import RadioWatch
from stratum1.integrity._sources import SourceWatch
from stratum1.integrity._thermal import ThermalExcuse
from stratum1.interchange import Environment
from stratum1.timescale import NS, MonoNs, UtcNs, from_rfc3339

START = from_rfc3339("2027-01-15T08:00:00Z")
HOME = Position(47.0, 8.0, 500.0)


def at(second: float) -> MonoNs:
    return MonoNs(10**12 + round(second * NS))


def fix(second: float, position: Position | None = HOME, shift: float = 0.0, **more: object) -> Fix:
    made = Fix(
        at(second + 0.3), UtcNs(START + round((second + shift) * NS)), FixMode.THREE_D, 9, 12, position, Dop(1.5, 0.9, 1.2), 18, True, 0
    )
    return replace(made, **more)  # type: ignore[arg-type]


def around(draw: random.Random, metres: float, north: float = 0.0) -> Position:
    degree = 111_195.0
    return Position(
        HOME.latitude + (north + draw.gauss(0, metres)) / degree,
        HOME.longitude + draw.gauss(0, metres) / degree / math.cos(math.radians(HOME.latitude)),
        HOME.altitude + draw.gauss(0, 2 * metres),
    )


def settled(metres: float = 3.0) -> tuple[PositionWatch, random.Random]:
    watch, draw = PositionWatch(), random.Random(1)
    for second in range(1000):
        watch.fix(fix(second, around(draw, metres)), 900.0)
    return watch, draw


@pytest.mark.parametrize(("metres", "north", "moved"), [(3, 0, False), (3, 40, False), (3, 1000, True), (3, -200, True), (12, 90, False)])
def test_a_move_counts_beyond_what_positions_scatter(metres: float, north: float, moved: bool) -> None:
    watch, draw = settled(metres)
    for second in range(1000, 1020):
        watch.fix(fix(second, around(draw, metres, north)), 900.0)
    assert (watch.ratio >= 1.0) is moved
    if moved:
        assert watch.distance == pytest.approx(abs(north), abs=6 * metres)


def test_a_poor_sky_and_a_short_jump_are_no_move() -> None:
    watch, draw = settled()
    for second in range(1000, 1030):
        watch.fix(fix(second, around(draw, 3, 300), dop=Dop(40, 30, 30)), 900.0)
    assert watch.ratio == 0.0
    for second in range(1030, 1060):
        watch.fix(fix(second, around(draw, 3, 300), position_accuracy=100.0), 900.0)
    assert watch.ratio == 0.0
    for second in range(1060, 1066):
        watch.fix(fix(second, around(draw, 3, 300)), 900.0)
    assert watch.ratio == 0.0  # not for ten seconds yet
    watch.fix(fix(1066, around(draw, 3)), 900.0)
    assert watch.ratio == 0.0


def test_a_move_before_the_place_is_learned_is_none() -> None:
    watch, draw = PositionWatch(), random.Random(1)
    for second in range(300):
        watch.fix(fix(second, around(draw, 3, 5000.0 if second > 200 else 0.0)), 900.0)
    assert watch.ratio == 0.0


def test_a_place_that_stays_for_an_hour_becomes_the_new_one() -> None:
    watch, draw = settled()
    for second in range(1000, 4560):
        watch.fix(fix(second, around(draw, 3, 1000)), 900.0)
        assert (watch.ratio >= 1.0) is (second >= 1010), second
    for second in range(4560, 4640):
        watch.fix(fix(second, around(draw, 3, 1000)), 900.0)
    assert watch.ratio == 0.0


def test_positions_over_the_date_line_are_near() -> None:
    watch = PositionWatch()
    for second in range(1200):
        watch.fix(fix(second, Position(-17.0, 179.99999 if second % 2 else -179.99999, math.nan)), 900.0)
    assert watch.ratio == 0.0
    assert watch.distance < 5


def watched(until: int = 1000, earliest: UtcNs | None = None, **more: object) -> TimeWatch:
    watch = TimeWatch(earliest)
    for second in range(until):
        watch.fix(fix(second, **more), second > 900)  # type: ignore[arg-type]
    return watch


def names(watch: TimeWatch, second: int) -> list[str]:
    return [hint.name for hint in watch.hints(at(second))]


@pytest.mark.parametrize("shift", [3.0, -1.0, -604_800.0, 1024 * 604_800.0, 86_400.0])
def test_a_jump_of_the_time_is_found_with_the_fifth_fix(shift: float) -> None:
    watch = watched()
    for second in range(1000, 1005):
        assert names(watch, second) == []
        watch.fix(fix(second, shift=shift), True)
    assert names(watch, 1005) == ["time jump"]
    assert f"{abs(shift):.0f} s" in watch.hints(at(1005))[0].sentence
    watch.fix(fix(1006), True)
    assert names(watch, 1006) == []


def test_late_sentences_and_a_time_that_dances_are_no_jump() -> None:
    watch, draw = watched(), random.Random(2)
    for second in range(1000, 1100):
        watch.fix(replace(fix(second), at_ns=at(second + draw.uniform(0.0, 0.9))), True)
        assert names(watch, second) == []
    for second in range(1100, 1110):
        watch.fix(fix(second, shift=float(-second % 7)), True)
    assert names(watch, 1110) == []


def test_nothing_jumps_while_the_receiver_learns_its_leap_seconds() -> None:
    watch = TimeWatch(None)
    for second in range(1000):
        watch.fix(fix(second, shift=-2.0 if second > 700 else 0.0, leap_seconds=18 if second > 700 else 16), second > 900)
    assert names(watch, 1000) == []


def test_a_leap_second_is_none_and_a_leap_count_in_mid_month_is_evidence() -> None:
    midnight = from_rfc3339("2027-02-01")
    watch = TimeWatch(None)
    for second in range(40):
        leapt = second >= 20
        made = fix(second, leap_seconds=19 if leapt else 18, time=UtcNs(midnight + (second - 20 - leapt) * NS))
        watch.fix(made, True)
    assert names(watch, 40) == []
    watch = watched()
    watch.notice(LeapNotice(at(1000), UtcNs(0), 0, 18), True)
    assert names(watch, 1000) == []
    watch.notice(LeapNotice(at(1001), UtcNs(0), 0, 19), True)
    assert names(watch, 1001) == ["leap count"]
    assert names(watch, 1001 + 4000) == []


def test_a_time_before_the_last_known_one_and_another_week_number() -> None:
    watch = watched(20, earliest=UtcNs(START + 86_400 * NS))
    assert names(watch, 20) == ["before the last known time"]
    watch.overrule()
    watch.fix(fix(21), False)
    assert names(watch, 21) == []
    watch = watched()
    watch.fix(fix(1000, rollovers=1), True)
    assert names(watch, 1000) == ["week"]


def sky(second: float, draw: random.Random, lift: float = 0.0, flat: float | None = None, unused: str = "") -> Sky:
    satellites = tuple(
        Satellite(
            "GE"[i % 2],
            i + 1,
            40 * i,
            15 + 7 * i,
            round((33 + 1.4 * i if flat is None else flat) + lift + draw.gauss(0, 0.4)),
            "GE"[i % 2] not in unused,
        )
        for i in range(10)
    )
    return Sky(at(second), satellites)


def learned_radio() -> tuple[RadioWatch, random.Random]:
    radio, draw = RadioWatch(), random.Random(1)
    for second in range(300):
        radio.sky(sky(second, draw), True)
        radio.path(RadioPath(at(second), 0, "ok", "ok", 12, 0.6, 90), True)
    return radio, draw


def hints(radio: RadioWatch, second: float) -> list[str]:
    return [hint.name for hint in radio.hints(at(second))]


def test_flat_strong_signals_and_their_common_jump_are_hints() -> None:
    radio, draw = learned_radio()
    assert hints(radio, 300) == []
    for second in range(300, 305):
        radio.sky(sky(second, draw, flat=51.0), False)
    assert hints(radio, 305) == ["flat strengths", "common jump"]


def test_a_sky_that_is_always_flat_is_usual() -> None:
    radio, draw = RadioWatch(), random.Random(1)
    for second in range(300):
        radio.sky(sky(second, draw, flat=46.0), True)
    assert hints(radio, 300) == []


def test_a_jammer_lowers_all_signals_and_the_gain() -> None:
    radio, draw = learned_radio()
    radio.sky(sky(300, draw, lift=-12.0), False)
    radio.path(RadioPath(at(300), 0, "ok", "critical", 190, 0.2, 90), False)
    assert hints(radio, 301) == ["common jump", "jamming", "gain 0", "interference 0"]
    assert hints(radio, 700) == []  # nothing has been heard for long


def test_a_constellation_that_is_left_out_though_strong_is_a_hint() -> None:
    radio, draw = learned_radio()
    for second in range(300, 370):
        radio.sky(sky(second, draw, unused="E"), False)
        assert hints(radio, second) == (["constellations"] if second >= 360 else [])
    for second in range(370, 375):
        radio.sky(sky(second, draw, unused="GE"), False)  # no fix at all: nothing is left out on purpose


def test_the_receivers_word_counts_while_it_is_fresh() -> None:
    radio = RadioWatch()
    assert radio.receiver(at(0)) is None
    radio.word(Authenticity(at(0), "indicated", "warning"))
    found = radio.receiver(at(1))
    assert found is not None
    assert found.strength == 0.6
    assert hints(radio, 1) == ["jamming"]
    assert radio.receiver(at(60)) is None


def test_servers_speak_against_the_reference_three_times_in_a_row() -> None:
    servers = SourceWatch()
    for second in range(4):
        servers.reference(at(second), 2e-3, 1e-6)
        servers.compare("a", at(second), 0.0, 1e-3)
        found = servers.hint(at(second))
        assert (found is not None) is (second >= 2)
    assert found is not None
    assert "a, which we trust, differs from the reference by +0.002000 s" in found.sentence
    servers.compare("b", at(3), 2e-3, 1e-3)
    assert servers.hint(at(3)) is None  # one against one
    for second in range(4, 8):
        servers.reference(at(second), 2e-3, 1e-6)
        servers.compare("c", at(second), 0.0, 1e-3)
    assert servers.hint(at(8)) is not None


def test_a_server_vouches_where_it_can_tell_the_two_apart() -> None:
    servers = SourceWatch()
    for second in range(3):
        servers.reference(at(second), 5e-3, 1e-6)
        servers.compare("near", at(second), 5.2e-3, 1e-3)
        servers.compare("far", at(second), 5.2e-3, 50e-3)  # agrees with everything
    assert servers.voucher(at(3)) == "near"
    servers.reference(at(4), 5e-3, 1e-6)
    servers.compare("third", at(4), 0.0, 1e-3)
    assert servers.voucher(at(4)) == ""


def test_offsets_from_before_a_step_or_too_long_ago_are_not_compared() -> None:
    servers = SourceWatch()
    servers.reference(at(0), 0.0, 1e-6)
    servers.clock_stepped()
    for second in range(5):
        servers.compare("a", at(second), 1.0, 1e-3)
    servers.reference(at(5), 0.0, 1e-6)
    for second in range(100, 105):
        servers.compare("a", at(second), 1.0, 1e-3)
    assert servers.hint(at(105)) is None


def test_temperature_excuses_what_is_out_of_the_ordinary() -> None:
    thermal, draw = ThermalExcuse(), random.Random(1)

    def read(since: int, until: int, level: float) -> None:
        for second in range(since, until):
            thermal.read(Environment(at(second), level + 2 * math.sin(second / 200) + draw.gauss(0, 0.5)))

    read(0, 6000, 55.0)
    assert thermal.excuse == 0.0
    read(6000, 6060, 40.0)
    assert thermal.excuse > 1e-6
    read(6060, 7300, 40.0)
    assert thermal.excuse == 0.0

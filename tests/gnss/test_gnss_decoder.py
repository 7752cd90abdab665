"""From bytes to events: epochs, time marks, skies, silence, and the same events for any split."""

from functools import reduce
from itertools import pairwise
from operator import xor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum1.gnss import Event, Fix, FixMode, GnssDecoder, Reject, Sky, TimeMark
from stratum1.timescale import NS, MonoNs, UtcNs, from_rfc3339, rfc3339

DATA = Path(__file__).parent.parent / "data" / "gnss"
FLOOR = from_rfc3339("2017-01-01")


def line(body: str) -> bytes:
    return f"${body}*{reduce(xor, body.encode(), 0):02X}\r\n".encode()


RMC0 = line("GNRMC,120000,A,4808.9978,N,01135.0800,E,0.0,0.0,060419,,,A")
RMC1 = line("GNRMC,120001,A,4808.9978,N,01135.0800,E,0.0,0.0,060419,,,A")
GGA0 = line("GNGGA,120000,4808.9978,N,01135.0800,E,1,09,1.1,464.4,M,46.2,M,,")
GLL0 = line("GNGLL,4808.9978,N,01135.0800,E,120000,A,A")
GSA = line("GPGSA,A,3,01,02,03,,,,,,,,,,1.8,0.9,1.5") + line("GLGSA,A,2,65,66,,,,,,,,,,,1.8,0.9,1.5")


def decode(*chunks: bytes, floor: UtcNs | None = None) -> list[Event]:
    """All chunks at one instant, and the end."""
    decoder = GnssDecoder(floor)
    events = [event for chunk in chunks for event in decoder.feed(chunk, MonoNs(0))]
    return events + decoder.flush(MonoNs(0))


def fixes(events: list[Event]) -> list[Fix]:
    return [event for event in events if isinstance(event, Fix)]


def skies(events: list[Event]) -> list[Sky]:
    return [event for event in events if isinstance(event, Sky)]


def test_marks_come_at_once_and_the_fix_when_the_next_epoch_begins() -> None:
    decoder = GnssDecoder(None)
    assert decoder.feed(GGA0, MonoNs(1)) == []  # no date yet
    (mark,) = decoder.feed(RMC0, MonoNs(2))
    noon = from_rfc3339("2019-04-06T12:00:00Z")
    assert mark == TimeMark(MonoNs(2), noon, "GNRMC", valid=True, trusted=False, rollovers=0)
    assert decoder.feed(GLL0, MonoNs(3)) == [TimeMark(MonoNs(3), noon, "GNGLL", valid=True, trusted=False, rollovers=0)]
    assert decoder.feed(GSA, MonoNs(4)) == []
    fix, mark = decoder.feed(RMC1, MonoNs(5))
    assert isinstance(fix, Fix)
    assert (fix.at_ns, fix.time, fix.mode, fix.satellites_used) == (1, noon, FixMode.THREE_D, 5)
    assert fix.position is not None
    assert (round(fix.position.latitude, 6), round(fix.position.longitude, 6), fix.position.altitude) == (48.149963, 11.584667, 464.4)
    assert fix.dop is not None
    assert (fix.dop.pdop, fix.dop.hdop, fix.dop.vdop) == (1.8, 0.9, 1.5)
    assert isinstance(mark, TimeMark)
    assert mark.utc == noon + NS


def test_silence_ends_an_epoch_by_poll_and_by_the_next_byte() -> None:
    decoder = GnssDecoder(None)
    decoder.feed(RMC0, MonoNs(10 * NS))
    assert decoder.poll(MonoNs(10 * NS + NS // 2)) == []
    assert len(fixes(decoder.poll(MonoNs(10 * NS + NS // 2 + 1)))) == 1
    assert decoder.poll(MonoNs(12 * NS)) == []
    decoder.feed(RMC1, MonoNs(13 * NS))
    assert len(fixes(decoder.feed(b"$", MonoNs(14 * NS)))) == 1


def test_what_comes_late_belongs_to_the_epoch_that_was_told() -> None:
    decoder = GnssDecoder(None)
    decoder.feed(RMC0, MonoNs(0))
    assert len(fixes(decoder.poll(MonoNs(NS)))) == 1
    late = decoder.feed(GGA0, MonoNs(NS)) + decoder.poll(MonoNs(2 * NS))
    assert [type(event) for event in late] == [TimeMark]
    again = decoder.feed(GGA0, MonoNs(3 * NS)) + decoder.poll(MonoNs(4 * NS))
    assert len(fixes(again)) == 1  # said a second time: a clock that stands still, and not a late sentence


def test_cold_start_tells_an_epoch_a_burst_without_time() -> None:
    burst = line("GNRMC,,V,,,,,,,,,,N") + line("GNGGA,,,,,,0,00,99.99,,,,,,") + line("GNGSA,A,1,,,,,,,,,,,,,99.99,99.99,99.99")
    told = fixes(decode(burst * 3))
    assert [(fix.time, fix.mode, fix.satellites_used, fix.position) for fix in told] == [(None, FixMode.NONE, 0, None)] * 3


@pytest.mark.parametrize(
    ("sentences", "mode"),
    [
        ((RMC0,), FixMode.TWO_D),
        ((RMC0, GGA0), FixMode.THREE_D),
        ((RMC0, GGA0, line("GPGSA,A,2,01,,,,,,,,,,,,1,1,1")), FixMode.TWO_D),
        ((RMC0, line("GPGSA,A,1,,,,,,,,,,,,,1,1,1")), FixMode.NONE),
        ((line("GNRMC,120000,V,,,,,,,060419,,,N"), GGA0), FixMode.NONE),
        ((line("GPZDA,120000,06,04,2019,,"),), FixMode.UNKNOWN),
        ((line("GPGGA,120000,,,,,0,00,,,M,,M,,"), line("GLGGA,120000,4808.0,N,01135.0,E,1,04,1.1,1.0,M,,M,,")), FixMode.THREE_D),
        ((line("GNGGA,120000,4808.0,N,01135.0,E,6,04,1.1,1.0,M,,M,,"),), FixMode.NONE),
    ],
)
def test_mode(sentences: tuple[bytes, ...], mode: FixMode) -> None:
    (fix,) = fixes(decode(*sentences))
    assert fix.mode is mode
    assert (fix.position is None) == (mode < FixMode.TWO_D)


def test_the_date_of_an_rmc_without_fix_is_not_used() -> None:
    events = decode(line("GNRMC,120000,V,,,,,,,060419,,,N"))
    assert [type(event) for event in events] == [Fix]
    assert fixes(events)[0].time is None


def test_zda_says_valid_when_the_receiver_last_did() -> None:
    zda = line("GPZDA,120000,06,04,2019,,")
    events = decode(zda, RMC0, zda, line("GPZDA,120001,06,04,2019,,"))
    marks = [event.valid for event in events if isinstance(event, TimeMark)]
    assert marks == [False, True, True, True]


def test_used_falls_back_to_the_count_of_gga() -> None:
    assert fixes(decode(RMC0, GGA0))[0].satellites_used == 9
    capped = line("GNGGA,120000,4808.0,N,01135.0,E,1,12,1.1,1.0,M,,M,,")
    many = "".join(f"{number:02d}," for number in range(1, 13))
    named = line(f"GNGSA,A,3,{many}1.8,0.9,1.5") + line("GNGSA,A,3,65,66,,,,,,,,,,,1.8,0.9,1.5")
    assert fixes(decode(RMC0, capped, named))[0].satellites_used == 14


def test_several_constellations_with_signal_ids_are_counted_once() -> None:
    gsv = (
        line("GPGSV,2,1,05,01,10,010,30,02,20,020,31,03,30,030,32,04,40,040,33,1")
        + line("GPGSV,2,2,05,46,50,050,34,1")
        + line("GPGSV,1,1,02,01,10,010,41,02,20,020,,8")  # the same satellites on L5
        + line("GLGSV,1,1,02,65,11,011,20,66,12,012,21,1")
        + line("GAGSV,1,1,01,02,13,013,22,7")
        + line("GBGSV,1,1,01,19,14,014,23,1")
        + line("GQGSV,1,1,01,02,15,015,24,1")
        + line("GIGSV,1,1,00,1")
    )
    gsa = (
        line("GNGSA,A,3,01,02,,,,,,,,,,,1.8,0.9,1.5,1")
        + line("GNGSA,A,3,66,,,,,,,,,,,,1.8,0.9,1.5,2")
        + line("GNGSA,A,3,02,,,,,,,,,,,,1.8,0.9,1.5,3")
        + line("GNGSA,A,3,19,,,,,,,,,,,,1.8,0.9,1.5,4")
    )
    events = decode(RMC0, gsv, gsa, RMC1)
    (sky,) = skies(events)
    told = {(one.constellation, one.number): (one.cn0, one.used) for one in sky.satellites}
    assert told == {
        ("G", 1): (41, True),
        ("G", 2): (31, True),
        ("G", 3): (32, False),
        ("G", 4): (33, False),
        ("S", 46): (34, False),
        ("R", 65): (20, False),
        ("R", 66): (21, True),
        ("E", 2): (22, True),
        ("C", 19): (23, True),
        ("J", 2): (24, False),
    }
    assert len(sky.satellites) == len(told)
    assert [(fix.satellites_used, fix.satellites_seen) for fix in fixes(events)] == [(5, 10), (0, 10)]
    assert sky.satellites[0].azimuth is not None


def test_a_broken_round_is_thrown_away() -> None:
    first, second = line("GPGSV,2,1,05,01,,,,02,,,,03,,,,04,,,"), line("GPGSV,2,2,05,05,,,")
    assert [len(sky.satellites) for sky in skies(decode(RMC0, first, second))] == [5]
    assert skies(decode(RMC0, second, first)) == []
    assert [len(sky.satellites) for sky in skies(decode(RMC0, first, first, second))] == [5]
    assert skies(decode(RMC0, first, line("GPGSV,3,3,09,09,,,"))) == []


def test_a_constellation_that_is_not_told_any_more_is_forgotten() -> None:
    decoder = GnssDecoder(None)
    decoder.feed(RMC0 + line("GLGSV,1,1,01,65,,,"), MonoNs(0))
    seen = []
    for second in range(1, 9):
        burst = RMC1.replace(b"120001", b"1200%02d" % second).split(b"*")[0].decode()[1:]
        seen += fixes(decoder.feed(line(burst) + line("GPGSV,1,1,01,05,,,"), MonoNs(second)))
    assert [fix.satellites_seen for fix in seen] == [1, 2, 2, 2, 2, 1, 1, 1]


def test_bad_input_changes_nothing_and_is_counted() -> None:
    clean = decode(RMC0, GGA0, RMC1)
    bad = [RMC0.replace(b"1200", b"1300"), line("GNRMC,990000,A,,,,,,,060419,,,A"), b"\xff$GPR$\xb5\x62", line("GPZDA,120000,32,01,2020,,")]
    decoder = GnssDecoder(None)
    events = []
    for chunk in (bad[0], RMC0, bad[1], bad[2], GGA0, bad[3], RMC1):
        events += decoder.feed(chunk, MonoNs(0))
    assert repr(events + decoder.flush(MonoNs(0))) == repr(clean)  # NaN is no equal of itself
    rejects = decoder.counters.rejects
    assert {reason: rejects[reason] for reason in (Reject.CHECKSUM, Reject.FIELD, Reject.DATE)} == {
        Reject.CHECKSUM: 1,
        Reject.FIELD: 1,
        Reject.DATE: 1,
    }


def test_counters_are_a_snapshot_and_bounded() -> None:
    decoder = GnssDecoder(None)
    before = decoder.counters
    for first in "ABCDEFGHIJ":
        for second in "0123456789":
            decoder.feed(line(f"{first}{second}VTG,,T,,M,,N,,K,N"), MonoNs(0))
    assert before.sentences == {}
    after = decoder.counters.sentences
    assert len(after) == 65
    assert sum(after.values()) == 100
    assert after["other"] == 36


RECORDINGS = [
    (DATA / f"{name}.log").read_bytes()[:6000] for name in ("mt3339", "quectelLC79D", "gp-320fw-2019-04-06-overflow", "beidou-bd")
]
PIECES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([RMC0, RMC1, GGA0, GLL0, GSA, RMC0[:30], b"\xb5\x62\x01\x07\x04\x00abcd", b"$", b"\r\n"]),
    st.sampled_from(RECORDINGS),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(PIECES, max_size=8).map(b"".join), st.lists(st.integers(0, 20_000), max_size=25))
def test_any_split_gives_the_same_events(stream: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    chunks = [stream[start:end] for start, end in pairwise(edges)]
    whole, split = GnssDecoder(FLOOR), GnssDecoder(FLOOR)
    expected = whole.feed(stream, MonoNs(0)) + whole.flush(MonoNs(0))
    got = [event for chunk in chunks for event in split.feed(chunk, MonoNs(0))] + split.flush(MonoNs(0))
    assert repr(got) == repr(expected)  # repr: a NaN altitude equals itself there
    assert split.counters == whole.counters


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(PIECES, st.integers(0, 3 * NS), st.booleans()), max_size=12))
def test_whatever_comes_whenever_events_are_in_order_and_never_too_far(steps: list[tuple[bytes, int, bool]]) -> None:
    decoder, at = GnssDecoder(FLOOR), 0
    for data, pause, silent in steps:
        at += pause
        events = decoder.poll(MonoNs(at)) if silent else decoder.feed(data, MonoNs(at))
        for event in events:
            assert 0 <= event.at_ns <= at
            if isinstance(event, TimeMark):
                assert event.utc >= FLOOR - 43_200 * NS
                rfc3339(event.utc)
        if any(isinstance(event, TimeMark) for event in events) and silent:
            raise AssertionError("a mark without a sentence")


def test_flush_twice_is_harmless() -> None:
    decoder = GnssDecoder(None)
    decoder.feed(RMC0 + RMC1[:20], MonoNs(0))
    assert len(fixes(decoder.flush(MonoNs(0)))) == 1
    assert decoder.flush(MonoNs(0)) == []
    assert decoder.counters.rejects == {Reject.UNFINISHED: 1}

"""Sentences as values: what is read, what is refused and why."""

import math
from functools import reduce
from operator import xor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum1.gnss import FixMode, NmeaFrame, Reject, SentenceError, decode_sentence
from stratum1.gnss._satellites import Gsv, SatelliteKey, satellite_key
from stratum1.gnss._sentences import Date, Gsa, Nav
from stratum1.timescale import NS, MonoNs


def frame(body: str) -> NmeaFrame:
    return NmeaFrame(MonoNs(0), f"${body}*{reduce(xor, body.encode(), 0):02X}")


def nav(body: str) -> Nav:
    value = decode_sentence(frame(body))
    assert isinstance(value, Nav)
    return value


@pytest.mark.parametrize("talker", ["GP", "GN", "GL", "GA", "GB", "BD", "GQ", "GI", "QZ"])
def test_any_talker(talker: str) -> None:
    value = nav(f"{talker}RMC,235959.25,A,4808.9978,S,01135.0800,W,0.0,0.0,060419,3.0,E,A")
    assert value.address == f"{talker}RMC"
    assert value.tod_ns == 86_399 * NS + NS // 4
    assert value.date == Date(19, 4, 6)
    assert value.valid is True
    assert value.position is not None
    assert value.position.latitude == pytest.approx(-48.14996333)
    assert value.position.longitude == pytest.approx(-11.584666667)
    assert math.isnan(value.position.altitude)


@pytest.mark.parametrize(
    ("body", "valid"),
    [
        ("GPRMC,120000,A,,,,,,,060419,,", True),  # NMEA 2.1: no mode
        ("GPRMC,120000,A,,,,,,,060419,,,A", True),  # 2.3
        ("GNRMC,120000.00,A,,,,,,,060419,,,D,V", True),  # 4.10: navigational status
        ("GPRMC,120000,V,,,,,,,060419,,,N", False),
        ("GPRMC,120000,A,,,,,,,060419,,,E", False),  # dead reckoning
        ("GPRMC,120000,A,,,,,,,060419,,,S", False),  # simulation
        ("GPRMC,120000,,,,,,,,,,", None),
        ("GPGLL,,,,,120000,A", True),
        ("GPGLL,,,,,120000,V,N", False),
        ("GPGGA,120000,,,,,0,00,,,M,,M,,", False),
        ("GPGGA,120000,,,,,1,00,,,M,,M,,", True),
        ("GPGGA,120000,,,,,6,00,,,M,,M,,", False),
        ("GPGGA,120000,,,,,7,00,,,M,,M,,", True),  # fixed position: how timing receivers say that they have the time
        ("GPGGA,120000,,,,,8,00,,,M,,M,,", False),
        ("GNGNS,120000,,,,,NNNN,00,,,,,", False),
        ("GNGNS,120000,,,,,ANNA,05,1.3,156.9,8.3,,", True),
        ("GNGNS,120000,,,,,ANNANN,05,1.3,156.9,8.3,,,V", True),
        ("GPZDA,120000,26,05,2014,,", None),
    ],
)
def test_who_claims_a_fix(body: str, valid: bool | None) -> None:
    value = nav(body)
    assert value.valid is valid
    assert value.tod_ns == 43_200 * NS


def test_zda_gga_gns() -> None:
    assert nav("GPZDA,120000.123456789,26,05,2014,-01,30").date == Date(2014, 5, 26)
    assert nav("GPZDA,120000.123456789,26,05,2014,-01,30").tod_ns == 43_200 * NS + 123_456_789
    assert nav("GPZDA,,,,,,").date is None
    gga = nav("GPGGA,120000,4808.0,N,01135.0,E,1,10,0.96,205.3,M,42.0,M,,")
    assert (gga.used, gga.hdop) == (10, 0.96)
    assert gga.position is not None
    assert gga.position.altitude == 205.3
    assert nav("GNGNS,120000,3114.8,N,12135.2,E,ANNA,05,1.3,156.9,8.3,,").used == 5
    assert nav("GPVTG,,T,,M,0.250,N,0.463,K,A").tod_ns is None


def test_leap_second_is_a_time_of_its_own() -> None:
    assert nav("GPZDA,235960.50,31,12,2016,,").tod_ns == 86_400 * NS + NS // 2


@pytest.mark.parametrize(
    ("body", "reason", "field"),
    [
        ("GPRMC,1200,A,,,,,,,060419,,", Reject.FIELD, "time"),
        ("GPRMC,240000,A,,,,,,,060419,,", Reject.FIELD, "time"),
        ("GPRMC,126000,A,,,,,,,060419,,", Reject.FIELD, "time"),
        ("GPRMC,120060,A,,,,,,,060419,,", Reject.FIELD, "time"),
        ("GPRMC,235961,A,,,,,,,060419,,", Reject.FIELD, "time"),
        ("GPRMC,-10000,A,,,,,,,060419,,", Reject.FIELD, "time"),
        ("GPRMC,120000,X,,,,,,,060419,,", Reject.FIELD, "status"),
        ("GPRMC,120000,A,,,,,,,310619,,", Reject.DATE, "date"),
        ("GPRMC,120000,A,,,,,,,001319,,", Reject.DATE, "date"),
        ("GPRMC,120000,A,,,,,,,0604,,", Reject.DATE, "date"),
        ("GPRMC,120000,A,,,,,,,06O419,,", Reject.DATE, "date"),
        ("GPZDA,120000,31,02,2020,,", Reject.DATE, "date"),
        ("GPZDA,120000,01,01,1970,,", Reject.DATE, "year"),
        ("GPZDA,120000,01,01,20 20,,", Reject.DATE, "date"),
        ("GPGLL,9101.0,N,01135.0,E,120000,A", Reject.FIELD, "position"),
        ("GPGLL,4801.0,N,18101.0,E,120000,A", Reject.FIELD, "position"),
        ("GPGLL,48x1.0,N,01135.0,E,120000,A", Reject.FIELD, "position"),
        ("GPGLL,4801.0,X,01135.0,E,120000,A", Reject.FIELD, "hemisphere"),
        ("GPGGA,120000,,,,,x,00,,,M,,M,,", Reject.FIELD, "quality"),
        ("GPGGA,120000,,,,,1,-1,,,M,,M,,", Reject.FIELD, "num_sats"),
        ("GPGGA,120000,,,,,1,05,inf,,M,,M,,", Reject.FIELD, "horizontal_dil"),
        ("GPGSA,A,4,,,,,,,,,,,,,,,", Reject.FIELD, "fix mode"),
        ("GPGSA,A,3,0,,,,,,,,,,,,,,", Reject.FIELD, "satellite"),
        ("GPGSV,3,4,12", Reject.FIELD, "sentence"),
        ("GPGSV,0,0,12", Reject.FIELD, "sentences"),
        ("GPGSV,1", Reject.FIELD, "number of fields"),
        ("GPGSV,1,1,01,05,91,000,30", Reject.FIELD, "elevation"),
        ("GPGSV,1,1,01,05,45,361,30", Reject.FIELD, "azimuth"),
        ("GPGSV,1,1,01,05,45,000,nan", Reject.FIELD, "C/N0"),
    ],
)
def test_impossible_values_are_refused_by_name(body: str, reason: Reject, field: str) -> None:
    with pytest.raises(SentenceError) as caught:
        decode_sentence(frame(body))
    assert caught.value.reason is reason
    assert caught.value.field == field


@pytest.mark.parametrize("body", ["GPTXT,01,01,02,x", "PGRMC,A,1", "PUBX,04,1", "GPGST,120000,,,,,,,", "X", "GPRMC", "", "GP\x7fMC,"])
def test_other_sentences_are_left_alone(body: str) -> None:
    assert decode_sentence(frame(body)) is None


def test_gsa_by_talker_number_and_system() -> None:
    def named(body: str) -> set[SatelliteKey]:
        value = decode_sentence(frame(body))
        assert isinstance(value, Gsa)
        return set(value.satellites)

    assert named("GNGSA,A,3,03,70,46,193,205,,,,,,,,1.8,0.9,1.5") == {("G", 3), ("R", 6), ("S", 133), ("J", 1), ("C", 5)}
    assert named("GNGSA,A,3,03,,,,,,,,,,,,1.8,0.9,1.5,3") == {("E", 3)}
    assert named("GNGSA,A,3,03,,,,,,,,,,,,1.8,0.9,1.5,4") == {("C", 3)}
    assert named("GNGSA,A,3,70,,,,,,,,,,,,1.8,0.9,1.5,2") == {("R", 6)}
    assert named("GNGSA,A,3,03,,,,,,,,,,,,1.8,0.9,1.5,1") == {("G", 3)}
    assert named("BDGSA,A,3,02,,,,,,,,,,,,5.1,1.3,4.9,3.3") == {("C", 2)}  # a TDOP where NMEA 4.11 has the system
    assert named("GPGSA,A,1,,,,,,,,,,,,,,,") == set()
    value = decode_sentence(frame("GPGSA,A,2,01,,,,,,,,,,,,1.8,0.9,"))
    assert isinstance(value, Gsa)
    assert value.mode is FixMode.TWO_D
    assert (value.dop.pdop, value.dop.hdop) == (1.8, 0.9)
    assert math.isnan(value.dop.vdop)


@pytest.mark.parametrize(
    ("talker", "number", "key"),
    [
        ("GA", 302, ("E", 2)),
        ("GA", 2, ("E", 2)),
        ("GB", 401, ("C", 1)),
        ("BD", 201, ("C", 1)),
        ("GQ", 1, ("J", 1)),
        ("QZ", 193, ("J", 1)),
        ("GL", 65, ("R", 1)),
        ("GL", 1, ("R", 1)),
        ("GI", 901, ("I", 1)),
        ("GP", 120, ("S", 120)),
        ("GP", 33, ("S", 120)),
        ("GP", 301, ("E", 1)),
        ("XX", 500, ("G", 500)),
    ],
)
def test_one_satellite_however_it_is_numbered(talker: str, number: int, key: tuple[str, int]) -> None:
    assert satellite_key(talker, number) == key


def test_gsv_with_and_without_signal_and_with_gaps() -> None:
    value = decode_sentence(frame("GAGSV,2,2,07,102,,,40,103,45,012,,8"))
    assert isinstance(value, Gsv)
    assert (value.talker, value.total, value.number, value.signal) == ("GA", 2, 2, "8")
    assert [tuple(one) for one in value.satellites] == [("E", 102, None, None, 40), ("E", 103, 45, 12, None)]
    short = decode_sentence(frame("GPGSV,1,1,02,05,45,012,30,47,,"))  # the last field left out
    assert isinstance(short, Gsv)
    assert [one.number for one in short.satellites] == [5, 47]
    padded = decode_sentence(frame("GPGSV,1,1,01,05,45.5,012,30,,,,,,,,"))
    assert isinstance(padded, Gsv)
    assert [tuple(one) for one in padded.satellites] == [("G", 5, 45, 12, 30)]


FIELDS = st.one_of(
    st.sampled_from(["", "A", "V", "120000", "235960.5", "060419", "4808.0", "N", "E", "1", "3", "12", "inf", "nan", "-1", "1e9", "0x1"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="$*,"), max_size=8),
)


@settings(deadline=None, max_examples=500)
@given(
    st.sampled_from(["GP", "GN", "BD", "P", "ZZ"]),
    st.sampled_from(["RMC", "ZDA", "GGA", "GLL", "GNS", "GSA", "GSV", "VTG", "TXT"]),
    st.lists(FIELDS, max_size=24),
)
def test_any_fields_give_a_value_or_a_typed_error(talker: str, kind: str, fields: list[str]) -> None:
    body = ",".join([talker + kind, *fields])
    refused = None
    try:
        value = decode_sentence(frame(body))
        assert value is None or isinstance(value, Nav | Gsa | Gsv)
    except SentenceError as error:
        refused = error
    assert refused is None or (refused.field and len(str(refused)) < 200)


@settings(deadline=None, max_examples=300)
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="$"), max_size=80))
def test_any_text_gives_a_value_or_a_typed_error(body: str) -> None:
    try:
        value = decode_sentence(frame(body))
    except SentenceError:
        return
    assert value is None or isinstance(value, Nav | Gsa | Gsv)

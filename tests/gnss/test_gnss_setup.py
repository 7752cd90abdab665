"""The set-up of u-blox receivers, against a simulated one of each generation."""

import struct
from dataclasses import replace

import pytest
from pyubx2 import GET, UBXMessage
from setup_bench import GENERATIONS, WISH, bench, state
from testkit.ublox import Ublox

from stratum1.gnss.setup import Identity, SetupState, ecef


def legacy(receiver: Ublox, name: str, place: bytes = b"") -> dict[str, int]:
    message = UBXMessage(name[:3], name, GET, payload=receiver.legacy[name, place])
    return {key: value for key, value in vars(message).items() if not key.startswith("_")}


def value(receiver: Ublox, key: str, signed: bool = False) -> int:
    return int.from_bytes(receiver.keys[key], "little", signed=signed)


@pytest.mark.parametrize("timing", [True, False])
@pytest.mark.parametrize("generation", GENERATIONS)
def test_every_generation_is_brought_to_what_is_wanted_and_then_left_alone(generation: int, timing: bool) -> None:
    receiver = Ublox(generation, timing)
    line = bench(receiver, seconds=55)
    report = line.machine.report
    assert (report.state, report.refused) == (SetupState.DONE, ())
    assert report.timing is timing
    assert report.identity is not None
    assert report.identity.generation == generation
    assert [note.alarm for note in line.notes] == [False]
    assert b"RMC" not in receiver.second()
    assert (b"\xb5\x62\x01\x06" if generation == 6 else b"\xb5\x62\x01\x07") in receiver.second()
    writes, sent = len(receiver.writes), line.sent
    assert len(set(receiver.writes)) == writes, "something was written twice"
    assert sent < 4000
    line.run(600)
    assert len(receiver.writes) == writes
    assert line.sent - sent < 600
    line.open()
    line.run(60)
    assert len(receiver.writes) == writes, "the second set-up writes nothing"
    assert "set as wanted already" in line.notes[-1].text


def test_the_pulse_of_the_older_generations() -> None:
    receiver = Ublox(8)
    bench(receiver)
    tp = receiver.legacy["CFG-TP5", b""]
    # u-blox M8 receiver description, 32.11.30.3: cable delay (I2, ns) at 4, periods (U4, us) at 8 and 12, lengths at 16 and 20, flags at 28
    assert struct.unpack_from("<h", tp, 4) == (35,)
    assert struct.unpack_from("<IIII", tp, 8) == (1_000_000, 1_000_000, 0, 100_000)
    assert struct.unpack_from("<I", tp, 28) == (0x77,)  # active, to GNSS, other set when locked, length, aligned, rising; grid UTC
    bench(receiver, replace(WISH, pulse_polarity="falling", pulse_grid="gps", pulse_length=200_000, cable_delay=None))
    tp = receiver.legacy["CFG-TP5", b""]
    assert struct.unpack_from("<h", tp, 4) == (35,)  # as it was
    assert struct.unpack_from("<II", tp, 16) == (0, 200_000)
    assert struct.unpack_from("<I", tp, 28) == (0x77 & ~0x40 | 0x80,)


def test_the_pulse_of_the_newer_generations() -> None:
    receiver = Ublox(9)
    bench(receiver)
    assert value(receiver, "CFG_TP_ANT_CABLEDELAY") == 35
    assert (value(receiver, "CFG_TP_LEN_TP1"), value(receiver, "CFG_TP_LEN_LOCK_TP1")) == (0, 100_000)
    for key in ("TP1_ENA", "SYNC_GNSS_TP1", "USE_LOCKED_TP1", "ALIGN_TO_TOW_TP1", "POL_TP1", "PULSE_LENGTH_DEF"):
        assert value(receiver, f"CFG_TP_{key}") == 1, key


def test_firmware_6_of_generation_6_has_messages_of_its_own() -> None:
    receiver = Ublox(6, old=True)
    line = bench(receiver, replace(WISH, pulse_polarity="falling"))
    assert state(line) is SetupState.DONE
    interval, length, status, grid, flags, cable = struct.unpack_from("<IIbBBxh", receiver.legacy["CFG-TP", b""])
    assert (interval, length, status, grid, flags, cable) == (1_000_000, 100_000, -1, 0, 0, 35)
    assert struct.unpack("<I16xII", receiver.legacy["CFG-TMODE", b""]) == (1, 3600, 9_000_000)  # mm^2


HOUSE = (4_283_330.12345, 601_042.98765, 4_672_158.50505)


@pytest.mark.parametrize("generation", [6, 7, 8])
def test_a_fixed_position_of_the_older_generations(generation: int) -> None:
    receiver = Ublox(generation)
    bench(receiver, replace(WISH, mode="fixed", position=HOUSE, position_accuracy=0.25))
    # TMODE2: mode U1, flags X2 at 2, centimetres I4 at 4, accuracy U4 (mm) at 16
    assert struct.unpack_from("<BxHiiiI", receiver.legacy["CFG-TMODE2", b""]) == (2, 0, 428_333_012, 60_104_299, 467_215_850, 250)


def test_a_fixed_position_of_a_high_precision_m8() -> None:
    receiver = Ublox(8)
    del receiver.legacy["CFG-TMODE2", b""]
    receiver.legacy["CFG-TMODE3", b""] = bytes(40)
    line = bench(receiver, replace(WISH, mode="fixed", position=HOUSE, position_accuracy=0.25))
    assert (line.machine.report.state, line.machine.report.timing) == (SetupState.DONE, True)
    mode, x, y, z, *rest = struct.unpack_from("<xxHiiibbbxI", receiver.legacy["CFG-TMODE3", b""])
    assert (mode, x, y, z, rest) == (2, 428_333_012, 60_104_299, 467_215_850, [34, -24, 50, 2500])


def test_a_fixed_position_of_the_newer_generations() -> None:
    receiver = Ublox(9)
    bench(receiver, replace(WISH, mode="fixed", position=HOUSE))
    place = [value(receiver, f"CFG_TMODE_ECEF_{axis}") + value(receiver, f"CFG_TMODE_ECEF_{axis}_HP", signed=True) / 100 for axis in "XYZ"]
    assert place == pytest.approx([coordinate * 100 for coordinate in HOUSE], abs=0.0051)
    assert value(receiver, "CFG_TMODE_FIXED_POS_ACC") == 1000
    assert (value(receiver, "CFG_TMODE_MODE"), value(receiver, "CFG_TMODE_POS_TYPE")) == (2, 0)


@pytest.mark.parametrize(("generation", "limit"), [(6, 4500), (8, 4500), (9, 45_000)])
def test_a_survey(generation: int, limit: int) -> None:
    receiver = Ublox(generation)
    bench(receiver, replace(WISH, mode="survey-in", survey_duration=7200, survey_accuracy=4.5))
    if generation == 9:
        found = [value(receiver, f"CFG_TMODE_{key}") for key in ("MODE", "SVIN_MIN_DUR", "SVIN_ACC_LIMIT")]
    else:
        held = legacy(receiver, "CFG-TMODE2")
        found = [held["timeMode"], held["svinMinDur"], held["svinAccLimit"]]
    assert found == [1, 7200, limit]


def test_a_receiver_that_holds_a_position_keeps_it() -> None:
    receiver = Ublox(8)
    receiver.legacy["CFG-TMODE2", b""] = held = struct.pack("<BxHiiiIII", 2, 0, 1, 2, 3, 4, 5, 6)
    bench(receiver)
    assert receiver.legacy["CFG-TMODE2", b""] == held
    bench(receiver, replace(WISH, mode="navigation"))
    assert receiver.legacy["CFG-TMODE2", b""] == b"\0" + held[1:]


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("mode", ["survey-in", "fixed"])
def test_a_timing_mode_asked_of_a_receiver_that_has_none(generation: int, mode: str) -> None:
    line = bench(Ublox(generation, timing=False), replace(WISH, mode=mode, position=HOUSE))  # type: ignore[arg-type]
    report = line.machine.report
    assert report.state is SetupState.PARTLY
    assert report.refused == ("timing mode: the receiver does not know it; it is left as it is",)
    assert [note.alarm for note in line.notes] == [False, True]


@pytest.mark.parametrize("generation", [7, 8])
def test_constellations_in_blocks(generation: int) -> None:
    receiver = Ublox(generation)
    before = receiver.legacy["CFG-GNSS", b""]
    wanted = frozenset({"gps", "galileo"}) if generation == 8 else frozenset({"gps"})
    line = bench(receiver, replace(WISH, constellations=wanted))  # type: ignore[arg-type]
    assert state(line) is SetupState.DONE
    after = receiver.legacy["CFG-GNSS", b""]
    names = {0: "gps", 2: "galileo", 5: "qzss"}
    for place in range(4, len(after), 8):
        number = after[place]
        on = names.get(number) in {*wanted, "qzss"}
        assert after[place + 4] & 1 == on or number == 4  # IMES is nobody's business
        assert after[place + 5 : place + 8] == before[place + 5 : place + 8]


def test_constellations_by_key_are_found_one_by_one() -> None:
    receiver = Ublox(10, timing=False)  # it has no NavIC, so all of them together are refused
    line = bench(receiver, replace(WISH, constellations=frozenset({"gps", "glonass"})))
    assert state(line) is SetupState.DONE
    on = {key for key, held in receiver.keys.items() if key.startswith("CFG_SIGNAL") and held == b"\1"}
    assert on == {"CFG_SIGNAL_GPS_ENA", "CFG_SIGNAL_QZSS_ENA", "CFG_SIGNAL_GLO_ENA"}


@pytest.mark.parametrize(("generation", "wanted"), [(6, "beidou"), (7, "galileo"), (8, "navic"), (10, "navic")])
def test_a_constellation_that_a_receiver_has_not(generation: int, wanted: str) -> None:
    receiver = Ublox(generation, timing=False)
    before = dict(receiver.legacy), {key: held for key, held in receiver.keys.items() if "SIGNAL" in key}
    line = bench(receiver, replace(WISH, constellations=frozenset({"gps", wanted})))  # type: ignore[arg-type]
    assert line.machine.report.refused == (f"constellations: the receiver has no {wanted}; it is left as it is",)
    assert receiver.legacy.get(("CFG-GNSS", b"")) == before[0].get(("CFG-GNSS", b""))
    assert {key: held for key, held in receiver.keys.items() if "SIGNAL" in key} == before[1]


def test_nmea_stays_where_it_is_wanted_and_messages_where_they_are_not() -> None:
    both = Ublox(8)
    bench(both, replace(WISH, silence_nmea=False))
    assert {b"RMC" in both.second(), b"\xb5\x62\x01\x07" in both.second()} == {True}
    quiet = Ublox(9)
    bench(quiet, replace(WISH, messages=False))
    assert quiet.second().count(b"\xb5\x62") == 0
    assert value(quiet, "CFG_NAVSPG_DYNMODEL") == 2


def test_rates_of_the_file_go_over_ours() -> None:
    receiver = Ublox(8)
    bench(receiver, replace(WISH, rates={"NAV-SAT": 2, "MON-HW": 0}))
    assert receiver.legacy["CFG-MSG", b"\x01\x35"] == b"\x01\x35\x00\x02\x00\x00\x00\x00"
    assert receiver.legacy["CFG-MSG", b"\x0a\x09"][3] == 0


def test_on_usb_the_usb_port_is_set() -> None:
    old, new = Ublox(8, port="usb"), Ublox(9, port="usb")
    bench(old)
    bench(new, replace(WISH, port="usb"))
    assert old.legacy["CFG-MSG", b"\x01\x07"] == b"\x01\x07\0\0\0\1\0\0"
    assert old.legacy["CFG-PRT", b"\1"][14] == 3
    assert (value(new, "CFG_MSGOUT_UBX_NAV_PVT_USB"), value(new, "CFG_MSGOUT_UBX_NAV_PVT_UART1")) == (1, 0)
    assert b"RMC" not in old.second() + new.second()


@pytest.mark.parametrize("generation", [6, 8, 9])
def test_the_rate_of_the_line_changes_at_both_ends(generation: int) -> None:
    receiver = Ublox(generation)
    line = bench(receiver, replace(WISH, baud=115_200))
    assert state(line) is SetupState.DONE
    assert (receiver.baud, receiver.line_baud) == (115_200, 115_200)
    line.open()
    line.run(60)
    assert state(line) is SetupState.DONE


@pytest.mark.parametrize("generation", [7, 8, 9])
def test_saving_happens_once_and_outlives_a_loss_of_power(generation: int) -> None:
    receiver = Ublox(generation, no_flash=True)
    line = bench(receiver, replace(WISH, save=True))
    assert receiver.saves == (["bbr"] if generation == 9 else ["all"])
    assert state(line) is SetupState.DONE
    writes = len(receiver.writes)
    line.at(1, receiver.reboot)
    line.run(120)
    assert len(receiver.writes) == writes
    assert len(receiver.saves) == 1


def test_nothing_is_saved_unasked() -> None:
    for generation in GENERATIONS:
        receiver = Ublox(generation)
        bench(receiver)
        assert receiver.saves == []


def test_who_the_receivers_are() -> None:
    known = {number: bench(Ublox(number), seconds=5).machine.report.identity for number in GENERATIONS}
    assert known[8] == Identity("NEO-M8T-0", "TIM 1.10", "22.00", "00080000", 8)
    assert known[9] == Identity("ZED-F9T", "TIM 2.20", "29.20", "00190000", 9)
    assert [str(each) for each in known.values() if each][:2] == [
        "u-blox 6, firmware 7.03 (45969), protocol unknown",
        "u-blox 7, firmware 1.00 (59842), protocol 14.00",
    ]


def test_places_on_the_ellipsoid() -> None:
    assert ecef(0, 0, 0) == pytest.approx((6_378_137.0, 0, 0))
    assert ecef(90, 0, 10) == pytest.approx((0, 0, 6_356_762.314_245), abs=1e-5)
    assert ecef(0, -90, 0) == pytest.approx((0, -6_378_137.0, 0), abs=1e-5)
    # Zimmerwald observatory (IGS ZIMM00CHE): ellipsoidal position and ECEF of its site log
    assert ecef(46.877_098, 7.465_276, 956.4) == pytest.approx((4_331_297.0, 567_555.8, 4_633_133.9), abs=5.0)

"""The set-up of receivers that refuse, are late, start anew, say nonsense or nothing."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from setup_bench import GENERATIONS, WISH, bench, state
from testkit.ublox import Bench, Ublox, ubx

from stratum1.gnss._setup_frames import ids
from stratum1.gnss.setup import SetupMachine, SetupNote, SetupState
from stratum1.timescale import NS, MonoNs

NAMES = {
    name: bytes(ids(name))
    for name in ("MON-VER", "CFG-PRT", "CFG-MSG", "CFG-TP5", "CFG-NAV5", "CFG-RATE", "CFG-GNSS", "CFG-VALGET", "CFG-TMODE2")
}

REFUSABLE = {"CFG-TP5": ("CFG-TP5", "time pulse"), "NAV-SAT": ("CFG-MSG", "NAV-SAT"), "CFG-NAV5": ("CFG-NAV5", "stationary model")}


@pytest.mark.parametrize(
    ("name", "how"),
    [
        (name, how)
        for name in REFUSABLE
        for how in ("refuses", "ignores", "clamps", "unacknowledged")
        if (name, how) != ("CFG-NAV5", "clamps")  # its mask lets through nothing that could be taken wrongly
    ],
)
def test_a_message_that_is_not_taken_is_put_back_and_the_rest_goes_on(name: str, how: str) -> None:
    receiver = Ublox(8, **{how: frozenset({name})})  # type: ignore[arg-type]
    place = (REFUSABLE[name][0], b"\x01\x35" if name == "NAV-SAT" else b"")
    before = receiver.legacy[place]
    line = bench(receiver)
    report = line.machine.report
    if how == "unacknowledged":  # it was taken all the same, as reading it back shows
        assert report.state is SetupState.DONE
        return
    assert report.state is SetupState.PARTLY
    (sentence,) = report.refused
    assert sentence.startswith(
        f"{REFUSABLE[name][1]}: the receiver {'refuses it (NAK)' if how == 'refuses' else 'takes it and then holds'}"
    )
    assert receiver.legacy[place] == before
    assert sentence.endswith("what was there is put back" if how == "clamps" else "it is left as it was")
    assert receiver.legacy["CFG-MSG", b"\x01\x07"][3] == 1
    assert b"RMC" not in receiver.second()


@pytest.mark.parametrize("how", ["refuses", "ignores", "clamps", "unacknowledged"])
def test_a_key_that_is_not_taken_is_put_back_and_the_rest_goes_on(how: str) -> None:
    receiver = Ublox(9, **{how: frozenset({"CFG_TP_LEN_LOCK_TP1"})})  # type: ignore[arg-type]
    before = dict(receiver.keys)
    line = bench(receiver, replace(WISH, pulse_length=50_000))
    report = line.machine.report
    if how == "unacknowledged":
        assert report.state is SetupState.DONE
        return
    (sentence,) = report.refused
    assert sentence.startswith("time pulse: ")
    assert {key: held for key, held in receiver.keys.items() if key.startswith("CFG_TP")} == {
        key: held for key, held in before.items() if key.startswith("CFG_TP")
    }
    assert sentence.endswith("it is left as it was" if how == "refuses" else "what was there is put back")
    assert receiver.keys["CFG_MSGOUT_UBX_NAV_PVT_UART1"][0] == 1


def test_nmea_stays_while_the_message_that_tells_the_time_is_refused() -> None:
    for receiver in (Ublox(8, refuses=frozenset({"NAV-PVT"})), Ublox(6, refuses=frozenset({"NAV-TIMEUTC"}))):
        line = bench(receiver)
        assert b"RMC" in receiver.second()
        assert line.machine.report.refused[-1].startswith("NMEA output: it stays on, since the receiver does not send NAV-")


@pytest.mark.parametrize("generation", [8, 9])
def test_a_receiver_that_stays_at_its_rate_is_found_there(generation: int) -> None:
    receiver = Ublox(generation, deaf_to_baud=True)
    line = bench(receiver, replace(WISH, baud=115_200))
    assert receiver.line_baud == receiver.baud != 115_200
    assert line.machine.report.refused == ("baud rate: the receiver is not heard at 115200; it is left as it was",)
    assert b"RMC" not in receiver.second()


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("when", [0.3, 1.1, 2.0, 3.0, 90.0])
def test_a_receiver_that_starts_anew_is_set_up_again(generation: int, when: float) -> None:
    receiver = Ublox(generation)
    line = Bench(SetupMachine(WISH), receiver)
    line.open()
    line.at(when, receiver.reboot)
    line.run(200)
    assert state(line) is SetupState.DONE
    assert b"RMC" not in receiver.second()
    assert receiver.keys["CFG_NAVSPG_DYNMODEL"][0] == 2 if generation >= 9 else receiver.legacy["CFG-NAV5", b""][2] == 2


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("when", [0.3, 1.1, 2.0, 90.0])
def test_so_is_one_that_does_not_say_that_it_started(generation: int, when: float) -> None:
    def quietly(receiver: Ublox) -> bytes:
        receiver.reboot()
        return b""

    receiver = Ublox(generation)
    line = Bench(SetupMachine(WISH), receiver)
    line.open()
    line.at(when, lambda: quietly(receiver))
    line.run(260)
    assert state(line) is SetupState.DONE
    assert b"RMC" not in receiver.second()


def test_one_that_loses_it_again_and_again_is_let_alone_after_a_while() -> None:
    receiver = Ublox(8)
    line = Bench(SetupMachine(WISH), receiver)
    line.open()
    for turn in range(60):
        line.at(30.0 * turn + 20, receiver.reboot)
    line.run(1800)
    assert state(line) is SetupState.FAILED
    assert line.sent < 6 * 4000
    assert sum("again and again" in note.text for note in line.notes) == 1
    line.run(2400)
    assert state(line) is SetupState.DONE


def test_a_receiver_that_answers_no_ubx_is_left_untouched() -> None:
    receiver = Ublox(8, mute=True)
    line = bench(receiver, seconds=4000)
    assert state(line) is SetupState.UNANSWERED
    assert {data for _, data in line.sends} == {ubx("MON-VER")}
    assert len(line.sends) == 12
    assert len(line.notes) == 1
    assert line.notes[0].alarm


@pytest.mark.parametrize("payload", [b"", b"x" * 39, b"\0" * 40, b"\xff" * 100, b"AT6558R".ljust(30, b"\0") + b"9330".ljust(10, b"\0")])
def test_one_that_is_no_u_blox_is_left_untouched(payload: bytes) -> None:
    receiver = Ublox(8, mute=True)
    line = Bench(SetupMachine(WISH), receiver)
    line.open()
    line.at(0.5, lambda: ubx("MON-VER", payload))
    line.run(300)
    assert state(line) is (SetupState.UNKNOWN if len(payload) >= 40 else SetupState.UNANSWERED)
    assert {data for _, data in line.sends} == {ubx("MON-VER")}


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("delay", [1.4, 2.5, 3.3])
def test_late_answers(generation: int, delay: float) -> None:
    receiver = Ublox(generation, delay=delay)
    line = bench(receiver, seconds=500)
    assert state(line) is SetupState.DONE
    assert b"RMC" not in receiver.second()


@pytest.mark.parametrize("generation", GENERATIONS)
def test_polls_without_acknowledgement(generation: int) -> None:
    receiver = Ublox(generation, polls_acknowledged=False)
    assert bench(receiver).machine.report.state is SetupState.DONE


@pytest.mark.parametrize("generation", GENERATIONS)
def test_garbage_between(generation: int) -> None:
    receiver = Ublox(generation)
    line = Bench(SetupMachine(WISH), receiver, lambda data: b"\xb5\x00$GP" + data + b"\xff\xb5\x62\x05")
    line.open()
    line.run(300)
    assert state(line) is SetupState.DONE


def test_a_receiver_that_vanishes_in_the_middle_is_tried_again_and_then_given_up() -> None:
    receiver = Ublox(8)
    line = Bench(SetupMachine(WISH), receiver)

    def vanish() -> bytes:
        receiver.mute = True
        return b""

    line.open()
    line.at(1.0, vanish)
    line.run(4000)
    assert state(line) is SetupState.UNANSWERED
    assert line.sent < 2000
    receiver.mute = False
    line.open()
    line.run(60)
    assert state(line) is SetupState.DONE


def test_a_line_that_takes_no_bytes() -> None:
    machine = SetupMachine(WISH)
    line = Bench(machine, Ublox(8))
    line.open()
    (note,) = machine.unwritable("Input/output error")
    assert isinstance(note, SetupNote)
    assert note.alarm
    assert state(line) is SetupState.UNWRITABLE
    line.run(600)
    assert len(line.sends) == 1
    line.open()
    line.run(60)
    assert state(line) is SetupState.DONE


def test_a_closed_line_ends_everything() -> None:
    machine = SetupMachine(WISH)
    line = Bench(machine, Ublox(9))
    line.open()
    line.run(1.0)
    machine.closed()
    sent = line.sent
    line.run(600)
    assert (line.sent, machine.report.state, machine.deadline) == (sent, SetupState.WAITING, None)


LABELS = (
    *("CFG-RATE", "CFG-TMODE2", "CFG-NAV5", "CFG-GNSS", "CFG-TP5", "NAV-PVT", "NAV-STATUS", "NAV-SAT", "NAV-TIMELS", "TIM-TP", "MON-HW"),
    *("CFG_RATE_MEAS", "CFG_TMODE_MODE", "CFG_NAVSPG_DYNMODEL", "CFG_TP_LEN_LOCK_TP1", "CFG_SIGNAL_GLO_ENA"),
    *(f"CFG_MSGOUT_UBX_{name}_UART1" for name in ("NAV_PVT", "NAV_STATUS", "NAV_SAT", "TIM_TP", "MON_RF", "SEC_SIG")),
)
FULL = replace(WISH, constellations=frozenset({"gps", "galileo"}), pulse_length=50_000)


def contents(receiver: Ublox) -> dict[object, bytes]:
    found: dict[object, bytes] = {}
    found.update(receiver.legacy)
    found.update(receiver.keys)
    return found


@settings(deadline=None, max_examples=25)
@given(st.sampled_from((8, 9)), st.frozensets(st.sampled_from(LABELS), max_size=5), st.sampled_from(("refuses", "ignores", "clamps")))
@example(8, frozenset({"CFG-NAV5"}), "clamps")
def test_whatever_is_refused_is_as_it_was_and_everything_else_as_wanted(generation: int, labels: frozenset[str], how: str) -> None:
    willing, unwilling = Ublox(generation), Ublox(generation, **{how: labels})  # type: ignore[arg-type]
    before = contents(unwilling)
    bench(willing, FULL)
    line = bench(unwilling, FULL)
    wanted, held = contents(willing), contents(unwilling)
    other = {place for place in held if held[place] not in (before[place], wanted[place])}
    assert other == set(), "neither as it was nor as wanted"
    changed = [each for each in labels if any(label in each for label in willing.writes)]
    assert len(line.machine.report.refused) >= (1 if changed else 0)
    assert len(line.machine.report.refused) <= len(labels) + 1
    if not changed:
        assert held == wanted


PIECES = st.one_of(
    st.just("keep"),
    st.just("drop"),
    st.just("twice"),
    st.tuples(st.just("ack"), st.booleans()),
    st.tuples(st.just("flip"), st.integers(0, 200)),
    st.tuples(st.just("body"), st.binary(max_size=60)),
    st.tuples(st.just("noise"), st.binary(max_size=60)),
)


@settings(deadline=None, max_examples=12)
@given(st.sampled_from(GENERATIONS), st.lists(PIECES, min_size=1, max_size=40))
def test_whatever_a_receiver_answers_the_machine_ends_and_what_it_sends_is_bounded(generation: int, pieces: list[Any]) -> None:
    turns = itertools.cycle(pieces)

    def mangle(data: bytes) -> bytes:
        """What becomes of an answer; a right checksum is made for every frame that is changed."""
        piece = next(turns)
        if piece == "keep" or not data.startswith(b"\xb5\x62"):
            return data
        if piece == "drop":
            return b""
        if piece == "twice":
            return data + data
        kind, extra = piece
        if kind == "ack":
            return ubx("ACK-ACK" if extra else "ACK-NAK", data[2:4])
        if kind == "noise":
            return bytes(extra) + data
        length = int.from_bytes(data[4:6], "little")
        payload = bytearray(data[6 : 6 + length]) if kind == "flip" else bytearray(extra)
        if kind == "flip" and payload:
            payload[extra % len(payload)] ^= 0xFF
        name = next((each for each in NAMES if NAMES[each] == data[2:4]), "MON-VER")
        return ubx(name, bytes(payload)) + data[8 + length :]

    receiver = Ublox(generation)
    line = Bench(SetupMachine(FULL), receiver, mangle)
    line.open()
    under_way = longest = 0
    for _ in range(90):
        line.run(25)
        under_way = under_way + 1 if state(line) in (SetupState.ASKING, SetupState.SETTING) else 0
        longest = max(longest, under_way)
    assert longest * 25 <= 1200
    last_hour = sum(len(data) for when, data in line.sends if when > line.now - 3600 * NS)
    assert last_hour <= 6 * 16_384 + 60 * 600


@settings(deadline=None, max_examples=150)
@given(st.lists(st.binary(max_size=120), max_size=30))
def test_arbitrary_bytes_change_nothing(chunks: list[bytes]) -> None:
    machine = SetupMachine(FULL)
    now = MonoNs(NS)
    sent = len(machine.opened(9600, now))
    for chunk in chunks:
        sent += len(machine.feed(chunk, now))
        now = MonoNs(now + NS // 10)
        sent += len(machine.tick(now))
    assert sent <= 4

"""The framer: frames across any split, faults counted, memory bounded."""

from functools import reduce
from itertools import pairwise
from operator import xor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum1.gnss import MAX_SENTENCE, MAX_UBX_PAYLOAD, Frame, Framer, NmeaFrame, Reject, UbxFrame
from stratum1.timescale import MonoNs

DATA = Path(__file__).parent.parent / "data" / "gnss"
RMC = b"$GPRMC,202640.000,A,4404.1306,N,12118.8515,W,0.03,225.97,130415,,,D*73\r\n"
NO_NEWS = b"$GPGSV,1,1,00*79\r\n"


def sentence(body: str, end: bytes = b"\r\n") -> bytes:
    return f"${body}*{reduce(xor, body.encode(), 0):02X}".encode() + end


def ubx(payload: bytes, message_class: int = 1, message_id: int = 7) -> bytes:
    body = bytes((message_class, message_id)) + len(payload).to_bytes(2, "little") + payload
    a = b = 0
    for byte in body:
        a = (a + byte) % 256
        b = (b + a) % 256
    return b"\xb5\x62" + body + bytes((a, b))


def frames_of(data: bytes) -> tuple[list[Frame], dict[Reject, int]]:
    framer = Framer()
    return framer.feed(data, MonoNs(0)), dict(framer.rejects)


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r\r\n", b"\r"])
def test_line_ends(end: bytes) -> None:
    frames, rejects = frames_of(sentence("GPGSV,1,1,00", end) * 2)
    assert [frame.text for frame in frames if isinstance(frame, NmeaFrame)] == ["$GPGSV,1,1,00*79"] * 2
    assert rejects == {}


def test_a_sentence_is_not_told_before_its_line_end() -> None:
    assert frames_of(NO_NEWS.rstrip()) == ([], {})


def test_arrival_is_that_of_the_first_byte() -> None:
    framer = Framer()
    stream = RMC + ubx(b"abc") + NO_NEWS
    arrivals = {}
    for index, byte in enumerate(stream):
        for frame in framer.feed(bytes((byte,)), MonoNs(1000 + index)):
            arrivals[type(frame).__name__, frame.at_ns] = frame
    assert [at for _, at in arrivals] == [1000, 1000 + len(RMC), 1000 + len(RMC) + 11]


def test_arrival_survives_a_false_start() -> None:
    framer = Framer()
    framer.feed(b"\xb5\x62\x01\x07\x20\x00", MonoNs(1))  # a header whose 32 bytes turn out to be a sentence
    frames = framer.feed(b"$GP", MonoNs(2)) + framer.feed(NO_NEWS[3:] + b"x" * 40, MonoNs(3))
    assert frames == [NmeaFrame(MonoNs(2), "$GPGSV,1,1,00*79")]
    assert framer.rejects[Reject.UBX_CHECKSUM] == 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"# a comment\n", Reject.TEXT),
        (b"\xa0\xa2\x00\x12\x02\xff", Reject.BINARY),
        (b"\xb5\xb5\xb5", Reject.BINARY),
        (b"$GPRMC,202640.000,A,44", Reject.TRUNCATED),
        (b"$GPRMC,2026\x0040.000,A\r\n", Reject.GARBLED),
        (b"$GPRMC,2026\xb540.000,A\r\n", Reject.GARBLED),
        (b"$GPGSV,1,1,00\r\n", Reject.NO_CHECKSUM),
        (b"$GPGSV,1,1,00*7\r\n", Reject.NO_CHECKSUM),
        (b"$GPGSV,1,1,00*7G\r\n", Reject.NO_CHECKSUM),
        (b"$GPGSV,1,1,00*79 \r\n", Reject.NO_CHECKSUM),
        (b"$GPGSV,1,1,00*78\r\n", Reject.CHECKSUM),
        (b"$" + b"x" * 400 + b"\r\n", Reject.OVERLONG),
        (b"\xb5\x62\x01\x07" + (MAX_UBX_PAYLOAD + 1).to_bytes(2, "little"), Reject.UBX_OVERLONG),
        (ubx(b"abc")[:-1] + b"\x00", Reject.UBX_CHECKSUM),
    ],
)
def test_each_fault_is_counted_once_and_the_next_sentence_is_read(data: bytes, reason: Reject) -> None:
    frames, rejects = frames_of(data + NO_NEWS)
    assert [frame for frame in frames if isinstance(frame, NmeaFrame)] == [NmeaFrame(MonoNs(0), "$GPGSV,1,1,00*79")]
    allowed = {reason: 1}
    if reason is Reject.OVERLONG:
        allowed[Reject.TEXT] = 1  # 400 bytes of nothing: one more for what exceeds 256
    assert rejects == allowed


def test_longest_sentence_and_longest_ubx_pass() -> None:
    body = "GPTXT," + "a" * (MAX_SENTENCE - len("$GPTXT,*00"))
    longest = sentence(body)
    assert len(longest.rstrip()) == MAX_SENTENCE
    frames, rejects = frames_of(longest + ubx(bytes(MAX_UBX_PAYLOAD)))
    assert [type(frame) for frame in frames] == [NmeaFrame, UbxFrame]
    assert rejects == {}
    assert frames_of(sentence(body + "a"))[1] == {Reject.OVERLONG: 1}


def test_ubx_inside_nmea_is_one_clean_frame_with_its_payload() -> None:
    payload = b"$GPRMC,1*00\r\n\xb5\x62"
    frames, rejects = frames_of(RMC + ubx(payload, 2, 0x15) + RMC)
    assert frames[1] == UbxFrame(MonoNs(0), 2, 0x15, payload)
    assert len(frames) == 3
    assert rejects == {}


def test_a_wrong_protocol_keeps_counting() -> None:
    assert frames_of(b"\xa0" * 2560)[1] == {Reject.BINARY: 10}


def test_flush_finds_what_hides_in_an_unfinished_frame() -> None:
    framer = Framer()
    assert framer.feed(b"\xb5\x62\x01\x07\xff\x0f" + RMC + NO_NEWS, MonoNs(7)) == []
    assert [type(frame) for frame in framer.flush()] == [NmeaFrame, NmeaFrame]
    assert framer.rejects[Reject.UNFINISHED] == 1
    assert framer.flush() == []


def test_reset_forgets_the_unfinished_and_keeps_the_counts() -> None:
    framer = Framer()
    framer.feed(b"junk" + RMC[:20], MonoNs(0))
    framer.reset()
    assert framer.feed(RMC[20:] + RMC, MonoNs(1)) == [NmeaFrame(MonoNs(1), RMC.decode().rstrip())]
    assert framer.rejects[Reject.TEXT] == 2


PIECES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([RMC, NO_NEWS, RMC[:-9], b"$", b"\xb5", b"\xb5\x62", b"\r\n", b"*79\r\n", b"\xb5\x62\x01\x07\xf0\x00", b"#text\n"]),
    st.binary(max_size=60).map(ubx),
    st.integers(0, 400).map(lambda count: b"$" + b"y" * count),
)
STREAMS = st.lists(PIECES, max_size=30).map(b"".join)


@settings(deadline=None, max_examples=300)
@given(STREAMS, st.lists(st.integers(0, 2000), max_size=20))
def test_any_split_gives_the_same_frames_and_counts(stream: bytes, cuts: list[int]) -> None:
    whole = Framer()
    expected = whole.feed(stream, MonoNs(5)) + whole.flush()
    split, got = Framer(), []
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    for start, end in pairwise(edges):
        got += split.feed(stream[start:end], MonoNs(5))
    assert got + split.flush() == expected
    assert split.rejects == whole.rejects


@settings(deadline=None, max_examples=100)
@given(STREAMS)
def test_byte_by_byte_keeps_first_byte_times(stream: bytes) -> None:
    framer, frames = Framer(), []
    for index in range(len(stream)):
        frames += framer.feed(stream[index : index + 1], MonoNs(index))
    for frame in frames + framer.flush():
        assert stream[frame.at_ns] == (0x24 if isinstance(frame, NmeaFrame) else 0xB5)
        if isinstance(frame, NmeaFrame):
            assert stream[frame.at_ns :].startswith(frame.text.encode())


@settings(deadline=None, max_examples=30)
@given(st.binary(min_size=1, max_size=200))
def test_memory_is_bounded(piece: bytes) -> None:
    framer = Framer()
    for index in range(200):
        framer.feed(piece, MonoNs(index))
        assert len(framer._buffer) <= MAX_UBX_PAYLOAD + 8
        assert len(framer._arrivals) <= MAX_UBX_PAYLOAD + 8


@pytest.mark.parametrize("name", ["mt3339", "ublox-neo-m8n", "bu303-nofix"])
def test_recordings_byte_by_byte(name: str) -> None:
    data = (DATA / f"{name}.log").read_bytes()
    whole, split = Framer(), Framer()
    expected = whole.feed(data, MonoNs(0))
    assert [frame for index in range(len(data)) for frame in split.feed(data[index : index + 1], MonoNs(0))] == expected
    assert split.rejects == whole.rejects

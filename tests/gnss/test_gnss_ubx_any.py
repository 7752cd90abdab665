"""Whatever may come as UBX: what cannot be is counted and does nothing else; real recordings, mutated frames, arbitrary bytes."""

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from testkit.ubx import FLOOR, NOON, WEEK, frame_tail, itow, mon_rf, of, pvt, raw, rmc, run, tim_tp, ubx

from stratum1.gnss import Framer, GnssDecoder, Reject, UbxFrame
from stratum1.gnss.events import (
    Event,
    Fix,
    TimeMark,
)
from stratum1.timescale import NS, MonoNs

DATA = Path(__file__).parent.parent / "data" / "gnss"
UBX = ("ublox-8-time", "ublox-neo-m8n", "ublox-neo-m8t")


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (raw(0x01, 0x07, bytes(83)), Reject.UBX_LENGTH),
        (raw(0x01, 0x07, b""), Reject.UBX_LENGTH),
        (raw(0x01, 0x35, bytes((0, 0, 0, 0, 1, 2, 0, 0)) + bytes(12)), Reject.UBX_LENGTH),
        (raw(0x27, 0x09, bytes((3, 0, 0, 0))), Reject.UBX_LENGTH),
        (raw(0x27, 0x09, bytes((2, 0, 0, 3))), Reject.UBX_LENGTH),
        (raw(0x0A, 0x04, bytes(41)), Reject.UBX_LENGTH),
        (pvt(0, month=13), Reject.DATE),
        (pvt(0, month=2, day=29), Reject.DATE),
        (pvt(0, year=65535), Reject.DATE),
        (pvt(0, hour=24), Reject.FIELD),
        (pvt(0, second=60), Reject.FIELD),
        (pvt(0, nano=2_000_000_000), Reject.FIELD),
        (pvt(0, fixType=9), Reject.FIELD),
        (pvt(0, lat=100.0), Reject.FIELD),
        (pvt(0, iTOW=604_800_000), Reject.FIELD),
        (ubx("NAV-SOL", iTOW=0, week=-1, gpsFix=3), None),  # the week is not set
    ],
)
def test_what_cannot_be_is_counted_and_does_nothing_else(frame: bytes, reason: Reject | None) -> None:
    good = [pvt(second) for second in range(4)]
    events, decoder = run(*good, frame, pvt(5))
    assert dict(decoder.counters.rejects) == ({reason: 1} if reason else {})
    assert of(Fix, events)[-1].trusted
    assert [mark.utc for mark in of(TimeMark, events)] == [NOON + second * NS for second in (0, 1, 2, 3, 5)]


def test_unknown_messages_are_counted_and_left_alone() -> None:
    events, decoder = run(raw(0x02, 0x15, bytes(16)) + raw(0x77, 0x01, b"x"))
    assert not events
    assert dict(decoder.counters.sentences) == {"UBX-other": 2}
    assert not decoder.counters.rejects


def test_a_reset_forgets_the_leap_seconds() -> None:
    decoder = GnssDecoder(FLOOR)
    decoder.feed(ubx("NAV-TIMEGPS", iTOW=itow(0), week=WEEK, leapS=18, towValid=1, weekValid=1, leapSValid=1), MonoNs(0))
    decoder.reset()
    events = decoder.feed(ubx("NAV-SOL", iTOW=itow(0), week=WEEK, gpsFix=3, gpsfixOK=1, wknSet=1, towSet=1), MonoNs(NS))
    assert not of(TimeMark, events)


@pytest.mark.parametrize("name", UBX)
def test_replayed_in_real_time_the_date_is_trusted_after_three_fixes(name: str) -> None:
    decoder, events = GnssDecoder(FLOOR), []
    epochs: dict[bytes, int] = {}
    for frame in Framer().feed((DATA / f"{name}.log").read_bytes(), MonoNs(0)):
        assert isinstance(frame, UbxFrame)
        if frame.message_class == 1:
            epochs.setdefault(frame.payload[:4], len(epochs))
        step = 0.2 if name == "ublox-neo-m8n" else 1.0
        events += decoder.feed(raw(frame.message_class, frame.message_id, frame.payload), MonoNs(round(len(epochs) * step * NS)))
    fixes = [event for event in events if isinstance(event, Fix)]
    assert [fix.trusted for fix in fixes[:5]] == [False, False, True, True, True]
    assert all(fix.trusted for fix in fixes[2:])


def _finite(event: Event) -> bool:
    numbers = [value for name in event.__slots__ if isinstance(value := getattr(event, name), float)]
    return all(math.isfinite(number) for number in numbers)


FRAMES = [frame for name in UBX for frame in Framer().feed((DATA / f"{name}.log").read_bytes(), MonoNs(0)) if isinstance(frame, UbxFrame)]
KINDS = [
    (1, 2),
    (1, 3),
    (1, 4),
    (1, 6),
    (1, 7),
    (1, 32),
    (1, 33),
    (1, 38),
    (1, 48),
    (1, 53),
    (1, 59),
    (10, 4),
    (10, 9),
    (10, 56),
    (13, 1),
    (13, 4),
    (39, 9),
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(KINDS), st.binary(max_size=130)), max_size=6))
def test_any_payload_of_a_right_checksum_is_survived(messages: list[tuple[tuple[int, int], bytes]]) -> None:
    stream = pvt(0)
    for (group, identity), payload in messages:
        stream += b"\xb5\x62" + frame_tail(group, identity, payload)
    events, decoder = run(stream, stream)
    assert all(_finite(event) for event in events)
    assert decoder.counters.ubx_frames == 2 * (1 + len(messages))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(FRAMES), st.lists(st.tuples(st.integers(0, 8191), st.integers(0, 255)), min_size=1, max_size=12), st.integers(0, 8191)
)
def test_mutated_real_frames_are_survived(frame: UbxFrame, changes: list[tuple[int, int]], cut: int) -> None:
    payload = bytearray(frame.payload)
    for place, value in changes:
        payload[place % len(payload)] = value
    if cut % 3 == 0:
        del payload[cut % len(payload) :]
    stream = b"".join(b"\xb5\x62" + frame_tail(frame.message_class, frame.message_id, each) for each in (frame.payload, bytes(payload)))
    events, _ = run(stream, pvt(0), stream)
    assert all(_finite(event) for event in events)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(st.binary(max_size=60), st.sampled_from([pvt(0), pvt(1), rmc(0), rmc(1), tim_tp(1, 5), mon_rf((1, 2))])), max_size=12
    ),
    st.data(),
)
def test_any_bytes_decode_alike_however_they_are_split(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    cut = data.draw(st.integers(0, len(stream)))
    whole, split = GnssDecoder(FLOOR), GnssDecoder(FLOOR)
    once = whole.feed(stream, MonoNs(0)) + whole.flush(MonoNs(0))
    twice = split.feed(stream[:cut], MonoNs(0)) + split.feed(stream[cut:], MonoNs(0)) + split.flush(MonoNs(0))
    assert [repr(event) for event in once] == [repr(event) for event in twice]
    assert whole.counters == split.counters

"""Records of key establishment (RFC 8915, section 4): octets in any pieces, values out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum1.nts.records import MessageReader, MessageTooLongError, Record, RecordKind, encode, numbers, pack_numbers

END = Record(RecordKind.END, critical=True)
BODIES = st.binary(max_size=40)
RECORDS = st.lists(st.builds(Record, st.integers(1, 0x7FFF), BODIES, st.booleans()), max_size=6)


def test_the_octets_are_those_of_the_rfc() -> None:
    assert encode(Record(RecordKind.NEXT_PROTOCOL, b"\0\0", critical=True), Record(RecordKind.AEAD, b"\0\x0f"), END) == bytes.fromhex(
        "80010002 0000 00040002 000f 80000000"
    )


@given(RECORDS, st.lists(st.integers(1, 30), min_size=1, max_size=40))
def test_a_message_in_any_pieces_is_the_message(records: list[Record], pieces: list[int]) -> None:
    octets = encode(*records, END)
    reader, at, found = MessageReader(4096), 0, None
    for each in [*pieces, len(octets)]:
        piece, at = octets[at : at + each], at + each
        if piece:
            assert found is None
            found = reader.feed(piece)
    assert found == tuple(records)
    assert not reader.trailing


@given(st.binary(max_size=300))
def test_any_octets_are_read_or_waited_for_or_too_long(octets: bytes) -> None:
    reader = MessageReader(256)
    try:
        found = reader.feed(octets)
    except MessageTooLongError:
        return
    if found is None:
        assert reader.octets <= 256
    else:
        assert all(isinstance(each, Record) for each in found)


def test_a_length_beyond_the_limit_is_refused_before_its_octets_come() -> None:
    reader = MessageReader(1024)
    with pytest.raises(MessageTooLongError, match="1024"):
        reader.feed(bytes.fromhex("7000ffff"))


def test_the_limit_itself_is_taken() -> None:
    octets = encode(Record(0x100, bytes(1024 - 8)), END)
    assert len(octets) == 1024
    assert MessageReader(1024).feed(octets) is not None
    with pytest.raises(MessageTooLongError):
        MessageReader(1023).feed(octets)


def test_two_messages_on_end_come_one_after_the_other() -> None:
    reader = MessageReader(100)
    assert reader.feed(encode(Record(9), END, Record(10), END)) == (Record(9),)
    assert reader.trailing
    assert reader.feed(b"") == (Record(10),)
    assert not reader.trailing


@pytest.mark.parametrize("end", [Record(RecordKind.END), Record(RecordKind.END, b"x", critical=True)])
def test_a_malformed_end_is_shown_to_the_judge(end: Record) -> None:
    assert MessageReader(100).feed(encode(end)) == (end,)


@given(st.lists(st.integers(0, 0xFFFF), max_size=20))
def test_lists_of_numbers_come_back(values: list[int]) -> None:
    assert numbers(pack_numbers(tuple(values))) == tuple(values)


def test_an_odd_body_is_no_list() -> None:
    assert numbers(b"\0\0\0") is None

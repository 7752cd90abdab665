"""The Bloom filter of reference IDs."""

import pytest
from asking import Desk, extension
from asking5 import DRAFT_FIELD, ON, ask5, read
from hypothesis import given
from hypothesis import strategies as st

from stratum1.server._reference_ids import reference_filter
from stratum1.server.service import ServiceSettings

IDS = st.lists(st.binary(min_size=15, max_size=15), max_size=20)


def test_the_twelve_bit_parts_say_which_bits() -> None:
    assert reference_filter([]) == bytes(512)
    filled = reference_filter([bytes.fromhex("000 004 fff 00c 800 000 000 000 000 000".replace(" ", ""))])
    assert {at: octet for at, octet in enumerate(filled) if octet} == {0: 0b00010001, 1: 0b00010000, 256: 1, 511: 0b10000000}


@given(IDS, IDS)
def test_a_filter_holds_its_ids_and_unions_are_by_bit(one: list[bytes], other: list[bytes]) -> None:
    union = bytes(a | b for a, b in zip(reference_filter(one), reference_filter(other), strict=True))
    assert reference_filter(one + other) == union
    for reference_id in one:
        number = int.from_bytes(reference_id, "big")
        assert all(union[place // 8] >> place % 8 & 1 for place in (number >> shift & 0xFFF for shift in range(0, 120, 12)))


def test_clients_can_fetch_it_whole_or_in_parts() -> None:
    own = reference_filter([bytes(range(15))])
    desk = Desk(ServiceSettings(ntpv5=True, reference_ids=own))
    whole = ask5(fields=DRAFT_FIELD + extension(0xF503, bytes(512)))
    assert read(desk.ask(whole), whole)[1][0xF504] == own
    parts = [ask5(fields=DRAFT_FIELD + extension(0xF503, at.to_bytes(2, "big") + bytes(62))) for at in range(0, 512, 64)]
    assert b"".join(read(desk.ask(part), part)[1][0xF504] for part in parts) == own
    assert ON.reference_ids != own


def test_ids_of_another_length_are_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="16 octets, not 15"):
        reference_filter([bytes(16)])

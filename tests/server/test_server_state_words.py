"""A TimeState as words: each in its place, as native planes read them."""

import struct
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from served_states import LOCKED, NOW

from stratum1.interchange import KernelClockId, Leap, LeapPlan, Mapping
from stratum1.server import Smear
from stratum1.server._state_words import STATE_WORDS, state_words
from stratum1.timescale import NS, UtcNs


def bits(value: float) -> int:
    return int.from_bytes(struct.pack("!d", value), "big")


STATE = replace(
    LOCKED,
    leap=Leap.DELETE,
    leap_plan=LeapPlan(UtcNs(NOW + NS), -1, 36, ()),
    smeared_leap=LeapPlan(UtcNs(NOW + NS), -1, 36, ()),
    precision=-200,
    root_delay=0.25,
    monotonic=Mapping(9, KernelClockId.MONOTONIC, 77, NOW, -2e-6),
    tai_offset=37,
)
MINUS_1 = (1 << 64) - 1


def test_every_word() -> None:
    words = state_words(STATE, Smear.COSINE)
    assert words == (
        *(1, STATE.valid_until, 0, 1, MINUS_1 - 127, 0x47505300, bits(0.25), bits(2e-6), NOW, bits(15e-6), STATE.reference_time),
        *(2, MINUS_1, NOW + NS),
        *(1, 0, NOW, NOW, bits(0.0)),
        *(1, 9, 77, NOW, bits(-2e-6)),
        *(37, MINUS_1, NOW + NS, 2),
        *(0, 0, 0, 0),
    )


def test_without_a_smear_the_leap_is_told_and_none_is_smeared() -> None:
    words = state_words(STATE, Smear.NONE)
    assert (words[2], words[11:14], words[25:28]) == (2, (0, 0, 0), (MINUS_1, NOW + NS, 2))


def test_what_is_not_usable_says_so() -> None:
    for state in (replace(STATE, leap=Leap.UNKNOWN), replace(STATE, stratum=16), replace(STATE, stratum=0), replace(STATE, realtime=None)):
        assert state_words(state, Smear.NONE)[0] == 0
    assert state_words(replace(STATE, realtime=None), Smear.NONE)[14:19] == (0, 0, 0, 0, 0)


@given(st.integers(-(2**63), 2**63 - 1), st.floats(0, 1e300), st.integers(-(2**31), 2**31))
def test_they_are_always_words(instant: int, bound: float, precision: int) -> None:
    words = state_words(replace(STATE, bound_at=UtcNs(instant), error_bound=bound, precision=precision), Smear.LINEAR)
    assert len(words) == STATE_WORDS
    assert all(0 <= word < 1 << 64 for word in words)

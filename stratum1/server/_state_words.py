"""A TimeState as 64-bit words: the one form in which native data planes are told of it. Pure.

    0 usable (1: synchronised, stratum 1 to 15, a mapping of CLOCK_REALTIME)      14 mapping of CLOCK_REALTIME there (1) or not (0)
    1 valid_until, served ns                                                     15 its epoch
    2 leap, 0 to 3, as this listener shows it (0 where it smears)                16 its source_ns
    3 stratum                                                                    17 its served_ns
    4 precision, clamped to -128..0                                              18 its rate
    5 refid, big endian                                                          19 to 23 the same of CLOCK_MONOTONIC
    6 root_delay, s                                                              24 TAI - UTC in seconds, 0 for not known
    7 error_bound, s                                                             25 sign of the leap second to come, 0 for none
    8 bound_at, served ns                                                        26 its `at`, served ns
    9 bound_rate, s/s                                                            27 leap, 0 to 3, as who does not smear shows it
    10 reference_time, served ns                                                 28 to 31 zero
    11 smear: 0 none, 1 linear, 2 cosine
    12 sign of the leap second that is smeared, 0 for none near or no smear
    13 its `at`, served ns

Signed ones are two's complement, floats the bits of an IEEE 754 double. `src/state.rs` of the native crate reads the same places.
"""

import struct

from stratum1.interchange import Mapping, TimeState

from ._shown import Shown
from ._smear import Smear

__all__ = ["STATE_WORDS", "state_words"]

STATE_WORDS = 32
"""How many words there are."""

_MASK = (1 << 64) - 1
_DOUBLE, _WORD = struct.Struct("!d"), struct.Struct("!Q")
_SMEARS = {Smear.NONE: 0, Smear.LINEAR: 1, Smear.COSINE: 2}


def state_words(state: TimeState, smear: Smear) -> tuple[int, ...]:
    """The words for a listener that shows leap seconds as `smear` says. `state` has passed `check_state`."""
    shown = Shown(state, smear)
    smeared, plan = shown.smeared_leap, state.leap_plan
    words = [
        int(shown.valid_until is not None),
        state.valid_until,
        shown.leap_bits >> 6,
        state.stratum,
        shown.precision,
        int.from_bytes(state.refid, "big"),
        _bits(state.root_delay),
        _bits(state.error_bound),
        state.bound_at,
        _bits(state.bound_rate),
        state.reference_time,
        _SMEARS[smear],
        smeared.sign if smeared else 0,
        smeared.at if smeared else 0,
        *_mapping(state.realtime),
        *_mapping(state.monotonic),
        state.tai_offset,
        plan.sign if plan else 0,
        plan.at if plan else 0,
        int(state.leap),
    ]
    return tuple(word & _MASK for word in words) + (0,) * (STATE_WORDS - len(words))


def _mapping(mapping: Mapping | None) -> tuple[int, int, int, int, int]:
    if mapping is None:
        return 0, 0, 0, 0, 0
    return 1, mapping.epoch, mapping.source_ns, mapping.served_ns, _bits(mapping.rate)


def _bits(value: float) -> int:
    bits: int = _WORD.unpack(_DOUBLE.pack(value))[0]
    return bits

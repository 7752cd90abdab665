"""The structures of linux/pps.h: layouts, round trips, and rubbish."""

import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum1.pps import PpsParseError, PpsPlatformError
from stratum1.pps._ioctl import (
    FDATA_SIZE,
    PARAMS_SIZE,
    PPS_FETCH,
    PPS_GETCAP,
    PPS_GETPARAMS,
    PPS_SETPARAMS,
    PpsMode,
    PpsParams,
    check_platform,
    get_capabilities,
    pack_fetch,
    pack_params,
    parse_capabilities,
    parse_fetch,
    parse_params,
)

FDATA = "@IIqiIqiIi4xqiI"


def test_requests_are_those_of_the_kernel_header() -> None:
    # Printed by a C program that includes linux/pps.h, on x86-64; aarch64 encodes requests in the same way.
    assert (PPS_GETPARAMS, PPS_SETPARAMS, PPS_GETCAP, PPS_FETCH) == (0x800870A1, 0x400870A2, 0x800870A3, 0xC00870A4)
    assert (PARAMS_SIZE, FDATA_SIZE) == (40, 64)


def test_layout_agrees_with_the_c_compilers_alignment() -> None:
    native = struct.pack(FDATA, 7, 8, 1_800_000_000, 5, 0, 1_800_000_000, 100_000_005, 0, 0x1003, 0, 0, 0)
    fetched = parse_fetch(native)
    assert (fetched.assert_sequence, fetched.clear_sequence) == (7, 8)
    assert (fetched.assert_ns, fetched.clear_ns) == (1_800_000_000_000_000_005, 1_800_000_000_100_000_005)
    assert fetched.mode == PpsMode.CAPTUREBOTH | PpsMode.TSFMT_TSPEC


@pytest.mark.parametrize(("timeout", "expected"), [(None, (0, 0, 1)), (0, (0, 0, 0)), (3, (3, 0, 0)), (1.5, (1, 500_000_000, 0))])
def test_timeout_of_a_fetch(timeout: float | None, expected: tuple[int, int, int]) -> None:
    assert struct.unpack(FDATA, pack_fetch(timeout))[-3:] == expected


@pytest.mark.parametrize("timeout", [-1.0, float("nan"), float("inf")])
def test_impossible_timeout_is_refused(timeout: float) -> None:
    with pytest.raises(ValueError, match="0 s or more"):
        pack_fetch(timeout)


@given(
    mode=st.integers(0, 0xFFFFFFFF),
    offsets=st.tuples(*[st.integers(-(10**12), 10**12)] * 2),
)
@settings(deadline=None)
def test_params_round_trip(mode: int, offsets: tuple[int, int]) -> None:
    params = PpsParams(PpsMode(mode), *offsets)
    assert parse_params(pack_params(params)) == params


@given(st.binary(max_size=80) | st.binary(min_size=64, max_size=64) | st.binary(min_size=40, max_size=40))
@settings(deadline=None, max_examples=500)
def test_arbitrary_bytes_give_a_value_or_a_named_field(data: bytes) -> None:
    for parse, length in ((parse_fetch, FDATA_SIZE), (parse_params, PARAMS_SIZE), (parse_capabilities, 4)):
        if len(data) == length:
            with contextlib.suppress(PpsParseError):
                parse(data)
        else:
            with pytest.raises(PpsParseError, match=f"instead of {length}"):
                parse(data)


@given(
    seconds=st.integers(-(2**63), 2**63 - 1),
    nanoseconds=st.integers(-(2**31), 2**31 - 1),
    clear=st.booleans(),
)
@settings(deadline=None)
def test_stamps_are_instants_or_refused(seconds: int, nanoseconds: int, clear: bool) -> None:
    stamp, other = (seconds, nanoseconds), (1, 2)
    first, second = (other, stamp) if clear else (stamp, other)
    data = struct.pack(FDATA, 1, 1, *first, 0, *second, 0, 3, 0, 0, 0)
    if 0 <= nanoseconds < 10**9 and 0 <= seconds < 1 << 34:
        fetched = parse_fetch(data)
        assert (fetched.clear_ns if clear else fetched.assert_ns) == seconds * 10**9 + nanoseconds
    else:
        with pytest.raises(PpsParseError, match="info.clear_tu" if clear else "info.assert_tu"):
            parse_fetch(data)


def test_wrong_version_names_its_field() -> None:
    with pytest.raises(PpsParseError, match="api_version") as caught:
        parse_params(struct.pack("@iiqiIqiI", 2, 1, 0, 0, 0, 0, 0, 0))
    assert caught.value.field == "api_version"


@pytest.mark.parametrize(("machine", "pointer"), [("armv7l", 4), ("x86_64", 4), ("aarch64", 4), ("riscv64", 8), ("i686", 4)])
def test_other_machines_are_refused_with_the_remedy(machine: str, pointer: int) -> None:
    with pytest.raises(PpsPlatformError, match=r"64-bit operating system"):
        check_platform(machine, pointer)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_64_bit_machines_are_accepted(machine: str) -> None:
    check_platform(machine, 8)


def test_the_kernel_says_enotty_of_an_ordinary_file(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w+b") as file, pytest.raises(OSError, match="Inappropriate ioctl"):
        get_capabilities(file.fileno())

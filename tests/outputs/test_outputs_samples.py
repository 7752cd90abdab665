"""Samples for other daemons: their bytes, when there is none, the socket and the shared memory that they go through."""

import ctypes
import math
import os
import re
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from output_moments import moment_at, moment_now

from stratum1.interchange import Leap, LockState
from stratum1.outputs import OutputState
from stratum1.outputs._sample import SHM_SIZE, SOCK_SIZE, RealtimeSample, pack_sock, sample_of, shm_fields, shm_key, withheld
from stratum1.outputs._shm import ShmOutput
from stratum1.outputs._sock import SockOutput
from stratum1.timescale import NS, UtcNs

SYSTEM = 1_800_000_000 * NS + 123_456_789
# struct sock_sample and struct shmTime in the C compiler's own layout (a C program prints the same offsets).
SOCK, SHM = "@qqdiiii", "@iiqiqiiiiiII8i"


@given(system=st.integers(0, 2**62), offset=st.integers(-(10**12), 10**12), leap=st.sampled_from([Leap.NONE, Leap.INSERT, Leap.DELETE]))
@settings(deadline=None)
def test_a_sock_sample_is_chronys_struct(system: int, offset: int, leap: Leap) -> None:
    data = pack_sock(RealtimeSample(system, UtcNs(system + offset), leap, -20))
    assert len(data) == SOCK_SIZE == struct.calcsize(SOCK) == 40
    seconds, microseconds, told, pulse, leap_told, _, magic = struct.unpack(SOCK, data)
    assert (seconds * NS + microseconds * 1000, pulse, leap_told, magic) == (system // 1000 * 1000, 0, leap, 0x534F434B)
    assert told == offset / NS


@given(system=st.integers(0, 2**62), offset=st.integers(-(10**12), 10**12), precision=st.integers(-30, 0))
@settings(deadline=None)
def test_a_shared_memory_sample_is_ntpds_struct(system: int, offset: int, precision: int) -> None:
    served = max(0, system + offset)
    memory = bytearray(struct.pack(SHM, 0, 7, *[0] * 10, *[5] * 8))
    for field in shm_fields(RealtimeSample(system, UtcNs(served), Leap.INSERT, precision)):
        memory[field.at : field.at + len(field.data)] = field.data
    mode, count, cs, cu, rs, ru, leap, told, _, valid, cn, rn, *dummy = struct.unpack(SHM, bytes(memory).ljust(struct.calcsize(SHM), b"\0"))
    assert (mode, count, valid, dummy) == (1, 7, 0, [5] * 8)  # count and valid are not touched by the fields
    assert (cs * NS + cn, rs * NS + rn, leap, told) == (served, system, 1, precision)
    assert (cn // 1000, rn // 1000) == (cu, ru)  # the condition under which readers take the nanoseconds
    assert struct.calcsize(SHM) <= SHM_SIZE == 96


def test_a_sample_is_the_mapping_itself() -> None:
    sample = sample_of(moment_at(SYSTEM, ahead=-0.5, error_bound=2e-6))
    assert (sample.system_ns, sample.offset, sample.leap) == (SYSTEM, -0.5, Leap.NONE)
    assert 2.0**sample.precision >= 2e-6 > 2.0 ** (sample.precision - 1)


@pytest.mark.parametrize("bound", [0.0, math.inf, 1e-300, 16.0])
def test_precision_is_finite_for_any_bound(bound: float) -> None:
    assert -30 <= sample_of(moment_at(SYSTEM, error_bound=bound)).precision <= 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"state": LockState.HOLDOVER}, ""),
        ({"state": LockState.HOLDOVER, "in_specification": False}, "out of specification"),
        ({"state": LockState.NETWORK, "stratum": 3}, "other servers"),
        ({"state": LockState.HOLDOVER, "stratum": 3}, "other servers"),
        ({"state": LockState.ACQUIRING, "stratum": 16, "leap": Leap.UNKNOWN}, r"not known \(acquiring\)"),
        ({"realtime": None, "leap": Leap.UNKNOWN}, "set the host's clock"),
        ({"valid_until": UtcNs(SYSTEM - NS)}, "not been renewed"),
        ({"near_leap": True}, "leap second"),
    ],
)
def test_when_a_sample_is_withheld(changes: dict[str, Any], words: str) -> None:
    assert re.fullmatch(f".*{words}.*" if words else "", withheld(moment_at(SYSTEM, **changes), holdover=True))


def test_holdover_can_be_left_out() -> None:
    assert "holdover = false" in withheld(moment_at(SYSTEM, state=LockState.HOLDOVER), holdover=False)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "reader.sock"))
        made.settimeout(2)
        yield made


def test_the_socket_gets_a_sample_a_turn(reader: socket.socket) -> None:
    output = SockOutput(reader.getsockname(), holdover=True)
    turn = output.turn(moment_now(ahead=0.25))
    assert (turn.state, turn.sent, turn.offset) == (OutputState.SENDING, True, 0.25)
    assert struct.unpack(SOCK, reader.recv(100))[2] == 0.25
    assert output.turn(moment_now(near_leap=True)).state is OutputState.WAITING
    reader.setblocking(False)
    with pytest.raises(BlockingIOError):
        reader.recv(100)
    output.close()


def test_a_reader_that_comes_and_goes_and_stalls(tmp_path: Path) -> None:
    path = str(tmp_path / "reader.sock")
    output = SockOutput(path, holdover=True)
    missing = output.turn(moment_now())
    assert (missing.state, missing.sent) == (OutputState.PROBLEM, False)
    assert "there is no such socket" in missing.text
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(path)
        turns = [output.turn(moment_now()) for _ in range(2000)]
        assert turns[0].state is OutputState.SENDING
        assert turns[-1].state is OutputState.PROBLEM
        assert "does not fetch" in turns[-1].text
    assert "nobody listens" in output.turn(moment_now()).text
    os.unlink(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(path)
        assert output.turn(moment_now()).state is OutputState.SENDING
    os.unlink(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as made:
        made.bind(path)
        made.listen()
        assert "no datagram socket" in output.turn(moment_now()).text
    output.close()


class Memory:
    """A segment of System V memory as a reader has it, through calls of its own."""

    def __init__(self, unit: int) -> None:
        self.unit = unit
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.shmat.restype = ctypes.c_void_p

    def make(self, size: int, mode: int) -> None:
        assert self.libc.shmget(ctypes.c_int(shm_key(self.unit)), ctypes.c_size_t(size), 0o2000 | 0o1000 | mode) >= 0

    def attached(self) -> "ctypes.Array[ctypes.c_char]":
        identity = self.libc.shmget(ctypes.c_int(shm_key(self.unit)), ctypes.c_size_t(0), 0)
        assert identity >= 0, os.strerror(ctypes.get_errno())
        address = self.libc.shmat(identity, None, 0)
        return (ctypes.c_char * SHM_SIZE).from_address(address)

    def values(self, memory: "ctypes.Array[ctypes.c_char]") -> tuple[int, ...]:
        return struct.unpack(SHM, memory.raw[: struct.calcsize(SHM)])

    def mode(self) -> int:
        text = Path("/proc/sysvipc/shm").read_text()
        row = next(line.split() for line in text.splitlines()[1:] if int(line.split()[0]) & 0xFFFFFFFF == shm_key(self.unit))
        return int(row[2], 8) & 0o777

    def remove(self) -> None:
        identity = self.libc.shmget(ctypes.c_int(shm_key(self.unit)), ctypes.c_size_t(0), 0)
        if identity >= 0:
            self.libc.shmctl(identity, 0, None)


@pytest.fixture
def memory() -> Iterator[Memory]:
    """A unit of this process's own: far above those that daemons use, and by the process's number."""
    made = Memory(100 + os.getpid() % 150)
    made.remove()
    yield made
    made.remove()


def test_shared_memory_as_a_reader_sees_it(memory: Memory) -> None:
    output = ShmOutput(memory.unit, 0o640, holdover=True)
    assert output.turn(moment_at(SYSTEM, near_leap=True)).state is OutputState.WAITING
    turn = output.turn(moment_at(SYSTEM, ahead=0.25))
    assert (turn.state, turn.sent, turn.offset) == (OutputState.SENDING, True, 0.25)
    assert memory.mode() == 0o640
    view = memory.attached()
    mode, count, cs, _, rs, _, leap, _, _, valid, cn, rn, *_ = memory.values(view)
    assert (mode, count, leap, valid) == (1, 2, 0, 1)
    assert (cs * NS + cn, rs * NS + rn) == (SYSTEM + NS // 4, SYSTEM)
    output.turn(moment_at(SYSTEM + NS))
    assert memory.values(view)[1] == 4
    output.close()
    assert memory.values(view)[9] == 0  # withdrawn


def test_what_nobody_takes_is_said(memory: Memory) -> None:
    output = ShmOutput(memory.unit, 0o600, holdover=True)
    for second in range(40):
        turn = output.turn(moment_at(SYSTEM + second * NS))
    assert "nobody takes them" in turn.text
    view = memory.attached()
    struct.pack_into("@i", view, 48, 0)
    assert output.turn(moment_at(SYSTEM)).text == "a sample a second"
    output.close()


def test_removed_memory_is_made_anew_and_too_small_memory_explained(memory: Memory) -> None:
    output = ShmOutput(memory.unit, 0o600, holdover=True)
    assert output.turn(moment_at(SYSTEM)).sent
    memory.remove()
    assert output.turn(moment_at(SYSTEM)).sent
    assert memory.values(memory.attached())[9] == 1
    memory.remove()
    memory.make(16, 0o600)
    problem = output.turn(moment_at(SYSTEM))
    assert problem.state is OutputState.PROBLEM
    assert f"ipcrm -M {shm_key(memory.unit):#x}" in problem.text
    output.close()


def test_a_reader_never_takes_half_of_a_sample(memory: Memory) -> None:
    """A reader on another thread, by the rule of mode 1: what it takes belongs together."""
    output = ShmOutput(memory.unit, 0o600, holdover=True)
    output.turn(moment_at(SYSTEM))
    view = memory.attached()
    stop, taken, torn = threading.Event(), [0], [0]

    def read() -> None:
        while not stop.is_set():
            before = memory.values(view)
            after = memory.values(view)
            if before[9] and before[1] == after[1]:
                taken[0] += 1
                torn[0] += (before[2] * NS + before[10]) - (before[4] * NS + before[11]) != NS // 4

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # the threads take turns in the midst of a sample
    try:
        thread = threading.Thread(target=read)
        thread.start()
        for number in range(3000):
            output.turn(moment_at(SYSTEM + number * 1_000_003, ahead=0.25))
        stop.set()
        thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert taken[0] > 0
    assert torn[0] == 0
    output.close()

"""What a grandmaster says of itself, the messages that carry it, and a ptp4l that is played by a socket."""

import contextlib
import math
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from output_moments import moment_at

from stratum1.interchange import Leap, LockState
from stratum1.outputs import OutputState
from stratum1.outputs._management import Action, ManagementError, ManagementId, encode_request, parse_reply
from stratum1.outputs._ptp4l import Ptp4lOutput
from stratum1.outputs._quality import TimeFlag, accuracy_code, accuracy_limit, grandmaster, log_variance, parent_is_self
from stratum1.timescale import NS, UtcNs

SYSTEM = 1_800_000_000 * NS
ALL_GOOD = TimeFlag.TIME_TRACEABLE | TimeFlag.FREQUENCY_TRACEABLE


@pytest.mark.parametrize(
    ("bound", "code"),
    [
        (0.0, 0x20), (25e-9, 0x20), (26e-9, 0x21), (1e-6, 0x23), (2e-6, 0x24), (1e-3, 0x29), (0.3, 0x2F), (9.9, 0x30), (10.1, 0x31),
        (math.inf, 0xFE), (math.nan, 0xFE),
    ],
)  # fmt: skip
def test_accuracy_codes_of_table_5(bound: float, code: int) -> None:
    assert accuracy_code(bound) == code


@given(bound=st.floats(0, 100), before=st.none() | st.integers(0, 255))
def test_an_accuracy_is_never_better_than_the_bound(bound: float, before: int | None) -> None:
    code = accuracy_code(bound, before)
    assert accuracy_limit(code) >= bound
    assert 0x20 <= code <= 0x31


def test_accuracy_does_not_go_to_and_fro_at_an_edge() -> None:
    code: int | None = None
    said = []
    for bound in (0.99e-6, 1.01e-6, 0.99e-6, 1.01e-6, 0.9e-6, 0.79e-6):
        code = accuracy_code(bound, code)
        said.append(code)
    assert said == [0x23, 0x24, 0x24, 0x24, 0x24, 0x23]


@pytest.mark.parametrize(
    ("jitter", "variance"), [(None, 0xFFFF), (0.0, 0xFFFF), (math.nan, 0xFFFF), (math.inf, 0xFFFF), (1.0, 0x8000), (34e-9, 0x4F00)]
)
def test_log_variance(jitter: float | None, variance: int) -> None:
    assert log_variance(jitter) == variance


@pytest.mark.parametrize(
    ("changes", "error", "clock_class", "source", "traceable"),
    [
        ({}, 1e-6, 6, 0x20, True),
        ({"state": LockState.HOLDOVER, "error_bound": 9e-4}, 1e-6, 7, 0xA0, True),
        ({"state": LockState.HOLDOVER, "error_bound": 9e-4}, 2e-4, 248, 0xA0, False),  # what is handed out is beyond the limit
        ({"state": LockState.HOLDOVER, "in_specification": False}, 0.0, 248, 0xA0, False),
        ({"state": LockState.NETWORK, "stratum": 3}, 0.0, 248, 0x50, False),
        ({"state": LockState.HOLDOVER, "stratum": 3}, 0.0, 248, 0xA0, False),
        ({"state": LockState.UNSYNCHRONISED, "stratum": 16, "leap": Leap.UNKNOWN}, 0.0, 248, 0xA0, False),
        ({"realtime": None, "leap": Leap.UNKNOWN, "stratum": 16}, None, 248, 0xA0, False),
        ({}, None, 248, 0xA0, False),
        ({}, -0.1, 248, 0xA0, False),
        ({"valid_until": UtcNs(SYSTEM)}, 0.0, 248, 0xA0, False),
    ],
)
def test_lock_state_to_class(changes: dict[str, Any], error: float | None, clock_class: int, source: int, traceable: bool) -> None:
    said, text = grandmaster(moment_at(SYSTEM, **changes), error, ptp_timescale=True)
    assert (said.clock_class, said.time_source) == (clock_class, source)
    assert (said.flags & ALL_GOOD == ALL_GOOD) is traceable
    assert bool(said.flags & ALL_GOOD) is traceable
    assert text
    assert len(said.pack()) == 8


def test_an_octave_of_jitter_more_or_less_is_not_announced() -> None:
    said, _ = grandmaster(moment_at(SYSTEM, jitter=50e-9), 0.0, ptp_timescale=True)
    near, _ = grandmaster(moment_at(SYSTEM, jitter=65e-9), 0.0, ptp_timescale=True, before=said)
    far, _ = grandmaster(moment_at(SYSTEM, jitter=300e-9), 0.0, ptp_timescale=True, before=said)
    assert near.variance == said.variance < far.variance


def test_the_handed_out_clock_s_error_is_part_of_the_accuracy() -> None:
    near, _ = grandmaster(moment_at(SYSTEM), 0.0, ptp_timescale=True)
    far, _ = grandmaster(moment_at(SYSTEM), -5e-4, ptp_timescale=True)
    assert (near.accuracy, far.accuracy) == (0x24, 0x29)


@pytest.mark.parametrize(("leap", "flag"), [(Leap.NONE, 0), (Leap.INSERT, TimeFlag.LEAP_61), (Leap.DELETE, TimeFlag.LEAP_59)])
@pytest.mark.parametrize("tai", [None, 37, 38])
@pytest.mark.parametrize("ptp", [True, False])
def test_leap_and_tai_follow(leap: Leap, flag: int, tai: int | None, ptp: bool) -> None:
    said, _ = grandmaster(moment_at(SYSTEM, leap=leap, tai_offset=tai), 0.0, ptp_timescale=ptp)
    assert said.flags & (TimeFlag.LEAP_59 | TimeFlag.LEAP_61) == flag
    assert said.utc_offset == (37 if tai is None else tai)
    assert bool(said.flags & TimeFlag.UTC_OFFSET_VALID) is (tai is not None and ptp)
    assert bool(said.flags & TimeFlag.PTP_TIMESCALE) is ptp


def reply_to(request: bytes, data: bytes, *, action: int = 2, tlv: int = 1, clock: bytes = b"\x02\0\0\xff\xfe\0\0\1") -> bytes:
    """What ptp4l would send: the request with its own identity, another action and other data."""
    identifier = request[52:54]
    body = struct.pack(">HH", tlv, 2 + len(data)) + identifier + data
    head = bytearray(request[:48])
    head[20:30] = clock + b"\0\0"
    head[46] = action
    head[2:4] = (48 + len(body)).to_bytes(2, "big")
    return bytes(head) + body


def test_a_request_is_as_linuxptp_wants_it() -> None:
    said, _ = grandmaster(moment_at(SYSTEM), 0.0, ptp_timescale=True)
    message = encode_request(
        Action.SET, ManagementId.GRANDMASTER_SETTINGS_NP, said.pack(), sequence=0x1234, port=0x5678, domain=24, transport=1
    )
    assert len(message) == 62
    assert message[:5] == bytes([0x1D, 2, 0, 62, 24])
    assert message[28:34] == bytes([0x56, 0x78, 0x12, 0x34, 4, 0x7F])
    assert message[34:44] == b"\xff" * 10
    assert message[46:54] == bytes([1, 0, 0, 1, 0, 10, 0xC0, 0x01])
    assert message[54:] == struct.pack(">BBHhBB", 6, 0x24, said.variance, 37, 0x3C, 0x20)


def test_a_reply_is_read() -> None:
    request = encode_request(Action.GET, ManagementId.PARENT_DATA_SET, sequence=7, port=8)
    clock = bytes(range(8))
    reply = parse_reply(reply_to(request, b"x" * 24 + clock, clock=clock))
    assert (reply.sequence, reply.action, reply.management_id, reply.error) == (7, Action.RESPONSE, ManagementId.PARENT_DATA_SET, "")
    assert parent_is_self(reply.data, reply.source.clock)
    assert not parent_is_self(reply.data, bytes(8))
    assert not parent_is_self(reply.data[:-1], reply.source.clock)
    refused = bytearray(reply_to(request, struct.pack(">HI", 0x2002, 0), tlv=2))
    refused[52:54] = b"\0\x05"
    reply = parse_reply(bytes(refused))
    assert (reply.error, reply.management_id) == ("it can't be set", 0x2002)


@given(st.binary(max_size=200) | st.binary(min_size=62, max_size=62))
@settings(deadline=None, max_examples=400)
def test_arbitrary_bytes_are_a_reply_or_refused(data: bytes) -> None:
    with contextlib.suppress(ManagementError):
        parse_reply(data)


@given(at=st.integers(0, 61), value=st.integers(0, 255))
@settings(deadline=None, max_examples=400)
def test_a_reply_with_a_wrong_octet_is_read_or_refused(at: int, value: int) -> None:
    request = encode_request(Action.GET, ManagementId.GRANDMASTER_SETTINGS_NP, sequence=7, port=8)
    message = bytearray(reply_to(request, bytes(8)))
    message[at] = value
    with contextlib.suppress(ManagementError):
        parse_reply(bytes(message))


class Played:
    """A ptp4l: keeps what it is told, answers as linuxptp does. mend: alters each answer."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings = bytes([248, 0xFE, 0xFF, 0xFF, 0, 37, 0, 0xA0])
        self.sets = 0
        self.mend: Callable[[bytes], bytes] = lambda answer: answer
        self.clock = b"\x02\0\0\xff\xfe\0\0\1"
        self.grandmaster = self.clock
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            request, sender = self.socket.recvfrom(2000)
            if request == b"end":
                return
            data = self.settings
            if request[52:54] == b"\x20\x02":
                data = bytes(24) + self.grandmaster
            elif request[46] == 1:
                self.settings = data = request[54:]
                self.sets += 1
            if answer := self.mend(reply_to(request, data, clock=self.clock)):
                with contextlib.suppress(OSError):
                    self.socket.sendto(answer, sender)

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asker:
            asker.sendto(b"end", str(self.path))
        self.thread.join()
        self.socket.close()
        self.path.unlink()


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Played]:
    made = Played(tmp_path / "ptp4l")
    yield made
    made.close()


@pytest.fixture
def output(tmp_path: Path) -> Iterator[Ptp4lOutput]:
    made = Ptp4lOutput(str(tmp_path / "ptp4l"), str(tmp_path / "own.sock"), lambda _: 0.0, ptp_timescale=True)
    yield made
    made.close()


def test_ptp4l_is_told_what_changes_and_again_when_it_forgets(played: Played, output: Ptp4lOutput) -> None:
    turn = output.turn(moment_at(SYSTEM))
    assert (turn.state, turn.clock_class, turn.accuracy, turn.sent) == (OutputState.SENDING, 6, 0x24, True)
    assert "ptp4l is grandmaster" in turn.text
    for second in range(1, 12):
        assert not output.turn(moment_at(SYSTEM + second * NS)).sent
    assert played.sets == 1
    assert output.turn(moment_at(SYSTEM + 12 * NS, state=LockState.HOLDOVER)).clock_class == 7
    assert (played.sets, played.settings[0]) == (2, 7)
    played.settings = bytes(8)  # started anew
    played.grandmaster = bytes(8)
    turn = output.turn(moment_at(SYSTEM + 18 * NS, state=LockState.HOLDOVER))
    assert (played.sets, played.settings[0], turn.sent) == (3, 7, True)
    assert "follows another grandmaster" in turn.text
    output.close()
    assert (played.sets, played.settings[0], played.settings[6] & ALL_GOOD) == (4, 248, 0)


def test_a_ptp4l_that_is_not_there_comes_and_goes(tmp_path: Path, output: Ptp4lOutput) -> None:
    turn = output.turn(moment_at(SYSTEM))
    assert turn.state is OutputState.PROBLEM
    assert "no such socket" in turn.text
    played = Played(tmp_path / "ptp4l")
    assert output.turn(moment_at(SYSTEM)).state is OutputState.SENDING
    played.close()
    assert output.turn(moment_at(SYSTEM, state=LockState.HOLDOVER)).state is OutputState.PROBLEM
    assert not (tmp_path / "own.sock").exists()


@pytest.mark.parametrize(
    ("mend", "words"),
    [
        (lambda _: b"", "no answer: is domain"),
        (lambda answer: answer[:48] + struct.pack(">HHHHI", 2, 8, 5, 0xC001, 0), "refuses GRANDMASTER_SETTINGS_NP: it can't be set"),
        (lambda answer: answer[:30] + b"\xff\xff" + answer[32:], "no answer"),
        (lambda _: b"rubbish" * 9, "no answer"),
    ],
    ids=["mute", "refused", "another's", "rubbish"],
)
def test_what_ptp4l_does_not_take_is_said(played: Played, output: Ptp4lOutput, mend: Callable[[bytes], bytes], words: str) -> None:
    def mended(answer: bytes) -> bytes:
        new = bytearray(mend(answer))
        if len(new) >= 4 and not new.startswith(b"rubbish"):
            new[2:4] = len(new).to_bytes(2, "big")
        return bytes(new)

    played.mend = mended
    turn = output.turn(moment_at(SYSTEM))
    assert turn.state is OutputState.PROBLEM
    assert words in turn.text


def test_our_end_that_can_t_be_made_is_said(played: Played, tmp_path: Path) -> None:
    made = Ptp4lOutput(str(played.path), str(tmp_path / "nowhere" / "own.sock"), lambda _: 0.0, ptp_timescale=True)
    turn = made.turn(moment_at(SYSTEM))
    assert turn.state is OutputState.PROBLEM
    assert "can't be made" in turn.text


def test_what_an_earlier_run_has_left_is_no_obstacle(played: Played, tmp_path: Path, output: Ptp4lOutput) -> None:
    (tmp_path / "own.sock").touch()
    assert output.turn(moment_at(SYSTEM)).state is OutputState.SENDING
    assert os.path.exists(tmp_path / "own.sock")

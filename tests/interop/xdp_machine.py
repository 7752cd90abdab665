"""The eBPF program loaded into this kernel, and states for it: what the tests of it share."""

import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from testkit.served import locked_at
from xdp_frames import HERE4, HERE6, Frame, Reply

from stratum1.interchange import KernelClockId, LeapPlan, Mapping, TimeState
from stratum1.server import ListenAddress, Responder, Sender, Smear, parse_listen
from stratum1.server._xdp_words import entries, limit_words, state_words
from stratum1.server.service import RateLimit
from stratum1.timescale import NS, UtcNs, ntp_short, ntp_timestamp, utc_from_ntp
from stratum1.xdp import Count, Maps, Word, load, run_program

LOOPBACK = 1
DROP, PASS, TX = 1, 2, 3
SERVED = UtcNs(1_795_000_000 * NS)
SEED = 0x5EED
LISTEN = parse_listen("[::]:123")


@dataclass
class Machine:
    """The loaded program with its maps."""

    program: int
    maps: Maps

    def serve(self, state: TimeState, *listeners: ListenAddress, limit: RateLimit | None = None, leap: LeapPlan | None = None) -> None:
        """Listen with our two addresses at loopback and publish a state."""
        found = entries(listeners or (LISTEN,), {LOOPBACK: (HERE4, HERE6)}, (HERE4, HERE6))
        assert self.maps.set_listeners(found.listeners) == ()
        for name in ("access4", "access6"):
            self.maps.set_entries(name, getattr(found, name))
        words = state_words(state, leap) | limit_words(limit, SEED, self.maps.limit_slots)
        self.maps.publish({**words, Word.PORTS: found.ports, Word.SECRET: 0x1234_5678_9ABC_DEF0})

    def run(self, frame: Frame | bytes) -> tuple[int, bytes]:
        octets = frame if isinstance(frame, bytes) else frame.octets
        verdict, after, _ = run_program(self.program, octets, LOOPBACK)
        return verdict, after

    def answer(self, frame: Frame) -> bytes:
        """The reply's 48 octets, its frame checked."""
        verdict, after = self.run(frame)
        assert verdict == TX
        found = Reply.read(after)
        assert (found.to, found.sender) == (frame.sender, frame.to)
        assert (found.source, found.destination) == (frame.destination, frame.source)
        assert (found.source_port, found.port) == (frame.port, frame.source_port)
        return found.payload

    def passes(self, frame: Frame | bytes) -> None:
        """It goes up, and as it was."""
        octets = frame if isinstance(frame, bytes) else frame.octets
        assert self.run(octets) == (PASS, octets)

    def counted(self, listener: int = 0) -> dict[Count, int]:
        return {count: number for (place, count), number in self.maps.counts().items() if place == listener and number}


@contextmanager
def loaded() -> Iterator[Machine]:
    """The program and its maps, anew, and gone afterwards."""
    program, maps = load()
    opened = Maps(maps)
    try:
        yield Machine(program, opened)
    finally:
        opened.close()
        os.close(program)


def locked(**changes: Any) -> TimeState:
    """Locked to GPS; the served time is SERVED now and runs 37 ppm faster than CLOCK_MONOTONIC."""
    mapping = Mapping(0, KernelClockId.MONOTONIC, time.monotonic_ns(), SERVED, 37e-6)
    own: dict[str, Any] = {"precision": -25, "realtime": replace(mapping, source=KernelClockId.REALTIME), "monotonic": mapping}
    return locked_at(SERVED, lasting_ns=4 * NS, **{**own, **changes})


def times(payload: bytes) -> tuple[int, int, int, int]:
    """Reference, origin, receive and transmit timestamps."""
    found: tuple[int, int, int, int] = struct.unpack(">4Q", payload[16:48])
    return found


def equals_python(payload: bytes, frame: Frame, state: TimeState, smear: Smear = Smear.NONE) -> None:
    """The reply is the one of the Python responder at the time that it tells, but for bits that are random."""
    reference, origin, receive, transmit = times(payload)
    assert (receive & 1, transmit & 1) == (1, 0)
    assert transmit > receive
    random_bits = (1 << max(0, 32 + state.precision)) - 1
    told = utc_from_ntp(receive & ~random_bits, SERVED)  # type: ignore[arg-type]  # the timestamp without its random bits
    assert state.monotonic is not None
    assert abs(told - state.monotonic.served(time.monotonic_ns())) < NS // 4
    responder = Responder(state, smear=smear)
    expected = responder.reply(frame.payload, Sender(frame.source.packed, frame.source_port), told, told, bytes).reply
    assert expected is not None
    assert payload[:8] + payload[12:16] == expected[:8] + expected[12:16]
    latest = state.root_dispersion_at(UtcNs(told + random_bits // 4 + 1))  # the random bits hide when exactly it was
    assert expected[8:12] <= payload[8:12] <= max(1, ntp_short(latest)).to_bytes(4, "big")
    assert origin == times(expected)[1]
    if reference != transmit:
        assert reference == times(expected)[0]
    assert abs(receive - ntp_timestamp(told)) <= random_bits + 5  # 5: a nanosecond, to which `told` was rounded
    assert transmit == receive + 1 or transmit | random_bits | 1 == receive | random_bits | 1

"""The eBPF program in this kernel, fed frames by BPF_PROG_TEST_RUN (no network): it answers as the Python responder does, or passes
the frame up as it was.
"""

import random
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

import pytest
from xdp_frames import CLIENT4, CLIENT6, Frame, request
from xdp_machine import SERVED, Machine, equals_python, loaded, locked, times

from stratum1.interchange import KernelClockId, Leap, LeapPlan, Mapping
from stratum1.server._xdp_words import UnfitError
from stratum1.timescale import NS, UtcNs, utc_from_ntp
from stratum1.xdp import Count


@pytest.fixture
def machine() -> Iterator[Machine]:
    with loaded() as opened:
        yield opened


@pytest.mark.parametrize("client", [CLIENT4, CLIENT6])
@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("partial", [False, True])
def test_a_plain_request_is_answered_as_python_answers_it(machine: Machine, client: object, version: int, partial: bool) -> None:
    state = locked()
    machine.serve(state)
    for poll in (-128, -1, 0, 6, 17, 127):
        frame = replace(Frame(request(version, poll=poll)).with_source(client), partial=partial)  # type: ignore[arg-type]  # an address
        equals_python(machine.answer(frame), frame, state)
    assert machine.counted() == {Count.TIME3 if version == 3 else Count.TIME4: 6}


def test_many_requests_and_states_are_answered_as_python_answers_them(machine: Machine) -> None:
    draw = random.Random(3)
    for _ in range(300):
        state = locked(
            leap=draw.choice([Leap.NONE, Leap.INSERT, Leap.DELETE]),
            stratum=draw.randint(1, 15),
            refid=draw.randbytes(4),
            precision=draw.randint(-30, -5),
            root_delay=draw.choice([0.0, draw.random() * 1e-3, draw.random()]),
            error_bound=draw.choice([0.0, draw.random() * 1e-5, draw.random()]),
            bound_rate=draw.choice([0.0, 1e-6, 15e-6, 1e-3]),
            bound_at=UtcNs(SERVED - draw.randint(0, 100 * NS)),
            reference_time=UtcNs(SERVED - draw.randint(-NS, 20 * NS)),
        )
        machine.serve(state)
        for _ in range(5):
            payload = bytearray(draw.randbytes(48))
            payload[0] = draw.choice([0, 0x40, 0xC0]) | draw.choice([3, 4]) << 3 | 3
            payload[24:32] = bytes(8)
            source = draw.choice(
                [ip_address(bytes([draw.randint(1, 126), *draw.randbytes(3)])), ip_address(b"\x20\x01" + draw.randbytes(14))]
            )
            frame = replace(Frame(bytes(payload)).with_source(source), source_port=draw.randint(1, 65535), partial=draw.random() < 0.2)
            equals_python(machine.answer(frame), frame, state)


def test_exactly_the_plain_ones_of_any_requests_are_answered(machine: Machine) -> None:
    """Whole frames with right checksums around any first octet, origin, reference and length."""
    draw = random.Random(11)
    state = locked()
    answered = 0
    for number in range(4000):
        if number % 200 == 0:  # a state holds for some seconds only
            state = locked()
            machine.serve(state)
        size = 48 if draw.random() < 0.8 else draw.randint(0, 120)
        payload = bytearray(draw.randbytes(size))
        if draw.random() < 0.7:
            payload[:1] = bytes([draw.randrange(4) << 6 | draw.choice([2, 3, 4, 4, 5]) << 3 | draw.choice([3, 3, 3, 1, 4])])
        if draw.random() < 0.8:
            payload[24:32] = bytes(min(8, max(0, size - 24)))
        if draw.random() < 0.1:
            payload[16:24] = b"NTP5DRFT"[: max(0, size - 16)]
        frame = replace(Frame(bytes(payload[:size])).with_source(draw.choice([CLIENT4, CLIENT6])), source_port=draw.randrange(65536))
        first = payload[0] if size else 0
        asks = first & 7 == 3 and first >> 3 & 7 in (3, 4) and payload[16:24] != b"NTP5DRFT"
        if asks and size == 48 and not any(payload[24:32]) and frame.source_port:
            equals_python(machine.answer(frame), frame, state)
            answered += 1
        else:
            machine.passes(frame)
    assert 400 < answered < 2500


@pytest.mark.parametrize("rate", [-0.09, -500e-6, 0.0, 3e-9, 500e-6, 0.09])
def test_the_served_time_is_that_of_the_mapping(machine: Machine, rate: float) -> None:
    """Read between two readings of the clock, for seconds after the mapping was made: within 1 ns of it."""
    for age in (0, NS // 3, NS, 3 * NS):
        mapping = Mapping(0, KernelClockId.MONOTONIC, time.monotonic_ns() - age, SERVED, rate)
        state = locked(monotonic=mapping, precision=-32, valid_until=UtcNs(SERVED + 6 * NS))
        machine.serve(state)
        before = time.monotonic_ns()
        transmit = times(machine.answer(Frame(request())))[3]
        after = time.monotonic_ns()
        told = utc_from_ntp(transmit, SERVED)  # type: ignore[arg-type]  # a timestamp
        assert mapping.served(before) - 1 <= told <= mapping.served(after) + 1


def test_random_bits_are_random_and_times_in_order(machine: Machine) -> None:
    machine.serve(locked(precision=-10))
    seen = [times(machine.answer(Frame(request()))) for _ in range(200)]
    assert len({receive & 0x3FFFFE for _, _, receive, _ in seen}) > 190
    assert len({transmit & 0x3FFFFE for *_, transmit in seen}) > 190
    assert all(receive < transmit for _, _, receive, transmit in seen)
    assert all((receive & 1, transmit & 1) == (1, 0) for _, _, receive, transmit in seen)


@pytest.mark.parametrize(
    "state",
    [
        {"leap": Leap.UNKNOWN},
        {"stratum": 16},
        {"monotonic": None},
        {"error_bound": 17.0},
        {"bound_rate": 0.1},
        {"leap_plan": LeapPlan(UtcNs(SERVED + NS // 2), 1, 38, ("list",))},
    ],
)
def test_a_state_that_is_not_good_is_not_told(machine: Machine, state: dict[str, object]) -> None:
    machine.serve(locked())
    with pytest.raises(UnfitError):
        machine.serve(locked(**state), leap=locked(**state).leap_plan)
    machine.maps.void()
    machine.passes(Frame(request()))


def test_a_state_ends_when_it_ends(machine: Machine) -> None:
    machine.serve(locked(valid_until=UtcNs(SERVED + NS // 10)))
    machine.answer(Frame(request()))
    time.sleep(0.12)
    machine.passes(Frame(request()))
    assert machine.counted() == {Count.TIME4: 1, Count.PASS_STATE: 1}


def test_a_leap_second_ends_a_state_early(machine: Machine) -> None:
    plan = LeapPlan(UtcNs(SERVED + NS + NS // 10), 1, 38, ("list",))
    machine.serve(locked(leap=Leap.INSERT, leap_plan=plan), leap=plan)
    machine.answer(Frame(request()))
    time.sleep(0.12)
    machine.passes(Frame(request()))


def test_half_a_state_is_no_state(machine: Machine) -> None:
    """Every word of another state in the place of one of this, as a write that was cut short would leave it."""
    old, new = locked(), locked(stratum=2, refid=b"\1\2\3\4", error_bound=1e-3, bound_rate=1e-5, root_delay=0.1, precision=-20)
    machine.serve(old)
    memory, at = machine.maps._state, (256, 384)[machine.maps._state[8] & 1]
    whole = bytes(memory[at : at + 128])
    machine.serve(new)
    other = (256, 384)[machine.maps._state[8] & 1]
    fresh = bytes(memory[other : other + 128])
    tried = 0
    for word in range(9):
        mixed = bytearray(whole)
        mixed[8 * word : 8 * word + 8] = fresh[8 * word : 8 * word + 8]
        memory[other : other + 128] = bytes(mixed)
        if mixed != whole:
            tried += 1
            machine.passes(Frame(request()))
    assert tried >= 6
    memory[other : other + 128] = whole
    machine.answer(Frame(request()))

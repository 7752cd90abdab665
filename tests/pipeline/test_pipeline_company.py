"""A pulse in the company of servers: they witness, it steers."""

import random

import pytest
from pipeline_world import Conditions, Rig

from stratum1.inputs import SampleInput
from stratum1.interchange import Leap, LockState, Sample


def run(seconds: int, rig: Rig, liar: float, conditions: Conditions | None = None) -> None:
    """Three servers a millisecond away, each asked every 16 s; the third is wrong by `liar` seconds."""
    draw = random.Random(4)
    for second in range(seconds):
        rig.run(1, conditions)
        for number in range(3):
            if second % 16 == 5 * number:
                now = rig.clock.reading()
                there, back = (1e-3 + draw.expovariate(1e4) for _ in range(2))
                offset = -rig.error + (there - back) / 2 + (liar if number == 2 else 0.0)
                sample = Sample(f"s{number}", now.at_ns, offset, 1e-6, there + back, 1, b"GPS\0", 0.0, 1e-5, now.clock_ns, Leap.NONE)
                rig.feed(SampleInput(sample, now.clock_ns, 0xFF, 4))


@pytest.mark.parametrize("liar", [0.0, 0.05])
def test_the_pulse_steers_whatever_servers_scatter_around(liar: float) -> None:
    rig = Rig()
    run(1500, rig, liar)
    assert [row.state for row in rig.rows[60:]] == [LockState.LOCKED] * 1440
    assert rig.worst(100) < 2e-6
    assert all(abs(row.error) <= row.bound for row in rig.rows[30:])


def test_between_the_samples_of_servers_nothing_is_lost() -> None:
    """The pulse is gone, servers take over, and 16 s of their silence are no loss of the reference."""
    rig = Rig()
    run(200, rig, 0.0)
    run(2400, rig, 0.0, Conditions(pulse=False))
    states = [row.state for row in rig.rows]
    assert LockState.NETWORK in states
    assert set(states[states.index(LockState.NETWORK) :]) == {LockState.NETWORK}
    assert all(abs(row.error) <= row.bound for row in rig.rows[30:])

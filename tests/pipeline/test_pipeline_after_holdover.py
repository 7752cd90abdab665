"""What takes over when the receiver is gone for good: the other servers, or nobody, as configured."""

import pytest
from pipeline_world import FLOOR, LIMITS, REFCLOCK, Conditions, Rig

from stratum1.discipline import DisciplineSettings
from stratum1.inputs import SampleInput
from stratum1.interchange import Leap, LockState, Sample
from stratum1.pipeline import Pipeline, PipelineSettings

GONE = Conditions(pulse=False, line=False)


def ask(rig: Rig) -> None:
    """An exchange with a server 1 ms away that is right."""
    now = rig.clock.reading()
    sample = Sample("server", now.at_ns, -rig.error, 1e-5, 1e-3, 1, b"GPS\0", 0.0, 1e-5, now.clock_ns, Leap.NONE)
    rig.feed(SampleInput(sample, now.clock_ns, 0xFF, 4))


def run(servers_steer: bool) -> Rig:
    rig = Rig()
    settings = PipelineSettings(DisciplineSettings(), REFCLOCK, FLOOR, servers_steer=servers_steer)
    rig.settings, rig.pipeline = settings, Pipeline(settings, LIMITS)
    rig.run(200)
    assert rig.state is LockState.LOCKED
    for _ in range(120):
        rig.run(16, GONE)
        ask(rig)
    return rig


@pytest.mark.parametrize("servers_steer", [True, False])
def test_servers_take_over_where_they_may_and_only_when_they_are_better(servers_steer: bool) -> None:
    rig = run(servers_steer)
    states = [row.state for row in rig.rows]
    assert LockState.HOLDOVER in states
    assert all(abs(row.error) <= row.bound for row in rig.rows[30:])
    if servers_steer:
        assert rig.state is LockState.NETWORK
        assert rig.rows[-1].served.stratum == 2
        first = next(row for row in rig.rows if row.state is LockState.NETWORK)
        assert max(row.bound for row in rig.rows if 30 < row.second < first.second) > 0.4e-3  # half the way there and back
    else:
        assert LockState.NETWORK not in states
        assert rig.state is LockState.UNSYNCHRONISED
        assert rig.rows[-1].served.leap is Leap.UNKNOWN
    rig.run(60)
    assert rig.rows[-1].state is LockState.LOCKED

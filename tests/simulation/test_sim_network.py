"""S6: no pulse, three servers, one of them 50 ms wrong: the figures that are promised, and what becomes of lost and returning servers."""

import os
from math import nan

import pytest
from bench import network
from bench.noise import delays, draw

from stratum1.clock import ClockLimits
from stratum1.discipline import DisciplineSettings
from stratum1.interchange import KernelClockId, LockState, Mapping
from stratum1.pipeline import PipelineSettings
from stratum1.simulation import Network, PipelineLoop, Scenario, SimulatedServer, SimulationResult, simulate
from stratum1.timescale import UtcNs

PROCESSES = os.cpu_count() or 1


@pytest.mark.parametrize(("most", "rms"), [(4, 8.7e-6), (6, 20e-6)])
def test_servers_hold_the_clock_and_the_liar_is_never_in_the_mean(most: int, rms: float) -> None:
    """One seed, three hours; all of it is in the long run."""
    found = network.measure((most, 1, None, 3 * 3600))
    assert found.rms <= rms
    assert found.liar == 0
    assert found.outside == 0
    assert found.network > found.seconds - 120
    assert found.steps == 1, "the one at the start"


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_required_figures_over_a_network() -> None:
    text, missed = network.tables([], None, PROCESSES)
    print(text)
    assert missed == []


def run(servers: list[SimulatedServer], seconds: int, loops: list[PipelineLoop], offset: float = 0.3) -> SimulationResult:
    frequency, _ = draw(Scenario("plain", seconds=seconds), 1)

    def make(limits: ClockLimits) -> PipelineLoop:
        loops.append(PipelineLoop(limits, PipelineSettings(DisciplineSettings())))
        return loops[0]

    return simulate(frequency.tolist(), [nan] * seconds, offset=offset, make_loop=make, network=Network(servers, 4, 4, 1))


def test_a_lone_server_steers_and_its_silence_ends_in_holdover_and_then_in_nothing() -> None:
    loops: list[PipelineLoop] = []
    result = run([SimulatedServer("only", delays(1, 1, 60).tolist(), root_dispersion=1e-4)], 4000, loops)
    assert LockState.NETWORK in result.states
    silent = next(row.second for row in result.rows if row.second > 500 and row.state is not LockState.NETWORK)
    assert 900 < silent < 1200, "eight polls of 16 s after the last of 60 answers"
    assert result.rows[silent].state is LockState.HOLDOVER
    assert all(abs(row.true_error) <= row.error_bound for row in result.rows)
    notes = loops[0].pipeline.report(loops[0].now.at_ns)
    assert "no server answers" in notes.reason or notes.state is LockState.UNSYNCHRONISED
    assert loops[0].pipeline.selection.sources[1].state == "S"


def test_what_is_served_comes_from_the_selected_server() -> None:
    loops: list[PipelineLoop] = []
    servers = [
        SimulatedServer("near", delays(1, 1, 200).tolist(), stratum=2, refid=b"\x0a\0\0\x02", root_delay=2e-3, root_dispersion=1e-3),
        SimulatedServer("far", [[a + 0.02, b + 0.02] for a, b in delays(1, 2, 200).tolist()], stratum=1, refid=b"\x0a\0\0\x03"),
    ]
    run(servers, 1500, loops)
    loop = loops[0]
    served = loop.pipeline.time_state(loop.now, _identity(), None)
    assert (served.state, served.stratum, served.refid) == (LockState.NETWORK, 3, b"\x0a\0\0\x02")
    assert served.root_delay == pytest.approx(4e-3, abs=2e-4)
    assert served.error_bound > served.root_delay / 2
    assert {each.name: each.state.value for each in loop.pipeline.selection.sources if each.samples} == {"near": "*", "far": "D"}
    report = loop.pipeline.report(loop.now.at_ns)
    assert report.selection.selected == "near"


def _identity() -> Mapping:
    return Mapping(0, KernelClockId.REALTIME, 0, UtcNs(0), 0.0)

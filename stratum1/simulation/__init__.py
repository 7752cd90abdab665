"""The deterministic world: oscillator, pulses and receiver on virtual time, and what a loop in it is judged by.

No I/O; the only randomness is seeded.
"""

from ._attacks import ATTACKS, Attack, parse_attack
from ._loops import Claim, Loop, SampleLoop
from ._network import Network, SimulatedServer
from ._pipeline_loop import PipelineLoop
from ._run import SETTLING, Row, SimulationResult, quantile, simulate
from ._scenarios import SCENARIOS, Scenario, Series, series
from ._world import MISSING, Noise, World, spoken
from .leap import LeapScenario, Moment, Rehearsal, leap_label, rehearse
from .truth import SimulatedTruth

__all__ = [
    "ATTACKS",
    "MISSING",
    "SCENARIOS",
    "SETTLING",
    "Attack",
    "Claim",
    "LeapScenario",
    "Loop",
    "Moment",
    "Network",
    "Noise",
    "PipelineLoop",
    "Rehearsal",
    "Row",
    "SampleLoop",
    "Scenario",
    "Series",
    "SimulatedServer",
    "SimulatedTruth",
    "SimulationResult",
    "World",
    "leap_label",
    "parse_attack",
    "quantile",
    "rehearse",
    "series",
    "simulate",
    "spoken",
]

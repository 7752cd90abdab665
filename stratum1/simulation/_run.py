"""A run of a loop in the world, and the figures that it is judged by."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor, sqrt
from typing import NamedTuple

from stratum1.clock import ClockLimits
from stratum1.discipline import UNKNOWN_BOUND
from stratum1.interchange import LockState

from ._attacks import Attack
from ._loops import Claim, Loop, SampleLoop
from ._network import Network
from ._world import Noise, World

__all__ = ["SETTLING", "Row", "SimulationResult", "quantile", "simulate"]

SETTLING = 3600
"""Seconds at the start that RMS, p99, max and frequency_rms leave out."""
_GOOD, _HOLD = 1e-6, 60  # t1: |error| stays below so many seconds, for so many seconds


class Row(NamedTuple):
    """One true second, before the correction by its pulse. true_error: ours minus truth; both in seconds."""

    second: int
    true_error: float
    error_bound: float
    state: LockState


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """rms, p99, max of |true error| after the first hour, seconds; None if the run is not longer than that.

    t1: first second from which |error| < 1 us holds for 60 s, None if never. frequency_rms: RMS of the second-to-second change of
    the true error after the first hour, s/s. bound_coverage: share of all seconds whose bound contains the true error.
    states: seconds spent in each state. rows: every second.
    """

    rms: float | None
    p99: float | None
    max: float | None
    t1: int | None
    frequency_rms: float | None
    bound_coverage: float
    states: dict[LockState, int]
    rows: tuple[Row, ...]


def simulate(
    frequency: Sequence[float],
    pulses: Sequence[float],
    temperature: Sequence[float] | None = None,
    *,
    offset: float = 0.1,
    make_loop: Callable[[ClockLimits], Loop] = SampleLoop,
    seed: int = 0,
    network: Network | None = None,
    attack: Attack | None = None,
) -> SimulationResult:
    """Run a loop over series with one value a second (see `Noise`; 1e9 or nan is a missing pulse).

    offset: reference minus our clock at the start, seconds. seed: of the receiver's serial delays. The true error and the bound at a
    second are read before its pulse: the bound is what was claimed a second earlier, grown at the claimed rate.
    network: other servers, None for none. attack: what is done to the receiver.
    Raises ValueError if the series do not fit together.
    """
    world = World(Noise(frequency, pulses, temperature), offset, seed, attack)
    loop = make_loop(world.clock.limits)
    claim = Claim(UNKNOWN_BOUND, 0.0, LockState.COLD)
    rows = []
    for k in range(len(world)):
        world.begin(k)
        rows.append(Row(k, world.true_error, claim.after(1.0), claim.state))
        edge = world.pulse()
        if edge is not None:
            world.steer(loop.pulse(world.utc, edge))
        world.steer(loop.tick(world.clock.reading(), world.temperature))
        claim = loop.claim()
        for event in network.exchanges(world, k) if network else ():
            world.steer(loop.measured(event))
            claim = loop.claim()
        events = world.sentence()
        if events:
            world.steer(loop.heard(world.clock.reading(), events))
    return _judge(tuple(rows))


def quantile(values: Sequence[float], share: float) -> float:
    """The quantile by linear interpolation between order statistics. Raises ValueError for no values."""
    if not values:
        raise ValueError("a quantile needs at least one value")
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    below = floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def _judge(rows: tuple[Row, ...]) -> SimulationResult:
    errors = [row.true_error for row in rows]
    late = [abs(e) for e in errors[SETTLING:]]
    changes = [b - a for a, b in zip(errors[SETTLING:], errors[SETTLING + 1 :], strict=False)]
    return SimulationResult(
        rms=_rms(late),
        p99=quantile(late, 0.99) if late else None,
        max=max(late) if late else None,
        t1=_first_good(errors),
        frequency_rms=_rms(changes),
        bound_coverage=sum(abs(row.true_error) <= row.error_bound for row in rows) / len(rows),
        states=dict(Counter(row.state for row in rows)),
        rows=rows,
    )


def _rms(values: Sequence[float]) -> float | None:
    return sqrt(sum(v * v for v in values) / len(values)) if values else None


def _first_good(errors: Sequence[float]) -> int | None:
    run = 0
    for k, error in enumerate(errors):
        run = run + 1 if abs(error) < _GOOD else 0
        if run == _HOLD:
            return k - _HOLD + 1
    return None

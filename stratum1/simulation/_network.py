"""Other time servers in the world: when each is asked, how long the packets take, and what comes of it."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stratum1.inputs import SampleInput
from stratum1.interchange import Leap, Sample
from stratum1.timescale import NS, MonoNs, UtcNs, ns_from_seconds

from ._world import World

__all__ = ["Network", "SimulatedServer"]

_BURST, _BURST_INTERVAL = 4, 2  # exchanges and seconds at the start (iburst)
_PATIENCE = 8  # answers at one interval before the next longer one
_SPREAD = 0.05  # of an interval, each way: servers are not asked in step
_STAMPS = 1e-6  # s; what is stated of the stamps' own error


@dataclass(frozen=True, slots=True)
class SimulatedServer:
    """delays: request and reply of each exchange, seconds; when they are used up, it is silent. error: its clock minus truth, seconds.

    root_delay, root_dispersion: what it says of itself, seconds.
    """

    name: str
    delays: Sequence[Sequence[float]]
    error: float = 0.0
    stratum: int = 1
    refid: bytes = b"\x7f\x00\x00\x01"
    root_delay: float = 0.0
    root_dispersion: float = 1e-5
    leap: Leap = Leap.NONE


@dataclass(slots=True)
class _Asked:
    server: SimulatedServer
    due: int
    poll: int
    exchanges: int = 0
    patience: int = _PATIENCE


class Network:
    """Asks every server at intervals that grow from 2^least to 2^most seconds."""

    def __init__(self, servers: Sequence[SimulatedServer], least: int = 4, most: int = 6, seed: int = 0) -> None:
        """seed: of the intervals' spread. Raises ValueError for a least poll above the most."""
        if least > most:
            raise ValueError(f"the least poll {least} is above the most, {most}")
        self._most = most
        self._draw = random.Random(seed)  # noqa: S311 (a simulation has to be repeatable)
        self._asked = [_Asked(server, 1 + number, least) for number, server in enumerate(servers)]

    def exchanges(self, world: World, second: int) -> Iterator[SampleInput]:
        """What is measured in this second; true time passes meanwhile, some milliseconds for each."""
        for asked in self._asked:
            if asked.due > second or asked.exchanges >= len(asked.server.delays):
                continue
            yield self._exchange(world, asked)
            asked.due = second + self._wait(asked)

    def _exchange(self, world: World, asked: _Asked) -> SampleInput:
        """RFC 5905, section 8: the four stamps."""
        server = asked.server
        there, back = server.delays[asked.exchanges]
        asked.exchanges += 1
        sent = world.clock.reading()
        world.clock.advance_to(UtcNs(world.clock.true_ns + ns_from_seconds(there)))
        served = world.clock.true_ns + ns_from_seconds(server.error)
        world.clock.advance_to(UtcNs(world.clock.true_ns + ns_from_seconds(back)))
        received = world.clock.reading()
        sample = Sample(
            source=server.name,
            at_ns=MonoNs((sent.at_ns + received.at_ns) // 2),
            offset=((served - sent.clock_ns) + (served - received.clock_ns)) / 2 / NS,
            sigma=_STAMPS,
            delay=(received.clock_ns - sent.clock_ns) / NS,
            stratum=server.stratum,
            refid=server.refid,
            root_delay=server.root_delay,
            root_dispersion=server.root_dispersion,
            reference_time=UtcNs(served),
            leap=server.leap,
        )
        return SampleInput(sample, UtcNs((sent.clock_ns + received.clock_ns) // 2), 0xFF, asked.poll)

    def _wait(self, asked: _Asked) -> int:
        """Seconds to the next exchange."""
        if asked.exchanges < _BURST:
            return _BURST_INTERVAL
        if asked.exchanges > _BURST:
            asked.patience -= 1
        if not asked.patience and asked.poll < self._most:
            asked.poll, asked.patience = asked.poll + 1, _PATIENCE
        return round(2.0**asked.poll * self._draw.uniform(1 - _SPREAD, 1 + _SPREAD))

"""The daemon's own pipeline as a loop: it numbers the pulses by the receiver's sentences, gates them, and disciplines the clock."""

from stratum1.clock import ClockLimits
from stratum1.discipline import DisciplineSettings, DriftRecord
from stratum1.gnss.events import Event
from stratum1.inputs import EdgeInput, EnvironmentInput, GnssInput, Input, SampleInput, TickInput
from stratum1.interchange import Environment, KernelClockId, Reading, Steering
from stratum1.pipeline import Note, Pipeline, PipelineSettings
from stratum1.pps.events import Edge, EdgeKind
from stratum1.timescale import MonoNs, UtcNs

from ._loops import Claim

__all__ = ["PipelineLoop"]


class PipelineLoop:
    """See `Loop`. What it claims is what the server would serve."""

    def __init__(self, limits: ClockLimits, settings: PipelineSettings | None = None, drift: DriftRecord | None = None) -> None:
        self.pipeline = Pipeline(settings or PipelineSettings(DisciplineSettings()), limits, drift)
        self._now: Reading | None = None
        self._pulses = 0
        self.notes: list[Note] = []
        """What was told so far."""

    def pulse(self, utc: UtcNs, edge: Reading) -> Steering | None:
        """See `Loop.pulse`; the second is not looked at."""
        del utc
        self._pulses += 1
        kernel_edge = Edge(EdgeKind.ASSERT, self._pulses, edge.clock_ns, KernelClockId.REALTIME, 0)
        return self._feed(EdgeInput(edge, kernel_edge))

    def tick(self, now: Reading, temperature: float | None) -> Steering | None:
        """See `Loop.tick`."""
        if temperature is not None:
            self.pipeline.feed(EnvironmentInput(Environment(now.at_ns, temperature)))
        self._now = now
        return self._feed(TickInput(now))

    def heard(self, now: Reading, events: tuple[Event, ...]) -> Steering | None:
        """See `Loop.heard`."""
        return self._feed(GnssInput(now, events))

    def _feed(self, event: Input) -> Steering | None:
        output = self.pipeline.feed(event)
        self.notes += output.notes
        return output.steering

    def measured(self, event: SampleInput) -> Steering | None:
        """See `Loop.measured`."""
        return self._feed(event)

    @property
    def last(self) -> MonoNs | None:
        """The raw instant of the last tick."""
        return None if self._now is None else self._now.at_ns

    @property
    def now(self) -> Reading:
        """The last tick."""
        assert self._now is not None, "the instant of a tick is asked for after the first"
        return self._now

    def claim(self) -> Claim:
        """See `Loop.claim`."""
        assert self._now is not None, "a claim is asked for after the first tick"
        served = self.pipeline.time_state(self._now, None, None)
        return Claim(served.error_bound, served.bound_rate, served.state)

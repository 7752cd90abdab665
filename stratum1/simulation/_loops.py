"""What is put into the world to be tried: anything that turns pulses into steering and states a bound."""

from dataclasses import dataclass
from typing import Protocol

from stratum1.clock import ClockLimits
from stratum1.discipline import Decision, Discipline, DisciplineSettings, DriftRecord
from stratum1.gnss.events import Event
from stratum1.inputs import SampleInput
from stratum1.interchange import Environment, Leap, LockState, Reading, ReferenceHealth, Sample, Steering
from stratum1.timescale import NS, UtcNs, seconds

__all__ = ["Claim", "Loop", "SampleLoop"]


@dataclass(frozen=True, slots=True)
class Claim:
    """What is said of the clock from now on: bound in seconds, growing by bound_rate (s/s)."""

    error_bound: float
    bound_rate: float
    state: LockState

    def after(self, elapsed: float) -> float:
        """The bound, seconds later."""
        return self.error_bound + self.bound_rate * elapsed


class Loop(Protocol):
    """One candidate. Each method returns what is to be put into force at once, None if nothing changes."""

    def pulse(self, utc: UtcNs, edge: Reading) -> Steering | None:
        """A pulse was stamped. utc: the second that it marks; only a loop without numbering of its own may look at it."""

    def tick(self, now: Reading, temperature: float | None) -> Steering | None:
        """Once a second, after the pulse if there is one."""

    def heard(self, now: Reading, events: tuple[Event, ...]) -> Steering | None:
        """The receiver's sentence for this second has arrived."""

    def measured(self, event: SampleInput) -> Steering | None:
        """A server was asked and has answered."""

    def claim(self) -> Claim:
        """What is claimed since the last call of the others."""


class SampleLoop:
    """The discipline alone: every pulse is numbered rightly and becomes a sample with the stated sigma (seconds)."""

    def __init__(
        self, limits: ClockLimits, settings: DisciplineSettings | None = None, drift: DriftRecord | None = None, sigma: float = 1e-6
    ) -> None:
        self.discipline = Discipline(settings or DisciplineSettings(), limits, drift)
        self._sigma = sigma
        self._decision: Decision | None = None
        self._last_ns: int | None = None

    def pulse(self, utc: UtcNs, edge: Reading) -> Steering | None:
        """See `Loop.pulse`."""
        self._last_ns = edge.at_ns
        sample = Sample(
            source="pulse",
            at_ns=edge.at_ns,
            offset=seconds(utc - edge.clock_ns),
            sigma=self._sigma,
            delay=0.0,
            stratum=0,
            refid=b"PPS\0",
            root_delay=0.0,
            root_dispersion=0.0,
            reference_time=utc,
            leap=Leap.NONE,
        )
        self._decision = self.discipline.observe(sample)
        return self._decision.steering

    def tick(self, now: Reading, temperature: float | None) -> Steering | None:
        """See `Loop.tick`."""
        if temperature is not None:
            self.discipline.environment(Environment(now.at_ns, temperature))
        heard = self._last_ns is not None
        usable = self._last_ns is not None and now.at_ns - self._last_ns < 5 * NS
        self._decision = self.discipline.tick(now.at_ns, ReferenceHealth(heard, usable, "" if usable else "no pulse for 5 s"))
        return self._decision.steering

    def heard(self, now: Reading, events: tuple[Event, ...]) -> Steering | None:
        """See `Loop.heard`; the pulses need no numbering here."""
        del now, events
        return None

    def measured(self, event: SampleInput) -> Steering | None:
        """See `Loop.measured`; without a selection every answer steers."""
        self._decision = self.discipline.observe(event.sample)
        return self._decision.steering

    def claim(self) -> Claim:
        """See `Loop.claim`."""
        assert self._decision is not None, "a claim is asked for after the first tick"
        return Claim(self._decision.error_bound, self._decision.bound_rate, self._decision.state)

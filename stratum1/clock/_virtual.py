"""A clock of our own over CLOCK_MONOTONIC_RAW: disciplined like the kernel's, without touching anything of the host."""

import time
from dataclasses import dataclass, replace

from stratum1.interchange import KernelClockId, Mapping, Reading, Steering
from stratum1.timescale import MonoNs, UtcNs, ns_from_seconds

from ._host import HostClocks, reading_time
from ._interface import ClockError, ClockLimits, ClockStatus
from ._leaping import LeapingTimeline
from ._steering import clamped, log2_precision
from ._timeline import Timeline
from ._timex import read_timex, timex_rate

__all__ = ["VirtualClock"]

_MAX_FREQUENCY = 500e-6
"""As the kernel's: a crystal that needs more is broken, and a drift file is to suit both clocks."""
_MAX_SLEW = 0.1


@dataclass(frozen=True, slots=True)
class _State:
    """What a reader needs, swapped as one so that no reader sees the half of a change."""

    timeline: LeapingTimeline
    frequency: float
    steps: int


class VirtualClock:
    """Phase and frequency of our own over the bare crystal. One thread steers, any thread reads without waiting for it.

    `epoch` counts our steps and the times that somebody set REALTIME (a REALTIME stamp of before says nothing then).
    """

    def __init__(self, start: UtcNs | None = None) -> None:
        """start: what the clock shows now; the host's CLOCK_REALTIME if None."""
        self._host = HostClocks(prior_rate=_host_rate())
        pair = self._host.look()
        shown = pair.inner + self._host.offset() if start is None else start
        self._state = _State(LeapingTimeline(Timeline.starting(pair.outer, shown)), 0.0, 0)
        self._limits = ClockLimits(_MAX_FREQUENCY, _MAX_SLEW, log2_precision(reading_time(time.CLOCK_MONOTONIC_RAW)))

    @property
    def name(self) -> str:
        """What is shown to people."""
        return "virtual"

    @property
    def limits(self) -> ClockLimits:
        """Those of the kernel's clock; the precision is measured."""
        return self._limits

    @property
    def frequency(self) -> float:
        """The lasting correction in force, s/s."""
        return self._state.frequency

    @property
    def epoch(self) -> int:
        """Our steps, leap seconds too, and the sets of REALTIME by others, as far as a mapping or a stamp has shown them."""
        state = self._state
        return self._steps(state, self._host.raw() if state.timeline.due is not None else 0) + self._host.sets

    def reading(self) -> Reading:
        """Now; exact, since our clock is computed from the other."""
        state = self._state
        raw = self._host.raw()
        return Reading(raw, UtcNs(state.timeline.value(raw)))

    def at(self, source: KernelClockId, stamp_ns: int) -> Reading:
        """The instant of a recent stamp, by the segment in force then and by the host's readings around it (0.1 us)."""
        raw = self._raw(source, stamp_ns)
        return Reading(MonoNs(raw), UtcNs(self._state.timeline.value(raw)))

    def steer(self, steering: Steering) -> None:
        """Put a steering into force now. Raises ClockError for what is not a finite number."""
        wanted = clamped(steering, self._limits)
        raw = self._host.raw()
        state = self._settled(raw)
        timeline = state.timeline.rated(raw, wanted.frequency + wanted.phase_rate)
        if wanted.step:
            timeline = timeline.stepped(raw, ns_from_seconds(wanted.step))
        self._state = _State(timeline, wanted.frequency, state.steps + (wanted.step != 0.0))

    def announce(self, status: ClockStatus) -> None:
        """Arm or disarm a leap second at the end of this UTC day; the rest is the kernel's business, which does not know this clock."""
        raw = self._host.raw()
        state = self._settled(raw)
        self._state = replace(state, timeline=state.timeline.told(raw, status.leap))

    def mapping(self, source: KernelClockId) -> Mapping:
        """From a host clock to ours, with the rate between them as of the last second; good to 0.2 us for 1/8 s while the rates stay."""
        pair = self._host.look()
        with self._host.lock:
            offset = self._host.offset() if source is KernelClockId.REALTIME else 0
            sets = self._host.sets
        state = self._state
        served = UtcNs(state.timeline.current(pair.outer))  # a step may have come between the two lines above
        epoch = self._steps(state, pair.outer) + sets
        own_rate = state.timeline.timeline.rate
        if source is KernelClockId.MONOTONIC_RAW:
            return Mapping(epoch, source, pair.outer, served, own_rate)
        host_rate = self._host.rate(pair)
        rate = (own_rate - host_rate) / (1 + host_rate)
        return Mapping(epoch, source, pair.inner + offset, served, rate)

    def seed(self, instant: UtcNs) -> None:
        """Set our clock; counts as a step."""
        raw = self._host.raw()
        state = self._settled(raw)
        timeline = state.timeline.stepped(raw, instant - state.timeline.value(raw))
        self._state = replace(state, timeline=timeline, steps=state.steps + 1)

    def close(self) -> None:
        """Stop slewing, keep the frequency."""
        self.steer(Steering(self._state.frequency))

    @staticmethod
    def _steps(state: _State, raw: int) -> int:
        return state.steps + state.timeline.made(raw)

    def _settled(self, raw: int) -> _State:
        """The state with a leap second that has been made counted among the steps."""
        state = self._state
        return replace(state, timeline=state.timeline.settled(raw), steps=self._steps(state, raw))

    def _raw(self, source: KernelClockId, stamp_ns: int) -> int:
        if source is KernelClockId.MONOTONIC_RAW:
            return stamp_ns
        offset = self._host.offset() if source is KernelClockId.REALTIME else 0
        return self._host.raw_from_monotonic(stamp_ns - offset)


def _host_rate() -> float:
    """The rate at which the host's own daemon has REALTIME run; 0 where a sandbox hides it, until it has been measured."""
    try:
        timex = read_timex()
    except ClockError:
        return 0.0
    return timex_rate(timex.tick, timex.freq)

"""A clock whose time and crystal are given by the caller: for tests and for the simulator. Reads nothing, exact, deterministic."""

from stratum1.interchange import KernelClockId, Mapping, Reading, Steering
from stratum1.timescale import MonoNs, UtcNs, ns_from_seconds

from ._interface import ClockLimits, ClockStatus
from ._leaping import LeapingTimeline
from ._steering import clamped
from ._timeline import Timeline

__all__ = ["SimulatedClock"]

_LIMITS = ClockLimits(max_frequency=500e-6, max_slew=0.1, precision=-24)


class SimulatedClock:
    """A crystal that runs wrong over true time, and over it a clock that behaves as a disciplined kernel clock does.

    True time counts every second, leap seconds too. The crystal is CLOCK_MONOTONIC_RAW; our clock is CLOCK_REALTIME (so its mapping
    is the identity); CLOCK_MONOTONIC is slewed as our clock is and never stepped. True time moves only by `advance_to`.
    """

    def __init__(
        self,
        true_ns: UtcNs,
        *,
        offset_ns: int = 0,
        crystal: float = 0.0,
        boot_ns: int = 1_000_000_000_000,
        limits: ClockLimits = _LIMITS,
    ) -> None:
        """true_ns: true UTC at the start. offset_ns: our error there, ours minus truth. crystal: its error, s/s, positive is fast.

        boot_ns: reading of the monotonic clocks at the start.
        """
        self._true = true_ns
        self._limits = limits
        self._crystal = Timeline.starting(true_ns, boot_ns, crystal)
        self._clock = LeapingTimeline(Timeline.starting(boot_ns, true_ns + offset_ns))
        self._slewed = Timeline.starting(boot_ns, boot_ns)
        self._frequency = 0.0
        self._epoch = 0
        self._status: ClockStatus | None = None

    @property
    def name(self) -> str:
        """What is shown to people."""
        return "simulated"

    @property
    def limits(self) -> ClockLimits:
        """As given."""
        return self._limits

    @property
    def frequency(self) -> float:
        """The lasting correction in force, s/s."""
        return self._frequency

    @property
    def epoch(self) -> int:
        """Steps so far, leap seconds too."""
        return self._epoch

    @property
    def true_ns(self) -> UtcNs:
        """True time now."""
        return self._true

    @property
    def status(self) -> ClockStatus | None:
        """What was announced last."""
        return self._status

    @property
    def true_error_ns(self) -> int:
        """Our clock minus truth now (the simulator's sign, not that of an offset)."""
        return self.stamp(KernelClockId.REALTIME, self._true) - self._true

    def advance_to(self, true_ns: UtcNs) -> None:
        """Let true time pass. Raises ValueError if it would run backwards."""
        if true_ns < self._true:
            raise ValueError(f"true time can't go back: at {self._true}, asked for {true_ns}")
        self._true = true_ns
        raw = self._now()
        self._epoch += self._clock.made(raw)
        self._clock = self._clock.settled(raw)

    def set_crystal(self, error: float) -> None:
        """The crystal's frequency error from now on, s/s, positive is fast."""
        self._crystal = self._crystal.rated(self._true, error)

    def stamp(self, source: KernelClockId, true_ns: UtcNs) -> int:
        """What a kernel clock shows, or showed, at a true instant of the recent past (64 s): how a simulated pulse gets its stamp."""
        raw = self._crystal.value(true_ns)
        if source is KernelClockId.MONOTONIC_RAW:
            return raw
        return self._clock.value(raw) if source is KernelClockId.REALTIME else self._slewed.value(raw)

    def reading(self) -> Reading:
        """Now, on the crystal and on our clock."""
        raw = self._now()
        return Reading(MonoNs(raw), UtcNs(self._clock.value(raw)))

    def at(self, source: KernelClockId, stamp_ns: int) -> Reading:
        """The instant of a recent stamp; a stamp of before a step is given as the clock was then."""
        if source is KernelClockId.REALTIME:
            return Reading(MonoNs(self._clock.timeline.inverse(stamp_ns)), UtcNs(stamp_ns))
        raw = stamp_ns if source is KernelClockId.MONOTONIC_RAW else self._slewed.inverse(stamp_ns)
        return Reading(MonoNs(raw), UtcNs(self._clock.value(raw)))

    def steer(self, steering: Steering) -> None:
        """Put a steering into force now. Raises ClockError for what is not a finite number."""
        wanted = clamped(steering, self._limits)
        raw = self._now()
        rate = wanted.frequency + wanted.phase_rate
        self._clock = self._clock.rated(raw, rate)
        self._slewed = self._slewed.rated(raw, rate)
        self._frequency = wanted.frequency
        if wanted.step:
            self._step(raw, ns_from_seconds(wanted.step))

    def announce(self, status: ClockStatus) -> None:
        """Remember the status, for `status`; arm or disarm a leap second at the end of this UTC day, as the kernel does."""
        self._status = status
        self._clock = self._clock.told(self._now(), status.leap)

    def mapping(self, source: KernelClockId) -> Mapping:
        """From a kernel clock to ours; the identity for REALTIME, exact for the others."""
        raw = self._now()
        served = UtcNs(self._clock.value(raw))
        if source is KernelClockId.MONOTONIC_RAW:
            return Mapping(self._epoch, source, raw, served, self._clock.timeline.rate)
        at = served if source is KernelClockId.REALTIME else self._slewed.value(raw)
        return Mapping(self._epoch, source, at, served, 0.0)

    def seed(self, instant: UtcNs) -> None:
        """Set our clock; counts as a step."""
        raw = self._now()
        self._step(raw, instant - self._clock.value(raw))

    def close(self) -> None:
        """Stop slewing, keep the frequency."""
        self.steer(Steering(self._frequency))

    def _now(self) -> int:
        return self._crystal.value(self._true)

    def _step(self, raw: int, step_ns: int) -> None:
        self._clock = self._clock.stepped(raw, step_ns)
        self._epoch += 1

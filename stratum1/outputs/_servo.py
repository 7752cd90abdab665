"""Steers a PTP hardware clock to our time: proportional-integral, with a measured start and a gate for lone bad readings. Pure.

Our time is already smooth, and reading the hardware clock is the noise here, so the loop is slower than a PTP client's: it forgets
a phase error in some 10 s. Signs: an offset is our time minus the hardware clock; a frequency is the correction applied.
"""

from dataclasses import dataclass
from enum import StrEnum

from stratum1.timescale import NS

__all__ = ["PhcServo", "PhcSteering", "ServoState"]

_PROPORTIONAL, _INTEGRAL = 0.4, 0.05
"""Per second and per second squared: damping 0.9 at one reading a second."""
_MEASURE_FOR = 4 * NS
_FIRST_STEP = 1_000
"""ns: a smaller error than this at the start is slewed."""
_STEP = NS // 1000
"""ns: a larger error than this, seen three times, is stepped: slewing it would take longer than a PTP client waits."""
_MOST_SLEW = 100e-6
_PATIENCE = 3
_LEAST_GATE = 200
_GATE = 6.0
_GAP = 10 * NS
"""Without a reading for so long nothing is known of the error any more: measure anew."""


class ServoState(StrEnum):
    """What the servo does."""

    MEASURING = "measuring"
    TRACKING = "tracking"


@dataclass(frozen=True, slots=True)
class PhcSteering:
    """The whole frequency correction from now on (s/s), and ns to add to the clock before it (0 for none)."""

    frequency: float
    step_ns: int = 0


class PhcServo:
    """One hardware clock. most: largest correction that it takes, s/s; frequency: the one in force at the start."""

    def __init__(self, most: float, frequency: float) -> None:
        self._most = most
        self._lasting = max(-most, min(most, frequency))
        self._applied = self._lasting
        self._first: tuple[int, int] | None = None
        self._newest = 0
        self._spread = 0.0
        self._strange = 0
        self.state = ServoState.MEASURING

    def restart(self) -> None:
        """Nothing is known of the phase any more; the lasting frequency stays."""
        self.state = ServoState.MEASURING
        self._first = None
        self._strange = 0

    def sample(self, at_ns: int, offset_ns: int, window_ns: int) -> PhcSteering | None:
        """A reading at an instant of our time, taken within a window; None when nothing is to change."""
        gap = at_ns - self._newest
        self._newest = at_ns
        if self.state is ServoState.TRACKING and not 0 < gap <= _GAP:
            self.restart()
        if self.state is ServoState.MEASURING:
            return self._measure(at_ns, offset_ns)
        return self._track(offset_ns, window_ns, gap / NS)

    def _measure(self, at_ns: int, offset_ns: int) -> PhcSteering | None:
        if self._first is None or at_ns <= self._first[0]:
            self._first = (at_ns, offset_ns)
            return None
        since, before = self._first
        if at_ns - since < _MEASURE_FOR:
            return None
        drift = (offset_ns - before) / (at_ns - since)
        self._first = None
        if abs(drift) > 2 * self._most:  # somebody set one of the clocks meanwhile
            return None
        self._lasting = self._clamped(self._applied + drift)
        self._applied = self._lasting
        self._spread = float(_LEAST_GATE)
        self._strange = 0
        self.state = ServoState.TRACKING
        return PhcSteering(self._lasting, offset_ns if abs(offset_ns) > _FIRST_STEP else 0)

    def _track(self, offset_ns: int, window_ns: int, elapsed: float) -> PhcSteering | None:
        gate = max(_GATE * self._spread, _LEAST_GATE + window_ns)
        if abs(offset_ns) > gate and self._strange < _PATIENCE - 1:
            self._strange += 1
            return None
        if abs(offset_ns) > _STEP:
            self.restart()
            return PhcSteering(self._lasting, offset_ns)
        self._strange = 0
        self._spread += (abs(offset_ns) - self._spread) / 16 if abs(offset_ns) < gate else (abs(offset_ns) - self._spread) / 2
        offset = offset_ns / NS
        slew = max(-_MOST_SLEW, min(_MOST_SLEW, _PROPORTIONAL * offset))
        if abs(slew) < _MOST_SLEW:  # while it slews at its limit the error says nothing of the frequency
            self._lasting = self._clamped(self._lasting + _INTEGRAL * offset * elapsed)
        self._applied = self._clamped(self._lasting + slew)
        return PhcSteering(self._applied)

    def _clamped(self, frequency: float) -> float:
        return max(-self._most, min(self._most, frequency))

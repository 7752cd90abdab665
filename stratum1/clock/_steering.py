"""What every clock does with a steering before it obeys. Pure."""

import math

from stratum1.interchange import Steering

from ._interface import ClockError, ClockLimits

__all__ = ["clamped", "log2_precision"]


def clamped(steering: Steering, limits: ClockLimits) -> Steering:
    """The steering with its rates brought within the limits: the lasting frequency first, then the sum of both.

    Raises ClockError for a field that is not a finite number, before anything has changed.
    """
    for field in ("frequency", "phase_rate", "step"):
        value = getattr(steering, field)
        if not math.isfinite(value):
            raise ClockError(
                f"steering refused: {field} is {value}, not a finite number; this is a fault of the discipline, please report it"
            )
    frequency = _within(steering.frequency, limits.max_frequency)
    total = _within(frequency + steering.phase_rate, limits.max_slew)
    return Steering(frequency, total - frequency, steering.step)


def log2_precision(reading_ns: int) -> int:
    """NTP's precision (RFC 5905, section 7.3): log2 of the seconds that a reading takes, rounded up, -30 to 0."""
    return max(-30, min(0, math.ceil(math.log2(max(1, reading_ns) / 1e9))))


def _within(value: float, limit: float) -> float:
    return max(-limit, min(limit, value))

"""A clock as a piecewise linear function of another one, in exact integers. Pure arithmetic; reads no clock.

Output is held in units of 2^-32 ns and speed in units of 2^-64, so that a change of rate costs at most 2^-32 ns of rounding:
a thousand changes a second for ten years stay below 0.1 us, and no absolute time ever passes through a float.
"""

from dataclasses import dataclass, replace
from typing import Self

__all__ = ["KEPT_NS", "Segment", "Timeline"]

KEPT_NS = 64_000_000_000
"""How far back the segments reach that a timeline keeps; stamps are some seconds old at most."""

_MOST_SEGMENTS = 512
_FRACTION = 32
_ONE = 1 << 64


@dataclass(frozen=True, slots=True)
class Segment:
    """From input `start` (ns) on, the output is `base` (2^-32 ns) plus the time since times `speed` (2^-64 of the input's)."""

    start: int
    base: int
    speed: int

    def fixed(self, at: int) -> int:
        """Output at input `at` (ns), in 2^-32 ns, rounded down."""
        return self.base + ((at - self.start) * self.speed >> _FRACTION)

    def value(self, at: int) -> int:
        """Output at input `at`, in ns, to nearest."""
        return (self.fixed(at) + (1 << (_FRACTION - 1))) >> _FRACTION

    def inverse(self, value: int) -> int:
        """The input (ns, to nearest) at which the output is `value` (ns)."""
        return self.start + ((((value << _FRACTION) - self.base) << _FRACTION) + (self.speed >> 1)) // self.speed


@dataclass(frozen=True, slots=True)
class Timeline:
    """The segments, oldest first; never empty. Immutable: a reader holds one picture while the steerer makes the next."""

    segments: tuple[Segment, ...]

    @classmethod
    def starting(cls, at: int, value: int, rate: float = 0.0) -> Self:
        """A clock that shows `value` (ns) at input `at` (ns) and runs `rate` s/s faster than its input."""
        return cls((Segment(at, value << _FRACTION, _speed(rate)),))

    @property
    def rate(self) -> float:
        """Rate of the newest segment relative to the input, s/s."""
        return (self.segments[-1].speed - _ONE) / _ONE

    def value(self, at: int) -> int:
        """Output (ns) at input `at`, by the segment in force then; before the oldest one that one is extended backwards."""
        return self._segment_at(at).value(at)

    def current(self, at: int) -> int:
        """Output (ns) by the newest segment, even just before its start: what a mapping that belongs to it must say."""
        return self.segments[-1].value(at)

    def inverse(self, value: int) -> int:
        """The latest input (ns) at which the clock showed `value` (ns): after a step back, the newer of the two."""
        fixed = value << _FRACTION
        for segment in reversed(self.segments):
            if segment.base <= fixed:
                return segment.inverse(value)
        return self.segments[0].inverse(value)

    def rated(self, at: int, rate: float) -> Self:
        """The timeline that runs at `rate` (s/s) from input `at` on; `at` is never before the newest segment's start."""
        return self._with(Segment(at, self._segment_at(at).fixed(at), _speed(rate)))

    def stepped(self, at: int, step_ns: int) -> Self:
        """The timeline that gains `step_ns` at once at input `at` and goes on at its rate."""
        last = self._segment_at(at)
        return self._with(Segment(at, last.fixed(at) + (step_ns << _FRACTION), last.speed))

    def _segment_at(self, at: int) -> Segment:
        for segment in reversed(self.segments):
            if segment.start <= at:
                return segment
        return self.segments[0]

    def _with(self, segment: Segment) -> Self:
        segments = (*self.segments, segment)[-_MOST_SEGMENTS:]
        horizon = segment.start - KEPT_NS
        first = max((i for i, each in enumerate(segments) if each.start <= horizon), default=0)
        return replace(self, segments=segments[first:])


def _speed(rate: float) -> int:
    return _ONE + round(rate * _ONE)

"""A leap second on a clock of our own: armed the day before, made at its instant, whoever looks. Pure.

It does what the Linux kernel does (kernel/time/ntp.c, second_overflow): the step comes at the end of the UTC day in which the clock
was told, and nothing is armed again before the leap bits were seen cleared.
"""

from dataclasses import dataclass

from stratum1.interchange import Leap
from stratum1.timescale import NS

from ._timeline import Timeline

__all__ = ["LeapingTimeline"]

_DAY = 86_400 * NS


@dataclass(frozen=True, slots=True)
class LeapingTimeline:
    """A timeline, and the step that is due where its output reaches `due` (ns; None: nothing is armed), of `step` ns.

    waiting: a leap second was made, and the bits have not been cleared since.
    """

    timeline: Timeline
    due: int | None = None
    step: int = 0
    waiting: bool = False

    def value(self, at: int) -> int:
        """Output (ns) at input `at`, as the timeline has it or, past the instant of the leap second, a second earlier or later."""
        return self._leapt(self.timeline.value(at))

    def current(self, at: int) -> int:
        """As `Timeline.current`."""
        return self._leapt(self.timeline.current(at))

    def made(self, at: int) -> bool:
        """Whether the armed leap second is past at input `at`: it has to be counted as a step."""
        return self.due is not None and self.timeline.value(at) >= self.due

    def settled(self, at: int) -> "LeapingTimeline":
        """The same clock at input `at`, with a leap second that is past made part of the timeline; call it before any other change."""
        if self.due is None or not self.made(at):
            return self
        return LeapingTimeline(self.timeline.stepped(self.timeline.inverse(self.due), self.step), waiting=True)

    def told(self, at: int, leap: Leap) -> "LeapingTimeline":
        """Arm or disarm at input `at`; the clock is settled."""
        sign = {Leap.INSERT: 1, Leap.DELETE: -1}.get(leap, 0)
        if not sign:
            return LeapingTimeline(self.timeline)
        step = -sign * NS
        if self.waiting or (self.due is not None and self.step == step):
            return self
        midnight = (self.timeline.value(at) // _DAY + 1) * _DAY
        due = midnight if sign > 0 else midnight - NS
        return LeapingTimeline(self.timeline, due, step) if self.timeline.value(at) < due else self

    def rated(self, at: int, rate: float) -> "LeapingTimeline":
        """As `Timeline.rated`; the clock is settled."""
        return LeapingTimeline(self.timeline.rated(at, rate), self.due, self.step, self.waiting)

    def stepped(self, at: int, step_ns: int) -> "LeapingTimeline":
        """As `Timeline.stepped`; what is armed is dropped, since it may be another day now."""
        return LeapingTimeline(self.timeline.stepped(at, step_ns), waiting=self.waiting)

    def _leapt(self, value: int) -> int:
        return value + self.step if self.due is not None and value >= self.due else value

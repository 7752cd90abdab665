"""When the clock may be stepped (RFC 5905, section 11.3: STEPT, WATCH and PANICT, with our own stepout)."""

import math

from stratum1.timescale import MonoNs, seconds

from ._types import DisciplineSettings

__all__ = ["StepPolicy"]


_SMALLEST = 1e-3
"""Seconds. Even where a step is free, what is slewed out within seconds isn't worth a jump."""


class StepPolicy:
    """The first step is free. Later an offset beyond the threshold is kept from the engine until it has lasted for
    the stepout; then one measurement and one step are granted, within the panic limit.
    """

    __slots__ = ("_excused", "_granted", "_locked_once", "_settings", "_sign", "_since_ns")

    def __init__(self, settings: DisciplineSettings) -> None:
        self._settings = settings
        self._locked_once = False
        self._granted = True
        self._excused = 0.0
        self._since_ns: MonoNs | None = None
        self._sign = 0.0

    def holds(self, at_ns: MonoNs, offset: float, sigma: float) -> bool:
        """Whether a sample's offset (seconds, with its sigma) is to be kept from the engine."""
        if self._granted:
            return False
        sign = math.copysign(1.0, offset)
        far = abs(offset) > self._settings.step_threshold + 4 * sigma
        if not far or sign != self._sign:
            self._since_ns = None
        if not far:
            return False
        if self._since_ns is None:
            self._since_ns, self._sign = at_ns, sign
        return True

    def overdue(self, at_ns: MonoNs) -> bool:
        """Whether a held offset has lasted for the stepout; if so, a step is granted."""
        if self._since_ns is None or seconds(at_ns - self._since_ns) < self._settings.stepout:
            return False
        self.grant()
        return True

    def grant(self) -> None:
        """Allow the next measurement to step."""
        self._granted = True
        self._since_ns = None

    def excuse(self, offset: float) -> None:
        """Somebody else put us off by a known offset (seconds): to undo that is no reason to doubt the reference."""
        self._excused += offset

    def stepped(self) -> None:
        """The grant is used up."""
        self._granted = False
        self._excused = 0.0

    def locked(self) -> None:
        """The clock is right; from now on steps must wait, and the panic limit holds."""
        self._locked_once = True
        self._granted = False
        self._excused = 0.0

    def steps(self, offset: float) -> bool:
        """Whether a freshly measured offset (seconds) is to be stepped and not slewed."""
        return self._granted and abs(offset) > _SMALLEST

    def refuses(self, offset: float) -> str | None:
        """Why the step may not be made: after the first lock nothing beyond the panic limit is believed. None if it may."""
        if not self._locked_once or min(abs(offset), abs(offset - self._excused)) <= self._settings.panic_limit:
            return None
        return (
            f"the reference asks for a step of {offset:+.3f} s, which is beyond the panic limit of {self._settings.panic_limit:g} s: "
            "check the receiver and the date, then start again"
        )

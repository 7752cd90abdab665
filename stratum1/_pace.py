"""How the simulated devices keep time: sleeping until a reading of CLOCK_MONOTONIC_RAW, the clock that their truth is defined on."""

import threading
import time
from typing import Protocol

from stratum1.timescale import NS, MonoNs, UtcNs

__all__ = ["Pace", "Truth", "late_pulse", "raw_now"]

_LONGEST = 0.5
"""Seconds of one sleep: the kernel's sleeping clock is slewed and this one is not, so long sleeps are done in parts."""

_TICKING = 5.3e-9
"""s/s by which the simulated receiver's own clock is off: its pulses walk through a tick within some seconds."""


class Truth(Protocol):
    """True UTC as a function of CLOCK_MONOTONIC_RAW (`stratum1.simulation.truth`)."""

    def twin(self) -> "Truth":
        """The same truth for another thread."""

    def utc_at(self, raw: MonoNs) -> UtcNs:
        """True UTC at a reading."""

    def raw_at(self, utc: UtcNs) -> MonoNs:
        """The reading at a true UTC."""


def raw_now() -> MonoNs:
    """The reading of CLOCK_MONOTONIC_RAW now."""
    return MonoNs(time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW))


def late_pulse(second: int, tick: float) -> float:
    """How late, in seconds, the simulated receiver gives the pulse of a UTC second: it can at an edge of its own clock only.

    tick: period of that clock, seconds; 0.0 for one that can at any instant.
    """
    return 0.0 if not tick else (second * _TICKING / tick % 1.0 - 0.5) * tick


class Pace:
    """Sleeps that end at once when somebody wants the thread to end."""

    def __init__(self) -> None:
        self._ended = threading.Event()

    def end(self) -> None:
        """End all sleeps, also those to come."""
        self._ended.set()

    def until(self, raw: MonoNs) -> bool:
        """Sleep until the reading is reached. False if the thread is to end instead."""
        while (left := raw - raw_now()) > 0:
            if self._ended.wait(min(left / NS, _LONGEST)):
                return False
        return not self._ended.is_set()

"""The one adjustable clock: the kernel's, a private one, or a simulated one; and what is remembered of it between runs."""

from ._interface import Clock, ClockError, ClockLimits, ClockStatus
from ._kernel import KernelClock
from ._simulated import SimulatedClock
from ._timex import Adj, Timex, clock_adjtime, read_timex
from ._virtual import VirtualClock
from ._watch import ClockSetWatch
from .state import Drift, DriftFile, StateError, StateFile, floor_instant, save_floor

__all__ = [
    "Adj",
    "Clock",
    "ClockError",
    "ClockLimits",
    "ClockSetWatch",
    "ClockStatus",
    "Drift",
    "DriftFile",
    "KernelClock",
    "SimulatedClock",
    "StateError",
    "StateFile",
    "Timex",
    "VirtualClock",
    "clock_adjtime",
    "floor_instant",
    "read_timex",
    "save_floor",
]

"""The reference clock: labels pulse edges with UTC seconds, gates bad ones and emits samples. Pure."""

from ._delay import DelayEstimate
from ._gate import EdgeVerdict
from ._refclock import RefClock, RefClockReport, RefClockSettings
from ._sawtooth import SawtoothReport

__all__ = ["DelayEstimate", "EdgeVerdict", "RefClock", "RefClockReport", "RefClockSettings", "SawtoothReport"]

"""Our time as the reference of others on this host: samples for chronyd, ntpd-rs and ntpd, a PTP hardware clock, linuxptp's ptp4l.

Below TimeState: reads what is published, like the NTP server, and writes to nothing above. What goes out, and when, is decided by
pure modules (`_sample`, `_quality`, `_management`, `_servo`, `_ptp_clock`); sockets, memory and devices are in thin shells.
"""

from ._run import Outputs
from .report import Moment, OutputReport, OutputState, Turn

__all__ = ["Moment", "OutputReport", "OutputState", "Outputs", "Turn"]

"""The types of time: instants, the NTP formats, GPS weeks and leap seconds. Pure; talks to nobody."""

from ._gps import GPS_EPOCH, ROLLOVER_NS, ROLLOVER_WEEKS, WEEK_NS, Repaired, gps_from_tai, repair_rollover, tai_from_gps
from ._instants import NS, GpsNs, MonoNs, TaiNs, UtcNs, from_rfc3339, ns_from_seconds, rfc3339, seconds
from ._leap import LeapEvent, LeapTable, LeapTableError, parse_leap_list
from ._ntp import (
    NTP_UNIX_OFFSET,
    NtpShort,
    NtpTimestamp,
    ntp_interval,
    ntp_short,
    ntp_short_seconds,
    ntp_timestamp,
    utc_from_ntp,
)

__all__ = [
    "GPS_EPOCH",
    "NS",
    "NTP_UNIX_OFFSET",
    "ROLLOVER_NS",
    "ROLLOVER_WEEKS",
    "WEEK_NS",
    "GpsNs",
    "LeapEvent",
    "LeapTable",
    "LeapTableError",
    "MonoNs",
    "NtpShort",
    "NtpTimestamp",
    "Repaired",
    "TaiNs",
    "UtcNs",
    "from_rfc3339",
    "gps_from_tai",
    "ns_from_seconds",
    "ntp_interval",
    "ntp_short",
    "ntp_short_seconds",
    "ntp_timestamp",
    "parse_leap_list",
    "repair_rollover",
    "rfc3339",
    "seconds",
    "tai_from_gps",
    "utc_from_ntp",
]

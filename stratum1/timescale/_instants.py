"""Kinds of instant, as integer nanoseconds that a type checker keeps apart.

An absolute time is never a float (a float of seconds since 1970 resolves 0.2 us at best); only differences become float seconds.
"""

from datetime import UTC, datetime, timedelta
from typing import NewType

__all__ = ["NS", "GpsNs", "MonoNs", "TaiNs", "UtcNs", "from_rfc3339", "ns_from_seconds", "rfc3339", "seconds"]

NS = 1_000_000_000
"""Nanoseconds in a second."""

UtcNs = NewType("UtcNs", int)
"""Nanoseconds since 1970-01-01T00:00:00 UTC in POSIX counting (a leap second shares the number of its successor)."""

TaiNs = NewType("TaiNs", int)
"""Nanoseconds since 1970-01-01T00:00:00 TAI."""

GpsNs = NewType("GpsNs", int)
"""Nanoseconds since the GPS epoch, 1980-01-06T00:00:00 UTC, counting every SI second (IS-GPS-200, 3.3.4)."""

MonoNs = NewType("MonoNs", int)
"""A reading of CLOCK_MONOTONIC_RAW: never set and never slewed by anybody, so differences measure the bare crystal."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def seconds(difference_ns: int) -> float:
    """A difference of two instants of one kind, in seconds."""
    return difference_ns / NS


def ns_from_seconds(value: float) -> int:
    """Seconds (a difference) as whole nanoseconds, rounded to nearest."""
    return round(value * NS)


def rfc3339(instant: UtcNs, digits: int = 9) -> str:
    """Text of an instant after RFC 3339, in UTC with `digits` (0 to 9) decimals, cut and not rounded.

    Raises OverflowError for a year outside 1 to 9999.
    """
    whole, fraction = divmod(instant, NS)
    text = (_EPOCH + timedelta(seconds=whole)).strftime("%Y-%m-%dT%H:%M:%S")
    text = text.rjust(19, "0")  # strftime does not pad years below 1000 on Linux
    return f"{text}.{fraction:09d}"[: 20 + digits if digits else 19] + "Z"


def from_rfc3339(text: str) -> UtcNs:
    """The instant that an RFC 3339 text (or a bare date, taken as its midnight in UTC) names.

    Decimals beyond the ninth are cut. Raises ValueError if it is neither.
    """
    head, _, rest = text.strip().partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    stamp = datetime.fromisoformat(head + rest[len(digits) :])
    if stamp.tzinfo is None:
        stamp = stamp.replace(tzinfo=UTC)
    since = stamp - _EPOCH
    fraction = int((digits + "000000000")[:9]) if digits else 0
    return UtcNs((since.days * 86_400 + since.seconds) * NS + since.microseconds * 1000 + fraction)

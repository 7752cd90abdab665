"""Values in words: how page and command line write the same things for people."""

import math

__all__ = ["FIX_WORDS", "LEAP_WORDS", "SETUP_WORDS", "STATE_WORDS", "count", "duration", "parts_per", "signed_time", "time_span"]

STATE_WORDS = {
    "cold": "Cold",
    "acquiring": "Acquiring",
    "locked": "Locked",
    "holdover": "Holdover",
    "network": "Network",
    "unsynchronised": "Unsynchronised",
}
"""Lock states as titles."""

FIX_WORDS = {0: "unknown", 1: "no fix", 2: "2D fix", 3: "3D fix"}
"""Fix modes, numbered as gpsd numbers them."""

LEAP_WORDS = {0: "none announced", 1: "second to be inserted", 2: "second to be deleted", 3: "not synchronised"}
"""Leap indicators (RFC 5905, figure 9)."""

SETUP_WORDS = {
    "waiting": "waits for the line",
    "asking": "the receiver is asked who it is",
    "setting": "under way",
    "done": "everything is as wanted",
    "partly": "some things were refused and left as they were",
    "unanswered": "it does not answer UBX and is left as it is",
    "unknown": "it is of a kind that is not known and is left as it is",
    "unwritable": "the line takes no bytes",
    "failed": "it did not come to its end; it is tried again",
}
"""States of a receiver's set-up."""

_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_NONE = "–"


def time_span(seconds: float | None, digits: int = 3) -> str:
    """A span in the unit that suits it: "1.25 µs". Unknown (None, not finite) is a dash."""
    if seconds is None or not math.isfinite(seconds):
        return _NONE
    if seconds == 0:
        return "0 s"
    size = abs(seconds)
    scale, unit = next((pair for pair in _UNITS if size >= 0.9995 * pair[0]), _UNITS[-1])
    value = seconds / scale
    decimals = max(0, digits - max(1, len(str(int(abs(value))))))
    return f"{value:.{decimals if size >= 1e-9 else 1}f} {unit}"


def signed_time(seconds: float | None, digits: int = 3) -> str:
    """As `time_span`, always with its sign."""
    text = time_span(seconds, digits)
    return text if text == _NONE else text.replace("-", "−") if text.startswith("-") else f"+{text}"


def parts_per(ppm: float | None) -> str:
    """A relative frequency with its sign: in ppm, in ppb below 0.1 ppm."""
    if ppm is None or not math.isfinite(ppm):
        return _NONE
    text = f"{ppm * 1e3:+.2f} ppb" if abs(ppm) < 0.1 else f"{ppm:+.3f} ppm" if abs(ppm) < 100 else f"{ppm:+.2f} ppm"
    return text.replace("-", "−")


def duration(seconds: float) -> str:
    """A long span in its two largest units: "3 d 4 h"."""
    whole = max(0, int(seconds))
    for (size, unit), (below, lesser) in (((86400, "d"), (3600, "h")), ((3600, "h"), (60, "min")), ((60, "min"), (1, "s"))):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // below} {lesser}"
    return f"{whole} s"


def count(number: int) -> str:
    """A count with thin spaces between thousands."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")

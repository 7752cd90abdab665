"""The day before which no date can be true: the floor for week rollovers and for boards without a battery-backed clock."""

from importlib import import_module

from stratum1.timescale import UtcNs, from_rfc3339

__all__ = ["RELEASE_DATE", "build_date"]

RELEASE_DATE = "2026-11-24"
"""The day of the last release: what a checkout that was never built goes by, and the earliest that a build takes."""


def build_date() -> UtcNs:
    """Midnight UTC of the day that setup.py wrote into the package when it was built, else of the release; the later of the two."""
    release = from_rfc3339(RELEASE_DATE)
    try:
        built = import_module("stratum1._build_info").BUILD_DATE
        return max(release, from_rfc3339(built))
    except (ImportError, AttributeError, TypeError, ValueError):
        return release

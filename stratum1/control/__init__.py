"""The model of everything that can be shown. What serves it over HTTP is in `stratum1.control.http`, so that this stays light."""

from ._json import status_json
from .model import (
    DisciplineStatus,
    EventRecord,
    GnssStatus,
    LineStatus,
    ListenerStatus,
    LockStatus,
    NextLeap,
    PpsStatus,
    RefclockStatus,
    SerialDelay,
    ServerStatus,
    SourceStatus,
    Status,
    StatusSource,
    TemperatureStatus,
    TimeStatus,
    alarms,
    without_exact_position,
)
from .series import RecentSeries, SeriesPoint
from .watched import StabilityFigure, StabilityStatus

__all__ = [
    "DisciplineStatus",
    "EventRecord",
    "GnssStatus",
    "LineStatus",
    "ListenerStatus",
    "LockStatus",
    "NextLeap",
    "PpsStatus",
    "RecentSeries",
    "RefclockStatus",
    "SerialDelay",
    "SeriesPoint",
    "ServerStatus",
    "SourceStatus",
    "StabilityFigure",
    "StabilityStatus",
    "Status",
    "StatusSource",
    "TemperatureStatus",
    "TimeStatus",
    "alarms",
    "status_json",
    "without_exact_position",
]

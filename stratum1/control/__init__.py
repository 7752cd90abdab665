"""The model of everything that can be shown. What serves it over HTTP is in `stratum1.control.http`, so that this stays light."""

from ._hardware import SetupStatus, TemperatureStatus
from ._json import status_json
from .chosen import SelectionStatus, SourceChoice
from .model import (
    DisciplineStatus,
    EventRecord,
    GnssStatus,
    LeapStatus,
    LeapWitness,
    LineStatus,
    ListenerStatus,
    LockStatus,
    NextLeap,
    OutputStatus,
    PpsStatus,
    ReceiverStatus,
    RefclockStatus,
    SerialDelay,
    ServerStatus,
    SourceStatus,
    Status,
    StatusSource,
    TimeStatus,
    alarms,
    without_exact_position,
)
from .receiver import RadioStatus, ReceiverTold, SawtoothStatus, SurveyStatus
from .series import RecentSeries, SeriesPoint
from .watched import StabilityFigure, StabilityStatus

__all__ = [
    "DisciplineStatus",
    "EventRecord",
    "GnssStatus",
    "LeapStatus",
    "LeapWitness",
    "LineStatus",
    "ListenerStatus",
    "LockStatus",
    "NextLeap",
    "OutputStatus",
    "PpsStatus",
    "RadioStatus",
    "ReceiverStatus",
    "ReceiverTold",
    "RecentSeries",
    "RefclockStatus",
    "SawtoothStatus",
    "SelectionStatus",
    "SerialDelay",
    "SeriesPoint",
    "ServerStatus",
    "SetupStatus",
    "SourceChoice",
    "SourceStatus",
    "StabilityFigure",
    "StabilityStatus",
    "Status",
    "StatusSource",
    "SurveyStatus",
    "TemperatureStatus",
    "TimeStatus",
    "alarms",
    "status_json",
    "without_exact_position",
]

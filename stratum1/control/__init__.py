"""The model of everything that can be shown. What serves it over HTTP is in `stratum1.control.http`, so that this stays light."""

from ._hardware import SetupStatus, TemperatureStatus
from ._json import status_json
from .chosen import SelectionStatus, SourceChoice
from .listeners import ListenerStatus, PlaneStatus, ServerStatus, TableStatus
from .model import (
    DisciplineStatus,
    EventRecord,
    GnssStatus,
    LeapStatus,
    LeapWitness,
    LineStatus,
    LockStatus,
    NextLeap,
    OutputStatus,
    PpsStatus,
    ReceiverStatus,
    RefclockStatus,
    SerialDelay,
    SourceStatus,
    Status,
    StatusSource,
    TimeStatus,
    alarms,
    without_exact_position,
)
from .nts import CertificateStatus, MasterKeyStatus, NtsKeStatus
from .receiver import RadioStatus, ReceiverTold, SawtoothStatus, SurveyStatus
from .series import RecentSeries, SeriesPoint
from .watched import EvidenceStatus, IntegrityStatus, StabilityFigure, StabilityStatus

__all__ = [
    "CertificateStatus",
    "DisciplineStatus",
    "EventRecord",
    "EvidenceStatus",
    "GnssStatus",
    "IntegrityStatus",
    "LeapStatus",
    "LeapWitness",
    "LineStatus",
    "ListenerStatus",
    "LockStatus",
    "MasterKeyStatus",
    "NextLeap",
    "NtsKeStatus",
    "OutputStatus",
    "PlaneStatus",
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
    "TableStatus",
    "TemperatureStatus",
    "TimeStatus",
    "alarms",
    "status_json",
    "without_exact_position",
]

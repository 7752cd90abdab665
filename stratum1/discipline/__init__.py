"""Samples to steering: the servo engine, step policy, lock states, and the error bound. Pure; knows samples only."""

from ._crystal import DAY, CrystalMemory, Law
from ._discipline import Discipline
from ._engine import Engine, Estimate, Verdict
from ._lock import TRANSITIONS, LockEvent, lock_table
from ._types import (
    ENGINES,
    UNKNOWN_BOUND,
    Decision,
    DisciplineError,
    DisciplineReport,
    DisciplineSettings,
    DriftRecord,
    FrequencyEstimate,
    Transition,
)

__all__ = [
    "DAY",
    "ENGINES",
    "TRANSITIONS",
    "UNKNOWN_BOUND",
    "CrystalMemory",
    "Decision",
    "Discipline",
    "DisciplineError",
    "DisciplineReport",
    "DisciplineSettings",
    "DriftRecord",
    "Engine",
    "Estimate",
    "FrequencyEstimate",
    "Law",
    "LockEvent",
    "Transition",
    "Verdict",
    "lock_table",
]

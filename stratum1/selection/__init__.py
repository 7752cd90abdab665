"""Which sources agree, and what their samples say together (RFC 5905, section 11.2). Pure; knows samples only."""

from ._intersection import agreement
from ._selection import Selection
from ._types import Own, SelectionReport, SelectionSettings, SourceOptions, SourceReport, SourceState
from ._watch import Watch

__all__ = [
    "Own",
    "Selection",
    "SelectionReport",
    "SelectionSettings",
    "SourceOptions",
    "SourceReport",
    "SourceState",
    "Watch",
    "agreement",
]

"""The sources of time as rows of a table."""

from stratum1.control import SourceChoice, Status
from stratum1.control.words import signed_time, time_span

__all__ = ["selection_rows", "selection_text"]

_NONE = "–"


def selection_rows(status: Status) -> list[list[str]]:
    """A row for each source, receivers first."""
    return [_row(each) for each in status.selection.sources] if status.selection else []


def selection_text(status: Status) -> str:
    """The outcome."""
    return status.selection.text if status.selection else _NONE


def _row(each: SourceChoice) -> list[str]:
    options = f" ({', '.join(each.options)})" if each.options else ""
    return [
        each.state,
        f"{each.name}{options}",
        signed_time(each.offset),
        time_span(each.distance),
        time_span(each.jitter),
        f"{100 * each.weight:.0f} %" if each.weight else _NONE,
        f"{each.reach:08b}",
        each.text,
    ]

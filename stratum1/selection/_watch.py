"""What of the selection is worth a line in the event log: who leads, who is taken for a liar and who no more."""

from collections.abc import Iterator

from ._types import SelectionReport, SourceReport, SourceState

__all__ = ["Watch"]

_STEADY = 2  # looks that a change must last, so that a source on the edge doesn't fill the log
_LIARS = frozenset({SourceState.FALSETICKER, SourceState.MISTRUSTED})


class Watch:
    """Looks every few seconds. Silent while there is only one source: what happens to it is told as the lock's state."""

    def __init__(self) -> None:
        self._lead: str | None = None
        self._liars: dict[str, bool] = {}
        self._changing: dict[str, int] = {}

    def look(self, report: SelectionReport) -> Iterator[tuple[bool, str]]:
        """Whether it needs a person, and the sentence."""
        if len(report.sources) < 2:
            return
        for each in report.sources:
            lies = each.state in _LIARS
            if self._lasts(each.name, lies != self._liars.get(each.name, False)):
                self._liars[each.name] = lies
                yield lies, _liar_words(each) if lies else f"{each.name} agrees again" if _agrees(each) else f"{each.name}: {each.text}"
        if self._lasts("", report.selected != self._lead):
            self._lead = report.selected
            text = next((each.text for each in report.sources if each.name == self._lead), report.text)
            yield self._lead is None, f"{self._lead} is selected: {text}" if self._lead else f"no source is selected: {text}"

    def _lasts(self, what: str, changed: bool) -> bool:
        count = self._changing.get(what, 0) + 1 if changed else 0
        self._changing[what] = 0 if count >= _STEADY else count
        return count >= _STEADY


def _liar_words(each: SourceReport) -> str:
    return f"{each.name} is taken for a falseticker: {each.text}"


def _agrees(each: SourceReport) -> bool:
    return each.state.symbol in "*+-"

"""The lock states: one table of what can happen in which state, and the machine that walks it."""

from collections import deque
from enum import StrEnum

from stratum1.interchange import LockState
from stratum1.timescale import MonoNs

from ._types import Transition

__all__ = ["TRANSITIONS", "LockEvent", "LockMachine", "lock_table"]


class LockEvent(StrEnum):
    """What can happen to the lock, in the words of the printed table."""

    HEARD = "something of a reference is heard"
    SAMPLE = "a sample is used"
    SETTLED = "the reference clock's samples agree with our clock"
    SETTLED_NETWORK = "the servers' samples agree with our clock"
    STRAYED = "the reference disagrees by more than the limit"
    LOST = "the reference is lost"
    LIMIT = "the error bound passes the limit"
    DISTURBED = "somebody else stepped the clock"
    REFUSED = "a step beyond the panic limit is refused"


_COLD, _ACQUIRING, _LOCKED = LockState.COLD, LockState.ACQUIRING, LockState.LOCKED
_HOLDOVER, _NETWORK, _UNSYNCHRONISED = LockState.HOLDOVER, LockState.NETWORK, LockState.UNSYNCHRONISED

TRANSITIONS: dict[tuple[LockState, LockEvent], LockState] = {
    (_COLD, LockEvent.HEARD): _ACQUIRING,
    (_COLD, LockEvent.SAMPLE): _ACQUIRING,
    (_COLD, LockEvent.REFUSED): _UNSYNCHRONISED,
    (_ACQUIRING, LockEvent.SETTLED): _LOCKED,
    (_ACQUIRING, LockEvent.SETTLED_NETWORK): _NETWORK,
    (_ACQUIRING, LockEvent.REFUSED): _UNSYNCHRONISED,
    (_LOCKED, LockEvent.SETTLED_NETWORK): _NETWORK,
    (_LOCKED, LockEvent.STRAYED): _ACQUIRING,
    (_LOCKED, LockEvent.LOST): _HOLDOVER,
    (_LOCKED, LockEvent.DISTURBED): _ACQUIRING,
    (_LOCKED, LockEvent.REFUSED): _UNSYNCHRONISED,
    (_NETWORK, LockEvent.SETTLED): _LOCKED,
    (_NETWORK, LockEvent.STRAYED): _ACQUIRING,
    (_NETWORK, LockEvent.LOST): _HOLDOVER,
    (_NETWORK, LockEvent.DISTURBED): _ACQUIRING,
    (_NETWORK, LockEvent.REFUSED): _UNSYNCHRONISED,
    (_HOLDOVER, LockEvent.SETTLED): _LOCKED,
    (_HOLDOVER, LockEvent.SETTLED_NETWORK): _NETWORK,
    (_HOLDOVER, LockEvent.LIMIT): _UNSYNCHRONISED,
    (_HOLDOVER, LockEvent.DISTURBED): _UNSYNCHRONISED,
    (_HOLDOVER, LockEvent.REFUSED): _UNSYNCHRONISED,
    (_UNSYNCHRONISED, LockEvent.SAMPLE): _ACQUIRING,
    (_UNSYNCHRONISED, LockEvent.SETTLED): _LOCKED,
    (_UNSYNCHRONISED, LockEvent.SETTLED_NETWORK): _NETWORK,
}
"""(state, event) -> next state. A pair that is not in the table changes nothing."""


class LockMachine:
    """Walks the table and keeps the last 64 changes."""

    __slots__ = ("_fresh", "_history", "reason", "since_ns", "state")

    def __init__(self) -> None:
        self.state = LockState.COLD
        self.since_ns: MonoNs | None = None
        self.reason = "nothing has been heard of any reference since the start"
        self._fresh: list[Transition] = []
        self._history: deque[Transition] = deque(maxlen=64)

    def happen(self, event: LockEvent, at_ns: MonoNs, reason: str) -> bool:
        """Apply an event with the sentence that explains it; True if the state changed."""
        after = TRANSITIONS.get((self.state, event), self.state)
        if after is self.state:
            return False
        change = Transition(at_ns, self.state, after, reason)
        self._fresh.append(change)
        self._history.append(change)
        self.state, self.since_ns, self.reason = after, at_ns, reason
        return True

    def take(self) -> tuple[Transition, ...]:
        """The changes since the last call."""
        fresh, self._fresh = tuple(self._fresh), []
        return fresh

    @property
    def history(self) -> tuple[Transition, ...]:
        """The last changes, oldest first."""
        return tuple(self._history)


def lock_table() -> str:
    """The table as Markdown, one row a state, for the book."""
    lines = ["| state | event | next state |", "|---|---|---|"]
    lines += [f"| {before} | {event} | {after} |" for (before, event), after in TRANSITIONS.items()]
    return "\n".join(lines) + "\n"

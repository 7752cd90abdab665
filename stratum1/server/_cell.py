"""Where the served time is handed from its one publisher to everybody who serves it."""

import contextlib
from collections.abc import Callable

from stratum1.interchange import TimeState

from .reply import check_state

__all__ = ["StateCell"]


class StateCell:
    """The TimeState published last: one reference, replaced whole, so that readers need no lock.

    Data planes that keep a copy of their own (in native memory, in a map of the kernel) subscribe and are told of each state.
    """

    __slots__ = ("_current", "_subscribers")

    def __init__(self, state: TimeState) -> None:
        """Raises ValueError for a state that no reply could be made from."""
        check_state(state)
        self._current = state
        self._subscribers: tuple[Callable[[TimeState], None], ...] = ()

    @property
    def current(self) -> TimeState:
        """The state published last."""
        return self._current

    def publish(self, state: TimeState) -> None:
        """Replace the state. Raises ValueError, and keeps the old one, if no reply could be made from it."""
        check_state(state)
        self._current = state
        for subscriber in self._subscribers:
            subscriber(state)

    def subscribe(self, subscriber: Callable[[TimeState], None]) -> Callable[[], None]:
        """Have each state told, the present one now, in the publisher's thread; returns what ends that (twice does no harm).

        subscriber: quick, and raises nothing: a failure would be the publisher's.
        """
        self._subscribers = (*self._subscribers, subscriber)
        subscriber(self._current)

        def end() -> None:
            left = list(self._subscribers)
            with contextlib.suppress(ValueError):
                left.remove(subscriber)
            self._subscribers = tuple(left)

        return end

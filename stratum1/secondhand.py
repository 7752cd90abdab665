"""The daemon's event loop as the place where everything happens: calls from device threads, regular turns, and the first failure.

Nobody is to be served by half of a daemon: what fails anywhere ends all of it, where asyncio alone would log it and go on.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator

__all__ = ["SecondHand"]


class SecondHand:
    """Made before the loop runs; everything but `call` belongs to the loop's thread."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        self._failure: BaseException | None = None
        self._ended = False
        self._loop: asyncio.AbstractEventLoop

    @contextlib.contextmanager
    def in_loop(self) -> Iterator[None]:
        """While inside, a thread that ends by a fault ends the daemon: a server without its receiver's line would only look alive."""
        self._loop = asyncio.get_running_loop()
        hook, threading.excepthook = threading.excepthook, self._thread_failed
        try:
            yield
        finally:
            threading.excepthook = hook

    def call(self, action: Callable[[], None]) -> None:
        """From a device's thread into the loop, whose end may have come."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.guarded, action)

    def guarded(self, action: Callable[[], None]) -> None:
        """Do it; what it raises ends the daemon."""
        try:
            action()
        except BaseException as failure:
            self._failure = self._failure or failure
            self.stopping.set()
            raise

    def every(self, interval: float, action: Callable[[], None]) -> None:
        """Now and then every `interval` seconds; after a stall it does not catch up."""
        due = self._loop.time()

        def turn() -> None:
            nonlocal due
            if self._ended:
                return
            self.guarded(action)
            due = max(due + interval, self._loop.time())
            self._loop.call_at(due, turn)

        turn()

    def end(self) -> None:
        """No more turns."""
        self._ended = True

    def raise_failure(self) -> None:
        """Raise the first failure, if there was any."""
        if self._failure is not None:
            raise self._failure

    def _thread_failed(self, failure: threading.ExceptHookArgs) -> None:
        def fail() -> None:
            raise failure.exc_value or RuntimeError(f"a thread ended: {failure.exc_type}")

        self.call(fail)

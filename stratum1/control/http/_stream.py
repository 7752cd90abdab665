"""Server-sent events: one message a second, made once for all listeners, and only while somebody listens."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from stratum1.control.model import Status, StatusSource

__all__ = ["EventStream"]

# A listener that lags this many messages behind is dropped: its browser reconnects by itself.
_BACKLOG = 5
# The kernel's buffer would else hold minutes of a reader that has stopped reading.
_WRITE_BUFFER = 32768


@dataclass(eq=False)
class _Listener:
    transport: asyncio.Transport | None
    queue: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(_BACKLOG))


class EventStream:
    """Sends `encode(snapshot)` to each listener at once and then every `interval` seconds; at most `limit` listeners."""

    def __init__(
        self, source: StatusSource, encode: Callable[[Status], bytes], *, limit: int = 32, interval: float = 1.0, event: str = "message"
    ) -> None:
        self._source = source
        self._encode = encode
        self._limit = limit
        self._interval = interval
        self._event = event.encode()
        self._listeners: set[_Listener] = set()
        self._pump: asyncio.Task[None] | None = None

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._listeners)

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """The handler of a GET. Answers 503 when too many listen already."""
        if len(self._listeners) >= self._limit:
            raise web.HTTPServiceUnavailable(text="too many listeners on this stream; try again later\n", headers={"Retry-After": "30"})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"})
        if request.method == "HEAD":
            return response
        listener = _Listener(request.transport)
        self._listeners.add(listener)
        try:
            await self._serve(listener, request, response)
        except ConnectionError:
            pass  # the reader has gone, or was dropped by us
        finally:
            self._listeners.discard(listener)
        return response

    async def close(self, _app: web.Application | None = None) -> None:
        """Drop everybody (an on_shutdown signal: an open stream would hold the shutdown up)."""
        for listener in tuple(self._listeners):
            self._drop(listener)
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
            self._pump = None

    async def _serve(self, listener: _Listener, request: web.Request, response: web.StreamResponse) -> None:
        await response.prepare(request)
        if listener.transport is not None:
            listener.transport.set_write_buffer_limits(high=_WRITE_BUFFER)
        await response.write(self._message())
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._run(), name="event-stream")
        while listener in self._listeners:
            await response.write(await listener.queue.get())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + self._interval
        try:
            while self._listeners:
                await asyncio.sleep(due - loop.time())
                due = max(due + self._interval, loop.time())
                if self._listeners:
                    self._publish(self._message())
        finally:
            for listener in tuple(self._listeners):
                self._drop(listener)

    def _publish(self, message: bytes) -> None:
        for listener in tuple(self._listeners):
            try:
                listener.queue.put_nowait(message)
            except asyncio.QueueFull:
                self._drop(listener)

    def _drop(self, listener: _Listener) -> None:
        self._listeners.discard(listener)
        if listener.transport is not None:
            listener.transport.abort()
        if not listener.queue.full():
            listener.queue.put_nowait(b"")  # wakes the handler, which finds the connection closed

    def _message(self) -> bytes:
        return b"event: " + self._event + b"\ndata: " + self._encode(self._source.snapshot()) + b"\n\n"

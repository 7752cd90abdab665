"""/api/v1: reading on the network and on the control socket, changing on the control socket only."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from stratum1.config import ConfigError
from stratum1.control._json import status_json
from stratum1.control.model import Status, StatusSource, without_exact_position
from stratum1.control.series import RecentSeries

from ._hygiene import guard_requests, harden_answers
from ._stream import EventStream

__all__ = ["ActionRefusedError", "Actions", "NetworkView", "add_api", "json_bytes", "make_control_app"]

_RECORDERS = 4


class ActionRefusedError(Exception):
    """An action can't be done now; the message is the sentence for the person who asked."""


@dataclass(frozen=True, slots=True)
class Actions:
    """What the control socket may do beyond reading.

    reload: read the configuration again and return the sentence of what changed; may raise ConfigError or ActionRefusedError.
    recorder: the daemon's inputs from now on as chunks (bounded by itself: a slow reader blocks only its own iterator).
    simulate: by name, what can be done to the simulated receiver (empty unless simulated).
    trust: vouch for the receivers, whatever spoke against them; returns what was done, may raise ActionRefusedError.
    rotate: change the master key of NTS cookies; likewise.
    """

    reload: Callable[[], Awaitable[str]]
    recorder: Callable[[], AsyncIterator[bytes]] | None = None
    simulate: Mapping[str, Callable[[], None]] = field(default_factory=dict)
    trust: Callable[[], str] | None = None
    rotate: Callable[[], str] | None = None


class NetworkView:
    """A StatusSource for strangers: the antenna's position is rounded unless `show_position`."""

    def __init__(self, source: StatusSource, show_position: bool) -> None:
        self._source = source
        self._show_position = show_position

    def snapshot(self) -> Status:
        """The picture of now."""
        status = self._source.snapshot()
        return status if self._show_position else without_exact_position(status)


def json_bytes(value: Any) -> bytes:
    """Compact JSON in UTF-8, without NaN."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()


def add_api(app: web.Application, source: StatusSource, series: RecentSeries, *, listeners: int = 32) -> None:
    """Add the reading half of /api/v1 to an application."""
    events = EventStream(source, lambda status: json_bytes(status_json(status)), limit=listeners, event="status")

    async def status(_request: web.Request) -> web.Response:
        return _answer(status_json(source.snapshot()))

    async def recent(_request: web.Request) -> web.Response:
        return _answer(series.json())

    app.router.add_get("/api/v1/status", status)
    app.router.add_get("/api/v1/series", recent)
    app.router.add_get("/api/v1/events", events.respond)
    app.on_shutdown.append(events.close)


def make_control_app(source: StatusSource, series: RecentSeries, actions: Actions) -> web.Application:
    """The application of the Unix socket: /api/v1 with exact positions, and the actions."""
    app = web.Application(middlewares=[guard_requests(frozenset({"GET", "HEAD", "POST"}))], client_max_size=1024)
    app.on_response_prepare.append(harden_answers)
    add_api(app, source, series)
    app.router.add_post("/api/v1/reload", _reloader(actions))
    app.router.add_post("/api/v1/simulate/{action}", _simulator(actions))
    app.router.add_post("/api/v1/trust-reference", _doer(actions.trust, "there is no receiver to trust"))
    app.router.add_post("/api/v1/nts/rotate", _doer(actions.rotate, "NTS is not served: there is no key to rotate"))
    app.router.add_post("/api/v1/record", _Recorders(actions).respond)
    return app


def _reloader(actions: Actions) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def reload(_request: web.Request) -> web.Response:
        try:
            return _answer({"done": await actions.reload()})
        except (ConfigError, ActionRefusedError) as error:
            return _answer({"error": str(error)}, 409)

    return reload


def _doer(action: Callable[[], str] | None, without: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Does it and says what was done. without: what is answered where there is no such action."""

    async def do(_request: web.Request) -> web.Response:
        if action is None:
            return _answer({"error": without}, 409)
        try:
            return _answer({"done": action()})
        except ActionRefusedError as error:
            return _answer({"error": str(error)}, 409)

    return do


def _simulator(actions: Actions) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def simulate(request: web.Request) -> web.Response:
        name = request.match_info["action"]
        if not actions.simulate:
            return _answer({"error": "the receiver is not simulated: there is nothing to act on"}, 409)
        if name not in actions.simulate:
            return _answer({"error": f"unknown action; known here: {', '.join(sorted(actions.simulate))}"}, 404)
        try:
            actions.simulate[name]()
        except ActionRefusedError as error:
            return _answer({"error": str(error)}, 409)
        return _answer({"done": name})

    return simulate


class _Recorders:
    """Recordings under way, bounded in number."""

    def __init__(self, actions: Actions) -> None:
        self._recorder = actions.recorder
        self._running = 0

    async def respond(self, request: web.Request) -> web.StreamResponse:
        if self._recorder is None:
            return _answer({"error": "there is nothing to record: no receiver is configured"}, 409)
        if self._running >= _RECORDERS:
            return _answer({"error": f"{_RECORDERS} recordings run already"}, 503)
        self._running += 1
        try:
            return await self._stream(request, self._recorder())
        finally:
            self._running -= 1

    async def _stream(self, request: web.Request, chunks: AsyncIterator[bytes]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        await response.prepare(request)
        try:
            async for chunk in chunks:
                await response.write(chunk)
        except ConnectionError:
            pass  # the reader has what it wanted
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()  # now, not at some garbage collection: the recorder holds a tap on the inputs
        return response


def _answer(value: Any, code: int = 200) -> web.Response:
    return web.Response(body=json_bytes(value), status=code, content_type="application/json", charset="utf-8")

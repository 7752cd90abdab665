"""The network's application: status page, its live stream, /metrics, and the reading half of the API."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

from aiohttp import web

from stratum1.control import RecentSeries, Status, StatusSource
from stratum1.control.http import NETWORK_METHODS, EventStream, NetworkView, add_api, guard_requests, harden_answers, json_bytes
from stratum1.metrics import make_registry, render

from ._page import render_page
from ._view import make_view

__all__ = ["make_app"]

_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class _Static:
    body: bytes
    content_type: str
    etag: str


def make_app(
    source: StatusSource,
    series: RecentSeries,
    *,
    show_position: bool = False,
    listeners: int = 32,
    authority: Callable[[], bytes] = bytes,
) -> web.Application:
    """The application for [web] listen: GET and HEAD only. show_position: see [web] show-position; listeners: at most, a stream.

    authority: gives the certificate (PEM) of the authority that clients of NTS need, empty for none.
    """
    app = web.Application(middlewares=[guard_requests(NETWORK_METHODS)], client_max_size=1024)
    app.on_response_prepare.append(harden_answers)
    view = NetworkView(source, show_position)
    add_api(app, view, series, listeners=listeners)
    _add_page(app, view, series, listeners)
    _add_metrics(app, view)
    _add_authority(app, authority)
    return app


def _add_page(app: web.Application, source: StatusSource, series: RecentSeries, listeners: int) -> None:
    template = files("stratum1.web").joinpath("page.html").read_text("utf-8")
    static = _read_static()

    def live(status: Status) -> bytes:
        return json_bytes(make_view(status, series.rates()).json())

    stream = EventStream(source, live, limit=listeners, event="view")

    async def page(_request: web.Request) -> web.Response:
        text = render_page(template, make_view(source.snapshot(), series.rates()))
        return web.Response(text=text, content_type="text/html", charset="utf-8")

    async def file(request: web.Request) -> web.Response:
        found = static.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound(text="no such file\n")
        headers = {"ETag": found.etag, "Cache-Control": "no-cache"}
        if request.headers.get("If-None-Match") == found.etag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=found.body, content_type=found.content_type, charset="utf-8", headers=headers)

    app.router.add_get("/", page)
    app.router.add_get("/live", stream.respond)
    app.router.add_get("/static/{name}", file)
    app.on_shutdown.append(stream.close)


def _read_static() -> dict[str, _Static]:
    """The files, read once: what is not among them can't be asked for."""
    found = {}
    for path in files("stratum1.web").joinpath("static").iterdir():
        suffix = path.name[path.name.rfind(".") :]
        if suffix in _TYPES:
            body = path.read_bytes()
            found[path.name] = _Static(body, _TYPES[suffix], f'"{hashlib.sha256(body).hexdigest()[:16]}"')
    return found


def _add_metrics(app: web.Application, source: StatusSource) -> None:
    registry = make_registry(source)

    async def metrics(request: web.Request) -> web.Response:
        body, content_type = render(registry, request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    app.router.add_get("/metrics", metrics)


def _add_authority(app: web.Application, authority: Callable[[], bytes]) -> None:
    async def certificate(_request: web.Request) -> web.Response:
        body = authority()
        if not body:
            raise web.HTTPNotFound(text="no authority of our own: the certificate comes from somebody else's, or NTS is not served\n")
        headers = {"Content-Disposition": 'attachment; filename="nts-ca.pem"', "Cache-Control": "no-cache"}
        return web.Response(body=body, content_type="application/x-pem-file", headers=headers)

    app.router.add_get("/nts-ca.pem", certificate)

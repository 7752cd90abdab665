"""What every request and every answer must look like before anything of ours is asked."""

import re
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

__all__ = ["NETWORK_METHODS", "guard_requests", "harden_answers"]

NETWORK_METHODS = frozenset({"GET", "HEAD"})
"""Nothing can be changed from the network."""

_HOST = re.compile(r"[A-Za-z0-9._~%\[\]:-]{1,255}")

# No inline script or style, nothing from elsewhere, no framing (CSP level 3); the page is one origin's own.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Server": "stratum1",
}

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def guard_requests(methods: frozenset[str]) -> Middleware:
    """A middleware that refuses other methods, request bodies, and a Host that is none."""

    @web.middleware
    async def guard(request: web.Request, handler: _Handler) -> web.StreamResponse:
        if request.method not in methods:
            raise web.HTTPMethodNotAllowed(request.method, sorted(methods))
        if request.body_exists:
            raise web.HTTPRequestEntityTooLarge(0, int(request.content_length or 1), text="no request here has a body\n")
        if not _HOST.fullmatch(request.headers.get("Host", "-")):
            raise web.HTTPBadRequest(text="malformed Host header\n")
        return await handler(request)

    return guard


async def harden_answers(_request: web.Request, response: web.StreamResponse) -> None:
    """An on_response_prepare signal: the security headers, on errors and streams too."""
    response.headers.update(_HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")

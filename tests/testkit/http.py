"""Applications served for a test, on a thread with a loop of its own, so that blocking clients can talk to them."""

import asyncio
import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiohttp import web

from stratum1.control.http import ControlServer

__all__ = ["request", "serving"]


@contextmanager
def serving(make: Callable[[], web.Application], address: str, **options: float) -> Iterator[ControlServer]:
    """Serve an application; `make` is called on the loop's thread."""
    started, ended = threading.Event(), threading.Event()
    servers: list[ControlServer] = []

    async def run() -> None:
        server = ControlServer(make(), address, lambda kind, text: None, **options)  # type: ignore[arg-type]
        servers.append(server)
        await server.start()
        started.set()
        await asyncio.to_thread(ended.wait)
        await server.stop()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        assert started.wait(10)
        assert servers[0].listening, servers[0].error
        yield servers[0]
    finally:
        ended.set()
        thread.join(10)


def request(port: int, path: str, method: str = "GET", headers: dict[str, str] | None = None) -> tuple[http.client.HTTPResponse, bytes]:
    """One request on loopback; the answer and its body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()

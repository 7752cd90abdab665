"""One listener of an application: started, stopped, and tried again while its address can't be had."""

import asyncio
import os
import socket
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from pathlib import Path

from aiohttp import web

from ._sockets import ListenError, listening_socket, remove_socket

__all__ = ["ControlServer"]


class _Refusal(asyncio.Protocol):
    """Closes a connection beyond the limit at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


class _Door(asyncio.Protocol):
    """Lets a connection in unless its address has too many already; then aiohttp has it."""

    def __init__(self, server: web.Server, limit: int) -> None:
        self._server = server
        self._limit = limit

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        client = _client(transport)
        if client and sum(_client(each.transport) == client for each in self._server.connections) >= self._limit:
            transport.abort()
            return
        handler = self._server()
        transport.set_protocol(handler)
        handler.connection_made(transport)


def _client(transport: asyncio.BaseTransport | None) -> str:
    """Whose a connection is: an address, of IPv6 its /64; empty where it is not limited: this very host (a proxy), a Unix socket."""
    peer = transport.get_extra_info("peername") if transport is not None else None
    if not isinstance(peer, tuple):
        return ""
    address = ip_address(peer[0].partition("%")[0])
    if address.version == 6:
        address = address.ipv4_mapped or address
    if address.is_loopback:
        return ""
    return str(address) if address.version == 4 else str(ip_network((address, 64), strict=False))


class ControlServer:
    """Serves an application on a path ("/run/stratum1/control.sock") or on "host:port".

    An address that can't be had is no reason not to serve time: it is reported through `report(kind, text)`, kept in `error`,
    and tried again every `retry` seconds. At most `connections` at once, and `per_client` of them from one address (IPv6: one /64), so
    that one client can't keep all others out.
    """

    def __init__(
        self,
        app: web.Application,
        address: str,
        report: Callable[[str, str], None],
        *,
        retry: float = 30.0,
        connections: int = 128,
        per_client: int = 32,
    ) -> None:
        self._app = app
        self._address = address
        self._kind = "control" if address.startswith("/") else "web"
        self._report = report
        self._retry = retry
        self._connections = connections
        self._per_client = per_client
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._inode = 0
        self._retrying: asyncio.Task[None] | None = None
        self.error = ""

    @property
    def listening(self) -> bool:
        """Whether the address is served now."""
        return self._server is not None

    async def start(self) -> bool:
        """Begin to listen; whether it could. Raises nothing for an address that can't be had."""
        # No access log: it would wear out an SD card and keep addresses that nobody asked for.
        self._runner = web.AppRunner(
            self._app,
            access_log=None,
            handle_signals=False,
            keepalive_timeout=20.0,
            lingering_time=1.0,
            shutdown_timeout=1.0,
            max_line_size=2048,
            max_field_size=4096,
        )
        await self._runner.setup()
        if not await self._listen():
            self._retrying = asyncio.create_task(self._try_again(), name=f"{self._kind}-listen")
        return self.listening

    async def stop(self) -> None:
        """Stop listening, drop the streams, give others a second to finish."""
        if self._retrying is not None:
            self._retrying.cancel()
            await asyncio.gather(self._retrying, return_exceptions=True)
            self._retrying = None
        if self._server is not None:
            await _stop_accepting(self._server)
            self._server = None
            if self._address.startswith("/"):
                remove_socket(Path(self._address), self._inode)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _listen(self) -> bool:
        try:
            sock = listening_socket(self._address)
        except ListenError as error:
            if str(error) != self.error:
                self.error = str(error)
                self._report(self._kind, f"{self.error}; trying again every {self._retry:.0f} s")
            return False
        loop = asyncio.get_running_loop()
        if sock.family == socket.AF_UNIX:
            self._inode = os.stat(self._address).st_ino
            self._server = await loop.create_unix_server(self._protocol, sock=sock)
        else:
            self._server = await loop.create_server(self._protocol, sock=sock)
        if self.error:
            self._report(self._kind, f"listening on {self._address} now")
        self.error = ""
        return True

    async def _try_again(self) -> None:
        while not self.listening:
            await asyncio.sleep(self._retry)
            await self._listen()

    def _protocol(self) -> asyncio.Protocol:
        server = self._runner.server if self._runner is not None else None
        if server is None or len(server.connections) >= self._connections:
            return _Refusal()
        return _Door(server, self._per_client)


async def _stop_accepting(server: asyncio.Server) -> None:
    """Close a server. A connection accepted at this very moment would find it closed and leak (asyncio's Server._attach): it is let
    through first, and the runner closes it.
    """
    loop = asyncio.get_running_loop()
    for sock in server.sockets:
        loop.remove_reader(sock.fileno())
    await asyncio.sleep(0.01)
    server.close()

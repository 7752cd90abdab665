"""The listener of key establishment: one thread with epoll around accept, TLS and the state machine. Everything in it is bounded.

It does not hold up the time: the planes run in threads of their own, and what a connection costs here is a handshake and a few dozen
microseconds, taken in turn. (The Python plane shares the interpreter with it, and may wait for its turn there, 5 ms.)
"""

import contextlib
import errno
import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from stratum1.nts.ke_server import KeOutcome

from ._connection import Connection, KeService, Seal
from ._tally import KeCounters, KeTally

__all__ = ["KeLimits", "KeListenError", "KeListener", "open_listener"]

_BACKLOG = 1024
_ACCEPTED_AT_ONCE = 64
_SWEEP = 0.25  # s
_GIVES_WAY = 0.5  # s: how long a connection has been silent that has to go when all places are taken
_PAUSE = 0.1  # s: after an accept that failed for want of descriptors or memory


class KeListenError(Exception):
    """The listener can't be opened; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class KeLimits:
    """connections: in all; per_address: of one IPv4 address or IPv6 /64; idle: seconds of silence; total: seconds of a request."""

    connections: int = 512
    per_address: int = 32
    idle: float = 2.0
    total: float = 5.0


def open_listener(host: str, port: int) -> socket.socket:
    """A listening TCP socket; "::" takes IPv4 too. Raises KeListenError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        opened = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    except OSError as error:
        raise KeListenError(_explain(shown, error)) from error
    try:
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # the accepted ones inherit it
        address = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)[0][4]
        opened.bind(address)
        opened.listen(_BACKLOG)
    except OSError as error:
        opened.close()
        raise KeListenError(_explain(shown, error)) from error
    return opened


class KeListener:
    """Serves one listening socket in a thread of its own until `stop`; owns the socket."""

    def __init__(self, opened: socket.socket, service: KeService, limits: KeLimits) -> None:
        self._socket = opened
        self._service = service
        self._limits = limits
        self._tally = KeTally()
        self._connections: dict[int, Connection] = {}
        self._by_address: dict[bytes | str, int] = {}
        self._epoll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._stopping = False
        self._paused_until = 0.0
        self._thread = threading.Thread(target=self._run, name="nts-ke", daemon=True)

    @property
    def port(self) -> int:
        """The port, as the kernel knows it."""
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def alive(self) -> bool:
        """Whether its thread runs; for watchdogs."""
        return self._thread.is_alive()

    @property
    def service(self) -> KeService:
        """What new connections get."""
        return self._service

    def configure(self, service: KeService) -> None:
        """Serve new connections so; those that are there are served to their end as they began."""
        self._service = service

    def rekey(self, seal: Seal) -> None:
        """Seal the cookies of new connections by another ring."""
        self._service = replace(self._service, seal=seal)

    def counters(self) -> KeCounters:
        """What it has counted so far."""
        return self._tally.snapshot()

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, at once, and close all sockets."""
        self._stopping = True
        os.eventfd_write(self._wake, 1)
        if self._thread.ident is not None:
            self._thread.join()
        for each in self._connections.values():
            each.sock.close()
        self._connections.clear()
        self._epoll.close()
        self._socket.close()
        os.close(self._wake)

    def _run(self) -> None:
        listening, wake, epoll = self._socket.fileno(), self._wake, self._epoll
        epoll.register(wake, select.EPOLLIN)
        epoll.register(listening, select.EPOLLIN)
        sweep_at = 0.0
        while not self._stopping:
            busy = self._connections or self._paused_until
            events = epoll.poll(_SWEEP if busy else -1)
            now = time.monotonic()
            for fd, event in events:
                if fd == listening:
                    self._accept(now)
                elif (connection := self._connections.get(fd)) is not None:
                    self._serve(connection, event, now)
            if now >= sweep_at:
                sweep_at = now + _SWEEP
                self._sweep(now)

    def _serve(self, connection: Connection, event: int, now: float) -> None:
        blocked = bool(connection.unsent)
        with _lone(connection):
            if event & select.EPOLLOUT:
                connection.writable()
            if event & ~select.EPOLLOUT and not connection.over:
                connection.readable(now)
        self._settle(connection, blocked)

    def _settle(self, connection: Connection, blocked: bool) -> None:
        if connection.over:
            self._close(connection)
        elif bool(connection.unsent) != blocked:
            # while it does not take what we have for it, nothing more is read from it
            self._epoll.modify(connection.fd, select.EPOLLOUT if connection.unsent else select.EPOLLIN)

    def _close(self, connection: Connection) -> None:
        del self._connections[connection.fd]
        left = self._by_address[connection.address] - 1
        if left:
            self._by_address[connection.address] = left
        else:
            del self._by_address[connection.address]
        connection.sock.close()  # epoll forgets it
        self._tally.connections = len(self._connections)

    def _accept(self, now: float) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                sock, address = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                self._tally.accept_errors += 1
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    self._pause(now)
                    return
                continue
            self._tally.accepted += 1
            self._take(sock, _counted_by(address[0]), now)

    def _take(self, sock: socket.socket, address: bytes | str, now: float) -> None:
        service = self._service
        refusal = KeOutcome.NO_CERTIFICATE if service.tls is None else self._no_room(address, now)
        if refusal is not None or service.tls is None:
            self._tally.outcomes[refusal or KeOutcome.NO_CERTIFICATE] += 1
            sock.close()
            return
        sock.setblocking(False)
        connection = Connection(sock, address, service.tls.session(), service, tally=self._tally, now=now)
        self._connections[connection.fd] = connection
        self._by_address[address] = self._by_address.get(address, 0) + 1
        self._tally.connections = len(self._connections)
        self._epoll.register(connection.fd, select.EPOLLIN)
        self._serve(connection, select.EPOLLIN, now)  # what it has to say is often there already

    def _no_room(self, address: bytes | str, now: float) -> KeOutcome | None:
        """Whether there is no place; one that has been silent for long makes room for the new one."""
        if self._by_address.get(address, 0) >= self._limits.per_address:
            return KeOutcome.TOO_MANY
        if len(self._connections) < self._limits.connections:
            return None
        silent = min(self._connections.values(), key=lambda each: each.last)
        if now - silent.last < _GIVES_WAY:
            return KeOutcome.TOO_MANY
        with _lone(silent):
            silent.expire(now)
        self._close(silent)
        return None

    def _pause(self, now: float) -> None:
        """Leave the backlog alone for a moment, instead of turning round in accept."""
        self._paused_until = now + _PAUSE
        self._epoll.modify(self._socket.fileno(), 0)

    def _sweep(self, now: float) -> None:
        if self._paused_until and now >= self._paused_until:
            self._paused_until = 0.0
            self._epoll.modify(self._socket.fileno(), select.EPOLLIN)
        idle, total = now - self._limits.idle, now - self._limits.total
        for connection in [each for each in self._connections.values() if each.last < idle or each.started < total]:
            blocked = bool(connection.unsent)
            with _lone(connection):
                connection.expire(now)
            self._settle(connection, blocked)


@contextlib.contextmanager
def _lone(connection: Connection) -> Iterator[None]:
    """What one client makes of us stays with it: a fault of ours, whatever it is, ends its connection and no other."""
    try:
        yield
    except BaseException as fault:  # also a panic of the native module, which is no Exception
        connection.fail(fault)


def _counted_by(host: str) -> bytes | str:
    """Whose connections are counted together: an IPv4 address (also one mapped into IPv6), or an IPv6 /64."""
    if ":" not in host or "." in host:
        return host
    with contextlib.suppress(OSError):
        return socket.inet_pton(socket.AF_INET6, host.partition("%")[0])[:8]
    return host


def _explain(shown: str, error: OSError) -> str:
    start = f"can't listen at {shown}/tcp for NTS key establishment: "
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"{start}the port is taken by another program (`ss -tlpn` as root says which). Stop it, or set another port in "
                "[nts-ke] listen"
            )
        case errno.EACCES | errno.EPERM:
            return f"{start}ports below 1024 need CAP_NET_BIND_SERVICE; the port of NTS key establishment is 4460"
        case errno.EADDRNOTAVAIL:
            return f'{start}no interface of this host has that address. Choose one that `ip address` shows, or "[::]" for all'
        case errno.EAFNOSUPPORT:
            return f"{start}this kernel has no IP of that version. Listen at an address of the other one"
        case _:
            return f"{start}{error.strerror or error}"

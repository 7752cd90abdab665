"""Listening sockets, and why one can't be had, with the remedy."""

import errno
import os
import socket
import stat
from pathlib import Path

from stratum1.config import split_address

__all__ = ["ListenError", "listening_socket", "remove_socket"]

_SOCKET_MODE = 0o660  # access by group
_PATH_LIMIT = 107  # sun_path less its final zero (unix(7))


class ListenError(OSError):
    """It can't be listened on this address; the message is the reason and the remedy."""


def listening_socket(address: str) -> socket.socket:
    """A bound socket, not listening yet: of a path (it starts with "/") or of "host:port". Raises ListenError."""
    return _bind_path(Path(address)) if address.startswith("/") else _bind_port(address)


def remove_socket(path: Path, inode: int) -> None:
    """Take our own socket away; one that somebody else has put there since stays."""
    try:
        if path.stat().st_ino == inode:
            path.unlink()
    except OSError:
        return  # it is gone, or is no longer ours to remove


def _bind_port(address: str) -> socket.socket:
    host, port = split_address(address)
    try:
        return _bound(host, port)
    except OSError as error:
        if error.errno == errno.EAFNOSUPPORT and host == "::":
            return _bind_port(f"0.0.0.0:{port}")  # a kernel without IPv6
        raise ListenError(f"can't listen on {address}: {_port_remedy(error, port)}") from None


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # "[::]" is to take IPv4 too, whatever net.ipv6.bindv6only says
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.setblocking(False)
        sock.bind(where)
        sock.listen(64)
    except OSError:
        sock.close()
        raise
    return sock


def _port_remedy(error: OSError, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"something else listens there; find it with `ss -ltnp 'sport = :{port}'` and stop it, or choose another port"
        case errno.EACCES | errno.EPERM:
            return "a port below 1024 needs CAP_NET_BIND_SERVICE (the systemd unit gives it); choose a port from 1024 on"
        case errno.EADDRNOTAVAIL:
            return "no interface has this address now; see `ip address`"
    return error.strerror or str(error)


def _bind_path(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > _PATH_LIMIT:
        raise ListenError(f"can't listen on {path}: a socket's path may have {_PATH_LIMIT} bytes at most (unix(7)); choose a shorter one")
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        _clear(path)
        return _bound_path(path)
    except ListenError:
        raise
    except OSError as error:
        raise ListenError(f"can't listen on {path}: {error.strerror or error}; {_path_remedy(path)}") from None


def _path_remedy(path: Path) -> str:
    if os.access(path.parent, os.W_OK | os.X_OK):
        return "choose another path in [control] socket"
    return (
        f"{path.parent} must exist and be writable for this user (the systemd unit makes /run/stratum1), or choose another [control] socket"
    )


def _clear(path: Path) -> None:
    """Remove the socket that a dead server left. A living one's, and anything that is no socket, stays."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise ListenError(f"can't listen on {path}: there is something else that is no socket; remove it or choose another path")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except TimeoutError:
            pass  # somebody listens but does not accept: alive
    raise ListenError(f"can't listen on {path}: another stratum1 answers there already; stop it, or choose another [control] socket")


def _bound_path(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.setblocking(False)
        sock.bind(str(path))
        path.chmod(_SOCKET_MODE)  # before listen(): nobody can have connected with the wider mode
        sock.listen(16)
    except OSError:
        sock.close()
        raise
    return sock

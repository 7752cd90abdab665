"""The command line's way to the daemon: HTTP over its Unix socket, with the standard library so that commands start fast."""

import errno
import grp
import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["ControlClient", "ControlError"]

_CHUNK = 65536


class ControlError(Exception):
    """The daemon can't be asked, or refused; the message is the reason with the remedy."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class ControlClient:
    """Asks the daemon behind a socket; timeout in seconds. Every method raises ControlError."""

    def __init__(self, path: Path, timeout: float = 5.0) -> None:
        self._path = path
        self._timeout = timeout

    def get(self, resource: str) -> Any:
        """The JSON of a resource, such as "/api/v1/status"."""
        with self._answer("GET", resource, self._timeout) as answer:
            return json.loads(answer.read())

    def post(self, resource: str) -> Any:
        """Do what a resource stands for, such as "/api/v1/reload"; its JSON."""
        with self._answer("POST", resource, self._timeout) as answer:
            return json.loads(answer.read())

    def stream(self, method: str, resource: str) -> Iterator[bytes]:
        """The body as it comes, in pieces, until the daemon ends it; waits without limit between two pieces."""
        with self._answer(method, resource, None) as answer:
            while piece := answer.read1(_CHUNK):
                yield piece

    def events(self) -> Iterator[Any]:
        """The status, once at once and then every second."""
        with self._answer("GET", "/api/v1/events", None) as answer:
            for line in answer:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])
        raise ControlError("the daemon has ended")

    @contextmanager
    def _answer(self, method: str, resource: str, timeout: float | None) -> Iterator[http.client.HTTPResponse]:
        connection = _UnixConnection(self._path, timeout)
        try:
            connection.request(method, resource, headers={"Content-Length": "0"} if method == "POST" else {})
            answer = connection.getresponse()
            if answer.status != http.HTTPStatus.OK:
                raise ControlError(_refusal(answer))
            yield answer
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ControlError(self._why(error)) from None
        finally:
            connection.close()

    def _why(self, error: Exception) -> str:
        number = error.errno if isinstance(error, OSError) else None
        if isinstance(error, TimeoutError):
            return f"{self._path}: the daemon does not answer within {self._timeout:g} s"
        if number in (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR):
            return (
                f"{self._path}: no daemon answers there; start it (`systemctl start stratum1`, or `stratum1 run --simulate` to try it), "
                "or name its socket with --socket"
            )
        if number in (errno.EACCES, errno.EPERM):
            return f"{self._path}: {self._owner()}"
        return f"{self._path}: {error or type(error).__name__}"

    def _owner(self) -> str:
        try:
            group = grp.getgrgid(self._path.stat().st_gid).gr_name
        except (OSError, KeyError):
            return "you may not connect there; ask as the user that runs the daemon, or as root"
        return f"you may not connect there; join its group (`sudo usermod -aG {group} $USER`, then log in again), or ask as root"


def _refusal(answer: http.client.HTTPResponse) -> str:
    body = answer.read(_CHUNK)
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return f"the daemon refused: {answer.status} {answer.reason}"

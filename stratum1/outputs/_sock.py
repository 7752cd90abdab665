"""Samples into the Unix datagram socket that chronyd (refclock SOCK) or ntpd-rs (mode = "sock") has made."""

import errno
import socket

from ._sample import pack_sock, sample_of, withheld
from .report import Moment, OutputState, Turn

__all__ = ["SockOutput"]

_REMEDY = {
    errno.ENOENT: "there is no such socket: its reader makes it when it starts (chronyd: refclock SOCK {path}); is it running?",
    errno.ECONNREFUSED: "nobody listens there any more: start its reader, or start it anew",
    errno.EACCES: "may not be written to: let the daemon's user into its directory, or have the reader make it elsewhere",
    errno.EAGAIN: "its reader does not fetch the samples",
    errno.EPROTOTYPE: "is no datagram socket",
    errno.ENOTSOCK: "is no socket",
}


class SockOutput:
    """One reader. The socket is found anew by its path each time, since a reader that starts anew makes it anew."""

    def __init__(self, path: str, *, holdover: bool) -> None:
        self._path = path
        self._holdover = holdover
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)

    def turn(self, moment: Moment) -> Turn:
        """Send a sample where one may be had."""
        reason = withheld(moment, holdover=self._holdover)
        if reason:
            return Turn(OutputState.WAITING, reason)
        sample = sample_of(moment)
        try:
            self._socket.sendto(pack_sock(sample), self._path)
        except OSError as error:
            text = _REMEDY.get(error.errno or 0, f"can't be sent to: {error.strerror}").format(path=self._path)
            return Turn(OutputState.PROBLEM, f"{self._path}: {text}")
        return Turn(OutputState.SENDING, "a sample a second", sent=True, offset=sample.offset)

    def close(self) -> None:
        """Close our end; the path is the reader's."""
        self._socket.close()

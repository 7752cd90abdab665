"""Tells linuxptp's ptp4l, by its Unix socket, how good the time is that it hands out, and asks whether it is grandmaster."""

import contextlib
import errno
import os
import socket
from collections.abc import Callable

from stratum1.timescale import NS, UtcNs

from ._management import Action, ManagementError, ManagementId, ManagementReply, encode_request, parse_reply
from ._quality import GrandmasterSettings, grandmaster, parent_is_self
from .report import Moment, OutputState, Turn

__all__ = ["Ptp4lOutput", "ServedClock"]

_AGAIN = 5 * NS
"""Asked so often whether ptp4l still knows it: one that was started anew does not. Saying it again would have it elect anew."""
_PATIENCE = 0.5
"""Seconds to wait for a reply."""
_MOST_STRAY = 20
_REMEDY = {
    errno.ENOENT: "there is no such socket: ptp4l makes it when it starts (uds_address); is it running?",
    errno.ECONNREFUSED: "nobody listens there any more: is ptp4l running?",
    errno.EACCES: "may not be written to: run ptp4l with Group=stratum1, or set uds_file_mode 0666 in its configuration (linuxptp 4.0)",
    errno.EAGAIN: "ptp4l does not fetch its messages",
}

ServedClock = Callable[[Moment], float | None]
"""How far the clock that ptp4l hands out is from our time, seconds, None if that is not known."""


class Ptp4lOutput:
    """One ptp4l. own: path of our end of the socket, which must be nobody else's, because ptp4l tells its askers apart by it."""

    def __init__(
        self, path: str, own: str, served: ServedClock, *, ptp_timescale: bool, domain: int = 0, transport: int = 0, port: int = 0
    ) -> None:
        """port: number by which ptp4l knows us, the process's by default as pmc does it."""
        self._path = path
        self._own = own
        self._served = served
        self._ptp_timescale = ptp_timescale
        self._domain = domain
        self._transport = transport
        self._port = (port or os.getpid()) & 0xFFFF
        self._socket: socket.socket | None = None
        self._sequence = 0
        self._said: GrandmasterSettings | None = None
        self._said_at = UtcNs(0)
        self._role = ""

    def turn(self, moment: Moment) -> Turn:
        """Say what has changed, or what a ptp4l that was started anew has forgotten."""
        settings, text = grandmaster(moment, self._served(moment), ptp_timescale=self._ptp_timescale, before=self._said)
        sent = False
        if settings != self._said or not 0 <= moment.now - self._said_at < _AGAIN:
            try:
                sent = self._renew(settings)
            except (OSError, ManagementError) as error:
                self._let_go()
                return Turn(OutputState.PROBLEM, f"{self._path}: {_explained(error)}")
            self._said, self._said_at = settings, moment.now
        told = f"class {settings.clock_class}: {text}; {self._role}"
        return Turn(OutputState.SENDING, told, sent=sent, clock_class=settings.clock_class, accuracy=settings.accuracy)

    def close(self) -> None:
        """Withdraw: nobody vouches for the time any more."""
        if self._said is not None:
            with contextlib.suppress(OSError, ManagementError):
                self._say(self._said.withdrawn())
        self._let_go()

    def _renew(self, settings: GrandmasterSettings) -> bool:
        """See to it that ptp4l knows the settings; whether they had to be said."""
        known = self._ask(Action.GET, ManagementId.GRANDMASTER_SETTINGS_NP).data == settings.pack()
        if not known:
            self._say(settings)
        parent = self._ask(Action.GET, ManagementId.PARENT_DATA_SET)
        self._role = "ptp4l is grandmaster" if parent_is_self(parent.data, parent.source.clock) else "ptp4l follows another grandmaster"
        return not known

    def _ask(self, action: Action, management_id: ManagementId, data: bytes = b"") -> ManagementReply:
        """One request and its reply. Raises OSError, ManagementError."""
        connection = self._opened()
        self._sequence = (self._sequence + 1) & 0xFFFF
        sequence, port = self._sequence, self._port
        request = encode_request(action, management_id, data, sequence=sequence, port=port, domain=self._domain, transport=self._transport)
        connection.sendto(request, self._path)
        for _ in range(_MOST_STRAY):
            with contextlib.suppress(ManagementError):
                reply = parse_reply(connection.recv(2048))
                if (reply.sequence, reply.management_id, reply.action) == (sequence, management_id, Action.RESPONSE):
                    break
        else:
            raise ManagementError("only messages that are no reply come from it")
        if reply.error:
            raise ManagementError(f"ptp4l refuses {management_id.name}: {reply.error}")
        return reply

    def _say(self, settings: GrandmasterSettings) -> None:
        reply = self._ask(Action.SET, ManagementId.GRANDMASTER_SETTINGS_NP, settings.pack())
        if reply.data != settings.pack():
            raise ManagementError(f"ptp4l took {reply.data.hex()} instead of {settings.pack().hex()}")

    def _opened(self) -> socket.socket:
        if self._socket is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._own)
            opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            try:
                opened.bind(self._own)
                opened.settimeout(_PATIENCE)
            except OSError as error:
                opened.close()
                raise ManagementError(f"our end {self._own} can't be made: {error.strerror or error}") from None
            self._socket = opened
        return self._socket

    def _let_go(self) -> None:
        self._said = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            with contextlib.suppress(OSError):
                os.unlink(self._own)


def _explained(error: OSError | ManagementError) -> str:
    if isinstance(error, ManagementError):
        return str(error)
    if isinstance(error, TimeoutError):
        return "no answer: is domain (and transport-specific) that of ptp4l's configuration?"
    return _REMEDY.get(error.errno or 0, f"can't be spoken to: {error.strerror}")

"""When replies really left: the kernel's transmit stamps, read from a socket's error queue, and what they say of the send delay."""

import contextlib
import socket
import statistics
from collections import deque
from collections.abc import Callable
from struct import Struct

from ._listen import SO_TIMESTAMPING, STAMPS

__all__ = ["Departures"]

_STAMP = Struct("=qq")
_EXTENDED_ERROR = Struct("=IBBBxII")  # linux/errqueue.h: errno, origin, type, code, info, data
_ORIGIN_TIMESTAMPING = 4
_ANCILLARY = socket.CMSG_SPACE(48) + socket.CMSG_SPACE(16 + 28)  # the stamps, and the error with an address
_ERRORS = ((socket.IPPROTO_IP, 11), (socket.IPPROTO_IPV6, 25))  # IP_RECVERR, IPV6_RECVERR
_AWAITED = 1024
_REMEMBERED = 31
_LONGEST_DELAY = 1_000_000
"""ns; a stamp that is later than that says something of a queue, not of the way to the wire."""


class Departures:
    """Of one socket. Only the thread that sends may use it.

    The kernel numbers the datagrams that asked for a stamp; we count along.
    """

    def __init__(self, opened: socket.socket, left: Callable[[int, int], None]) -> None:
        """left: told of the key and the stamp (CLOCK_REALTIME, ns) of a reply that has left."""
        self._socket = opened
        self._left = left
        self._next = 0
        self._awaited: dict[int, tuple[int | None, int | None]] = {}
        self._delays: deque[int] = deque(maxlen=_REMEMBERED)
        self.delay: int | None = None
        """ns from the reading of the clock to the kernel's stamp: the median of the last ones; None before the first."""
        self.stamps = 0
        """Stamps that came for keys."""

    def expect(self, key: int | None, read_at: int | None) -> None:
        """The next datagram that asks for a stamp is this one. key: None for one that is only measured; read_at: when the clock was
        read for it (ns), None if other replies went before it.
        """
        if len(self._awaited) >= _AWAITED:  # a driver that gives no stamps
            self._awaited.pop(next(iter(self._awaited)))
        self._awaited[self._next] = key, read_at
        self._next = self._next + 1 & 0xFFFFFFFF

    @property
    def measured(self) -> bool:
        """Whether enough stamps came to know the send delay well."""
        return len(self._delays) == _REMEMBERED

    @property
    def awaited(self) -> bool:
        """Whether a stamp may still come."""
        return bool(self._awaited)

    def restart(self) -> None:
        """Count anew, after a datagram could not be sent: whether it was numbered is not known."""
        self._awaited.clear()
        self._next = 0
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, STAMPS & ~(1 << 7))
            self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, STAMPS)
            while self._read() is not None:
                pass

    def collect(self) -> None:
        """Take the stamps that are there."""
        while self._awaited:
            found = self._read()
            if found is None:
                return
            number, stamp = found
            key, read_at = self._awaited.pop(number, (None, None))
            if read_at is not None and 0 <= stamp - read_at <= _LONGEST_DELAY:
                self._delays.append(stamp - read_at)
                self.delay = int(statistics.median_low(self._delays))
            if key is not None:
                self.stamps += 1
                self._left(key, stamp)

    def _read(self) -> tuple[int, int] | None:
        """One message of the error queue: the datagram's number (-1 for something else) and the stamp; None if there is none."""
        try:
            _, ancillary, _, _ = self._socket.recvmsg(0, _ANCILLARY, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
        except OSError:
            return None
        number, stamp = -1, 0
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPING:
                seconds, fraction = _STAMP.unpack_from(data)
                stamp = seconds * 1_000_000_000 + fraction
            elif (level, kind) in _ERRORS:
                _, origin, _, _, _, counted = _EXTENDED_ERROR.unpack_from(data)
                number = counted if origin == _ORIGIN_TIMESTAMPING else -1
        return number, stamp

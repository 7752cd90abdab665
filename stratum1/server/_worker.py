"""The Python data plane: one thread a socket, blocking in recvmsg, with the kernel's receive stamps.

Never asyncio: a loop between the packet and the stamp costs four times as much and makes the stamps tens of microseconds late.
"""

import contextlib
import os
import socket
import struct
import threading
import time

from stratum1.timescale import NS, UtcNs

from ._cell import StateCell
from ._counters import Counters, Tally
from ._listen import IP_PKTINFO, SO_TIMESTAMPNS, ListenAddress
from .reply import MAX_REQUEST, Responder, Sender

__all__ = ["PythonWorker"]

_TIMESPEC = struct.Struct("=qq")
_ANCILLARY = socket.CMSG_SPACE(_TIMESPEC.size) + socket.CMSG_SPACE(20)  # a stamp and the larger (IPv6) packet info
_PAUSE_AFTER_ERROR = 0.05
_MAPPED = bytes(10) + b"\xff\xff"
"""::ffff:0:0/96, under which an IPv6 socket shows IPv4 senders."""

_Ancillary = list[tuple[int, int, bytes]]
_Sender = tuple[str, int] | tuple[str, int, int, int]


class PythonWorker:
    """Serves one socket in a thread of its own until `stop`; owns the socket."""

    def __init__(self, opened: socket.socket, listen: ListenAddress, cell: StateCell) -> None:
        self.listen = listen
        self._socket = opened
        self._cell = cell
        self._tally = Tally()
        self._stopping = threading.Event()
        self._state = cell.current
        self._responder = Responder(self._state, smear=listen.smear)
        self._thread = threading.Thread(target=self._run, name=f"ntp {listen}", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering, at once, and close the socket."""
        self._stopping.set()
        # wakes the thread out of recvmsg although an unconnected socket calls it an error (ENOTCONN)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._thread.ident is not None:
            self._thread.join()
        self._socket.close()

    @property
    def alive(self) -> bool:
        """Whether its thread runs; for watchdogs."""
        return self._thread.is_alive()

    def counters(self) -> Counters:
        """What it has counted so far."""
        return self._tally.snapshot()

    def _run(self) -> None:
        receive = self._socket.recvmsg
        while True:
            try:
                # one octet more than the longest request shows that a datagram was cut
                request, ancillary, _, sender = receive(MAX_REQUEST + 1, _ANCILLARY)
            except OSError:
                self._tally.receive_errors += 1
                if self._stopping.wait(_PAUSE_AFTER_ERROR):
                    return
                continue
            if self._stopping.is_set():
                return
            self._answer(request, ancillary, sender)

    def _answer(self, request: bytes, ancillary: _Ancillary, sender: _Sender) -> None:
        state = self._cell.current
        if state is not self._state:
            self._state, self._responder = state, self._responder.renewed(state)
        stamp, from_asked = self._read_ancillary(ancillary)
        mapping = state.realtime
        now = time.clock_gettime_ns(time.CLOCK_REALTIME)
        served = UtcNs if mapping is None else mapping.served  # None is said to be unsynchronised
        packed = socket.inet_pton(self._socket.family, sender[0].partition("%")[0])
        if packed[:12] == _MAPPED:
            packed = packed[12:]
        outcome = self._responder.reply(request, Sender(packed, sender[1]), served(stamp), served(now), os.urandom)
        record, reply = outcome.record, outcome.reply
        if reply is not None:
            try:
                self._socket.sendmsg((reply,), from_asked, socket.MSG_DONTWAIT, sender)
            except OSError:
                self._tally.response_send_errors += 1
        records = self._tally.records
        records[record] = records.get(record, 0) + 1

    def _read_ancillary(self, ancillary: _Ancillary) -> tuple[int, _Ancillary]:
        """The receive stamp (CLOCK_REALTIME, ns) and the control message that makes the reply leave from the address asked."""
        stamp, from_asked = None, []
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                whole, fraction = _TIMESPEC.unpack_from(data)
                stamp = whole * NS + fraction
            elif level == socket.IPPROTO_IP and kind == IP_PKTINFO:
                # in_pktinfo: interface (0: let the routes decide), ipi_spec_dst as it came, ipi_addr unused on sending
                from_asked = [(level, kind, b"\0\0\0\0" + data[4:8] + b"\0\0\0\0")]
            elif level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
                from_asked = [(level, kind, data if _is_link_local(data) else data[:16] + b"\0\0\0\0")]
        if stamp is None:
            self._tally.daemon_receive_stamps += 1
            stamp = time.clock_gettime_ns(time.CLOCK_REALTIME)
        return stamp, from_asked


def _is_link_local(address: bytes) -> bool:
    """fe80::/10, which means nothing without its interface."""
    return address[0] == 0xFE and address[1] & 0xC0 == 0x80

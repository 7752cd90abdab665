"""Datagrams in batches: recvmmsg(2) and sendmmsg(2) over memory that is laid out once. Linux on 64-bit machines.

The socket module makes half a dozen objects a datagram (a list of control messages, an address as text, ...), which costs as much as
the kernel's own work; here a datagram is its place in the batch, and its octets, address and stamps are read out where they lie.
Only one thread may use a batch.
"""

import ctypes
import os
import socket
from struct import Struct

from ._listen import IP_PKTINFO, SO_TIMESTAMPING
from .reply import MAX_REQUEST

__all__ = ["BATCH", "Datagrams"]

BATCH = 16
"""Datagrams a call at most; eight already share a call's cost so that no more is to be had, and the last one waits for the first."""

_MSG_WAITFORONE = 0x10000
_NAME, _SLOT, _CONTROL = 32, 2112, 192
"""Octets for a sender's address, for a datagram (one more than the longest request shows that it was cut), for control messages."""
_TX_SOFTWARE = 2  # SOF_TIMESTAMPING_TX_SOFTWARE (linux/net_tstamp.h)

_HEADER = Struct("=QI4xQQQQi4xI4x")  # struct mmsghdr: name, its length, iovec, their number, control, its length, flags; octets
_LENGTH, _CONTROL_LENGTH = 14, 10  # places of the last and of the fourth last among its sixteen words
_STAMP = Struct("=Qiiqq").unpack_from  # struct cmsghdr with the first of the three stamps of scm_timestamping
_MESSAGE = Struct("=Qii")  # struct cmsghdr
_SENDER4 = Struct("!2xH4s").unpack_from
_SENDER6 = Struct("!2xH4x16s").unpack_from
_MAPPED = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96
_STAMP_SPACE, _ASK_SPACE = 64, 24  # octets of those two messages
_INFO, _ANY = _ASK_SPACE + _MESSAGE.size, bytes(4)
_ASK_STAMP = Struct("=QiiI4x").pack(20, socket.SOL_SOCKET, SO_TIMESTAMPING, _TX_SOFTWARE)
_INFO4, _INFO6 = _MESSAGE.pack(28, socket.IPPROTO_IP, IP_PKTINFO), _MESSAGE.pack(36, socket.IPPROTO_IPV6, socket.IPV6_PKTINFO)

_library = ctypes.CDLL(None, use_errno=True)
_receive = _library.recvmmsg
_receive.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p]
_send = _library.sendmmsg
_send.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]


class _Arena:
    """Equal pieces of memory that stay where they are."""

    def __init__(self, pieces: int, size: int) -> None:
        self.octets = bytearray(pieces * size)
        first = ctypes.addressof(ctypes.c_char.from_buffer(self.octets))  # which also keeps the bytearray from moving
        self.at = tuple(first + number * size for number in range(pieces))


class Datagrams:
    """What one socket receives and sends at a time. `wildcard`: the replies say from which address they leave."""

    def __init__(self, opened: socket.socket, *, wildcard: bool) -> None:
        self._fileno = opened.fileno()
        self._ipv6 = opened.family == socket.AF_INET6
        self._wildcard = wildcard
        self._info_space = (40 if self._ipv6 else 32) if wildcard else 0
        self._names, self._requests, self._replies = (_Arena(BATCH, size) for size in (_NAME, _SLOT, _SLOT))
        self._told, self._asked = _Arena(BATCH, _CONTROL), _Arena(BATCH, _CONTROL)
        self._incoming, self._outgoing = _Arena(BATCH, _HEADER.size), _Arena(BATCH, _HEADER.size)
        self._pieces, self._reply_pieces = _Arena(BATCH, 16), _Arena(BATCH, 16)
        self._lay_out()
        self._lengths = memoryview(self._incoming.octets).cast("I")
        self._reply_lengths = memoryview(self._reply_pieces.octets).cast("Q")
        self._request_view = memoryview(self._requests.octets)
        self._queued = 0
        self._laid: list[bytes] = [b""] * BATCH

    def _lay_out(self) -> None:
        name_length = 28 if self._ipv6 else 16
        for number in range(BATCH):
            for pieces, memory, length in ((self._pieces, self._requests, MAX_REQUEST + 1), (self._reply_pieces, self._replies, 0)):
                Struct("=QQ").pack_into(pieces.octets, 16 * number, memory.at[number], length)
            name, piece, told = self._names.at[number], self._pieces.at[number], self._told.at[number]
            _HEADER.pack_into(self._incoming.octets, _HEADER.size * number, name, name_length, piece, 1, told, _CONTROL, 0, 0)
            asked = self._asked.octets
            asked[_CONTROL * number : _CONTROL * number + _ASK_SPACE] = _ASK_STAMP
            at = _CONTROL * number + _ASK_SPACE
            asked[at : at + _MESSAGE.size] = _INFO6 if self._ipv6 else _INFO4
        self._fresh = bytes(self._incoming.octets)
        plain = [self._answer_header(number, stamped=False) for number in range(BATCH)]
        stamped = [self._answer_header(number, stamped=True) for number in range(BATCH)]
        self._headers = (tuple(plain), tuple(stamped))

    def _answer_header(self, number: int, *, stamped: bool) -> bytes:
        """The header of a reply to a datagram of the batch, with its control messages."""
        control = self._asked.at[number] + (0 if stamped else _ASK_SPACE)
        length = self._info_space + (_ASK_SPACE if stamped else 0)
        piece = self._reply_pieces.at[number]
        return _HEADER.pack(self._names.at[number], 28 if self._ipv6 else 16, piece, 1, control if length else 0, length, 0, 0)

    def receive(self) -> int:
        """Wait for datagrams and take what is there; how many. Raises OSError."""
        self._incoming.octets[:] = self._fresh
        self._queued = 0
        count: int = _receive(self._fileno, self._incoming.at[0], BATCH, _MSG_WAITFORONE, None)
        if count < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return count

    def take(self, number: int) -> tuple[bytes, bytes, int, int]:
        """A datagram: its octets (at most one more than MAX_REQUEST), the address and port that it came from (4 octets for IPv4, also
        where it came to an IPv6 socket) and the kernel's stamp of its arrival (CLOCK_REALTIME, ns), 0 if it has none.
        """
        word, at = 16 * number, number * _SLOT
        octets = self._request_view[at : at + self._lengths[word + _LENGTH]].tobytes()
        stamp, control = 0, number * _CONTROL
        if self._lengths[word + _CONTROL_LENGTH]:  # else what lies there is an older one's
            size, level, kind, seconds, fraction = _STAMP(self._told.octets, control)
            if kind == SO_TIMESTAMPING and level == socket.SOL_SOCKET and size == _STAMP_SPACE:
                stamp = seconds * 1_000_000_000 + fraction
        if not self._ipv6:
            port, address = _SENDER4(self._names.octets, _NAME * number)
            return octets, address, port, stamp
        port, address = _SENDER6(self._names.octets, _NAME * number)
        return octets, address[12:] if address.startswith(_MAPPED) else address, port, stamp

    def answer(self, number: int, octets: bytes, *, stamped: bool = False) -> None:
        """Queue a reply to the sender of a datagram. stamped: the kernel is to tell when it left."""
        size, place, at = len(octets), self._queued, number * _SLOT
        self._queued = place + 1
        self._replies.octets[at : at + size] = octets
        self._reply_lengths[2 * number + 1] = size
        if self._wildcard:
            self._leave_from_asked(number)
        header = self._headers[stamped][number]
        if self._laid[place] is not header:
            self._laid[place] = header
            at = place * _HEADER.size
            self._outgoing.octets[at : at + _HEADER.size] = header

    def send(self) -> int:
        """Send what is queued; how many could not be sent."""
        first, failed = 0, 0
        while first < self._queued:
            sent: int = _send(self._fileno, self._outgoing.at[first], self._queued - first, socket.MSG_DONTWAIT)
            if sent < 0:  # the first of them; the others may do better
                failed, sent = failed + 1, 1
            first += sent
        return failed

    def _leave_from_asked(self, number: int) -> None:
        """Make the control message that has the reply leave from the address that was asked."""
        told, asked = self._told.octets, self._asked.octets
        at = _CONTROL * number
        goal, end, info = at + _INFO, at + self._lengths[16 * number + _CONTROL_LENGTH], at + _STAMP_SPACE + _MESSAGE.size
        if self._ipv6 and info < end and told[info] != 0xFE and told[info - _MESSAGE.size : info] == _INFO6:  # as nearly always
            asked[goal : goal + 20] = told[info : info + 16] + _ANY
            return
        while at + _MESSAGE.size < end:  # the first is the stamp, the second what is looked for
            size, level, kind = _MESSAGE.unpack_from(told, at)
            place = at + _MESSAGE.size
            if kind == socket.IPV6_PKTINFO and level == socket.IPPROTO_IPV6:
                asked[goal : goal + 20] = told[place : place + 20]
                if told[place] != 0xFE or told[place + 1] & 0xC0 != 0x80:  # but for fe80::/10, which means nothing without its interface
                    asked[goal + 16 : goal + 20] = _ANY
                return
            if kind == IP_PKTINFO and level == socket.IPPROTO_IP:
                # in_pktinfo: interface (0: let the routes decide), ipi_spec_dst as it came, ipi_addr unused on sending
                asked[goal + 4 : goal + 8] = told[place + 4 : place + 8]
                return
            at += max(_MESSAGE.size, size + 7 & ~7)
        asked[goal : goal + 20] = bytes(20)  # not told: any address of ours

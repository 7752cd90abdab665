"""The addresses of this host and the news of their coming and going, by netlink (rtnetlink(7)).

What the kernel sends is read by `parse_addresses`, which is pure; the rest is a thin shell around one socket.
"""

import errno
import os
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

__all__ = ["AddressWatch", "DumpInterruptedError", "LocalAddress", "local_addresses", "master_of", "parse_addresses"]

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence number, port
_ADDRESS = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix length, flags, scope, interface
_ATTRIBUTE = struct.Struct("=HH")  # rtattr: length, type
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_RTM_NEWADDR, _RTM_GETADDR = 20, 22
_REQUEST_DUMP = 0x301
_DUMP_INTERRUPTED = 0x10
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_NOT_USABLE = 0x08 | 0x40  # IFA_F_DADFAILED, IFA_F_TENTATIVE: nobody may bind to it (yet)
_GROUPS = 0x10 | 0x100  # RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
_ROOM = 1 << 16
_TRIES = 5
_SETTLE_MS = 50
"""What a burst of changes (an interface comes up) is given before the addresses are read."""


@dataclass(frozen=True, slots=True, order=True)
class LocalAddress:
    """An address that can be bound to. interface: its index (a link-local address means nothing without it)."""

    address: IPv4Address | IPv6Address
    interface: int

    @property
    def scope(self) -> int:
        """The scope of a socket address: the interface for a link-local IPv6 address, else 0."""
        return self.interface if self.address.version == 6 and self.address.is_link_local else 0


class DumpInterruptedError(Exception):
    """The addresses changed while they were told."""


def parse_addresses(data: bytes) -> tuple[list[LocalAddress], bool]:
    """The usable addresses in one datagram of the kernel's answer, and whether the answer ends there.

    Raises OSError with the kernel's error, DumpInterruptedError where the answer is none; a message that is cut ends the reading.
    """
    found: list[LocalAddress] = []
    while len(data) >= _HEADER.size:
        length, kind, flags, _, _ = _HEADER.unpack_from(data)
        if not _HEADER.size <= length <= len(data):
            break
        if flags & _DUMP_INTERRUPTED:
            raise DumpInterruptedError
        if kind == _NLMSG_DONE:
            return found, True
        if kind == _NLMSG_ERROR and length >= _HEADER.size + 4:
            number = -struct.unpack_from("=i", data, _HEADER.size)[0]
            raise OSError(number, os.strerror(number))
        if kind == _RTM_NEWADDR and length >= _HEADER.size + _ADDRESS.size:
            found += _address(data[_HEADER.size : length])
        data = data[_aligned(length) :]
    return found, False


def _address(message: bytes) -> list[LocalAddress]:
    family, _, flags, _, interface = _ADDRESS.unpack_from(message)
    attributes = dict(_attributes(message[_ADDRESS.size :]))
    if len(wide := attributes.get(_IFA_FLAGS, b"")) == 4:
        flags = struct.unpack("=I", wide)[0]
    # the local end of a point-to-point link; IPv6 has IFA_LOCAL only there
    octets = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS) or b""
    right = len(octets) == {socket.AF_INET: 4, socket.AF_INET6: 16}.get(family)
    return [LocalAddress(ip_address(octets), interface)] if right and not flags & _NOT_USABLE else []


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if not _ATTRIBUTE.size <= length <= len(data):
            return
        yield kind, data[_ATTRIBUTE.size : length]
        data = data[_aligned(length) :]


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def local_addresses() -> frozenset[LocalAddress]:
    """All addresses of this network namespace that can be bound to now. Raises OSError where the kernel does not tell."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as asked:
        asked.settimeout(5.0)
        for _ in range(_TRIES):
            asked.send(_HEADER.pack(_HEADER.size + _ADDRESS.size, _RTM_GETADDR, _REQUEST_DUMP, 1, 0) + _ADDRESS.pack(0, 0, 0, 0, 0))
            try:
                return _read_dump(asked)
            except DumpInterruptedError:
                _drain(asked)
    raise OSError(errno.EAGAIN, "the addresses change faster than they can be read")


def _read_dump(asked: socket.socket) -> frozenset[LocalAddress]:
    found: list[LocalAddress] = []
    done = False
    while not done:
        some, done = parse_addresses(asked.recv(_ROOM))
        found += some
    return frozenset(found)


def _drain(used: socket.socket) -> None:
    """Read what waits and forget it. ENOBUFS (news were lost) is news as well."""
    while True:
        try:
            used.recv(_ROOM, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise


def master_of(index: int, root: Path = Path("/sys/class/net")) -> int | None:
    """The bridge or bond that an interface is part of, None for none."""
    try:
        return int((root / socket.if_indextoname(index) / "master" / "ifindex").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


class AddressWatch:
    """Tells in a thread of its own that addresses have come or gone, until `stop`."""

    def __init__(self, changed: Callable[[], None]) -> None:
        """changed: called after each burst of changes; raises nothing. Raises OSError where the kernel does not tell."""
        self._changed = changed
        self._news = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        try:
            self._news.bind((0, _GROUPS))
        except OSError:
            self._news.close()
            raise
        self._end, self._ended = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="addresses", daemon=True)

    def start(self) -> None:
        """Begin to tell."""
        self._thread.start()

    def stop(self) -> None:
        """Tell no more. Twice does no harm."""
        self._end.close()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._news.close()
        self._ended.close()

    def _run(self) -> None:
        any_of, end = select.poll(), select.poll()
        any_of.register(self._news, select.POLLIN)
        for each in (any_of, end):
            each.register(self._ended, select.POLLIN)
        while True:
            any_of.poll()
            if end.poll(_SETTLE_MS):
                return
            _drain(self._news)
            self._changed()

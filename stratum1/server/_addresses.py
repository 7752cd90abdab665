"""The addresses of this host, asked of the kernel (rtnetlink(7))."""

import socket
import struct

__all__ = ["own_addresses"]

_RTM_GETADDR, _NLM_F_DUMP_REQUEST = 22, 0x301
_NLMSG_ERROR, _NLMSG_DONE, _RTM_NEWADDR = 2, 3, 20
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_IFADDRMSG_SIZE = 8
_ATTRIBUTE = struct.Struct("=HH")  # struct rtattr


def own_addresses() -> frozenset[bytes]:
    """Every address of every interface, 4 or 16 octets each; empty where the kernel does not tell."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as opened:
            opened.settimeout(1.0)
            opened.send(_HEADER.pack(_HEADER.size + _IFADDRMSG_SIZE, _RTM_GETADDR, _NLM_F_DUMP_REQUEST, 1, 0) + bytes(_IFADDRMSG_SIZE))
            return _read_all(opened)
    except OSError:
        return frozenset()


def _read_all(opened: socket.socket) -> frozenset[bytes]:
    found: set[bytes] = set()
    while True:
        data = opened.recv(65536)
        while len(data) >= _HEADER.size:
            length, kind, *_ = _HEADER.unpack_from(data)
            if kind in (_NLMSG_DONE, _NLMSG_ERROR) or length < _HEADER.size:
                return frozenset(found)
            if kind == _RTM_NEWADDR and (address := _address(data[_HEADER.size + _IFADDRMSG_SIZE : length])) is not None:
                found.add(address)
            data = data[length + 3 & ~3 :]


def _address(attributes: bytes) -> bytes | None:
    """The address of one message: the local end where the line has two ends."""
    found: dict[int, bytes] = {}
    while len(attributes) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(attributes)
        if length < _ATTRIBUTE.size:
            break
        found[kind] = attributes[_ATTRIBUTE.size : length]
        attributes = attributes[length + 3 & ~3 :]
    return found.get(_IFA_LOCAL, found.get(_IFA_ADDRESS))

"""A network namespace for the length of one call, in a thread of its own, and the addresses of its loopback interface."""

import ctypes
import fcntl
import os
import socket
import struct
import threading
from collections.abc import Callable
from ipaddress import ip_address

__all__ = ["IN_NAMESPACE", "change_address", "in_namespace", "set_mtu"]

IN_NAMESPACE = os.geteuid() == 0
"""Whether namespaces can be had; a user without privileges would need one of users first, which a process with threads can't get."""

_CLONE_NEWNET = 0x40000000
_SIOCSIFFLAGS, _SIOCSIFMTU = 0x8914, 0x8922
_UP_AND_RUNNING = 0x41
_NEW, _DELETE = 20, 21  # RTM_NEWADDR, RTM_DELADDR
_NO_DAD = 0x02


def in_namespace(call: Callable[[], None]) -> None:
    """Run `call` where there is nothing but a loopback interface, and raise what it raises."""
    raised: list[BaseException] = []

    def inside() -> None:
        try:
            if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "unshare")
            _raise_loopback()
            call()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join(50)
    assert not thread.is_alive()
    if raised:
        raise raised[0]


def change_address(text: str, *, present: bool = True, interface: int = 1) -> None:
    """Give an interface an address (without waiting for duplicates), or take it away."""
    address = ip_address(text)
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    bits = 8 * len(address.packed)
    attributes = b"".join(struct.pack("=HH", 4 + bits // 8, kind) + address.packed for kind in (1, 2))  # IFA_ADDRESS, IFA_LOCAL
    body = struct.pack("=BBBBI", family, bits, _NO_DAD if address.version == 6 else 0, 0, interface) + attributes
    kind, flags = (_NEW, 0x605) if present else (_DELETE, 0x005)  # request and acknowledgement; create and exclusive
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as asked:
        asked.send(struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body)
        (error,) = struct.unpack_from("=i", asked.recv(4096), 16)
    if error:
        raise OSError(-error, f"{text}: {os.strerror(-error)}")


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _UP_AND_RUNNING))


def set_mtu(octets: int) -> None:
    """Let the loopback interface bear packets of so many octets in one piece."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFMTU, struct.pack("16si20x", b"lo", octets))

"""A kernel that stamps what comes in, from a test's first datagram on."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["SO_TIMESTAMPNS", "kernel_stamps"]

SO_TIMESTAMPNS = 35
"""asm-generic/socket.h; also the type of the control message. Python has no name for it."""


@contextmanager
def kernel_stamps() -> Iterator[None]:
    """Meanwhile stamps are taken: the kernel begins a moment after the first socket has asked for it, and keeps on while there is one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        time.sleep(0.05)
        yield

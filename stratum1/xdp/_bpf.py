"""The calls of bpf(2) that we need, and nothing of what they are for. linux/bpf.h is the source of all numbers.

Making maps and loading programs needs CAP_BPF (and CAP_NET_ADMIN for XDP). Opening a pin, reading and writing a map and mapping it
into memory need none since Linux 5.19, only the permissions of the pin; before, kernel.unprivileged_bpf_disabled forbade them.
"""

import ctypes
import errno
import mmap
import os
import platform
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ._layout import MapInfo

__all__ = [
    "attach_xdp",
    "create_map",
    "delete",
    "detach_link",
    "link_interface",
    "load_program",
    "lookup",
    "map_info",
    "map_memory",
    "next_key",
    "open_pin",
    "pin",
    "run_program",
    "update",
]

_MAP_CREATE, _LOOKUP, _UPDATE, _DELETE, _NEXT_KEY, _PROG_LOAD, _PIN, _GET = range(8)
_TEST_RUN, _INFO, _LINK_CREATE, _LINK_DETACH = 10, 15, 28, 34
_SYSCALL = {"x86_64": 321, "aarch64": 280}
_PROG_TYPE_XDP, _ATTACH_XDP = 6, 37
_LOG = 1 << 16
_ATTRIBUTES = 144
_LAST_LINES = 12


class _Buffer:
    """Octets that the kernel reads or writes, and their address."""

    def __init__(self, content: bytes) -> None:
        self._octets = ctypes.create_string_buffer(content, max(1, len(content)))
        self.size = len(content)
        self.address = ctypes.addressof(self._octets)

    def read(self, size: int | None = None) -> bytes:
        """What is in there now."""
        return self._octets.raw[: self.size if size is None else size]


def create_map(name: str, info: MapInfo) -> int:
    """A new map's descriptor. Raises OSError."""
    shape = struct.pack("=5I", info.kind, info.key_size, info.value_size, info.entries, info.flags)
    return _fd(_MAP_CREATE, shape + struct.pack("=2I", 0, 0) + _name(name))


def load_program(name: str, instructions: bytes, licence: str) -> int:
    """A loaded XDP program's descriptor. Raises OSError; the end of the verifier's log is in its text."""
    code, words, log = _Buffer(instructions), _Buffer(licence.encode() + b"\0"), _Buffer(bytes(_LOG))
    start = struct.pack("=2I2Q", _PROG_TYPE_XDP, len(instructions) // 8, code.address, words.address)
    end = struct.pack("=2I16s2I", 0, 0, _name(name), 0, _ATTACH_XDP)
    try:
        return _fd(_PROG_LOAD, start + struct.pack("=2IQ", 0, 0, 0) + end)
    except OSError as error:
        if error.errno == errno.EPERM:
            raise
    try:  # once more, to hear why
        return _fd(_PROG_LOAD, start + struct.pack("=2IQ", 1, _LOG, log.address) + end)
    except OSError as error:
        lines = log.read().partition(b"\0")[0].decode(errors="replace").splitlines()[-_LAST_LINES:]
        raise OSError(error.errno, f"{error.strerror}: {' | '.join(lines)}") from error


def pin(fd: int, path: Path) -> None:
    """Keep a map, program or link under a path in a bpf file system. Raises OSError."""
    text = _Buffer(os.fsencode(path) + b"\0")
    _call(_PIN, struct.pack("=QI", text.address, fd))


def open_pin(path: Path) -> int:
    """The descriptor of what is pinned. Raises OSError."""
    text = _Buffer(os.fsencode(path) + b"\0")
    return _fd(_GET, struct.pack("=QI", text.address, 0))


def attach_xdp(program: int, interface: int, flags: int) -> int:
    """A link's descriptor: the program runs at an interface for as long as the link is held or pinned. Raises OSError."""
    return _fd(_LINK_CREATE, struct.pack("=4I", program, interface, _ATTACH_XDP, flags))


def detach_link(link: int) -> None:
    """Take the program out at once; a link that merely loses its last pin lets go some time later. Raises OSError."""
    _call(_LINK_DETACH, struct.pack("=I", link))


def link_interface(link: int) -> int:
    """The index of the interface that an XDP link stands in, 0 if that is gone. Raises OSError."""
    info = _info(link, 64)
    index: int = struct.unpack_from("=I", info, 16)[0]
    return index


def map_info(fd: int) -> MapInfo:
    """A map's shape. Raises OSError."""
    kind, _, key_size, value_size, entries, flags = struct.unpack_from("=6I", _info(fd, 80))
    return MapInfo(kind, key_size, value_size, entries, flags)


def map_memory(fd: int, size: int) -> mmap.mmap:
    """A map made with BPF_F_MMAPABLE as memory; size: octets, rounded up to pages. Raises OSError."""
    pages = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
    return mmap.mmap(fd, pages, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)


def lookup(fd: int, key: bytes, value_size: int) -> bytes | None:
    """An entry, None if there is none. Raises OSError."""
    key_at, value = _Buffer(key), _Buffer(bytes(value_size))
    with _absent_is_fine() as absent:
        _call(_LOOKUP, struct.pack("=I4x3Q", fd, key_at.address, value.address, 0))
        absent.clear()
    return None if absent else value.read()


def update(fd: int, key: bytes, value: bytes) -> None:
    """Set an entry. Raises OSError (E2BIG, ENOSPC: the map is full)."""
    key_at, value_at = _Buffer(key), _Buffer(value)
    _call(_UPDATE, struct.pack("=I4x3Q", fd, key_at.address, value_at.address, 0))


def delete(fd: int, key: bytes) -> None:
    """Take an entry out; it need not be there. Raises OSError."""
    key_at = _Buffer(key)
    with _absent_is_fine():
        _call(_DELETE, struct.pack("=I4x3Q", fd, key_at.address, 0, 0))


def next_key(fd: int, key: bytes | None, key_size: int) -> bytes | None:
    """The key after `key`, the first for None; None after the last. Raises OSError."""
    key_at, found = _Buffer(key or b""), _Buffer(bytes(key_size))
    with _absent_is_fine() as absent:
        _call(_NEXT_KEY, struct.pack("=I4x3Q", fd, key_at.address if key is not None else 0, found.address, 0))
        absent.clear()
    return None if absent else found.read()


def run_program(program: int, frame: bytes, interface: int = 0, repeat: int = 1) -> tuple[int, bytes, int]:
    """Run an XDP program on a frame that no network saw: its verdict, the frame after it, ns a run. Raises OSError.

    interface: index that it seems to have come in at (0: that of loopback).
    """
    data, out = _Buffer(frame), _Buffer(bytes(len(frame) + 256))
    context = _Buffer(struct.pack("=6I", 0, len(frame), 0, interface, 0, 0))
    fields = (program, 0, data.size, out.size, data.address, out.address, repeat, 0)
    extra = (context.size, 0, context.address, 0) if interface else (0, 0, 0, 0)
    answer = _call(_TEST_RUN, struct.pack("=4I2Q2I2I2Q", *fields, *extra))
    _, verdict, _, size = struct.unpack_from("=4I", answer)
    took: int = struct.unpack_from("=I", answer, 36)[0]
    return verdict, out.read(size), took


def _info(fd: int, size: int) -> bytes:
    info = _Buffer(bytes(size))
    _call(_INFO, struct.pack("=2IQ", fd, size, info.address))
    return info.read()


def _name(name: str) -> bytes:
    return name.encode()[:15].ljust(16, b"\0")


@contextmanager
def _absent_is_fine() -> Iterator[list[bool]]:
    """Yields a list that stays full if the entry was not there."""
    absent = [True]
    try:
        yield absent
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise


def _fd(command: int, attributes: bytes) -> int:
    return _syscall(command, _Buffer(attributes.ljust(_ATTRIBUTES, b"\0")))


def _call(command: int, attributes: bytes) -> bytes:
    buffer = _Buffer(attributes.ljust(_ATTRIBUTES, b"\0"))
    _syscall(command, buffer)
    return buffer.read()


def _syscall(command: int, attributes: _Buffer) -> int:
    number = _SYSCALL.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, f"bpf(2) is known on {' and '.join(_SYSCALL)}, not on {platform.machine()}")
    libc = ctypes.CDLL(None, use_errno=True)
    result: int = libc.syscall(
        ctypes.c_long(number), ctypes.c_int(command), ctypes.c_void_p(attributes.address), ctypes.c_uint(_ATTRIBUTES)
    )
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result

"""What the fast path needs of the host: the bpf file system, drivers that run in softirq, hardware stamps. For root."""

import ctypes
import errno
import fcntl
import os
import socket
import stat
import struct
from pathlib import Path

__all__ = ["allow_through", "ethernet_interfaces", "mount_bpf", "napi_is_threaded", "switch_stamps_on"]

_BPF_FS_MAGIC = 0xCAFE4A11
_NETWORK = Path("/sys/class/net")
_ARPHRD_ETHER = "1"
_SIOCSHWTSTAMP = 0x89B0
_TX_ON = 1
_FILTERS = {"NTP packets": 15, "all packets": 1}


def mount_bpf(mount_point: Path) -> None:
    """Mount a bpf file system where there is none. Raises OSError."""
    if _file_system(mount_point) == _BPF_FS_MAGIC:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"bpf", os.fsencode(mount_point), b"bpf", ctypes.c_ulong(0), b"mode=0700") != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(mount_point))


def allow_through(directory: Path, gid: int) -> None:
    """Let a group reach what lies in a directory, without showing it what is there. Raises OSError."""
    status = directory.stat()
    if status.st_mode & stat.S_IXOTH or (status.st_gid == gid and status.st_mode & stat.S_IXGRP):
        return
    if status.st_gid != 0:  # another group's already
        directory.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXOTH)
        return
    os.chown(directory, -1, gid)
    directory.chmod(stat.S_IMODE(status.st_mode) & ~stat.S_IRWXG | stat.S_IXGRP)


def ethernet_interfaces(root: Path = _NETWORK) -> tuple[str, ...]:
    """The wired Ethernet interfaces that are real devices, in order of name."""
    found = []
    for entry in sorted(root.iterdir()):
        try:
            kind = (entry / "type").read_text(encoding="ascii").strip()
        except OSError:
            continue
        if kind == _ARPHRD_ETHER and (entry / "device").exists() and not (entry / "phy80211").exists():
            found.append(entry.name)
    return tuple(found)


def napi_is_threaded(interface: str, root: Path = _NETWORK) -> bool:
    """Whether the driver's polling was moved from softirq into a thread that the scheduler may keep waiting."""
    try:
        return (root / interface / "threaded").read_text(encoding="ascii").strip() == "1"
    except OSError:  # an older kernel has no such thing
        return False


def switch_stamps_on(interface: str) -> str:
    """Have the network card stamp what it sends, and receives as far as it can; returns what it is told to stamp, "" if it has none.

    Raises OSError for a failure other than that it can't.
    """
    for words, chosen in _FILTERS.items():
        settings = bytearray(struct.pack("=3i", 0, _TX_ON, chosen))
        try:
            _set_stamps(interface, settings)
        except OSError as error:
            if error.errno in (errno.EOPNOTSUPP, errno.ERANGE, errno.EINVAL, errno.ENODEV):
                continue
            raise
        return words
    return ""


def _set_stamps(interface: str, settings: bytearray) -> None:
    buffer = (ctypes.c_char * len(settings)).from_buffer(settings)
    request = struct.pack("=16sQ16x", interface.encode(), ctypes.addressof(buffer))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        fcntl.ioctl(asking, _SIOCSHWTSTAMP, request)


def _file_system(path: Path) -> int:
    """The magic number of the file system, as statfs(2) says it (first word of struct statfs on 64-bit Linux)."""
    buffer = ctypes.create_string_buffer(256)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.statfs(os.fsencode(path), buffer) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
    magic: int = struct.unpack_from("=q", buffer)[0]
    return magic & 0xFFFFFFFF

"""The maps that the program in the kernel reads and writes, as the daemon uses them: no privilege but the permissions of the pins."""

import contextlib
import errno
import itertools
import os
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from . import _bpf
from ._layout import (
    ALLOWED_OCTETS,
    ALLOWED_SIZE,
    INTERFACES,
    LAYOUT,
    LISTENERS,
    LISTENERS_SIZE,
    STATE_SIZE,
    WAYS,
    Count,
    ListenerKey,
    Word,
    active_offset,
    allowed_bits,
    allowed_offset,
    interface_offset,
    pack_listeners,
    pack_slot,
    slot_offset,
)

__all__ = ["MAPS", "PINS", "Attached", "Maps", "Mode", "XdpError", "nothing_pinned"]

PINS = Path("/sys/fs/bpf/stratum1")
"""Where the one-shot unit pins the maps, the program and its links."""
MAPS = ("state", "counts", "limits", "listeners", "allowed", "access4", "access6")
_COUNTS = struct.Struct("<16Q")
_VOID = pack_slot({})
_VERSIONS = {"access4": 4, "access6": 6}


class XdpError(Exception):
    """The fast path can't be had or changed; the message says why and what to do."""


class Mode(StrEnum):
    """Where in an interface the program runs."""

    NATIVE = "native"
    """In the driver, before the kernel has made anything of the frame."""
    GENERIC = "generic"
    """After the driver, which has no XDP of its own: dearer."""


_MODES = {1: Mode.NATIVE, 2: Mode.GENERIC}


@dataclass(frozen=True, slots=True)
class Attached:
    """An interface that the program was put into. index: of the interface in its network namespace."""

    index: int
    mode: Mode


class Maps:
    """Opened maps; one thread uses them."""

    def __init__(self, descriptors: Mapping[str, int]) -> None:
        """Takes the descriptors over. Raises XdpError for maps of another layout, OSError."""
        self._descriptors = dict(descriptors)
        self._lock: socket.socket | None = None
        self._written: dict[str, dict[bytes, int]] = {}
        try:
            size = _bpf.map_info(self._descriptors["state"]).value_size
            self._state = _bpf.map_memory(self._descriptors["state"], STATE_SIZE)
            found = int.from_bytes(self._state[:8], "little")
            if size != STATE_SIZE or found not in (0, LAYOUT):
                raise XdpError(f"the loaded program has layout {found}, this version needs {LAYOUT}: restart stratum1-xdp.service")
            self._listeners = _bpf.map_memory(self._descriptors["listeners"], LISTENERS_SIZE)
            self._allowed = _bpf.map_memory(self._descriptors["allowed"], ALLOWED_SIZE)
            rows = _bpf.map_info(self._descriptors["counts"]).entries
            self._count_size = _COUNTS.size * rows
            self._counts = _bpf.map_memory(self._descriptors["counts"], self._count_size)
            self.limit_slots = WAYS * _bpf.map_info(self._descriptors["limits"]).entries
            """Addresses that the rate limit holds; a power of two."""
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(cls, directory: Path = PINS) -> "Maps":
        """The pinned maps, for this process alone; what a former one left in them is cleared. Raises XdpError."""
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            lock.bind(f"\0stratum1-xdp:{directory}")  # gone with the process, however that ends
            maps = cls(_open_all(directory))
        except OSError as error:
            lock.close()
            raise XdpError(_explain(error, directory)) from error
        except XdpError:
            lock.close()
            raise
        maps._lock = lock
        try:
            maps.void()
            maps.set_listeners({})
            for name in ("access4", "access6"):
                maps._clear(name)
        except OSError as error:
            maps.close()
            raise XdpError(_explain(error, directory)) from error
        return maps

    def close(self) -> None:
        """Give everything back; the program then passes everything up as soon as the state is void. Twice does no harm."""
        for fd in self._descriptors.values():
            os.close(fd)
        self._descriptors = {}
        if self._lock is not None:
            self._lock.close()

    def publish(self, words: Mapping[Word, int]) -> None:
        """Make a state the one that holds, by writing memory only: first where nobody reads, then the word that says where to read.

        A processor that sees these writes in another order finds a check that does not fit, and passes its request up.
        """
        self._put(pack_slot(dict(words)))

    def void(self) -> None:
        """Nothing is answered by the program from now on."""
        self._put(_VOID)
        self._put(_VOID)

    def set_layout(self) -> None:
        """Mark freshly made maps as ours."""
        self._state[:8] = LAYOUT.to_bytes(8, "little")

    def set_interfaces(self, attached: tuple[Attached, ...]) -> None:
        """Remember for the daemon where the program stands; at most INTERFACES."""
        numbers = {mode: number for number, mode in _MODES.items()}
        for place in range(INTERFACES):
            pair = (attached[place].index, numbers[attached[place].mode]) if place < len(attached) else (0, 0)
            self._state[interface_offset(place) : interface_offset(place) + 8] = struct.pack("<2I", *pair)

    def interfaces(self) -> tuple[Attached, ...]:
        """Where the program stands."""
        pairs = [struct.unpack_from("<2I", self._state, interface_offset(place)) for place in range(INTERFACES)]
        return tuple(Attached(index, _MODES[mode]) for index, mode in pairs if mode in _MODES)

    def set_listeners(self, entries: Mapping[ListenerKey, int]) -> tuple[ListenerKey, ...]:
        """Where the program answers, while the state is void; returns what found no place."""
        packed, homeless = pack_listeners(entries)
        self._listeners[: len(packed)] = packed
        return homeless

    def set_entries(self, name: str, entries: Mapping[bytes, int]) -> None:
        """Make a map ("access4", "access6") hold these entries and no others. Raises OSError (the map is full)."""
        self._ask_always(name)
        written = self._written.setdefault(name, {})
        for key in [each for each in written if each not in entries]:
            _bpf.delete(self._descriptors[name], key)
            del written[key]
        for key, value in entries.items():
            if written.get(key) != value:
                _bpf.update(self._descriptors[name], key, value.to_bytes(4, "little"))
                written[key] = value
        for listener, bits in allowed_bits(entries).items():
            self._allow_at_sight(name, listener, bits)

    def counts(self) -> dict[tuple[int, Count], int]:
        """What was counted since the program was loaded, by listener and kind; the processors added up."""
        sums = dict.fromkeys(itertools.product(range(LISTENERS), Count), 0)
        for row, values in enumerate(_COUNTS.iter_unpack(self._counts[: self._count_size])):
            for count in Count:
                sums[row % LISTENERS, count] += values[count]
        return sums

    def _put(self, slot: bytes) -> None:
        other = 1 - (self._state[active_offset()] & 1)
        self._state[slot_offset(other) : slot_offset(other) + len(slot)] = slot
        self._state[active_offset()] = other

    def _ask_always(self, name: str) -> None:
        """Nothing is allowed at sight from now on."""
        for listener in range(LISTENERS):
            self._allow_at_sight(name, listener, bytes(ALLOWED_OCTETS))

    def _allow_at_sight(self, name: str, listener: int, bits: bytes) -> None:
        at = allowed_offset(listener, _VERSIONS[name])
        self._allowed[at : at + ALLOWED_OCTETS] = bits

    def _clear(self, name: str) -> None:
        self._ask_always(name)
        fd = self._descriptors[name]
        key_size = _bpf.map_info(fd).key_size
        while (key := _bpf.next_key(fd, None, key_size)) is not None:
            _bpf.delete(fd, key)
        self._written.pop(name, None)


def nothing_pinned(directory: Path = PINS) -> str:
    """Why no maps can be opened, as far as a look shows it; empty where there are some, or where we may not look."""
    try:
        return "" if (directory / "state").exists() else _explain(OSError(errno.ENOENT, ""), directory)
    except PermissionError:
        return ""


def _open_all(directory: Path) -> dict[str, int]:
    opened: dict[str, int] = {}
    with contextlib.ExitStack() as undo:
        for name in MAPS:
            opened[name] = _bpf.open_pin(directory / name)
            undo.callback(os.close, opened[name])
        undo.pop_all()
    return opened


def _explain(error: OSError, directory: Path) -> str:
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return _explain_absence(directory)
        case errno.EADDRINUSE:
            return f"another process uses the maps in {directory}"
        case errno.EACCES:
            return f"the permissions of {directory} keep this user out: `stratum1 xdp attach --group` names the daemon's group"
        case errno.EPERM:
            return (
                "bpf(2) is forbidden: by the sandbox (install the drop-in xdp.conf of stratum1.service), or by a kernel before 5.19 "
                "with kernel.unprivileged_bpf_disabled"
            )
        case errno.ENOSYS:
            return f"bpf(2) is not there: {error.strerror}"
        case _:
            return f"{directory}: {error.strerror or error}"


def _explain_absence(directory: Path) -> str:
    if (directory / "state").exists():
        return f"the program whose maps are in {directory} is of another version: restart stratum1-xdp.service"
    return f"nothing is pinned in {directory}: no program is attached (start stratum1-xdp.service, or `stratum1 xdp attach` as root)"

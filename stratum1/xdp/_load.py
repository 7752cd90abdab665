"""Brings the compiled program into the kernel and attaches it to interfaces. For root; what is made lasts in pins until it is detached."""

import errno
import grp
import os
import socket
from dataclasses import dataclass, replace
from pathlib import Path

from . import _bpf
from ._host import allow_through, mount_bpf, napi_is_threaded
from ._layout import INTERFACES, LISTENERS, WAYS
from ._maps import MAPS, PINS, Attached, Maps, Mode, XdpError
from ._object import ObjectError, read_object

__all__ = ["DEFAULT_SLOTS", "OBJECT", "Standing", "attach", "detach", "load", "run_times", "standing"]

OBJECT = Path(__file__).resolve().parent.parent / "_xdp_ntp.o"
"""The compiled program, where the build had clang."""
DEFAULT_SLOTS = 1 << 16
_PROGRAM = "program"
_LINK = "link-"
_FLAGS = {Mode.NATIVE: 1 << 2, Mode.GENERIC: 1 << 1}
_CHOICES = {"auto": (Mode.NATIVE, Mode.GENERIC), "native": (Mode.NATIVE,), "generic": (Mode.GENERIC,)}


@dataclass(frozen=True, slots=True)
class Standing:
    """How the program stands in one interface. reason: why not in native mode, or what spoils it; empty if there is nothing to say."""

    interface: str
    mode: Mode | None
    reason: str = ""
    threaded: bool = False


def load(file: Path = OBJECT, slots: int = DEFAULT_SLOTS) -> tuple[int, dict[str, int]]:
    """The program's descriptor and those of its maps by name. slots: addresses that the rate limit holds. Raises XdpError."""
    try:
        program = read_object(file.read_bytes())
    except FileNotFoundError:
        raise XdpError(f"{file} is not there: the package was built without clang (STRATUM1_XDP=require makes that an error)") from None
    except (OSError, ObjectError) as error:
        raise XdpError(f"{file}: {error}") from error
    processors = (os.cpu_count() or 1) if (possible := _possible_processors()) is None else possible
    entries = {"counts": processors * LISTENERS, "limits": slots // WAYS}
    maps: dict[str, int] = {}
    try:
        for name, shape in program.maps.items():
            maps[name] = _bpf.create_map(f"s1_{name}", replace(shape, entries=entries.get(name, shape.entries)))
        return _bpf.load_program(program.name, program.with_maps(maps), program.licence), maps
    except OSError as error:
        for fd in maps.values():
            os.close(fd)
        hint = ": this needs root (CAP_BPF and CAP_NET_ADMIN)" if error.errno == errno.EPERM else ""
        raise XdpError(f"the kernel does not take the program: {error.strerror}{hint}") from error


def attach(
    interfaces: tuple[str, ...], group: str | None, mode: str = "auto", slots: int = DEFAULT_SLOTS, directory: Path = PINS
) -> list[Standing]:
    """Load the program anew and put it into interfaces; what a former call had attached is taken away.

    group: whose members may use the maps; None: root only. mode: "auto", "native", "generic". Raises XdpError if it stands
    nowhere in the end.
    """
    if not 1 <= len(interfaces) <= INTERFACES:
        raise XdpError(f"1 to {INTERFACES} interfaces are expected, not {len(interfaces)}")
    gid = _group(group)
    program, maps = load(slots=slots)
    try:
        detach(directory)
        _prepare(directory, gid)
        for name, fd in (*maps.items(), (_PROGRAM, program)):
            _bpf.pin(fd, directory / name)
            os.chown(directory / name, 0, gid)
            os.chmod(directory / name, 0o660 if name != _PROGRAM else 0o600)
        found = [_attach_one(program, name, _CHOICES[mode], directory) for name in interfaces]
        opened = Maps({name: os.dup(fd) for name, fd in maps.items()})
        opened.set_layout()
        opened.set_interfaces(tuple(Attached(socket.if_nametoindex(each.interface), each.mode) for each in found if each.mode is not None))
        opened.close()
    except OSError as error:
        detach(directory)
        raise XdpError(f"{error.filename or directory}: {error.strerror or error}") from error
    finally:
        for fd in (program, *maps.values()):
            os.close(fd)
    if all(each.mode is None for each in found):
        detach(directory)
        raise XdpError("; ".join(f"{each.interface}: {each.reason}" for each in found))
    return found


def detach(directory: Path = PINS) -> bool:
    """Take the program out of all interfaces and forget its maps. Returns whether there was anything. Raises XdpError."""
    try:
        if not directory.is_dir():
            return False
        for entry in directory.iterdir():
            if entry.name.startswith(_LINK):
                _let_go(entry)
            entry.unlink()
        directory.rmdir()
    except OSError as error:
        raise XdpError(f"{directory}: {error.strerror}") from error
    return True


def _let_go(entry: Path) -> None:
    link = _pinned(entry.parent, entry.name)
    try:
        _bpf.detach_link(link)
    except OSError as error:
        raise XdpError(f"{entry}: {error.strerror}") from error
    finally:
        os.close(link)


def standing(directory: Path = PINS) -> list[Standing]:
    """Where it stands now. Raises XdpError."""
    maps = Maps({name: _pinned(directory, name) for name in MAPS})
    try:
        known = {each.index: each.mode for each in maps.interfaces()}
    finally:
        maps.close()
    return [_standing(entry, known) for entry in sorted(directory.iterdir()) if entry.name.startswith(_LINK)]


def run_times(directory: Path = PINS) -> tuple[int, int]:
    """How often the program ran and for how many ns in all; 0 while kernel.bpf_stats_enabled is 0. Raises XdpError."""
    program = _pinned(directory, _PROGRAM)
    try:
        lines = Path(f"/proc/self/fdinfo/{program}").read_text(encoding="ascii").splitlines()
    finally:
        os.close(program)
    fields = dict(line.split(":", 1) for line in lines)
    return int(fields.get("run_cnt", "0")), int(fields.get("run_time_ns", "0"))


def _standing(entry: Path, known: dict[int, Mode]) -> Standing:
    name = entry.name.removeprefix(_LINK)
    link = _pinned(entry.parent, entry.name)
    try:
        index = _bpf.link_interface(link)
    finally:
        os.close(link)
    if index == 0:
        return Standing(name, None, "the interface went away after it was attached: restart stratum1-xdp.service")
    threaded = napi_is_threaded(name)
    return Standing(name, known.get(index), _threaded_reason(name) if threaded else "", threaded)


def _pinned(directory: Path, name: str) -> int:
    try:
        return _bpf.open_pin(directory / name)
    except OSError as error:
        raise XdpError(f"{directory / name}: {error.strerror} (not attached, or not root)") from error


def _attach_one(program: int, name: str, modes: tuple[Mode, ...], directory: Path) -> Standing:
    try:
        index = socket.if_nametoindex(name)
    except OSError:
        return Standing(name, None, "there is no such interface")
    reasons: list[str] = []
    for mode in modes:
        try:
            link = _bpf.attach_xdp(program, index, _FLAGS[mode])
        except OSError as error:
            reasons.append(f"no {mode} mode: {_attach_reason(error)}")
            continue
        try:
            _bpf.pin(link, directory / f"{_LINK}{name}")
        finally:
            os.close(link)
        threaded = napi_is_threaded(name)
        return Standing(name, mode, "; ".join([*reasons, *([_threaded_reason(name)] if threaded else [])]), threaded)
    return Standing(name, None, "; ".join(reasons))


def _attach_reason(error: OSError) -> str:
    match error.errno:
        case errno.EBUSY | errno.EEXIST:
            return "another XDP program is attached (`ip link show` names it)"
        case errno.EOPNOTSUPP:
            return "the driver has none"
        case _:
            return error.strerror or str(error)


def _threaded_reason(name: str) -> str:
    return f"NAPI runs in a thread, which spoils the stamps: echo 0 > /sys/class/net/{name}/threaded"


def _group(name: str | None) -> int:
    if name is None:
        return 0
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise XdpError(f"there is no group {name}") from None


def _prepare(directory: Path, gid: int) -> None:
    mount_bpf(directory.parent)
    directory.mkdir(mode=0o750)
    os.chown(directory, 0, gid)
    if gid:
        allow_through(directory.parent, gid)


def _possible_processors() -> int | None:
    """Numbers of processors that may ever be there: "0-3"."""
    try:
        text = Path("/sys/devices/system/cpu/possible").read_text(encoding="ascii").strip()
        return int(text.rpartition("-")[2].rpartition(",")[2]) + 1
    except (OSError, ValueError):
        return None

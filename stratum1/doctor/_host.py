"""The host as the checks see it: files below a root, users, time and devices; all of it read-only, so that a test can build one."""

import os
import platform
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from stratum1.clock import Timex, read_timex
from stratum1.pps import PpsProbe, probe_device
from stratum1.timescale import UtcNs

__all__ = ["Host", "Space", "Who", "package_versions"]

_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Who:
    """A user with groups and effective capabilities (bits of linux/capability.h), as far as files tell."""

    name: str
    uid: int
    groups: frozenset[int]
    capabilities: int = 0

    def has(self, capability: int) -> bool:
        """Whether the capability of that number is in effect."""
        return bool(self.capabilities >> capability & 1)


@dataclass(frozen=True, slots=True)
class Space:
    """A file system: bytes that an ordinary user may still write, and whether it may be written at all."""

    free: int
    read_only: bool


def _now() -> UtcNs:
    return UtcNs(time.clock_gettime_ns(time.CLOCK_REALTIME))


def _space(path: Path) -> Space:
    found = os.statvfs(path)
    return Space(found.f_bavail * found.f_frsize, bool(found.f_flag & os.ST_RDONLY))


def package_versions(distribution: str = "stratum1") -> tuple[tuple[str, str, str | None], ...]:
    """Name, requirement (">=3.11") and installed version of what the distribution needs at run time; empty if it is not installed."""
    try:
        required = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return ()
    found = []
    for line in required:
        requirement, _, marker = line.partition(";")
        if "extra" in marker:
            continue
        name = requirement.strip()
        for index, char in enumerate(name):
            if not (char.isalnum() or char in "-_."):
                name = name[:index]
                break
        try:
            version: str | None = metadata.version(name)
        except metadata.PackageNotFoundError:
            version = None
        found.append((name, requirement.strip()[len(name) :].strip(" ()"), version))
    return tuple(found)


@dataclass(frozen=True)
class Host:
    """root: what stands for "/". The other fields are the host's own answers, which a test replaces.

    now: the time of day. timex: the kernel clock's state. probe: looks at a PPS device for some seconds. space: of a file system.
    """

    root: Path = Path("/")
    now: Callable[[], UtcNs] = _now
    timex: Callable[[], Timex] = read_timex
    probe: Callable[[str], PpsProbe] = probe_device
    space: Callable[[Path], Space] = _space
    packages: Callable[[], tuple[tuple[str, str, str | None], ...]] = package_versions
    python: tuple[int, int, int] = field(default_factory=lambda: sys.version_info[:3])
    machine: str = field(default_factory=platform.machine)
    kernel: str = field(default_factory=platform.release)

    def at(self, path: str) -> Path:
        """Where an absolute path of the host really lies."""
        return self.root / path.lstrip("/")

    def read(self, path: str) -> str | None:
        """A text file's content without NULs and blanks at its end, None where it can't be read."""
        try:
            with self.at(path).open("rb") as file:
                return file.read(_MOST_BYTES).decode("utf-8", "replace").replace("\0", " ").rstrip()
        except OSError:
            return None

    def exists(self, path: str) -> bool:
        """Whether there is something, or a link to something."""
        return self.stat(path) is not None

    def stat(self, path: str) -> os.stat_result | None:
        """Status behind links, None where there is nothing or it is hidden from us."""
        try:
            return self.at(path).stat()
        except (OSError, ValueError):
            return None

    def link(self, path: str) -> str | None:
        """What a symbolic link says, None if it is none."""
        try:
            return str(self.at(path).readlink())
        except OSError:
            return None

    def real(self, path: str) -> str:
        """The path with its links followed, as long as they stay below the root."""
        resolved, root = Path(os.path.realpath(self.at(path))), Path(os.path.realpath(self.root))
        return f"/{resolved.relative_to(root)}" if resolved.is_relative_to(root) else str(resolved)

    def names(self, folder: str, pattern: str = "*") -> tuple[str, ...]:
        """Names in a folder that match, sorted; none where it can't be read."""
        try:
            return tuple(sorted(entry.name for entry in self.at(folder).glob(pattern)))
        except OSError:
            return ()

    def caller(self) -> Who:
        """Who asks: the process that runs these checks."""
        return self.who_runs("/proc/self") or Who("nobody", 65534, frozenset({65534}))

    def who_runs(self, folder: str) -> Who | None:
        """The user of a process, from its folder in /proc."""
        text = self.read(f"{folder}/status")
        if text is None:
            return None
        rows = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        try:
            uid, gid = int(rows["Uid"].split()[1]), int(rows["Gid"].split()[1])
            groups = frozenset({gid, *map(int, rows.get("Groups", "").split())})
            return Who(self.user_name(uid), uid, groups, int(rows.get("CapEff", "0"), 16))
        except (KeyError, ValueError, IndexError):
            return None

    def user(self, name: str) -> Who | None:
        """A user of /etc/passwd with the groups of /etc/group."""
        for row in self._rows("/etc/passwd", 4):
            if row[0] == name and row[2].isdecimal() and row[3].isdecimal():
                groups = {int(other[2]) for other in self._rows("/etc/group", 4) if name in other[3].split(",") and other[2].isdecimal()}
                return Who(name, int(row[2]), frozenset({int(row[3]), *groups}))
        return None

    def user_name(self, uid: int) -> str:
        """The name of a user, or "uid 1000"."""
        return next((row[0] for row in self._rows("/etc/passwd", 3) if row[2] == str(uid)), f"uid {uid}")

    def group_name(self, gid: int) -> str:
        """The name of a group, or "gid 1000"."""
        return next((row[0] for row in self._rows("/etc/group", 3) if row[2] == str(gid)), f"gid {gid}")

    def group_id(self, name: str) -> int | None:
        """The number of a group, None if there is none."""
        return next((int(row[2]) for row in self._rows("/etc/group", 3) if row[0] == name and row[2].isdecimal()), None)

    def may(self, who: Who, path: str, want: int) -> bool:
        """Whether the mode bits let `who` do `want` (bits 4 read, 2 write, 1 search), folders on the way included; root may all."""
        if who.uid == 0:
            return True
        parents = [str(parent) for parent in reversed(Path(path).parents)]
        return all(self._allows(who, folder, 1) for folder in parents) and self._allows(who, path, want)

    def _allows(self, who: Who, path: str, want: int) -> bool:
        status = self.stat(path)
        if status is None:
            return False
        shift = 6 if status.st_uid == who.uid else 3 if status.st_gid in who.groups else 0
        return stat.S_IMODE(status.st_mode) >> shift & want == want

    def _rows(self, path: str, columns: int) -> list[list[str]]:
        text = self.read(path) or ""
        return [row for line in text.splitlines() if len(row := line.split(":")) >= columns]

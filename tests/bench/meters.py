"""What a server costs while it is asked: CPU of its processes, of a whole core, memory."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CoreMeter", "children", "cpu_ns", "resident_mb", "threads_ns"]

_TICK_NS = 1e9 / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """The process and all that came of it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents.setdefault(int(entry.read_text().rpartition(")")[2].split()[1]), []).append(int(entry.parent.name))
        except OSError:
            continue  # gone meanwhile
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found


def cpu_ns(pid: int) -> int:
    """CPU time of a process, its threads and its descendants so far, ns (schedstat: as the scheduler counted it, not sampled)."""
    total = 0
    for each in children(pid):
        for task in Path(f"/proc/{each}/task").glob("*/schedstat"):
            try:
                total += int(task.read_text().split()[0])
            except OSError:
                continue
    return total


def threads_ns(name: str) -> int:
    """CPU time of the kernel threads whose name begins so, ns."""
    total = 0
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text().startswith(name):
                total += int((comm.parent / "schedstat").read_text().split()[0])
        except OSError:
            continue
    return total


def resident_mb(pid: int) -> float:
    """Resident memory of a process and its descendants, MB of 10^6 octets; pages that they share count for each."""
    total = 0
    for each in children(pid):
        lines = Path(f"/proc/{each}/status").read_text().splitlines()
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))
    return total / 1e6


@dataclass(frozen=True, slots=True)
class CoreMeter:
    """A reading of one core: everything that runs there but the idle loop is busy."""

    core: int
    at: float
    idle_ns: float

    @classmethod
    def read(cls, core: int) -> "CoreMeter":
        """Now."""
        for line in Path("/proc/stat").read_text().splitlines():
            if line.startswith(f"cpu{core} "):
                fields = line.split()
                return cls(core, time.monotonic(), (int(fields[4]) + int(fields[5])) * _TICK_NS)
        raise SystemExit(f"there is no core {core}")

    def busy_ns(self) -> float:
        """Since then."""
        now = CoreMeter.read(self.core)
        return max(0.0, (now.at - self.at) * 1e9 - (now.idle_ns - self.idle_ns))

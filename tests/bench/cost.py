"""What the daemon costs: CPU and memory of `stratum1 run --simulate`, locked, page closed, and how its memory grows.

python tests/bench/cost.py [--seconds S] [--json]; an hour (--seconds 3600) is needed to see growth.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from testkit.daemon import started

_TICKS = os.sysconf("SC_CLK_TCK")
_GOALS = {"cpu_percent": 1.0, "resident_mb": 100.0}


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its threads so far (proc(5), /proc/PID/stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_mb(pid: int) -> float:
    """Resident memory, MB of 10^6 octets."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024 / 1e6


def measure(seconds: float) -> dict[str, float]:
    """Run a daemon for so long after its lock, touching nothing of it."""
    with tempfile.TemporaryDirectory() as name, started(Path(name)) as daemon:
        daemon.await_lock("locked", within=60)
        pid = daemon.process.pid
        begun, used = time.monotonic(), cpu_seconds(pid)
        sizes = [(0.0, resident_mb(pid))]
        while (elapsed := time.monotonic() - begun) < seconds:
            time.sleep(min(10.0, seconds - elapsed))
            sizes.append((time.monotonic() - begun, resident_mb(pid)))
        return {
            "seconds": time.monotonic() - begun,
            "cpu_percent": 100 * (cpu_seconds(pid) - used) / (time.monotonic() - begun),
            "resident_mb": sizes[-1][1],
            "growth_mb_per_hour": _slope(sizes[len(sizes) // 4 :]) * 3600,
        }


def _slope(points: list[tuple[float, float]]) -> float:
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.seconds)
    if options.json:
        print(json.dumps(found))
        return
    print(f"stratum1 run --simulate, locked, page closed, {found['seconds']:.0f} s")
    for name, unit in (("cpu_percent", "% of a core"), ("resident_mb", "MB"), ("growth_mb_per_hour", "MB an hour")):
        goal = f"goal: under {_GOALS[name]:g}" if name in _GOALS else "(start-up effects until an hour has passed)"
        print(f"  {name:20} {found[name]:8.2f} {unit:12} {goal}")


if __name__ == "__main__":
    main()

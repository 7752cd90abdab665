"""Put the host's clock back after a test has bent it: on the way out, and by a watchdog process if there is no way out.

What the time would have been is known from CLOCK_MONOTONIC_RAW, which nobody can set. Run as a program this is the watchdog:
it restores when its standard input ends (its parent is gone) or at its deadline, unless it has been told that all is well.
"""

import atexit
import fcntl
import json
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from stratum1.clock import read_timex
from stratum1.clock._host import bracket
from stratum1.clock._timex import Adj, Sta, Timex, adjust, timex_rate

LOCK = Path(tempfile.gettempdir()) / "stratum1-host-clock.lock"
_WRITABLE = 0x00FF
_ADJ_MICRO = 0x1000
_GOOD_ENOUGH_NS = 20_000


@dataclass(frozen=True, slots=True)
class Saved:
    """The host's clock before the test: where it was, and how it ran."""

    raw_ns: int
    real_ns: int
    freq: int
    tick: int
    status: int
    maxerror: int
    esterror: int
    tai: int

    def real_at(self, raw_ns: int) -> int:
        """What the clock would have shown if nobody had touched it."""
        elapsed = raw_ns - self.raw_ns
        return self.real_ns + elapsed + round(elapsed * timex_rate(self.tick, self.freq))

    def error_ns(self) -> int:
        """How far the clock is off that now."""
        pair = bracket(time.CLOCK_MONOTONIC_RAW, time.CLOCK_REALTIME)
        return pair.inner - self.real_at(pair.outer)


def capture() -> Saved:
    """Raises AssertionError where another program steers the clock: then it is not ours to play with."""
    state = read_timex()
    assert not state.status & (Sta.PLL | Sta.FLL | Sta.PPSFREQ | Sta.PPSTIME), "the kernel's own discipline is on"
    pair = bracket(time.CLOCK_MONOTONIC_RAW, time.CLOCK_REALTIME)
    return Saved(pair.outer, pair.inner, state.freq, state.tick, state.status, state.maxerror, state.esterror, state.tai)


def restore(saved: Saved) -> int:
    """Rate first, then time, then status; returns the error that is left, ns. Doing it twice, even at once, is harmless."""
    clock = time.CLOCK_REALTIME
    with _exclusive(LOCK.with_suffix(".restore")):
        adjust(clock, Timex(Adj.TICK | Adj.FREQUENCY, tick=saved.tick, freq=saved.freq))
        for _ in range(5):
            error = saved.error_ns()
            if abs(error) <= _GOOD_ENOUGH_NS:
                break
            whole, fraction = divmod(-error, 1_000_000_000)
            adjust(clock, Timex(Adj.SETOFFSET | Adj.NANO, time_sec=whole, time_frac=fraction))
        modes = Adj.STATUS | Adj.MAXERROR | Adj.ESTERROR | Adj.TAI
        modes |= Adj.NANO if saved.status & Sta.NANO else _ADJ_MICRO
        values = Timex(modes, status=saved.status & _WRITABLE, maxerror=saved.maxerror, esterror=saved.esterror, constant=saved.tai)
        adjust(clock, values)
        return saved.error_ns()


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Guard:
    """Inside it the host's clock may be bent; leaving it, by whatever way, puts it back."""

    def __init__(self, deadline: float) -> None:
        """deadline: seconds after which the watchdog restores in any case."""
        self._deadline = deadline

    def __enter__(self) -> Self:
        self._lock = LOCK.open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.saved = capture()
        self._watchdog = subprocess.Popen(
            [sys.executable, __file__, json.dumps(asdict(self.saved)), str(self._deadline)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._watchdog.stdout is not None
        assert self._watchdog.stdout.readline() == b"ready\n", "no watchdog, no test"
        atexit.register(restore, self.saved)
        self._handlers = {number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGHUP)}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.left_ns = restore(self.saved)
        assert abs(self.left_ns) < 1_000_000, f"the clock is {self.left_ns} ns off after the restore"
        atexit.unregister(restore)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._watchdog.communicate(b"done\n", timeout=30)
        self._lock.close()
        assert self._watchdog.returncode == 0, "the watchdog had to restore the clock, or could not"


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _watch(saved: Saved, deadline: float) -> int:
    """0 when told that all is well and it is; 1 when it had to restore."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    readable = select.select([sys.stdin], [], [], deadline)[0]
    if readable and sys.stdin.readline() == "done\n" and abs(saved.error_ns()) < 1_000_000:
        return 0
    restore(saved)
    return 1


if __name__ == "__main__":
    sys.exit(_watch(Saved(**json.loads(sys.argv[1])), float(sys.argv[2])))

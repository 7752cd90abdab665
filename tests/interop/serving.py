"""Runs our Python data plane on a made-up locked state until its standard input ends; then prints what it counted.

A process of its own, so that a test can put it into a network namespace and a benchmark can weigh it alone. Its time is that of
the host plus --ahead seconds, so that a client which reports the offset shows that it took the time from us.
"""

import argparse
import json
import sys
import time

from stratum1.interchange import KernelClockId, Leap, LockState, Mapping, TimeState
from stratum1.server import Counters, Server, StateCell, parse_listen
from stratum1.timescale import NS, UtcNs, ns_from_seconds


def locked(ahead: float, leap: Leap) -> TimeState:
    """Locked to GPS, `ahead` seconds ahead of this host's REALTIME, good for an hour."""
    now = time.clock_gettime_ns(time.CLOCK_REALTIME)
    served = UtcNs(now + ns_from_seconds(ahead))
    return TimeState(
        state=LockState.LOCKED,
        in_specification=True,
        leap=leap,
        leap_plan=None,
        stratum=1,
        refid=b"GPS\0",
        precision=-23,
        root_delay=0.0,
        error_bound=2e-6,
        bound_at=served,
        bound_rate=15e-6,
        reference_time=UtcNs(served - NS),
        valid_until=UtcNs(served + 3600 * NS),
        realtime=Mapping(0, KernelClockId.REALTIME, now, served, 0.0),
        monotonic=None,
    )


def main() -> None:
    """Serve until the end of standard input."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("listen", nargs="+", type=parse_listen)
    arguments.add_argument("--ahead", type=float, default=0.0, help="seconds")
    arguments.add_argument("--leap", type=lambda text: Leap(int(text)), default=Leap.NONE, help="0 to 3")
    chosen = arguments.parse_args()
    server = Server(chosen.listen, StateCell(locked(chosen.ahead, chosen.leap)))
    server.start()
    print("ready", flush=True)
    started = time.process_time()
    sys.stdin.read()
    cpu = time.process_time() - started
    server.stop()
    counted = sum(server.counters().values(), Counters())
    print(json.dumps({"received": counted.received, "accepted": counted.accepted, "by_version": counted.by_version, "cpu": cpu}))


if __name__ == "__main__":
    main()

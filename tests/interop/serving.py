"""Runs our Python data plane on a made-up locked state until its standard input ends; then prints what it counted.

A process of its own, so that a test can put it into a network namespace and a benchmark can weigh it alone. Its time is that of
the host plus --ahead seconds, so that a client which reports the offset shows that it took the time from us.
"""

import argparse
import json
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from stratum1.config import RateLimitConfig
from stratum1.interchange import Leap
from stratum1.server import DataPlane, Server, StateCell, parse_listen
from stratum1.server.service import ServiceSettings
from stratum1.serving import rate_limit, read_keys
from stratum1.timescale import ns_from_seconds

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from testkit.counting import total
from testkit.served import locked_now


def renew(cell: StateCell, ahead: float, leap: Leap) -> None:
    """Publish the state anew as often as the daemon does: what is served holds for a while only."""
    while True:
        time.sleep(0.125)
        cell.publish(locked_now(ns_from_seconds(ahead), leap=leap))


def settings(keys: Path | None, limit: str) -> ServiceSettings:
    """What all listeners share. limit: INTERVAL,BURST,LEAK,KOD as in [rate-limit], or empty."""
    known = read_keys(keys)[0] if keys else {}
    if not limit:
        return ServiceSettings(known, hash_seed=7)
    interval, burst, leak, kod = limit.split(",")
    asked = RateLimitConfig(interval=float(interval), burst=int(burst), leak=float(leak), kod=float(kod))
    return ServiceSettings(known, rate_limit(asked), hash_seed=7)


def main() -> None:
    """Serve until the end of standard input."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("listen", nargs="+", type=parse_listen)
    arguments.add_argument("--ahead", type=float, default=0.0, help="seconds")
    arguments.add_argument("--leap", type=lambda text: Leap(int(text)), default=Leap.NONE, help="0 to 3")
    arguments.add_argument("--plane", type=DataPlane, default=DataPlane.PYTHON)
    arguments.add_argument("--keys", type=Path, help="file of symmetric keys")
    arguments.add_argument("--rate-limit", default="", metavar="INTERVAL,BURST,LEAK,KOD")
    chosen = arguments.parse_args()
    cell = StateCell(locked_now(ns_from_seconds(chosen.ahead), leap=chosen.leap))
    listeners = [replace(each, data_plane=chosen.plane) for each in chosen.listen]
    server = Server(listeners, cell, settings(chosen.keys, chosen.rate_limit))
    server.start()
    threading.Thread(target=renew, args=(cell, chosen.ahead, chosen.leap), daemon=True).start()
    print("ready", flush=True)
    started = time.process_time()
    sys.stdin.read()
    cpu = time.process_time() - started
    reports = server.reports()
    server.stop()
    counted = total(server)
    print(
        json.dumps(
            {
                "received": counted.received,
                "accepted": counted.accepted,
                "interleaved": counted.interleaved,
                "by_version": counted.by_version,
                "by_reason": {reason: count for reason, count in counted.by_reason.items() if count},
                "by_response": {response: count for response, count in counted.by_response.items() if count},
                "by_protection": counted.by_protection,
                "transmit_stamps": counted.kernel_transmit_stamps + counted.hardware_transmit_stamps,
                "daemon_receive_stamps": counted.daemon_receive_stamps,
                "planes": [each.plane.name for each in reports],
                "fell_back": [each.reason for each in reports if each.fell_back],
                "send_delays": [each.plane.send_delay for each in reports],
                "cpu": cpu,
            }
        )
    )


if __name__ == "__main__":
    main()

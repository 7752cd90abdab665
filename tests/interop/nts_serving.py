"""Runs our server with NTS on a made-up locked state: key establishment at 127.0.0.1:4460, time at 127.0.0.1:123.

A line on standard input rotates the master key so many times; its end ends it. Then what was counted is printed.
"""

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

from stratum1.nts.ke_server import KePolicy
from stratum1.ntske import KeSettings, KeyEstablishment
from stratum1.server import Server, StateCell, parse_listen
from stratum1.timescale import UtcNs, from_rfc3339, ns_from_seconds

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from testkit.counting import total
from testkit.served import locked_now


def main() -> None:
    """Serve until the end of standard input."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("directory", type=Path)
    arguments.add_argument("--ahead", type=float, default=0.0, help="seconds")
    arguments.add_argument("--aeads", type=lambda text: tuple(map(int, text.split(","))), default=(15, 30, 17, 16))
    arguments.add_argument("--tls", default="auto")
    chosen = arguments.parse_args()
    server = Server([parse_listen("127.0.0.1:123")], StateCell(locked_now(ns_from_seconds(chosen.ahead))))
    server.start()
    now = UtcNs(time.clock_gettime_ns(time.CLOCK_REALTIME))
    settings = KeSettings(
        "127.0.0.1", 4460, chosen.directory, from_rfc3339("2026-11-24"), policy=KePolicy(aeads=chosen.aeads), backend=chosen.tls
    )
    told: list[str] = []
    keys = KeyEstablishment(
        settings, lambda _alarm, text: told.append(text), lambda ring: server.configure(replace(server.service, nts=ring)), now
    )
    server.configure(replace(server.service, nts=keys.ring))
    keys.start(now, now)
    print("ready", flush=True)
    for line in sys.stdin:
        for _ in range(int(line)):
            keys.rotate(now)
        print("rotated", flush=True)
    report = keys.report()
    keys.stop()
    server.stop()
    counted = total(server)
    print(
        json.dumps(
            {
                "nts_accepted": counted.nts_accepted,
                "nts_nak": counted.nts_nak,
                "reasons": {str(reason): count for reason, count in counted.by_reason.items()},
                "outcomes": {outcome.value: count for outcome, count in report.counters.outcomes.items() if count},
                "aeads": report.counters.aeads,
                "told": told,
            }
        )
    )


if __name__ == "__main__":
    main()

"""A server with data-plane "xdp" on a made-up locked state at [::]:123, without a daemon around it: does what it is told by standard
input, a word a line, and answers each with a line of JSON: what it counted, and what it says of its listener.
"""

import json
import sys
import threading
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from stratum1.interchange import Leap, TimeState
from stratum1.server import DataPlane, Server, StateCell, parse_listen
from stratum1.server.service import AccessAction, AccessRule, ListenerSettings, RateLimit, ServiceSettings
from stratum1.timescale import NS

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from testkit.served import locked_now, monotonic_now

_REFUSED = ListenerSettings(access=(AccessRule(ip_network("10.9.0.0/24"), AccessAction.DENY),))
_LIMITED = ServiceSettings(rate_limit=RateLimit(interval_ns=1 << 33, burst=3, leak=0, kiss=0))


def state() -> TimeState:
    """Locked to GPS on the host's own time, good for two seconds."""
    return locked_now(lasting_ns=2 * NS, monotonic=monotonic_now())


def main() -> None:
    """Serve until the end of standard input."""
    cell = StateCell(state())
    server = Server([replace(parse_listen("[::]:123"), data_plane=DataPlane.XDP)], cell)
    server.start()
    lock = threading.Lock()
    known, stopped = True, threading.Event()

    def publish() -> None:
        while not stopped.wait(0.1):
            with lock:
                cell.publish(state() if known else replace(state(), leap=Leap.UNKNOWN, stratum=16))

    publisher = threading.Thread(target=publish)
    publisher.start()
    print(json.dumps(picture(server)), flush=True)
    for line in sys.stdin:
        with lock:
            match line.strip():
                case "deny":
                    server.configure(server.service, [_REFUSED])
                case "limit":
                    server.configure(_LIMITED, [ListenerSettings()])
                case "open":
                    server.configure(ServiceSettings(), [ListenerSettings()])
                case "doubt" | "know" as word:
                    known = word == "know"
                    cell.publish(state() if known else replace(state(), leap=Leap.UNKNOWN, stratum=16))
                case "stop":
                    server.stop()
        print(json.dumps(picture(server)), flush=True)
    stopped.set()
    publisher.join()
    server.stop()


def picture(server: Server) -> dict[str, Any]:
    """What there is to see of it."""
    records: dict[str, int] = {}
    for counted in server.counters().values():
        for record, number in counted.records.items():
            name = f"{record.reason}/{record.response}"
            records[name] = records.get(name, 0) + number
    (report,) = server.reports()
    return {"records": records, "plane": report.plane.name, "notes": list(report.plane.notes), "reason": str(report.reason)}


if __name__ == "__main__":
    main()

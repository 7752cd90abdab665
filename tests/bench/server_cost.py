"""What a plain request costs the Python data plane: CPU of the whole server process, and what a client on loopback waits.

Two rows: requests one by one with a short rest after each, which is what the server of a house or a site sees (the figure holds
the wake-up of a sleeping thread), and in bursts, where the thread finds the next request waiting, as under load. The client and
the server share the machine, and few requests are sent: this compares versions of ours, not servers.
"""

import argparse
import json
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from stratum1.ntp import Mode, Packet, parse
from stratum1.timescale import NtpTimestamp

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from testkit.loopback import free_port

SERVING = Path(__file__).resolve().parent.parent / "interop" / "serving.py"
REQUEST = Packet(4, Mode.CLIENT, precision=32, transmit=NtpTimestamp(1)).to_bytes()


def waits(port: int, requests: int, burst: int, rest: float) -> list[float]:
    """Seconds from sending each burst to its last reply."""
    waited = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.connect(("127.0.0.1", port))
        for _ in range(requests // burst):
            began = time.perf_counter()
            for _ in range(burst):
                client.send(REQUEST)
            for _ in range(burst):
                reply = client.recv(100)
            waited.append(time.perf_counter() - began)
            time.sleep(rest)
    if parse(reply).stratum != 1:
        raise SystemExit("the server did not serve stratum 1")
    return waited


def measure(requests: int, burst: int, rest: float) -> dict[str, float]:
    """One round: CPU a request and time from a burst to its last reply, in microseconds."""
    port = free_port(socket.SOCK_DGRAM)
    with subprocess.Popen(
        [sys.executable, str(SERVING), f"127.0.0.1:{port}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        if server.stdout is None or server.stdout.readline() != "ready\n":
            raise SystemExit("the server did not start")
        waited = waits(port, requests, burst, rest)
        counted = json.loads(server.communicate(timeout=10)[0])
    asked = requests // burst * burst
    if counted["accepted"] != asked:
        raise SystemExit(f"{asked} requests were sent and {counted['accepted']} accepted")
    percentiles = statistics.quantiles(waited, n=100)
    return {"cpu": counted["cpu"] / asked * 1e6, "p50": percentiles[49] * 1e6, "p99": percentiles[98] * 1e6}


def main() -> None:
    """Print the medians of some rounds, a row for each way of asking."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--requests", type=int, default=2000, help="in each round")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--rest", type=float, default=2e-4, metavar="S", help="after each burst")
    arguments.add_argument("--json", action="store_true")
    chosen = arguments.parse_args()
    rows = []
    for burst in (1, 50):
        rounds = [measure(chosen.requests, burst, chosen.rest) for _ in range(chosen.rounds)]
        median = {name: round(statistics.median(one[name] for one in rounds), 1) for name in rounds[0]}
        rows.append({"plane": "python", "requests": chosen.requests, "burst": burst, "rounds": rounds, "median": median})
    if chosen.json:
        print(json.dumps(rows))
        return
    print("| data plane | requests | in bursts of | CPU a request, us | to the last reply p50, us | p99, us |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        figures = " | ".join(str(figure) for figure in row["median"].values())
        print(f"| Python, plain NTP | {chosen.rounds} x {row['requests']} | {row['burst']} | {figures} |")


if __name__ == "__main__":
    main()

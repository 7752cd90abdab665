"""The load generator in its namespace: takes orders from standard input, one JSON object a line, and answers each with one."""

import json
import sys
from ipaddress import IPv4Address
from typing import Any

from stratum1.cli.bench_load import Load, figures, served_time
from stratum1.cli.bench_nts import NtsKeys, authentic, establish, ready_requests
from stratum1.cli.bench_target import BenchTarget, frame_addresses
from stratum1.dataplane import native

_READY = 16_384


class Generator:
    """Bound to one server."""

    def __init__(self, host: str, interface: str, clients: str) -> None:
        self._crate = native()
        self._host = IPv4Address(host)
        self._frames = frame_addresses(interface, self._host)
        self._clients = IPv4Address(clients)
        self._keys: NtsKeys | None = None
        self._ready: list[bytes] = []

    def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        """One order."""
        done: dict[str, Any] = getattr(self, "do_" + order.pop("do"))(**order)
        return done

    def do_requests(
        self, mode: str, rate: float, seconds: float, addresses: int = 60_000, sample: int = 1, drain: float = 0.2, burst: int = 1
    ) -> dict[str, Any]:
        """Plain, interleaved or (after do_keys) NTS requests in an open loop."""
        ready = self._ready if mode == "ready" else []
        load = Load(mode, ready, addresses, self._clients, self._frames, sample)
        plan = {**load.plan(rate, seconds), "drain": drain, "burst": burst}
        found = figures(self._crate.load_requests(self._crate.LoadWatch(), str(self._host), 123, plan))
        kept = found.pop("kept")
        if self._keys is not None and ready:
            found |= {"checked": len(kept), "authentic": authentic(self._keys, ready, kept)}
        return found

    def do_served_time(self, rate: float, count: int, interleaved: bool) -> dict[str, Any]:
        """Error of the served time."""
        watch = self._crate.LoadWatch()
        found = self._crate.load_served_time(watch, str(self._host), 123, rate=rate, count=count, interleaved=interleaved)
        return served_time(found)

    def do_keys(self, aead: int) -> dict[str, Any]:
        """One key establishment, and requests made ready with what it gave."""
        self._keys = establish(self._crate, BenchTarget(self._host, 4460), "bench.test", aead)
        self._ready = ready_requests(self._keys, _READY)
        return {"aead": self._keys.aead.value, "octets": len(self._ready[0])}

    def do_handshakes(self, threads: int, seconds: float) -> dict[str, Any]:
        """Key establishments as fast as they go."""
        found: dict[str, Any] = self._crate.load_handshakes(
            self._crate.LoadWatch(), str(self._host), 4460, name="bench.test", aead=15, rate=float("inf"), seconds=seconds, threads=threads
        )
        return found


def main() -> None:
    """Until standard input ends."""
    generator = Generator(*sys.argv[1:])
    print("ready", flush=True)
    for line in sys.stdin:
        try:
            told = generator.obey(json.loads(line))
        except OSError as error:
            told = {"error": str(error)}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()

"""Our server as the benchmark asks it: one data plane with everything on, on this host's clock, until standard input ends.

On: rate limit (high enough not to bite: the generator's few addresses stand for many), an access list, interleaved mode, symmetric
keys, NTS and key establishment. States are published 8 times a second, as the daemon does.
"""

import argparse
import json
import secrets
import sys
import threading
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

from stratum1.interchange import TimeState
from stratum1.nts.ke_server import KePolicy
from stratum1.nts.keyring import KeyRing, MasterKey
from stratum1.ntske import KeLimits, KeListener, KeService, choose_backend, open_listener
from stratum1.ntske._cookies import cookie_sealer
from stratum1.server import Server, StateCell, parse_listen
from stratum1.server._listen import DataPlane
from stratum1.server.service import AccessAction, AccessRule, KeyKind, ListenerSettings, RateLimit, ServiceSettings, SymmetricKey
from stratum1.timescale import NS

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from testkit.served import locked_now, monotonic_now

_EVERY = 0.125


def state() -> TimeState:
    """Locked to GPS; serves CLOCK_REALTIME as it is."""
    return locked_now(lasting_ns=60 * NS, precision=-25, bound_rate=1e-6, monotonic=monotonic_now())


def settings() -> tuple[ServiceSettings, ListenerSettings]:
    """Everything on."""
    key = MasterKey(1, secrets.token_bytes(32))
    service = ServiceSettings(
        keys={number: SymmetricKey(number, KeyKind.SHA256, secrets.token_bytes(20)) for number in (1, 2, 3)},
        rate_limit=RateLimit(interval_ns=1 << 20, burst=255),
        nts=KeyRing(key, (key,)),
        hash_seed=secrets.randbits(64),
    )
    rules = [AccessRule(ip_network(f"192.0.2.{host}/32"), AccessAction.DENY) for host in range(64)]
    rules += [AccessRule(ip_network("10.0.0.0/8"), AccessAction.ALLOW), AccessRule(ip_network("2001:db8::/32"), AccessAction.IGNORE)]
    return service, ListenerSettings(access=tuple(rules))


def establishing(listen: str, directory: Path, ring: KeyRing) -> KeListener:
    """Key establishment with the certificate that all servers here have."""
    backend = choose_backend()
    tls = backend.server((directory / "chain.pem").read_bytes(), (directory / "key.pem").read_bytes(), None)
    service = KeService(tls, (backend.error,), KePolicy(), cookie_sealer(ring))
    host, _, port = listen.rpartition(":")
    return KeListener(open_listener(host, int(port)), service, KeLimits(per_address=512))


def main() -> None:
    """Serve until the end of standard input."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("listen", type=parse_listen)
    arguments.add_argument("--plane", type=DataPlane, default=DataPlane.AUTO)
    arguments.add_argument("--workers", type=int, default=1)
    arguments.add_argument("--ke", metavar="ADDRESS:PORT")
    arguments.add_argument("--directory", type=Path, help="chain.pem and key.pem")
    chosen = arguments.parse_args()
    service, own = settings()
    cell = StateCell(state())
    listen = replace(chosen.listen, settings=own, data_plane=chosen.plane, workers=chosen.workers)
    server = Server((listen,), cell, service)
    server.start()
    reports = [each for each in server.reports() if each.reason]
    if reports:
        raise SystemExit(f"{chosen.plane} can't be had: {reports[0].reason}")
    if chosen.ke and service.nts is not None:
        establishing(chosen.ke, chosen.directory, service.nts).start()
    ending = threading.Event()

    def publish() -> None:
        while not ending.wait(_EVERY):
            cell.publish(state())

    threading.Thread(target=publish, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()
    ending.set()
    report = server.reports()[0].plane
    server.stop()
    print(json.dumps({"report": str(report), "counters": {name: str(each) for name, each in server.counters().items()}}))


if __name__ == "__main__":
    main()

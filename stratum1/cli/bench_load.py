"""Runs of the native load generator: with somebody looking on, at a rate or searching for the highest one; results as plain values."""

import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any

__all__ = ["ALLOWED_LOSS", "Load", "figures", "highest", "served_time", "watched"]

ALLOWED_LOSS = 0.01
"""Of the requests: a rate at which more are lost is above what the server can do."""

_DRAIN = 0.5
_OPEN = 65_536
"""Requests that can be open at a time where no mode says otherwise."""
_TRIAL = 0.4
_FIRST_RATE, _LAST_RATE = 8_000.0, 4_000_000.0
_STEPS = 5
_Show = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent. mode: "plain", "interleaved" or "ready" (these requests, one for each that can be open); addresses: of the clients.

    first_address: None to leave from the address that the kernel chooses; frames: index of an interface and Ethernet addresses.
    sample: only the answers to every so manyth request are looked for, since the others are dropped on their way.
    """

    mode: str = "plain"
    ready: Sequence[bytes] = field(default=(), repr=False)
    addresses: int = 1
    first_address: IPv4Address | None = None
    frames: tuple[int, bytes] | None = None
    sample: int = 1

    @property
    def open(self) -> int:
        """Requests that can be open at a time: one for each client where a client's state matters."""
        if self.mode == "ready":
            return len(self.ready)
        return self.addresses if self.mode == "interleaved" else max(self.addresses, _OPEN)

    def plan(self, rate: float, seconds: float) -> dict[str, Any]:
        """As the native generator takes it."""
        return {
            "mode": self.mode,
            "ready": list(self.ready),
            "open": self.open,
            "sample": self.sample,
            "rate": rate,
            "seconds": seconds,
            "drain": _DRAIN,
            "burst": 1,
            "sources": None if self.first_address is None else (int(self.first_address), self.addresses),
            "frames": self.frames,
        }


def watched(native: Any, call: Callable[[Any], dict[str, Any]], show: _Show | None = None) -> dict[str, Any]:
    """Run `call(watch)` beside this thread, which shows requests and answers meanwhile. Ctrl-C ends it early: what was found until then."""
    watch = native.LoadWatch()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(call, watch)
        try:
            while not _done(future):
                if show is not None:
                    show(*watch.seen())
        except KeyboardInterrupt:
            watch.stop()
            return {**future.result(), "interrupted": True}
        except BaseException:
            watch.stop()
            raise
        if show is not None:
            show(*watch.seen())
        return future.result()


def _done(future: "Future[dict[str, Any]]") -> bool:
    try:
        future.result(0.2)
    except NotYet:
        return future.done()
    return True


def figures(found: dict[str, Any]) -> dict[str, Any]:
    """What the native generator counted, with loss and rates. answered_per_second is scaled up from the sample."""
    expected, seconds = found["expected"], found["seconds"]
    part = found["answered"] / expected if expected else 0.0
    due = found["sent"] + found["skipped"] + found["refused"]
    return {
        **found,
        "loss": 1.0 - part if expected else None,
        "lost": expected - found["answered"],
        "sent_per_second": found["sent"] / seconds if seconds else 0.0,
        "answered_per_second": found["sent"] * part / seconds if seconds else 0.0,
        "kept_rate": found["sent"] / due if due else 0.0,
    }


def highest(run: Callable[[float, float], dict[str, Any]], seconds: float) -> dict[str, Any]:
    """Results of the highest rate at which under 1 % is lost: doubling, then halving the gap, then a whole run of `seconds`.

    run(rate, seconds) gives `figures`. "limit" says who could no more: "server", or "generator" where requests were not even sent.
    """
    good, rate, limit = 0.0, _FIRST_RATE, "generator"
    while rate <= _LAST_RATE:
        limit = _limit(run(rate, _TRIAL))
        if limit:
            break
        good, rate = rate, rate * 2
    bad = rate
    for _ in range(_STEPS if good else 0):
        middle = (good + bad) / 2
        found = _limit(run(middle, _TRIAL))
        if found:
            bad, limit = middle, found
        else:
            good = middle
    rate = good or _FIRST_RATE
    result = run(rate, seconds)
    for _ in range(4 if good else 0):
        if not _limit(result) or result.get("interrupted"):
            break
        rate *= 0.96
        result = run(rate, seconds)
    return {**result, "limit": limit}


def _limit(found: dict[str, Any]) -> str:
    if found["kept_rate"] < 1 - ALLOWED_LOSS:
        return "generator"
    return "server" if found["loss"] is None or found["loss"] >= ALLOWED_LOSS else ""


def served_time(found: dict[str, Any]) -> dict[str, Any]:
    """Percentiles, in seconds, of what `load_served_time` found in ns; None where nothing was."""
    offsets = sorted(found["offsets"])
    sizes = sorted(map(abs, offsets))
    told: dict[str, Any] = {"exchanges": len(offsets), "lost": found["lost"]}
    for name, values, part in (
        ("offset_median", offsets, 0.5),
        ("offset_size_p99", sizes, 0.99),
        ("offset_size_max", sizes, 1.0),
        ("delay_median", sorted(found["delays"]), 0.5),
        ("turnaround_median", sorted(found["turnarounds"]), 0.5),
    ):
        told[name] = _quantile(values, part) / 1e9 if values else None
    told["offset_mean"] = statistics.fmean(offsets) / 1e9 if offsets else None
    return told


def _quantile(ordered: Sequence[int], part: float) -> int:
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]

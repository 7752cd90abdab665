"""What the server bears, beside others: requests a second, CPU a request, latency, error of the served time, key establishments, memory.

Two network namespaces over veth, server pinned to core 0, generator on core 1. In each round every server is started, measured and
stopped in turn; the medians of the rounds count. Needs root and nothing else on the machine. See docs/performance.md.

python tests/bench/throughput.py [--rounds N] [--only NAME ...] [--measures NAME ...] [--json FILE] [--write]
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "interop"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from trixie_peers import Trixie

from bench.cable import CLIENTS, GENERATOR_END, SAMPLE, SERVER, SERVER_END, Cable, pinned
from bench.meters import CoreMeter, cpu_ns, resident_mb, threads_ns
from bench.service_table import goals_table, medians, tables, write_into
from bench.subjects import CORE, PEERS, SUBJECTS, Running, Subject, make_certificate, running
from bench.xdp_stats import ProgramTimes

HERE = Path(__file__).resolve().parent
GENERATOR_CORE = 1
BLAST = 450_000.0
"""Requests a second, more than any server here answers on sockets and about what one core can make."""
BLAST_NTS = 450_000.0
CORE_RATE, CORE_BURST = 80_000.0, 16
"""At which the whole core is weighed: all servers can do it with the driver's work on their own core. In bursts, as a network card
that holds its interrupts back for some 200 us hands packets over."""
QUIET = 2.0
"""Seconds without load, from which the core's background is known: the kernel counts idle time in steps of 10 ms."""
LATENCY_RATE = 20_000.0
INTERLEAVED_CLIENTS, INTERLEAVED_RATE = 20_000, 40_000.0
SERVED_RATE = 1_000.0
HANDSHAKES_AT_ONCE = 4
MEASURES = ("plain", "nts", "core", "latency", "interleaved", "served", "ke")


class UnavailableError(Exception):
    """This machine or this build does not have what is to be measured; the message says why."""


class Orders:
    """The generator's process."""

    def __init__(self, cable: Cable) -> None:
        argv = [sys.executable, str(HERE / "generator.py"), SERVER, GENERATOR_END, CLIENTS]
        self._process = subprocess.Popen(
            cable.generator.command(pinned(GENERATOR_CORE, argv)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            raise SystemExit("the generator did not start")

    def __call__(self, do: str, **order: Any) -> dict[str, Any]:
        """Give one order; what came of it. Raises OSError."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **order}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the generator has ended")
        told: dict[str, Any] = json.loads(line)
        if "error" in told:
            raise OSError(told["error"])
        return told

    def close(self) -> None:
        self._process.communicate(timeout=20)


class Bench:
    """One server under measurement."""

    def __init__(self, cable: Cable, order: Orders, subject: Subject, server: Running, seconds: float) -> None:
        self._cable, self._order, self._subject, self._server, self._seconds = cable, order, subject, server, seconds

    def await_answer(self) -> None:
        """Until it answers, and its NTS keys can be had."""
        end = time.monotonic() + 20
        while not self._order("requests", mode="plain", rate=100.0, seconds=0.05, addresses=1, drain=0.05)["answered"]:
            if "can't be had" in (said := self._server.said()):
                raise UnavailableError(said.strip().splitlines()[-1])
            if self._server.process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"{self._subject.name} does not answer:\n{self._server.said()}")

    def measure(self, wanted: Sequence[str]) -> dict[str, Any]:
        """All that is wanted and that it can do."""
        found: dict[str, Any] = {"resident_mb_at_start": resident_mb(self._server.pid)}
        for name in wanted:
            if self._subject.bears(name):
                found[name] = getattr(self, "_" + name)()
        return {**found, "resident_mb": resident_mb(self._server.pid)}

    def _weighed(self, do: str, **order: Any) -> dict[str, Any]:
        """With the CPU time of the server's processes meanwhile."""
        before = cpu_ns(self._server.pid)
        if not self._subject.xdp:
            return {**self._order(do, **order), "cpu_ns": cpu_ns(self._server.pid) - before}
        programs = ProgramTimes(self._cable.program())
        told = self._order(do, **order)
        return {**told, **programs.since(), "cpu_ns": cpu_ns(self._server.pid) - before}

    @contextmanager
    def _dropping(self) -> Iterator[None]:
        self._cable.drop_answers(True)
        try:
            yield
        finally:
            self._cable.drop_answers(False)

    def _saturated(self, mode: str, rate: float) -> dict[str, Any]:
        """More than it can do; and the highest rate, coming down from what it answered, at which under 1 % is lost."""
        with self._dropping():
            told = self._weighed("requests", mode=mode, rate=rate, seconds=self._seconds, sample=SAMPLE)
            answered = told["sent"] * (1 - told["loss"])
            told["cpu_ns_a_request"] = told["cpu_ns"] / answered if answered else None
            told["lossless_per_second"] = told["answered_per_second"] if told["loss"] < 0.01 else self._lossless(mode, told)
        return told

    def _lossless(self, mode: str, told: dict[str, Any]) -> float | None:
        for part in (0.99, 0.96, 0.93, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5):
            rate = max(1.0, told["answered_per_second"] * part)
            again = self._order("requests", mode=mode, rate=rate, seconds=0.5, sample=SAMPLE, drain=0.05)
            if again["loss"] < 0.01:
                return float(again["answered_per_second"])
        return None

    def _plain(self) -> dict[str, Any]:
        return self._saturated("plain", BLAST)

    def _nts(self) -> dict[str, Any]:
        for attempt in range(20):
            try:
                keys = self._order("keys", aead=15)
                break
            except OSError:
                if attempt == 19:
                    raise
                time.sleep(0.25)
        return {**self._saturated("ready", BLAST_NTS), **keys}

    def _core(self) -> dict[str, Any]:
        """Everything that a request costs the server's core: driver, network stack, server, answer. The driver's part runs there
        by a kernel thread pinned to it, at both ends, each on its own core."""
        with self._cable.drivers_on(CORE, GENERATOR_CORE), self._dropping():
            quiet = CoreMeter.read(CORE)
            time.sleep(QUIET)
            background = quiet.busy_ns() / QUIET
            meter, driver = CoreMeter.read(CORE), threads_ns(f"napi/{SERVER_END}-")
            began = time.monotonic()
            cpu = cpu_ns(self._server.pid)
            # without the kernel's statistics of eBPF programs, whose two readings of the clock would be weighed too
            told = self._order("requests", mode="plain", rate=CORE_RATE, seconds=self._seconds, sample=SAMPLE, drain=0.0, burst=CORE_BURST)
            busy = meter.busy_ns() - background * (time.monotonic() - began)
            driver = threads_ns(f"napi/{SERVER_END}-") - driver
            cpu = cpu_ns(self._server.pid) - cpu
        asked = max(1, told["sent"])
        return {
            **told,
            "cpu_ns": cpu,
            "busy_ns_a_request": busy / asked,
            "threads_ns_a_request": (cpu + driver) / asked,
            "driver_ns_a_request": driver / asked,
            "background": background / 1e9,
        }

    def _latency(self) -> dict[str, Any]:
        return self._weighed("requests", mode="plain", rate=LATENCY_RATE, seconds=self._seconds, addresses=1_000)

    def _interleaved(self) -> dict[str, Any]:
        told = self._weighed(
            "requests", mode="interleaved", rate=INTERLEAVED_RATE, seconds=max(2.5, self._seconds), addresses=INTERLEAVED_CLIENTS
        )
        return {**told, "cpu_ns_a_request": told["cpu_ns"] / max(1, told["answered"])}

    def _served(self) -> dict[str, Any]:
        count = round(SERVED_RATE * self._seconds)
        modes = [("basic", False), *([("interleaved", True)] if self._subject.interleaved else [])]
        return {name: self._order("served_time", rate=SERVED_RATE, count=count, interleaved=mode) for name, mode in modes}

    def _ke(self) -> dict[str, Any]:
        told = self._weighed("handshakes", threads=HANDSHAKES_AT_ONCE, seconds=self._seconds)
        done = told["done"]
        return {**told, "per_second": done / told["seconds"], "cpu_ms_each": told["cpu_ns"] / done / 1e6 if done else None}


def one_round(
    subjects: Sequence[Subject], order: Orders, cable: Cable, trixie: Trixie, chosen: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    """Each server once."""
    found = {}
    for subject in subjects:
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            make_certificate(directory)
            with running(subject, cable, directory, trixie) as server:
                bench = Bench(cable, order, subject, server, chosen.seconds)
                try:
                    bench.await_answer()
                except UnavailableError as reason:
                    print(f"  {subject.name}: left out, {reason}", file=sys.stderr, flush=True)
                    continue
                found[subject.name] = bench.measure(chosen.measures)
            print(f"  {subject.name}", file=sys.stderr, flush=True)
    return found


def all_rounds(subjects: Sequence[Subject], trixie: Trixie, chosen: argparse.Namespace) -> list[dict[str, dict[str, Any]]]:
    """One after the other, over one cable."""
    cable = Cable()
    order = Orders(cable)
    rounds = []
    try:
        for number in range(chosen.rounds):
            print(f"round {number + 1} of {chosen.rounds}", file=sys.stderr, flush=True)
            rounds.append(one_round(subjects, order, cable, trixie, chosen))
    finally:
        order.close()
        cable.close()
    return rounds


@contextmanager
def preferred() -> Iterator[None]:
    """Where the scheduler puts each session into a group of its own, a nice value counts inside of it only: the group gets one too."""
    group = Path("/proc/self/autogroup")
    if not group.exists():
        yield
        return
    group.write_text("-19")
    try:
        yield
    finally:
        group.write_text("0")


def machine() -> dict[str, Any]:
    """Where the figures were taken."""
    model = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {"cpu": model[0] if model else platform.machine(), "cores": os.cpu_count(), "kernel": platform.release()}


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--only", nargs="+", choices=[each.name for each in SUBJECTS], help="these servers")
    parser.add_argument("--measures", nargs="+", choices=MEASURES, default=MEASURES)
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the raw rounds there")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md, the rounds into tests/bench/results")
    return parser.parse_args()


def main() -> None:
    """Measure, print, keep."""
    chosen = options()
    if os.geteuid() != 0 or (os.cpu_count() or 1) < 2:
        raise SystemExit("make bench needs root (network namespaces) and two cores")
    subjects = [each for each in SUBJECTS if not chosen.only or each.name in chosen.only]
    trixie = Trixie(*PEERS)
    with preferred():
        rounds = all_rounds(subjects, trixie, chosen)
    versions = {each.name: trixie.version(each.peer) if each.peer else "this tree" for each in subjects}
    middle = medians(rounds)
    result = {
        "taken": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine(),
        "versions": versions,
        "options": {each.name: each.options for each in subjects},
        "rounds": rounds,
        "medians": middle,
    }
    text = f"{tables(result)}\n\n{goals_table(middle)}"
    print(text)
    if chosen.json:
        chosen.json.write_text(json.dumps(result, indent=1) + "\n")
    if chosen.write:
        (HERE / "results" / "service.json").write_text(json.dumps(result, indent=1) + "\n")
        write_into(HERE.parent.parent / "docs" / "performance.md", text)


if __name__ == "__main__":
    main()

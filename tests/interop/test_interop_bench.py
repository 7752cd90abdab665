"""The load generator and the benchmark's own parts against real servers, in two namespaces over veth: small loads."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from trixie_peers import Trixie

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.cable import SAMPLE, SERVER, Cable
from bench.subjects import SUBJECTS, Running, make_certificate, running
from bench.throughput import Orders

BY_NAME = {each.name: each for each in SUBJECTS}


@pytest.fixture(scope="module")
def trixie() -> Trixie:
    return Trixie("chrony", "ntpd-rs", "ntpsec", "openntpd")


@pytest.fixture(scope="module")
def cable() -> Iterator[Cable]:
    laid = Cable()
    yield laid
    laid.close()


@pytest.fixture
def order(cable: Cable) -> Iterator[Orders]:
    orders = Orders(cable)
    yield orders
    orders.close()


def await_answer(order: Orders, server: Running) -> None:
    for _ in range(200):
        if order("requests", mode="plain", rate=100.0, seconds=0.05, addresses=1, drain=0.05)["answered"]:
            return
    raise AssertionError(server.said())


def keys(order: Orders, aead: int) -> dict[str, Any]:
    for _ in range(100):
        try:
            return order("keys", aead=aead)
        except OSError as error:
            last = error
    raise last


@pytest.mark.parametrize(("peer", "aead", "interleaves"), [("chrony", 15, True), ("chrony", 30, True), ("ntpd-rs", 17, False)])
def test_nts_and_interleaved_clients_are_served_by_others(
    cable: Cable, order: Orders, trixie: Trixie, tmp_path: Path, peer: str, aead: int, interleaves: bool
) -> None:
    make_certificate(tmp_path)
    with running(BY_NAME[peer], cable, tmp_path, trixie) as server:
        await_answer(order, server)
        assert keys(order, aead)["aead"] == aead
        told = order("requests", mode="ready", rate=2000.0, seconds=0.2)
        assert (told["time"], told["kisses"]) == (told["answered"], {})
        assert told["authentic"] == told["checked"] == min(32, told["answered"])
        told = order("requests", mode="interleaved", rate=2000.0, seconds=0.3, addresses=50)
        assert told["answered"] >= 500
        assert told["interleaved_clients"] == (50 if interleaves else 0)
        told = order("handshakes", threads=2, seconds=0.3)
        assert told["done"] > 10
        assert told["cookies"] == 8 * told["done"]
        assert not told["failed"]


def test_only_the_sample_passes_where_answers_are_dropped(cable: Cable, order: Orders, trixie: Trixie, tmp_path: Path) -> None:
    make_certificate(tmp_path)
    with running(BY_NAME["chrony"], cable, tmp_path, trixie) as server:
        await_answer(order, server)
        cable.drop_answers(True)
        try:
            all_expected = order("requests", mode="plain", rate=5000.0, seconds=0.3)
            sample_expected = order("requests", mode="plain", rate=5000.0, seconds=0.3, sample=SAMPLE)
        finally:
            cable.drop_answers(False)
        assert abs(all_expected["answered"] - all_expected["sent"] / SAMPLE) <= 2
        assert sample_expected["loss"] == 0
        assert sample_expected["strays"] == 0


def test_the_command_asks_a_closed_namespace_and_nothing_else(cable: Cable, order: Orders, trixie: Trixie, tmp_path: Path) -> None:
    make_certificate(tmp_path)
    with running(BY_NAME["chrony"], cable, tmp_path, trixie) as server:
        await_answer(order, server)
        argv = [sys.executable, "-m", "stratum1", "bench", SERVER, "--mode", "nts", "--rate", "200", "--seconds", "0.2"]
        ran = subprocess.run(cable.generator.command(argv), capture_output=True, text=True, timeout=30, check=False)
        assert ran.returncode == 0, ran.stderr
        assert "32 of 32 answers looked at are authentic" in ran.stdout
        cable.generator.ip(f"route add default via {SERVER}")
        try:
            ran = subprocess.run(cable.generator.command(argv), capture_output=True, text=True, timeout=30, check=False)
        finally:
            cable.generator.ip("route del default")
        assert (ran.returncode, "has a route by a gateway" in ran.stderr) == (2, True)

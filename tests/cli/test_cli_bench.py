"""`stratum1 bench` against a server in this process that forgets requests in a known way, and its own arithmetic."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stratum1.cli import bench_load
from stratum1.cli.bench import bench
from stratum1.cli.bench_load import ALLOWED_LOSS, Load, figures, highest, served_time
from stratum1.cli.bench_target import refusal

_NTP_UNIX = 2_208_988_800


class Forgetful:
    """Answers on 127.0.0.1, but not every `forgets`th request; interleaved as RFC 9769 wants it if `interleaves`."""

    def __init__(self, forgets: int = 0, interleaves: bool = False, stratum: int = 1, code: bytes = b"GPS\0") -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("0.0.0.0", 0))  # also asked from 127.1.0.1 and on
        self.port: int = self.socket.getsockname()[1]
        self.socket.settimeout(0.05)
        self.asked = self.answered = 0
        self.senders: set[str] = set()
        self._forgets, self._interleaves, self._header = forgets, interleaves, bytes([0x24, stratum, 6, 0xE9]) + bytes(8) + code
        self._sent: dict[bytes, bytes] = {}
        self._stopping = False
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stopping:
            try:
                request, sender = self.socket.recvfrom(2048)
            except TimeoutError:
                continue
            self.asked += 1
            self.senders.add(sender[0])
            if self._forgets and self.asked % self._forgets == 0:
                continue
            self.socket.sendto(self._reply(request), sender)
            self.answered += 1

    def _reply(self, request: bytes) -> bytes:
        received = self._now()
        origin, transmit = request[40:48], self._now()
        if self._interleaves and (earlier := self._sent.pop(request[24:32], None)):
            origin, shown = request[32:40], earlier
        else:
            shown = transmit
        if self._interleaves:
            self._sent[received] = transmit
        return self._header + bytes(8) + origin + received + shown

    def _now(self) -> bytes:
        now = time.time_ns()
        return (((now // 10**9 + _NTP_UNIX) << 32) | ((now % 10**9) << 32) // 10**9 | 1).to_bytes(8, "big")

    def __enter__(self) -> "Forgetful":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self._thread.join()
        self.socket.close()


def run(*arguments: str | float, status: int = 0) -> dict[str, Any]:
    """The JSON of a run in a process of its own, as people start it."""
    done = subprocess.run(
        [sys.executable, "-m", "stratum1", "bench", *map(str, arguments), "--json"], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == status, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_loss_is_counted_exactly() -> None:
    with Forgetful(forgets=5) as server:
        told = run(f"127.0.0.1:{server.port}", "--rate", 500, "--seconds", 0.4)
    assert (told["sent"], told["answered"]) == (server.asked, server.answered)
    assert told["sent"] + told["skipped"] == 200
    assert told["lost"] == told["sent"] - told["answered"]
    assert told["loss"] == pytest.approx(0.2, abs=0.02)
    assert told["time"] == told["answered"]
    assert 0 < told["latency"]["p50"] <= told["latency"]["p99"] <= told["latency"]["max"] < 1


def test_clients_have_addresses_of_their_own_and_are_answered_interleaved() -> None:
    with Forgetful(interleaves=True) as server:
        told = run(f"127.0.0.1:{server.port}", "--mode", "interleaved", "--clients", 20, "--rate", 500, "--seconds", 0.4)
    assert server.senders == {f"127.1.0.{number}" for number in range(1, 21)}
    # the first answer to each client can't be, all later ones are
    assert told["answered"] - 20 - 2 * (told["lost"] + told["skipped"]) <= told["interleaved"] <= told["answered"] - 20


def test_without_interleaved_mode_none_is_said_to_be() -> None:
    with Forgetful() as server:
        told = run(f"127.0.0.1:{server.port}", "--mode", "interleaved", "--clients", 2, "--rate", 200, "--seconds", 0.2)
    assert told["interleaved"] == 0
    assert told["sent"] == server.answered
    assert 20 < told["answered"] <= server.answered  # on a busy machine the last answers may come when nobody waits any longer


@pytest.mark.parametrize(("stratum", "code", "found"), [(0, b"RATE", {"kisses": {"RATE": 20}}), (0, bytes(4), {"unsynchronised": 20})])
def test_what_is_no_time_is_told(stratum: int, code: bytes, found: dict[str, Any]) -> None:
    with Forgetful(stratum=stratum, code=code) as server:
        told = run(f"127.0.0.1:{server.port}", "--rate", 100, "--seconds", 0.2)
    assert told["time"] == 0
    assert {name: told[name] for name in found} == found


@pytest.mark.parametrize("mode", ["plain", "interleaved"])
def test_served_time_of_a_server_on_the_same_clock(mode: str) -> None:
    with Forgetful(interleaves=True) as server:
        told = run(f"127.0.0.1:{server.port}", "--served-time", "--mode", mode, "--rate", 500, "--seconds", 0.4)
    assert told["exchanges"] >= 100
    assert abs(told["offset_median"]) < 1e-3
    assert told["offset_size_p99"] <= told["offset_size_max"]
    assert 0 < told["turnaround_median"] < 0.01


def test_saturation_ends_below_the_allowed_loss_or_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    with Forgetful(forgets=7) as server:
        told = run(f"127.0.0.1:{server.port}", "--saturate", "--seconds", 0.1)
    assert told["limit"] in ("server", "generator")
    assert told["rate"] <= 8_000


def test_nobody_there_is_status_1() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    told = run(f"127.0.0.1:{port}", "--seconds", 0.1, status=1)
    assert (told["answered"], told["latency"]["p50"]) == (0, None)
    told = run("127.0.0.1", "--ke-port", port, "--mode", "ke", "--seconds", 0.1, "--rate", 100, status=1)
    assert told["failed"] == {"connection refused": 10}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("192.0.2.1",), "192.0.2.1:123 is refused"),
        (("[2001:db8::1]",), "is refused"),
        (("127.0.0.1:x",), "is no port"),
        (("127.0.0.1", "--clients-from", "::1"), "an IPv4 address is expected"),
        (("[::1]", "--clients", "2"), "with IPv4 only"),
        (("127.0.0.1", "--interface", "none0"), "--interface none0"),
    ],
)
def test_what_can_not_be_is_refused(arguments: tuple[str, ...], text: str) -> None:
    import typer  # noqa: PLC0415

    app = typer.Typer()
    app.command()(bench)
    done = CliRunner().invoke(app, [*arguments, "--seconds", "0.1"])
    assert done.exit_code == 2
    assert text in done.output.replace("\n", " ")


def test_own_namespace_is_told_from_the_hosts_and_from_one_with_a_way_out(tmp_path: Path) -> None:
    """In namespaces without an interface but loopback; what a route says is told by files of ours."""
    own_user = [] if os.geteuid() == 0 else ["--map-root-user"]
    code = (
        "import sys\nfrom ipaddress import ip_address\nfrom pathlib import Path\nfrom stratum1.cli.bench_target import refusal\n"
        "for place in sys.argv[1:]: print(refusal(ip_address('10.98.0.1'), Path(place)))"
    )
    for place, gateway in (("closed", "0001"), ("open", "0003")):
        (tmp_path / place / "self/net").mkdir(parents=True)
        rows = f"Iface\tDestination\tGateway\tFlags\nveth0\t00000000\t0100620A\t{gateway}\n"
        (tmp_path / place / "self/net/route").write_text(rows)
    inside = [sys.executable, "-c", code, str(tmp_path / "closed"), str(tmp_path / "open")]
    ran = subprocess.run(["unshare", *own_user, "--net", *inside], capture_output=True, text=True, check=True, timeout=30)
    assert ran.stdout.split("\n") == ["", "it is not loopback, and this network namespace has a route by a gateway", ""]


def test_the_hosts_namespace_is_refused(tmp_path: Path) -> None:
    for name in ("self", "1"):
        (tmp_path / name / "ns").mkdir(parents=True)
    (tmp_path / "1/ns/net").write_text("")
    (tmp_path / "self/ns/net").hardlink_to(tmp_path / "1/ns/net")
    assert "the host's network" in refusal(ip_address("10.98.0.1"), tmp_path)
    assert refusal(ip_address("::1"), tmp_path) == ""


def _found(sent: int, answered: int, skipped: int = 0) -> dict[str, Any]:
    return figures({"sent": sent, "expected": sent, "answered": answered, "skipped": skipped, "refused": 0, "seconds": 1.0})


@pytest.mark.parametrize(("server", "generator"), [(100_000, 1e9), (1e9, 100_000), (5_000, 1e9)])
def test_the_highest_rate_is_found(server: float, generator: float) -> None:
    def at(rate: float, _seconds: float) -> dict[str, Any]:
        sent = min(rate, generator)
        return {"rate": rate, **_found(round(sent), round(min(sent, server)), round(rate - sent))}

    found = highest(at, 1.0)
    assert found["limit"] == ("server" if server < generator else "generator")
    limit = min(server, generator)
    if limit > 8_000:
        assert 0.93 * limit < found["rate"] < limit * (1 + ALLOWED_LOSS) ** 2
    else:
        assert found["rate"] <= 8_000


def test_a_sample_is_scaled_up() -> None:
    found = figures({"sent": 6400, "expected": 100, "answered": 99, "skipped": 0, "refused": 0, "seconds": 2.0})
    assert (found["lost"], round(found["loss"], 6), round(found["answered_per_second"])) == (1, 0.01, 3168)


def test_percentiles_of_the_served_time() -> None:
    told = served_time({"offsets": list(range(-100, 101)), "delays": [5], "turnarounds": [], "lost": 2})
    assert (told["offset_median"], told["offset_size_max"], told["exchanges"]) == (0.0, 100e-9, 201)
    assert told["offset_size_p99"] == pytest.approx(99e-9)
    assert told["turnaround_median"] is None


def test_open_requests_are_the_clients_where_their_state_matters() -> None:
    assert Load("interleaved", addresses=3).open == 3
    assert Load("ready", [b"", b""]).open == 2
    assert Load("plain", addresses=3).open == bench_load._OPEN


@contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    ours, theirs = os.openpty()
    try:
        yield ours, theirs
    finally:
        os.close(ours)


def test_a_terminal_sees_progress_and_words() -> None:
    with Forgetful() as server, terminal() as (ours, theirs):
        child = subprocess.Popen(
            [sys.executable, "-m", "stratum1", "bench", f"127.0.0.1:{server.port}", "--rate", "100", "--seconds", "0.6"],
            stdout=subprocess.PIPE,
            stderr=theirs,
            text=True,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
        )
        os.close(theirs)
        out, _ = child.communicate(timeout=30)
        shown = os.read(ours, 65536).decode()
    assert "answered" in shown
    for text in ("sent", "answered", "latency", "p99"):
        assert text in out
    answered = re.search(r"answered +(\d+) of (\d+)", out)
    assert answered, out
    assert 30 < int(answered[1]) <= int(answered[2]) <= 60  # fewer than 60 on a machine that is busy

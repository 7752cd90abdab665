"""A real chronyd as client of each data plane: interleaved mode, symmetric keys, and the kiss RATE."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sntp_peers import Island, Peers, island

PLANES = ("python", "native")
AHEAD = 0.25
"""Our server's time minus the host's, seconds."""
NEAR = 0.05


@pytest.fixture(scope="module")
def peers() -> Peers:
    return Peers()


@pytest.fixture(params=PLANES)
def plane(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Client:
    """A chronyd that runs beside the server."""

    def __init__(self, place: Island, peers: Peers, directory: Path) -> None:
        self._place = place
        self._peers = peers
        self._socket = directory / "chronyd.sock"

    def ask(self, *question: str) -> str:
        """An answer of chronyc."""
        return self._place.run(*self._peers.chronyc, "-h", str(self._socket), *question).stdout

    def about(self, host: str) -> dict[str, str]:
        """What it knows of a server (`ntpdata`), by the words that chronyc has for it."""
        lines = (line.partition(":") for line in self.ask("ntpdata", host).splitlines())
        return {name.strip(): value.strip() for name, _, value in lines}


def until(is_so: Callable[[], bool], seconds: float = 15) -> None:
    """Wait for something; what comes of it is for the caller to look at."""
    end = time.monotonic() + seconds
    while not is_so() and time.monotonic() < end:
        time.sleep(0.2)


def settings(directory: Path) -> list[str]:
    """What such a chronyd is started with."""
    directory.chmod(0o700)  # chronyd's condition for a command socket
    return ["cmdport 0", f"bindcmdaddress {directory / 'chronyd.sock'}", f"pidfile {directory / 'pid'}"]


@pytest.mark.parametrize(("host", "wildcard"), [("127.0.0.1", True), ("::1", False)])
def test_chronyd_with_xleave_gets_the_kernels_transmit_stamps(peers: Peers, tmp_path: Path, plane: str, host: str, wildcard: bool) -> None:
    source = f"server {host} xleave iburst minpoll -2 maxpoll -2"
    listen = ["[::]:123"] if wildcard else ["127.0.0.1:123", "[::1]:123"]
    with island(peers, f"--ahead={AHEAD}", f"--plane={plane}", listen=listen) as place:
        with place.running(*peers.chronyd, "-x", "-d", "-u", "root", *settings(tmp_path), source):
            client = Client(place, peers, tmp_path)
            until(lambda: client.about(host).get("Interleaved") == "Yes")
            time.sleep(1)
            told = client.about(host)
        counted = place.finish()
    assert told["Interleaved"] == "Yes", told
    assert abs(float(told["Offset"].split()[0])) < 1e-4  # with stamps of both kernels, of its own clock, which follows us
    assert counted["planes"] == [plane] * len(listen)
    assert counted["interleaved"] >= 3
    assert counted["transmit_stamps"] >= counted["interleaved"]
    assert counted["daemon_receive_stamps"] == 0
    assert counted["by_response"]["time"] + counted["interleaved"] == counted["received"]
    assert all(delay is None or 0 < delay < 1e-3 for delay in counted["send_delays"])
    assert any(counted["send_delays"])


@pytest.mark.parametrize("kind", ["SHA256", "AES128", "MD5", "AES256"])
def test_chronyd_with_a_symmetric_key(peers: Peers, tmp_path: Path, plane: str, kind: str) -> None:
    secret = "00112233445566778899aabbccddeeff" * (2 if kind == "AES256" else 1)
    keys = tmp_path / "chrony.keys"
    keys.write_text(f"# shared by both\n7 {kind} HEX:{secret}\n")
    keys.chmod(0o600)
    with island(peers, f"--ahead={AHEAD}", f"--plane={plane}", f"--keys={keys}") as place:
        source = "server 127.0.0.1 iburst maxsamples 1 key 7"
        ran = place.run(*peers.chronyd, "-Q", "-t", "8", "-u", "root", source, f"keyfile {keys}")
        counted = place.finish()
    found = re.search(r"System clock wrong by (-?[\d.]+) seconds \(ignored\)", ran.stdout)
    assert found, ran.stdout
    assert abs(float(found[1]) - AHEAD) < NEAR
    assert counted["by_protection"]["mac"] == counted["received"] == counted["accepted"] >= 1


def test_chronyd_over_the_rate_limit_sees_the_kiss_and_asks_less_often(peers: Peers, tmp_path: Path, plane: str) -> None:
    source = "server 127.0.0.1 minpoll 0 maxpoll 0"
    with island(peers, f"--plane={plane}", "--rate-limit=30,2,0,1") as place:
        with place.running(*peers.chronyd, "-x", "-d", "-u", "root", *settings(tmp_path), source) as client:
            assert client.stdout is not None
            kisses: list[float] = []
            for line in client.stdout:
                if "Received KoD RATE from 127.0.0.1" in line:
                    kisses.append(time.monotonic())
                if len(kisses) == 2:
                    break
        counted = place.finish()
    assert kisses[1] - kisses[0] > 2  # it asked once a second before
    assert counted["by_response"]["kiss-rate"] == counted["by_reason"]["rate-limited"] == 2
    assert counted["accepted"] == 2

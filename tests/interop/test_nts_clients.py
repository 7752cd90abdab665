"""Other people's NTS clients against our server: chronyd of two Debian releases and ntpd-rs, with each AEAD that they have,
across rotations of the master key.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from output_peers import Namespace
from sntp_peers import HERE, Peers
from trixie_peers import Trixie

AHEAD = 0.25
NEAR = 0.05


class World:
    """A namespace with our NTS server in it, whose authority lies in `directory`."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        directory.chmod(0o700)  # chronyd's condition for a command socket
        self.namespace = Namespace()
        argv = [sys.executable, str(HERE / "nts_serving.py"), str(directory), f"--ahead={AHEAD}", *options]
        self.process = subprocess.Popen(
            self.namespace.command(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE.parent.parent
        )
        self.hear("ready")

    def hear(self, word: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == f"{word}\n"

    def rotate(self, times: int) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{times}\n")
        self.process.stdin.flush()
        self.hear("rotated")

    def finish(self) -> dict[str, Any]:
        """Stop; what was counted."""
        out, _ = self.process.communicate(timeout=10)
        counted: dict[str, Any] = json.loads(out)
        return counted

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.communicate(timeout=10)
        self.namespace.close()


@contextmanager
def world(directory: Path, *options: str) -> Iterator[World]:
    made = World(directory, *options)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def running(made: World, argv: list[str], environment: dict[str, str] | None = None) -> Iterator[Path]:
    """A client meanwhile; gives the file of what it prints."""
    log = made.directory / "client.log"
    with log.open("w") as file:
        client = subprocess.Popen(made.namespace.command(argv), stdout=file, stderr=subprocess.STDOUT, env=environment)
        try:
            yield log
        finally:
            client.terminate()
            client.wait(timeout=10)


def eventually(found: Callable[[], Any], log: Path, within: float = 20.0) -> Any:
    end = time.monotonic() + within
    while not (value := found()):
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.2)
    return value


def chrony_config(directory: Path, more: str = "") -> Path:
    file = directory / "chrony.conf"
    file.write_text(
        "server 127.0.0.1 iburst nts minpoll 0 maxpoll 0\n"
        f"ntstrustedcerts {directory}/nts-ca.pem\nnosystemcert\ncmdport 0\nbindcmdaddress {directory}/chronyd.sock\n"
        f"pidfile {directory}/chronyd.pid\n{more}\n"
    )
    return file


class Chrony:
    """A chronyd that uses our server, and what its chronyc says."""

    def __init__(self, made: World, daemon: Callable[..., list[str]], client: Callable[..., list[str]], environment: dict[str, str] | None):
        self.made = made
        self.daemon = daemon("-x", "-d", "-u", "root", "-f", str(chrony_config(made.directory)))
        self.client = client
        self.environment = environment

    def ask(self, *words: str) -> list[str]:
        argv = self.client("-h", str(self.made.directory / "chronyd.sock"), "-c", *words)
        ran = subprocess.run(
            self.made.namespace.command(argv), capture_output=True, text=True, timeout=20, check=False, env=self.environment
        )
        return ran.stdout.strip().split(",")

    def authentic(self) -> list[str]:
        """name, mode, key id, AEAD, key length, age, attempts, NAKs, cookies, cookie length; empty while it has no cookies."""
        told = self.ask("authdata")
        return told if len(told) == 10 and told[1] == "NTS" and int(told[8]) > 0 else []


def bookworm(made: World) -> Chrony:
    peers = Peers()
    return Chrony(made, lambda *words: [*peers.chronyd, *words], lambda *words: [*peers.chronyc, *words], peers.environment)


def trixie_chrony(made: World, more: str = "") -> Chrony:
    trixie = Trixie("chrony")
    assert trixie.version("chrony").startswith("4.6.1")
    chrony = Chrony(
        made,
        lambda *words: trixie.command("chrony", made.directory, "chronyd", *words),
        lambda *words: trixie.command("chrony", made.directory, "chronyc", *words),
        None,
    )
    chrony_config(made.directory, more)
    return chrony


def served(made: World, chrony: Chrony, aead: int) -> None:
    """It stays with us with this AEAD, before and after a rotation, and finds back after one that voids its cookies."""
    with running(made, chrony.daemon, chrony.environment) as log:
        told = eventually(chrony.authentic, log)
        assert (int(told[3]), int(told[7])) == (aead, 0)
        eventually(lambda: chrony.ask("tracking")[0] == "7F000001", log)
        tracking = chrony.ask("ntpdata", "127.0.0.1")
        assert "47505300" in tracking  # GPS
        before = int(told[2])
        made.rotate(1)
        time.sleep(3)
        told = chrony.authentic()
        assert told
        assert (int(told[2]), int(told[7])) == (before, 0)  # the same keys, no NAK
        assert int(told[8]) == 8  # every cookie was replaced
        made.rotate(9)
        # a NAK makes it establish new keys, after a while of its own
        eventually(lambda: (found := chrony.authentic()) and int(found[2]) > before and int(found[7]) == 0, log, 40)
    counted = made.finish()
    assert counted["aeads"] == {str(aead): counted["outcomes"]["issued"]}
    assert counted["outcomes"]["issued"] >= 2
    assert counted["nts_accepted"] >= 6
    assert counted["nts_nak"] >= 1
    assert counted["reasons"].get("nts-expired-key", 0) >= 1
    assert set(counted["outcomes"]) == {"issued"}


@pytest.mark.parametrize("tls", ["auto", "openssl"])
def test_chronyd_4_3_with_aead_15(tmp_path: Path, tls: str) -> None:
    with world(tmp_path, f"--tls={tls}") as made:
        served(made, bookworm(made), 15)


@pytest.mark.parametrize("aead", [15, 30])
def test_chronyd_4_6_1(tmp_path: Path, aead: int) -> None:
    with world(tmp_path, f"--aeads={aead}") as made:
        served(made, trixie_chrony(made), aead)


@pytest.mark.parametrize("aead", [15, 17])
def test_ntpd_rs(tmp_path: Path, aead: int) -> None:
    trixie = Trixie("ntpd-rs")
    config = tmp_path / "ntp.toml"
    config.write_text(
        '[[source]]\nmode = "nts"\naddress = "127.0.0.1:4460"\n'
        f'certificate-authority = "{tmp_path}/nts-ca.pem"\n[source-defaults]\npoll-interval-limits = {{ min = 4, max = 4 }}\n'
        "[synchronization]\nminimum-agreeing-sources = 1\n"
    )
    with world(tmp_path, f"--aeads={aead}") as made:
        pretended = [sys.executable, str(HERE / "pretended_clock.py")]
        with running(made, [*pretended, *trixie.command("ntpd-rs", tmp_path, "ntp-daemon", "-c", str(config))]) as log:
            eventually(lambda: "Jumped offset by 2" in log.read_text(), log)  # milliseconds: it has taken our time
            made.rotate(1)
            time.sleep(18 if aead == 17 else 0)  # it asks each 16 s at most
            printed = log.read_text()
        counted = made.finish()
    assert counted["aeads"] == {str(aead): counted["outcomes"]["issued"]}, printed
    assert counted["nts_accepted"] >= (2 if aead == 17 else 1)
    assert counted["nts_nak"] == 0
    assert counted["outcomes"]["issued"] == 1  # the cookies from before the rotation were good

"""Trixie's servers run from their unpacked roots, in a namespace, and could not set a clock if they wanted to."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from output_peers import Namespace
from trixie_peers import Trixie

_SYS_TIME = 1 << 25
"""capabilities(7)"""
CONFIGS = {
    "chrony": ("local stratum 1\nallow\ncmdport 0\nbindcmdaddress /\npidfile {}.pid\n", "chronyd -x -d -u root -f {}"),
    "ntpd-rs": ('[synchronization]\nlocal-stratum = 1\n[[server]]\nlisten = "0.0.0.0:123"\n', "ntp-daemon -c {}"),
    "ntpsec": ("server 127.127.1.0\nrestrict default\n", "ntpd -n -c {}"),
    "openntpd": ("listen on 0.0.0.0\n", "openntpd -d -f {}"),
}


@pytest.fixture(scope="module")
def trixie() -> Trixie:
    return Trixie()


@contextmanager
def served(trixie: Trixie, peer: str, directory: Path) -> Iterator[tuple[Namespace, "subprocess.Popen[str]"]]:
    """A namespace with the peer serving in it."""
    namespace = Namespace()
    text, words = CONFIGS[peer]
    file = directory / "config"
    file.write_text(text.replace("{}", str(file)))
    argv = trixie.command(peer, directory, *words.replace("{}", str(file)).split())
    with subprocess.Popen(namespace.command(argv), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield namespace, process
        finally:
            process.terminate()
            process.communicate(timeout=10)
            namespace.close()


def ask(trixie: Trixie, namespace: Namespace, directory: Path) -> list[dict[str, object]]:
    """What ntpdig hears from loopback; nothing while nobody answers."""
    argv = trixie.command("ntpsec-ntpdig", directory, "ntpdig", "-j", "-t", "1", "127.0.0.1")
    ran = subprocess.run(namespace.command(argv), capture_output=True, text=True, timeout=20, check=False)
    return [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("peer", sorted(CONFIGS))
def test_runs_without_the_capability_to_set_a_clock(trixie: Trixie, peer: str, tmp_path: Path) -> None:
    assert trixie.version(peer)[0].isdigit()
    with served(trixie, peer, tmp_path) as (_, process):
        end = time.monotonic() + 15
        root = Path(f"/proc/{process.pid}/root")
        while root.resolve() != trixie.root(peer) and time.monotonic() < end:
            time.sleep(0.02)
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if ":\t" in line)
        assert not any(int(status[name], 16) & _SYS_TIME for name in ("CapBnd", "CapPrm", "CapEff", "CapInh"))
        while not (sockets := Path(f"/proc/{process.pid}/net/udp").read_text().count(":007B ")) and time.monotonic() < end:
            time.sleep(0.02)
        assert sockets
    assert process.returncode is not None


def test_ntpdig_hears_chronyd(trixie: Trixie, tmp_path: Path) -> None:
    with served(trixie, "chrony", tmp_path) as (namespace, _):
        end = time.monotonic() + 15
        while not (told := ask(trixie, namespace, tmp_path)):
            assert time.monotonic() < end
    assert told[0]["stratum"] == 1
    assert trixie.version("chrony").startswith("4.6.1")

"""The servers that are compared, each with its options: ours by data plane, and Debian trixie's."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "dataplane"))
from sntp_peers import tool
from tls_certificates import Authority
from trixie_peers import Trixie

from bench.cable import SERVER, SERVER_END, Cable, pinned

__all__ = ["CORE", "PEERS", "SUBJECTS", "Running", "Subject", "make_certificate", "running"]

CORE = 0
"""The server's core; the generator has the other one."""
_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Subject:
    """A server. options: what is told of it in the table; peer: Debian's package, None for ours (arguments of serve.py).

    bare: not a server but the floor under all of them, bare_loop.c, which can only be asked for plain answers without a time.
    """

    name: str
    options: str
    nts: bool = True
    interleaved: bool = False
    peer: str | None = None
    arguments: tuple[str, ...] = ()
    config: str = ""
    xdp: bool = False
    bare: bool = False

    def bears(self, measure: str) -> bool:
        """Whether it can be measured so."""
        return measure in ("plain", "core", "latency") if self.bare else self.nts or measure not in ("nts", "ke")


_CHRONY = """local stratum 1
allow
cmdport 0
bindcmdaddress /
pidfile {}/chrony.pid
ntsserverkey {}/key.pem
ntsservercert {}/chain.pem
ntsdumpdir {}
"""
_NTPD_RS = """[observability]
log-level = "warn"
[synchronization]
local-stratum = 1
[[server]]
listen = "0.0.0.0:123"
[[nts-ke-server]]
listen = "0.0.0.0:4460"
certificate-chain-path = "{}/chain.pem"
private-key-path = "{}/key.pem"
"""
_NTPSEC = """server 127.127.1.0
fudge 127.127.1.0 stratum 0
restrict default nomodify noquery
limit average 1000000
nts enable
nts cert {}/chain.pem
nts key {}/key.pem
nts cookie {}/cookies
"""

SUBJECTS = (
    Subject(
        "chrony",
        "`-x`, local stratum 1, client log as by default, no rate limit",
        interleaved=True,
        peer="chrony",
        arguments=("chronyd", "-x", "-d", "-u", "root", "-f", "{}/config"),
        config=_CHRONY,
    ),
    Subject("ntpd-rs", "local-stratum 1", peer="ntpd-rs", arguments=("ntp-daemon", "-c", "{}/config"), config=_NTPD_RS),
    Subject("NTPsec", "local clock, `limit average 1000000`", peer="ntpsec", arguments=("ntpd", "-n", "-c", "{}/config"), config=_NTPSEC),
    Subject(
        "OpenNTPD",
        "no source",
        nts=False,
        peer="openntpd",
        arguments=("openntpd", "-d", "-f", "{}/config"),
        config=f"listen on {SERVER}\n",
    ),
    Subject("bare loop", "batches of 64 in C, looks at nothing: the kernel's part of a request", nts=False, bare=True),
    Subject("native", "1 worker, all features on", interleaved=True, arguments=("--plane", "native", "--workers", "1")),
    Subject("native, 2 workers", "2 workers on one core", interleaved=True, arguments=("--plane", "native", "--workers", "2")),
    Subject("XDP", "native mode on veth, 1 worker behind it", interleaved=True, arguments=("--plane", "xdp", "--workers", "1"), xdp=True),
    Subject("Python", "all features on", interleaved=True, arguments=("--plane", "python", "--workers", "1")),
)
PEERS = tuple(each.peer for each in SUBJECTS if each.peer)


@dataclass(frozen=True, slots=True)
class Running:
    """A server at work."""

    process: "subprocess.Popen[str]"
    log: Path

    @property
    def pid(self) -> int:
        """Its first process."""
        return self.process.pid

    def said(self) -> str:
        """What it printed so far."""
        return self.log.read_text(errors="replace")


def make_certificate(directory: Path) -> None:
    """The same ECDSA P-256 leaf for all: chain.pem and key.pem."""
    authority = Authority("bench authority")
    leaf = authority.issue("bench.test", SERVER)
    (directory / "chain.pem").write_bytes(leaf.pem + authority.pem)
    (directory / "key.pem").write_bytes(leaf.key_pem())
    (directory / "key.pem").chmod(0o600)


@contextmanager
def running(subject: Subject, cable: Cable, directory: Path, trixie: Trixie) -> Iterator[Running]:
    """Start it in the server's namespace on its core, without the capability to set a clock; stop it at the end."""
    log = directory / "log"
    argv = _argv(subject, directory, trixie)
    with (
        cable.taking_xdp() if subject.xdp else nullcontext(),
        log.open("w") as out,
        subprocess.Popen(
            cable.server.command(pinned(CORE, argv)), stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT, text=True
        ) as process,
    ):
        try:
            yield Running(process, log)
        finally:
            _end(subject, process)
            if subject.xdp:
                cable.server.ip(f"link set dev {SERVER_END} xdp off")


def _argv(subject: Subject, directory: Path, trixie: Trixie) -> list[str]:
    if subject.bare:
        program = directory / "bare_loop"
        subprocess.run([tool("cc"), "-O2", "-o", program, _HERE / "bare_loop.c"], check=True, timeout=60)
        return [str(program), SERVER, "123"]
    return _ours(subject, directory) if subject.peer is None else _theirs(subject, directory, trixie)


def _ours(subject: Subject, directory: Path) -> list[str]:
    attach = [sys.executable, "-m", "stratum1", "xdp", "attach", "--interface", SERVER_END, "--mode", "native", "--group", "root"]
    # pins of its own: in a mount namespace, and gone with it
    words = f'mount -t bpf bpf /sys/fs/bpf && {" ".join(attach)} && exec "$@"'
    before = [tool("unshare"), "--mount", "sh", "-c", words, "sh"] if subject.xdp else []
    return [
        *before,
        sys.executable,
        str(_HERE / "serve.py"),
        f"{SERVER}:123",
        *subject.arguments,
        "--ke",
        f"{SERVER}:4460",
        "--directory",
        str(directory),
    ]


def _theirs(subject: Subject, directory: Path, trixie: Trixie) -> list[str]:
    (directory / "config").write_text(subject.config.replace("{}", str(directory)))
    assert subject.peer is not None
    return trixie.command(subject.peer, directory, *(word.replace("{}", str(directory)) for word in subject.arguments))


def _end(subject: Subject, process: "subprocess.Popen[str]") -> None:
    ends: Callable[[], object] = process.terminate
    if subject.peer is None and not subject.bare and process.stdin is not None:
        ends = process.stdin.close
    ends()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def report(log: str) -> str:
    """What serve.py said of its plane at the end."""
    lines = [line for line in log.splitlines() if line.startswith("{")]
    return str(json.loads(lines[-1])["report"]) if lines else ""

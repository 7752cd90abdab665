"""Other people's NTP clients and a network namespace to run them in together with our server, at port 123 and far from the host's clock."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PEERS = HERE.parent.parent / ".cache" / "peers"
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def tool(name: str) -> str:
    """A program of this host. Fails, and does not skip, if it is not there."""
    found = shutil.which(name, path=_PATH)
    assert found, f"{name} is needed for this test"
    return found


class Peers:
    """The unpacked clients."""

    def __init__(self) -> None:
        """Fetches them where they are not there yet; the test fails if that fails."""
        subprocess.run([HERE / "fetch_peers.sh", PEERS], check=True, timeout=300)
        root = PEERS / "root"
        self.chronyd = [str(root / "usr/sbin/chronyd")]
        self.chronyc = [str(root / "usr/bin/chronyc")]
        self.ntpdig = [sys.executable, str(root / "usr/bin/ntpdig")]
        self.python = [sys.executable]
        self.rdate = [str(root / "usr/sbin/rdate")]
        libraries = [str(path) for top in ("usr/lib", "lib") for path in (root / top).glob("*-linux-gnu*")]
        self.environment = {
            "PATH": _PATH,
            "LD_LIBRARY_PATH": os.pathsep.join(libraries),
            "PYTHONPATH": str(root / "usr/lib/python3/dist-packages"),
        }


class Island:
    """A network namespace that has nothing but loopback, and our server in it."""

    def __init__(self, server: subprocess.Popen[str], peers: Peers) -> None:
        self._server = server
        self._peers = peers

    def command(self, arguments: Sequence[str]) -> list[str]:
        """The command line that runs a client in here, without the capability to set any clock."""
        own_user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        enter = [tool("nsenter"), f"--target={self._server.pid}", *own_user, "--net", "--"]
        return [*enter, tool("setpriv"), "--bounding-set=-sys_time", "--inh-caps=-all", *arguments]

    def run(self, *arguments: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
        """Run a client to its end; both outputs are in `stdout`."""
        return subprocess.run(
            self.command(arguments),
            env=self._peers.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )

    @contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Run a client meanwhile."""
        process = subprocess.Popen(
            self.command(arguments), env=self._peers.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=10)

    def finish(self) -> dict[str, Any]:
        """Stop our server; what it counted."""
        out, _ = self._server.communicate(timeout=10)
        assert self._server.returncode == 0
        counted: dict[str, Any] = json.loads(out)
        return counted


@contextmanager
def island(peers: Peers, *options: str, listen: Sequence[str] = ("127.0.0.1:123", "[::1]:123")) -> Iterator[Island]:
    """Our server in a namespace of its own, with these options of serving.py."""
    own_user = [] if os.geteuid() == 0 else ["--map-root-user"]
    inside = [sys.executable, str(HERE / "serving.py"), *listen, *options]
    with subprocess.Popen(
        [tool("unshare"), *own_user, "--net", "sh", "-c", f'{tool("ip")} link set lo up && exec "$@"', "sh", *inside],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
            yield Island(server, peers)
        finally:
            if server.poll() is None:
                server.communicate(timeout=10)

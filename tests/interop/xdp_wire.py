"""Two hosts on a cable: network and mount namespaces joined by a veth pair whose driver has native XDP, each with /sys of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from sntp_peers import tool

__all__ = ["CLIENT", "SERVER", "Host", "Wire", "wire"]

SERVER = ("10.9.0.1", "fd00:9::1")
CLIENT = ("10.9.0.2", "fd00:9::2")
_TREE = str(Path(__file__).resolve().parents[2])
_MOUNTS = "mount --make-rprivate / && mount -t sysfs sysfs /sys && mount -t bpf -o mode=0700 bpf /sys/fs/bpf"
# The far end of a veth pair takes frames from XDP only while it has a program itself: this one passes everything up.
_PASS_ALL = """
import sys
from socket import if_nametoindex
from stratum1.xdp import _bpf
program = _bpf.load_program("pass", bytes.fromhex("b7000000020000009500000000000000"), "Apache-2.0")
link = _bpf.attach_xdp(program, if_nametoindex(sys.argv[1]), 4)
print("ready", flush=True)
sys.stdin.read()
"""
_COUNTS = """
import json
from stratum1.xdp import PINS, Maps, _bpf
from stratum1.xdp._maps import MAPS
maps = Maps({name: _bpf.open_pin(PINS / name) for name in MAPS})
sums = {}
for (_, count), number in maps.counts().items():
    sums[count.name] = sums.get(count.name, 0) + number
print(json.dumps({name: number for name, number in sums.items() if number}))
"""
_ASK = """
import json, socket, sys, time
host, count, timeout = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
family = socket.AF_INET6 if ":" in host else socket.AF_INET
asking = socket.socket(family, socket.SOCK_DGRAM)
asking.settimeout(timeout)
asking.connect((host, 123))
got = []
for number in range(count):
    cookie = bytes([1, 2, 3, 4, 5, 6, number >> 8, number & 255])
    try:
        asking.send(bytes([int(sys.argv[4]) << 3 | 3, 0, 6, 32]) + bytes(36) + cookie)
        while True:
            reply = asking.recv(100)
            if reply[24:32] == cookie:
                break
        got.append(reply.hex())
    except OSError:  # nobody answers, or nobody listens
        pass
print(json.dumps(got))
"""


class Host:
    """One end: its namespaces, kept by a process."""

    def __init__(self) -> None:
        keep = f"{_MOUNTS} && {tool('ip')} link set lo up && echo ready && exec sleep 300"
        self._keeper = subprocess.Popen([tool("unshare"), "--net", "--mount", "sh", "-c", keep], stdout=subprocess.PIPE, text=True)
        assert self._keeper.stdout is not None
        assert self._keeper.stdout.readline() == "ready\n"
        self.pid = self._keeper.pid

    def command(self, arguments: Sequence[str]) -> list[str]:
        """The command line that runs it here, without the capability to set any clock."""
        enter = [tool("nsenter"), f"--target={self.pid}", "--net", "--mount", f"--wd={_TREE}", "--"]
        return [*enter, tool("setpriv"), "--bounding-set=-sys_time", "--inh-caps=-all", *arguments]

    def run(self, *arguments: str, timeout: float = 20, check: bool = True) -> str:
        """Run it here to its end; both outputs."""
        ran = subprocess.run(
            self.command(arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False
        )
        assert ran.returncode == 0 or not check, ran.stdout
        return ran.stdout

    def python(self, code: str, *arguments: str) -> str:
        """Run Python here."""
        return self.run(sys.executable, "-c", code, *arguments)

    def stratum1(self, *arguments: str, check: bool = True) -> str:
        """Run our command here."""
        return self.run(sys.executable, "-m", "stratum1", *arguments, check=check)

    def close(self) -> None:
        assert self._keeper.stdout is not None
        self._keeper.terminate()
        self._keeper.wait(10)
        self._keeper.stdout.close()


class Wire:
    """server's end is called va, the client's vb."""

    def __init__(self, server: Host, client: Host) -> None:
        self.server = server
        self.client = client

    def ask(self, host: str, count: int = 1, timeout: float = 0.5, version: int = 4) -> list[bytes]:
        """Replies to plain requests, sent one after the other by an ordinary socket of the client."""
        told = self.client.python(_ASK, host, str(count), str(timeout), str(version))
        return [bytes.fromhex(each) for each in json.loads(told)]

    def counts(self) -> dict[str, int]:
        """What the program has counted, all listeners together."""
        found: dict[str, int] = json.loads(self.server.python(_COUNTS))
        return found


@contextmanager
def wire() -> Iterator[Wire]:
    """Both hosts, with their addresses; nothing is attached at the server's end yet."""
    with ExitStack() as ends:
        hosts = []
        for _ in range(2):
            host = Host()
            ends.callback(host.close)
            hosts.append(host)
        server, client = hosts
        ip = tool("ip")
        server.run(ip, "link", "add", "va", "type", "veth", "peer", "name", "vb", "netns", str(client.pid))
        for host, name, (four, six) in ((server, "va", SERVER), (client, "vb", CLIENT)):
            host.run(ip, "address", "add", f"{four}/24", "dev", name)
            host.run(ip, "address", "add", f"{six}/64", "dev", name, "nodad")
            host.run(ip, "link", "set", "dev", name, "up")
        passing: subprocess.Popen[Any] = subprocess.Popen(
            client.command([sys.executable, "-c", _PASS_ALL, "vb"]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        ends.callback(passing.communicate)
        assert passing.stdout is not None
        assert passing.stdout.readline() == "ready\n"
        yield Wire(server, client)

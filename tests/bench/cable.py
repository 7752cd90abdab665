"""Two network namespaces joined by a veth pair, for a server and the load generator; and what is dropped between them.

At saturation most answers are dropped where they leave the server (a classifier at the egress hook of its end, which costs a
jump or two), the same for every server: taking them in would cost the server's core more than its own work, since a veth's far end
runs on the core that sends. Only those to every 64th client port pass, and are looked at. Answers of an XDP program do not pass that hook;
they are dropped by the same classifier where they arrive.
"""

import array
import errno
import fcntl
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "interop"))
from output_peers import Namespace
from sntp_peers import tool

__all__ = ["CLIENTS", "GENERATOR", "GENERATOR_END", "SAMPLE", "SERVER", "SERVER_END", "Cable"]

SERVER, GENERATOR, CLIENTS = "10.98.0.1", "10.98.0.2", "10.99.0.0"
SERVER_END, GENERATOR_END = "vs0", "vg0"
SAMPLE = 64
_LONGEST = 7200
_ETHTOOL = 0x8946  # SIOCETHTOOL
_OFFLOADS = {"gro": 0x2C, "tso": 0x1F}  # ETHTOOL_SGRO, ETHTOOL_STSO
# classic BPF: IPv4 and UDP and source port 123 and client port not a multiple of 64: 2 (TC_ACT_SHOT), else 0 (TC_ACT_OK)
_DROP = "11,40 0 0 12,21 0 7 2048,48 0 0 23,21 0 5 17,40 0 0 34,21 0 3 123,40 0 0 36,84 0 0 63,21 0 1 0,6 0 0 0,6 0 0 2"
_PASS_ALL = """
import sys
from socket import if_nametoindex
from stratum1.xdp import _bpf
program = _bpf.load_program("pass", bytes.fromhex("b7000000020000009500000000000000"), "Apache-2.0")  # r0 = XDP_PASS; exit
link = _bpf.attach_xdp(program, if_nametoindex(sys.argv[1]), 4)  # native mode
print("ready", flush=True)
sys.stdin.read()
"""


class Cable:
    """The namespaces. Needs root."""

    def __init__(self) -> None:
        self.server = Namespace(seconds=_LONGEST)
        self.generator = Namespace(self.server, _LONGEST)
        self.server.ip(f"link add {SERVER_END} type veth peer name {GENERATOR_END} netns {self.generator.pid}")
        for place, name, own in ((self.server, SERVER_END, SERVER), (self.generator, GENERATOR_END, GENERATOR)):
            place.ip(f"addr add {own}/24 dev {name}")
            place.ip(f"link set dev {name} up")
        self.server.ip(f"route add {CLIENTS}/16 via {GENERATOR}")
        self._keep_ports_free()
        for place, name, other in ((self.server, SERVER_END, GENERATOR_END), (self.generator, GENERATOR_END, SERVER_END)):
            self._run(place, "tc", "qdisc", "add", "dev", name, "clsact")
            mac = self._mac(self.generator if other == GENERATOR_END else self.server, other)
            place.ip(f"neigh replace {GENERATOR if other == GENERATOR_END else SERVER} lladdr {mac} nud permanent dev {name}")

    def _keep_ports_free(self) -> None:
        """Thousands of key establishments a second would have every client port wait for a minute (TIME-WAIT), and connect() then look
        through them all: 10 ms for each connection, which would be taken for the server's."""
        for name, value in (("tcp_tw_reuse", "1"), ("ip_local_port_range", "1024 65535")):
            self._run(self.generator, "sh", "-c", f"echo {value} > /proc/sys/net/ipv4/{name}")

    @contextmanager
    def taking_xdp(self) -> Iterator[None]:
        """The generator's end takes what an XDP program sends meanwhile: a veth does while it has a program itself, one that passes all."""
        argv = [sys.executable, "-c", _PASS_ALL, GENERATOR_END]
        with subprocess.Popen(self.generator.command(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            try:
                if holder.stdout is None or holder.stdout.readline() != "ready\n":
                    raise SystemExit(f"no XDP program can be put into {GENERATOR_END}")
                yield
            finally:
                holder.communicate(timeout=10)

    def program(self) -> int:
        """The id of the XDP program at the server's end."""
        argv = self.server.command([tool("ip"), "link", "show", "dev", SERVER_END])
        words = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=10).stdout.split()
        return int(words[words.index("prog/xdp") + 2])

    def drop_answers(self, wanted: bool) -> None:
        """Whether only the answers to every 64th client port (SAMPLE) pass."""
        for place, name, hook in ((self.server, SERVER_END, "egress"), (self.generator, GENERATOR_END, "ingress")):
            self._run(place, "tc", "filter", "del", "dev", name, hook)
            if wanted:
                self._run(place, "tc", "filter", "add", "dev", name, hook, "prio", "1", "bpf", "da", "bytecode", _DROP)

    def set_offload(self, place: Namespace, name: str, offload: str, *, on: bool) -> None:
        """Generic receive offload ("gro") or segmentation of TCP ("tso") of an end."""
        code = f"import bench.cable; bench.cable.switch_offload({name!r}, {offload!r}, {on})"
        subprocess.run(place.command([sys.executable, "-c", code]), check=True, timeout=20, cwd=Path(__file__).parent.parent)

    @contextmanager
    def drivers_on(self, server: int, generator: int) -> Iterator[None]:
        """The driver's part of taking packets in is done by a kernel thread on these cores meanwhile, at each end.

        A veth end has such a thread only while it takes packets by NAPI, which GRO switches on; and it takes UDP so only where the other
        end does not segment TCP (veth_skb_is_eligible_for_gro), else packets are taken in where the sender runs.
        """
        ends = ((self.server, SERVER_END, server), (self.generator, GENERATOR_END, generator))
        for place, name, core in ends:
            self.set_offload(place, name, "tso", on=False)
            self.set_offload(place, name, "gro", on=True)
            self.set_threaded(place, name, core)
        try:
            yield
        finally:
            for place, name, _ in ends:
                self.set_threaded(place, name, None)
                self.set_offload(place, name, "gro", on=False)
                self.set_offload(place, name, "tso", on=True)

    def set_threaded(self, place: Namespace, name: str, core: int | None) -> None:
        """Let a kernel thread on this core take the packets of an end (None: softirqs again, where the sender runs)."""
        switch = f"mount -t sysfs none /mnt && echo {int(core is not None)} > /mnt/class/net/{name}/threaded"
        subprocess.run(place.command([tool("unshare"), "--mount", "sh", "-c", switch]), check=True, timeout=10)
        for entry in Path("/proc").glob("[0-9]*/comm"):
            try:
                if core is not None and entry.read_text().startswith(f"napi/{name}-"):
                    os.sched_setaffinity(int(entry.parent.name), {core})
                    os.setpriority(os.PRIO_PROCESS, int(entry.parent.name), -19)
            except OSError:
                continue  # gone meanwhile

    def close(self) -> None:
        """Both namespaces end, and the cable with them."""
        self.server.close()
        self.generator.close()

    @staticmethod
    def _run(place: Namespace, program: str, *arguments: str) -> None:
        subprocess.run(place.command([tool(program), *arguments]), check=True, timeout=10, stderr=subprocess.DEVNULL)

    @staticmethod
    def _mac(place: Namespace, name: str) -> str:
        ran = subprocess.run(
            place.command([tool("ip"), "-br", "link", "show", name]), capture_output=True, text=True, check=True, timeout=10
        )
        return ran.stdout.split()[2]


def switch_offload(name: str, offload: str, on: bool) -> None:
    """An offload of an interface of this namespace (ethtool(8) need not be there)."""
    value = array.array("I", [_OFFLOADS[offload], int(on)])
    request = struct.pack("16sP", name.encode(), value.buffer_info()[0]) + bytes(16)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        try:
            fcntl.ioctl(control, _ETHTOOL, request)
        except OSError as error:
            # beside an end with an XDP program the other one has no segmentation that could be switched
            if error.errno != errno.EOPNOTSUPP:
                raise


def pinned(core: int, argv: Sequence[str]) -> list[str]:
    """The command line that runs argv on one core, before almost everything else that wants it."""
    return [tool("nice"), "-n", "-19", tool("taskset"), "--cpu-list", str(core), *argv]

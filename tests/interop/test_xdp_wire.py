"""The XDP data plane on a cable: a real daemon behind a real driver's native XDP, asked by ordinary sockets and by chronyd."""

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sntp_peers import Peers, tool
from testkit.daemon import Daemon, started
from xdp_wire import SERVER, Wire, wire

GROUP = "nogroup"
TABLES = """
[receiver]
device = "simulated"
pps = "simulated"
[clock]
control = "virtual"
state-directory = "{place}/state"
[[server]]
listen = "[::]:123"
data-plane = "xdp"
"""


@pytest.fixture(scope="module")
def cable() -> Iterator[Wire]:
    with wire() as laid:
        yield laid


@contextmanager
def serving(cable: Wire) -> Iterator[Daemon]:
    """A daemon at the server's end: a user with the privilege for its port, in the group that the pins are for."""
    who = ["--reuid=65534", f"--regid={GROUP}", "--clear-groups", "--inh-caps=+net_bind_service,+dac_read_search"]
    # dac_read_search only for a Python that lies in root's home; writing to the maps takes the group's permission all the same
    may = ["--ambient-caps=+net_bind_service,+dac_read_search", "--bounding-set=-all,+net_bind_service,+dac_read_search"]

    def spawn(argv: Sequence[str], **options: Any) -> "subprocess.Popen[Any]":
        enter = [tool("nsenter"), f"--target={cable.server.pid}", "--net", "--mount", "--", tool("setpriv"), *who, *may]
        return subprocess.Popen([*enter, *argv], **options)

    # in a directory that every user may reach and write to, which pytest's own are not
    with tempfile.TemporaryDirectory(prefix="stratum1-xdp-") as name:
        Path(name).chmod(0o777)
        with started(Path(name), TABLES.format(place=name), arguments=(), spawn=spawn) as daemon:
            yield daemon


@pytest.fixture(scope="module")
def daemon(cable: Wire) -> Iterator[Daemon]:
    """One that has locked, with the program attached."""
    assert cable.server.stratum1("xdp", "attach", "-i", "va", "--group", GROUP) == "va: native mode\n"
    with serving(cable) as running:
        running.await_lock("locked", 40)
        yield running


def attach(cable: Wire, *options: str) -> str:
    return cable.server.stratum1("xdp", "attach", "-i", "va", "--group", GROUP, *options)


def said(daemon: Daemon) -> str:
    """All that it tells of its listeners."""
    return str(daemon.status()["server"])


def test_plain_requests_are_answered_in_the_driver(cable: Wire, daemon: Daemon) -> None:
    before = daemon.status()["server"]["received"]
    for host in SERVER:
        replies = cable.ask(host, 50)
        assert len(replies) == 50
        assert {reply[:4] + reply[12:16] for reply in replies} == {replies[0][:4] + b"GPS\0"}
        assert replies[0][:3] == b"\x24\x01\x06"
    assert cable.counts() == {"TIME4": 100}
    assert len(cable.ask(SERVER[0], 5, version=2)) == 5  # by the sockets
    assert cable.counts() == {"TIME4": 100, "PASS_KIND": 5}
    assert daemon.status()["server"]["received"] - before == 105
    assert "XDP at va in native mode" in said(daemon)
    assert "xdp+" in said(daemon)


def test_chronyd_in_interleaved_mode_works_through_it(cable: Wire, daemon: Daemon, tmp_path: Path) -> None:
    """Its first request is answered in the driver, the interleaved ones by the sockets."""
    peers = Peers()
    before = cable.counts()
    tmp_path.chmod(0o700)  # chronyd's condition for a command socket
    socket = tmp_path / "chronyd.sock"
    settings = ["cmdport 0", f"bindcmdaddress {socket}", f"pidfile {tmp_path / 'pid'}"]
    source = f"server {SERVER[0]} iburst minpoll 0 maxpoll 0 minsamples 4 xleave"
    client = subprocess.Popen(
        cable.client.command([*peers.chronyd, "-x", "-d", "-u", "root", *settings, source]),
        env=peers.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    told = ""
    try:
        end = time.monotonic() + 20
        while not re.search(r"Interleaved +: Yes", told) and time.monotonic() < end:
            time.sleep(0.25)
            report = [*peers.chronyc, "-h", str(socket), "ntpdata", SERVER[0]]
            told = subprocess.run(report, env=peers.environment, capture_output=True, text=True, check=False).stdout
    finally:
        client.terminate()
        client.wait(10)
    assert re.search(r"Interleaved +: Yes", told), told
    assert re.search(r"Stratum +: 1\n", told)
    counted = cable.counts()
    assert counted["TIME4"] > before["TIME4"]
    assert counted["PASS_KIND"] >= before["PASS_KIND"] + 2


def test_a_daemon_finds_a_program_that_is_loaded_anew(cable: Wire, daemon: Daemon) -> None:
    before = daemon.status()["server"]["received"]
    assert cable.server.stratum1("xdp", "detach") == "detached\n"
    assert len(cable.ask(SERVER[0], 5)) == 5  # by the sockets
    daemon.await_status(lambda status: "XDP does not answer" in str(status["server"]), 5)
    assert attach(cable, "--mode", "generic", "--hardware-stamps") == "va: generic mode\nva: no hardware stamps\n"
    daemon.await_status(lambda status: "XDP at va in generic mode" in str(status["server"]), 5)
    assert len(cable.ask(SERVER[1], 5)) == 5
    assert cable.counts() == {"TIME4": 5}
    assert daemon.status()["server"]["received"] - before == 10


def test_answers_end_soon_after_a_daemon_was_killed(cable: Wire, daemon: Daemon) -> None:
    before = cable.counts().get("PASS_STATE", 0)
    assert len(cable.ask(SERVER[0])) == 1
    daemon.process.kill()
    daemon.process.wait()
    killed = time.monotonic()
    while cable.ask(SERVER[0], 1, 0.2):
        assert time.monotonic() - killed < 6
    assert cable.counts()["PASS_STATE"] > before


class Serving:
    """xdp_serving.py at the server's end."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.seen = self._read()

    def tell(self, word: str) -> Any:
        """Have it do something; what is seen of it then."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        self.seen = self._read()
        return self.seen

    def _read(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


@contextmanager
def served(cable: Wire) -> Iterator[Serving]:
    command = cable.server.command([sys.executable, str(Path(__file__).with_name("xdp_serving.py"))])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Serving(process)
        finally:
            process.communicate(timeout=10)
    assert process.returncode == 0


def test_settings_and_states_reach_the_driver_at_once(cable: Wire) -> None:
    attach(cable)
    with served(cable) as server:
        assert len(cable.ask(SERVER[0], 20)) == 20
        assert server.tell("look")["records"] == {"synchronised/time": 20}
        server.tell("deny")
        assert {reply[12:16] for reply in cable.ask(SERVER[0], 3)} == {b"DENY"}
        assert {reply[12:16] for reply in cable.ask(SERVER[1], 3)} == {b"GPS\0"}
        server.tell("limit")
        assert len(cable.ask(SERVER[1], 5, 0.05)) == 3
        assert server.tell("look")["records"]["rate-limited/ignore"] == 2
        server.tell("open")
        server.tell("doubt")
        assert {reply[0] for reply in cable.ask(SERVER[0], 2)} == {0xE4}
        server.tell("know")
        assert {reply[0] for reply in cable.ask(SERVER[0], 2)} == {0x24}
        server.tell("stop")
        before = cable.counts()
        assert cable.ask(SERVER[0], 2, 0.05) == []
        assert cable.counts() == before
    assert before == {"TIME4": 28, "PASS_ACCESS": 3, "DROP4": 2}


def test_only_one_server_has_the_maps(cable: Wire) -> None:
    attach(cable)
    standing = json.loads(cable.server.stratum1("xdp", "status", "--json"))["interfaces"]
    assert standing == [{"interface": "va", "mode": "native", "reason": "", "threaded": False}]
    hold = "import sys; from stratum1.xdp import Maps; maps = Maps.open(); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        cable.server.command([sys.executable, "-c", hold]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with served(cable) as server:
            assert "another process uses the maps" in server.seen["reason"]
            assert len(cable.ask(SERVER[0])) == 1
        holder.communicate(timeout=10)


def test_an_old_program_under_a_new_daemon_is_noticed(cable: Wire) -> None:
    attach(cable)
    age = "from stratum1.xdp import PINS, _bpf; _bpf.map_memory(_bpf.open_pin(PINS / 'state'), 512)[0] = 99"
    cable.server.python(age)
    with served(cable) as server:
        assert "layout 99" in server.seen["reason"]
        assert "restart stratum1-xdp.service" in server.seen["reason"]
        assert len(cable.ask(SERVER[0])) == 1


def test_without_a_program_the_sockets_serve_and_say_why(cable: Wire) -> None:
    cable.server.stratum1("xdp", "detach")
    with served(cable) as server:
        assert not server.seen["plane"].startswith("xdp")
        assert "start stratum1-xdp.service" in server.seen["reason"]
        assert len(cable.ask(SERVER[0])) == 1


def test_what_can_not_be_attached_is_named_and_leaves_nothing(cable: Wire) -> None:
    nowhere = cable.server.stratum1("xdp", "attach", "-i", "nosuch0", "--group", "root", check=False)
    assert "nosuch0: there is no such interface\n" in nowhere
    assert "there is no group nobodys" in cable.server.stratum1("xdp", "attach", "-i", "va", "--group", "nobodys", check=False)
    assert "not attached" in cable.server.stratum1("xdp", "status", check=False)


def test_somebody_elses_program_is_left_alone(cable: Wire) -> None:
    told = cable.client.stratum1("xdp", "attach", "-i", "vb", "--group", "root", check=False)
    assert "vb: no native mode: another XDP program is attached" in told

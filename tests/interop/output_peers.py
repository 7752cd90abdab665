"""Readers of our outputs: a daemon with namespaces of its own, and a small PTP network. Nobody here can touch the host's clock."""

import os
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sntp_peers import PEERS, Peers, tool
from testkit.daemon import Daemon, started
from testkit.notify import Call, ClockCall, Supervisor

__all__ = ["CLOCKLESS", "IpcDaemon", "Namespace", "PretendedClock", "await_value", "ipc_daemon", "ptp_network", "text_of"]

_T = TypeVar("_T")
_ROOT = os.geteuid() == 0
CLOCKLESS = [tool("setpriv"), "--bounding-set=-sys_time", "--inh-caps=-all"]
"""Before a command: without the capability to set any clock."""


class Namespace:
    """A process that keeps a network namespace alive (for a user without privileges in a user namespace)."""

    def __init__(self, beside: "Namespace | None" = None, seconds: int = 300) -> None:
        """beside: one whose user namespace this one shares, so that a cable may be laid between them.

        seconds: it ends by itself after so many.
        """
        enter = [] if beside is None or _ROOT else [tool("nsenter"), f"--target={beside.pid}", "--user", "--preserve-credentials", "--"]
        own_user = ["--map-root-user"] if beside is None and not _ROOT else []
        keep = f"{tool('ip')} link set lo up && echo ready && exec sleep {seconds}"
        self._keeper = subprocess.Popen([*enter, tool("unshare"), *own_user, "--net", "sh", "-c", keep], stdout=subprocess.PIPE, text=True)
        assert self._keeper.stdout is not None
        assert self._keeper.stdout.readline() == "ready\n"
        self.pid: int = self._keeper.pid

    def command(self, arguments: Sequence[str]) -> list[str]:
        """The command line that runs it in here."""
        own_user = [] if _ROOT else ["--user", "--preserve-credentials"]
        return [tool("nsenter"), f"--target={self.pid}", *own_user, "--net", "--", *arguments]

    def ip(self, words: str) -> None:
        """ip(8) in here."""
        subprocess.run(self.command([tool("ip"), *words.split()]), check=True, timeout=10)

    def close(self) -> None:
        assert self._keeper.stdout is not None
        self._keeper.terminate()
        self._keeper.wait(10)
        self._keeper.stdout.close()


@contextmanager
def ptp_network() -> Iterator[tuple[Namespace, list[Namespace]]]:
    """A grandmaster's namespace with ports gm0 and gm1, and behind each a client's namespace with its port "eth"."""
    with ExitStack() as ends:
        centre = Namespace()
        ends.callback(centre.close)
        clients = []
        for number in range(2):
            client = Namespace(centre)
            ends.callback(client.close)
            centre.ip(f"link add gm{number} type veth peer name eth netns {client.pid}")
            for place, port, host in ((centre, f"gm{number}", 1), (client, "eth", 2)):
                place.ip(f"addr add 10.77.{number}.{host}/24 dev {port}")
                place.ip(f"link set dev {port} up")
            clients.append(client)
        yield centre, clients


class IpcDaemon:
    """A locked simulated daemon in an IPC namespace of its own, so that its shared memory is nobody else's."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon

    def command(self, arguments: Sequence[str]) -> list[str]:
        """The command line that runs a reader where the daemon's shared memory is, in a network namespace of the reader's own."""
        own_user = [] if _ROOT else ["--user", "--preserve-credentials"]
        enter = [tool("nsenter"), f"--target={self.daemon.process.pid}", *own_user, "--ipc", "--"]
        return [*enter, tool("unshare"), "--net", *CLOCKLESS, *arguments]

    def output(self, mode: str) -> Any:
        """The row of an output now."""
        return next(each for each in self.daemon.status()["outputs"] if each["mode"] == mode)


@contextmanager
def ipc_daemon(directory: Path, tables: str) -> Iterator[IpcDaemon]:
    """Start one and wait for its lock."""
    own_user = [] if _ROOT else ["--map-root-user"]
    prefix = [tool("unshare"), *own_user, "--ipc"]

    def spawn(argv: Sequence[str], **options: Any) -> "subprocess.Popen[Any]":
        return subprocess.Popen([*prefix, *argv], **options)

    with started(directory, tables, spawn=spawn) as daemon:
        daemon.await_lock("locked", 60)
        yield IpcDaemon(daemon)


class PretendedClock:
    """For a program that must believe that it steers the clock: its calls succeed, do nothing, and are counted."""

    def __init__(self) -> None:
        self.settings = 0
        self._supervisor = Supervisor((), self._handle, clocks=True)
        self.spawn: Callable[..., subprocess.Popen[Any]] = self._supervisor.spawn

    def _handle(self, call: Call) -> int:
        if call.clock is ClockCall.ADJTIME:
            timex = list(struct.unpack("@I4qi8qi5qi11I", call.peek(208)))
            if timex[0]:
                self.settings += 1
            else:  # tolerance 500 ppm, the nominal tick
                timex[2], timex[8], timex[11] = 0, 500 << 16, 10_000
                call.poke(struct.pack("@I4qi8qi5qi11I", *timex))
        else:
            self.settings += 1
        return 0


def await_value(read: Callable[[], _T], condition: Callable[[_T], bool], within: float) -> _T:
    """The first value for which the condition holds; fails with the last one."""
    end = time.monotonic() + within
    while not condition(value := read()):
        assert time.monotonic() < end, f"after {within} s: {value}"
        time.sleep(0.25)
    return value


def text_of(peers: Peers, *command: str) -> str:
    """What one of the peers' tools prints."""
    ran = subprocess.run(
        [str(PEERS / "root" / command[0]), *command[1:]],
        env=peers.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=15,
        check=False,
    )
    return ran.stdout

"""A real daemon as a child process, on loopback ports of its own, and the ways to ask it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from stratum1.cli.client import ControlClient, ControlError
from stratum1.sources import Answer, QueryError, query
from stratum1.sources.protocol import parse_target
from testkit.loopback import free_port

__all__ = ["Daemon", "Spawn", "started"]

Spawn = Callable[..., "subprocess.Popen[Any]"]


class Daemon:
    """A running `stratum1 run`; directory is its XDG_RUNTIME_DIR, and what it prints goes to `log` there."""

    def __init__(
        self,
        directory: Path,
        extra: str = "",
        *,
        arguments: tuple[str, ...] = ("--simulate",),
        spawn: Spawn = subprocess.Popen,
        environment: dict[str, str] | None = None,
        web: int = 0,
    ) -> None:
        """extra: TOML added to the configuration; spawn: starts the process (for fake devices); environment: added to ours; web: port."""
        self.ntp = free_port(socket.SOCK_DGRAM)
        self.web = web or free_port(socket.SOCK_STREAM)
        self.directory = directory
        self.socket = directory / "stratum1" / "control.sock" if "--simulate" in arguments else directory / "control.sock"
        self.file = directory / "stratum1.toml"
        self.file.write_text(
            f'{extra}\n[[server]]\nlisten = "127.0.0.1:{self.ntp}"\n[web]\nlisten = "127.0.0.1:{self.web}"\n'
            f'[control]\nsocket = "{self.socket}"\n'
        )
        self.log = directory / "log"
        variables = {**os.environ, "XDG_RUNTIME_DIR": str(directory), **(environment or {})}
        argv = [sys.executable, "-m", "stratum1", "run", "-c", str(self.file), *arguments]
        with self.log.open("wb") as log:
            self.process = spawn(argv, stdout=log, stderr=subprocess.STDOUT, env=variables)
        self.started = time.monotonic()

    def ask(self, timeout: float = 0.5) -> Answer:
        """One NTP query."""
        return query(parse_target(f"127.0.0.1:{self.ntp}"), timeout)

    def ask_soon(self, within: float) -> Answer:
        """The first answer, at most `within` seconds after the start."""
        while True:
            try:
                return self.ask(0.1)
            except QueryError:
                assert time.monotonic() - self.started < within, self.printed()
                time.sleep(0.02)

    def status(self) -> Any:
        """The picture of now."""
        return ControlClient(self.socket).get("/api/v1/status")

    def act(self, name: str) -> None:
        """Pull or put back a plug of the simulated receiver."""
        ControlClient(self.socket).post(f"/api/v1/simulate/{name}")

    def await_status(self, condition: Callable[[Any], bool], within: float) -> Any:
        """The first picture for which the condition holds; fails with the last one after `within` seconds."""
        end = time.monotonic() + within
        status: Any = None
        while time.monotonic() < end:
            assert self.process.poll() is None, self.printed()
            with contextlib.suppress(ControlError):
                status = self.status()
                if condition(status):
                    return status
            time.sleep(0.1)
        raise AssertionError(
            f"after {within} s: {json.dumps(status and status['lock'])}\n{json.dumps(status and status.get('refclock'))}\n{self.printed()}"
        )

    def await_lock(self, state: str, within: float) -> Any:
        """The first picture in a lock state."""
        return self.await_status(lambda status: status["lock"]["state"] == state, within)

    def printed(self) -> str:
        """All that it has printed so far."""
        return self.log.read_text(errors="replace")

    def end(self, number: int = signal.SIGTERM, within: float = 10.0) -> int:
        """Signal it and wait; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not end within {within} s\n{self.printed()}") from None


@contextlib.contextmanager
def started(directory: Path, extra: str = "", **options: Any) -> Iterator[Daemon]:
    """A daemon (see there for the options) that is ended in any case."""
    daemon = Daemon(directory, extra, **options)
    try:
        yield daemon
    finally:
        daemon.end()

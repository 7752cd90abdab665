"""What the service manager is told: sd_notify(3) over NOTIFY_SOCKET. Nothing happens where no service manager listens."""

import asyncio
import os
import time
from collections.abc import Callable

import sdnotify

__all__ = ["Notifier"]


class Notifier:
    """The daemon's line to systemd (Type=notify, WatchdogSec=), read from the environment when it is made.

    One thread uses it. No call blocks or raises: a message that the manager can't take is lost, as sd_notify(3) allows;
    a lost heartbeat is followed by another.
    """

    def __init__(self) -> None:
        self._line = sdnotify.SystemdNotifier() if os.environ.get("NOTIFY_SOCKET") else None
        if self._line is not None and self._line.socket is not None:
            self._line.socket.setblocking(False)

    @property
    def listening(self) -> bool:
        """Whether a service manager is there to be told."""
        return self._line is not None and self._line.socket is not None

    @property
    def heartbeat_interval(self) -> float | None:
        """Seconds between two heartbeats, half of WATCHDOG_USEC (sd_watchdog_enabled(3)); None where no watchdog waits for us."""
        period, owner = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
        if not self.listening or not period.isdecimal() or int(period) == 0 or (owner and owner != str(os.getpid())):
            return None
        return int(period) / 2e6

    def ready(self, status: str = "") -> None:
        """Started, or done with reloading."""
        self._send("READY=1", status)

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send("", text)

    def reloading(self) -> None:
        """The configuration is being read again; `ready` ends it. MONOTONIC_USEC is what Type=notify-reload asks for."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str = "") -> None:
        """The daemon is on its way out."""
        self._send("STOPPING=1", status)

    def heartbeat(self) -> None:
        """Alive: the watchdog starts anew."""
        self._send("WATCHDOG=1")

    async def feed_watchdog(self, healthy: Callable[[], bool]) -> None:
        """Send heartbeats as often as the watchdog wants, while `healthy` says so; until cancelled. Returns at once without a watchdog."""
        interval = self.heartbeat_interval
        while interval is not None:
            if healthy():
                self.heartbeat()
            await asyncio.sleep(interval)

    def close(self) -> None:
        """Give the socket back."""
        if self._line is not None and self._line.socket is not None:
            self._line.socket.close()
        self._line = None

    def _send(self, state: str, status: str = "") -> None:
        if self._line is None:
            return
        # One line only, or text could carry assignments of its own.
        line = f"STATUS={' '.join(status.split())}" if status else ""
        message = "\n".join(part for part in (state, line) if part)
        # sdnotify encodes as Latin-1, systemd reads UTF-8.
        self._line.notify(message.encode().decode("latin-1"))

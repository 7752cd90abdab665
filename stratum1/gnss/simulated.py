"""The simulated receiver: NMEA or UBX bytes at a baud rate's pace through a pseudo-terminal, and every plug that a person can pull."""

import os
import random
import select
import threading
import tty
from pathlib import Path
from typing import Literal

from stratum1._pace import Pace, Truth, late_pulse, raw_now
from stratum1.timescale import NS, MonoNs, UtcNs, ns_from_seconds

from ._simulated_nmea import nmea_epoch
from ._simulated_ubx import ubx_epoch

__all__ = ["SimulatedReceiver"]

_WRITES = 6
"""Bursts that a second's sentences are sent in: a driver hands on what its FIFO has gathered, and few wake-ups cost little."""
_BITS = 10
"""Of a byte on the line: start bit, eight, stop bit."""


class SimulatedReceiver:
    """Sends the sentences (or UBX messages) of each true second, `serial_delay` seconds after it.

    `path` is what a serial reader opens. With a directory it is a symbolic link there that stays the same when the receiver
    is unplugged and comes back; without one it changes then.
    """

    def __init__(
        self,
        truth: Truth,
        seed: int,
        directory: Path | None = None,
        *,
        serial_delay: float = 0.25,
        jitter: float = 0.02,
        baud: int = 9600,
        speaks: Literal["nmea", "ubx", "both"] = "nmea",
        tick: float = 0.0,
    ) -> None:
        """serial_delay: of the first byte, 0 to 0.9 s. jitter: its standard deviation, 0 to 0.1 s. baud: 9600 or more; 38400 for "both".

        tick: period of the receiver's own clock, seconds, to the next edge of which its pulses come; TIM-TP announces by how much.
        Raises ValueError; OSError where no pseudo-terminal can be had.
        """
        least = 38_400 if speaks == "both" else 9600
        if not 0 <= serial_delay <= 0.9 or not 0 <= jitter <= 0.1 or baud < least or not 0 <= tick <= 1e-6:
            raise ValueError(
                f"a serial delay of {serial_delay} s (0 to 0.9), jitter {jitter} s (0 to 0.1), {baud} baud ({least} or more), "
                f"a tick of {tick} s (0 to 1e-6)"
            )
        self._speaks, self._tick = speaks, tick
        self._truth = truth.twin()
        self._seed = seed
        self._random = random.Random(seed)  # noqa: S311 (a simulation has to be repeatable)
        self._delay, self._jitter = serial_delay, jitter
        self._byte_ns = _BITS * NS / baud
        self._link = None if directory is None else directory / "simulated-receiver"
        self._lock = threading.Lock()
        self._terminal: _Terminal | None = _Terminal(self._link)
        self._paused = False
        self._fix = True
        self._pace = Pace()
        self._thread: threading.Thread | None = None
        self._written = self._lost = 0

    @property
    def path(self) -> str:
        """The device to open. Raises FileNotFoundError while unplugged, if there is no directory for a lasting name."""
        with self._lock:
            if self._link is not None:
                return str(self._link)
            if self._terminal is None:
                raise FileNotFoundError("the simulated receiver is unplugged")
            return self._terminal.name

    @property
    def written(self) -> int:
        """Bytes that were sent to a reader."""
        return self._written

    @property
    def lost(self) -> int:
        """Bytes that nobody listened to."""
        return self._lost

    def start(self) -> None:
        """Begin to send, in a thread of its own. Returns at once."""
        if self._thread is None:
            self._pace = Pace()
            self._thread = threading.Thread(target=self._run, args=(self._pace,), name="gnss simulated", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread at once, and take the device away."""
        self._pace.end()
        if self._thread is not None:
            self._thread.join(2.0)
            self._thread = None
        self.unplug()

    def pause(self) -> None:
        """The receiver falls silent; the line stays."""
        self._paused = True

    def resume(self) -> None:
        """The receiver talks again."""
        self._paused = False

    def lose_fix(self) -> None:
        """Cut the antenna: sentences go on and say that there is no fix."""
        self._fix = False

    def regain_fix(self) -> None:
        """Mend the antenna."""
        self._fix = True

    def unplug(self) -> None:
        """Pull the receiver's plug: the device vanishes, and who has it open reads its end."""
        with self._lock:
            if self._terminal is not None:
                self._terminal.close()
                self._terminal = None

    def replug(self) -> None:
        """Put the plug back: a new device (under the same name, if there is a directory)."""
        with self._lock:
            if self._terminal is None:
                self._terminal = _Terminal(self._link)

    def _run(self, pace: Pace) -> None:
        second = self._truth.utc_at(raw_now()) // NS
        while self._send_epoch(pace, second):
            heard = self._truth.utc_at(raw_now()) - ns_from_seconds(self._delay)
            second = max(second + 1, heard // NS + 1)  # the latter after the thread was held up: a receiver does not catch up

    def _send_epoch(self, pace: Pace, second: int) -> bool:
        """Send one second's sentences, each burst when its last byte would have passed the line. False when the thread is to end."""
        delay_ns = ns_from_seconds(max(0.0, self._random.gauss(self._delay, self._jitter)))
        begin = self._truth.raw_at(UtcNs(second * NS + delay_ns))
        data = self._epoch(second)
        burst = -(-len(data) // _WRITES)
        for start in range(0, len(data), burst):
            chunk = data[start : start + burst]
            if not pace.until(MonoNs(begin + round((start + len(chunk)) * self._byte_ns))):
                return False
            self._send(chunk)
        return True

    def _epoch(self, second: int) -> bytes:
        utc, data = UtcNs(second * NS), b""
        if self._speaks != "ubx":
            data = nmea_epoch(utc, self._seed, fix=self._fix)
        if self._speaks != "nmea":
            data += ubx_epoch(utc, self._seed, fix=self._fix, late=late_pulse(second + 1, self._tick))
        return data

    def _send(self, chunk: bytes) -> None:
        with self._lock:
            if self._paused:
                return
            sent = 0 if self._terminal is None else self._terminal.write(chunk)
        self._written += sent
        self._lost += len(chunk) - sent


class _Terminal:
    """A pseudo-terminal of which we hold the master: what a serial line does, a byte that nobody reads is gone."""

    def __init__(self, link: Path | None) -> None:
        self._master, slave = os.openpty()
        self.name = os.ttyname(slave)
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        os.close(slave)  # from now on the master hangs up whenever no reader has the device open
        self._poll = select.poll()
        self._poll.register(self._master, select.POLLIN)
        self._link = link
        if link is not None:
            new = link.with_suffix(".new")
            new.unlink(missing_ok=True)
            new.symlink_to(self.name)
            new.replace(link)

    def write(self, data: bytes) -> int:
        """How many bytes the reader can have; what it sends to us is thrown away."""
        events = sum(event for _, event in self._poll.poll(0))
        try:
            if events & select.POLLIN:
                os.read(self._master, 4096)
            return 0 if events & select.POLLHUP else os.write(self._master, data)
        except OSError:  # the reader is full (EAGAIN) or left this moment (EIO)
            return 0

    def close(self) -> None:
        """Hang up."""
        if self._link is not None:
            self._link.unlink(missing_ok=True)
        os.close(self._master)

"""The shell between the set-up of a receiver and its line: writes what the set-up gives it, never anything else."""

import os
import time
from collections import deque
from collections.abc import Callable

import serial

from stratum1.timescale import NS, MonoNs

from .setup import Action, ChangeRate, Send, SetupMachine, SetupNote, SetupReport

__all__ = ["SetupLine", "SetupTold"]

SetupTold = Callable[[SetupReport, tuple[SetupNote, ...]], None]

_STUCK = 5.0
"""Seconds without a byte leaving after which the line is taken for one that takes none."""
_DRAIN = 1.0
_FIFO = 64
"""Bytes that a UART may still hold when the driver has none left."""


class SetupLine:
    """One opening of the line. Everything here happens in the thread of its reader."""

    def __init__(self, port: serial.Serial, baud: int | None, machine: SetupMachine, told: SetupTold, clock: Callable[[], MonoNs]) -> None:
        """baud: None where the line has no rate. told: gets the state after each change, with what is worth a line in the event log."""
        self._port = port
        self.baud = baud
        """Of the line; the set-up may change it."""
        self._machine = machine
        self._told = told
        self._clock = clock
        self._report: SetupReport | None = None
        self._outgoing: deque[bytes | int] = deque()
        self._moved_at = time.monotonic()
        self._perform(machine.opened(baud, clock()))

    @property
    def writing(self) -> bool:
        """Whether bytes wait for the line."""
        return bool(self._outgoing)

    def wait(self, most: float) -> float:
        """Seconds until the set-up wants a turn, at most `most`."""
        if self._outgoing:
            most = min(most, _STUCK)
        if self._machine.deadline is not None:
            most = min(most, (self._machine.deadline - self._clock()) / NS)
        return max(0.0, most)

    def received(self, data: bytes, at_ns: MonoNs) -> None:
        """What came."""
        self._perform(self._machine.feed(data, at_ns))

    def turn(self, writable: bool) -> None:
        """Write what can be written, and do what is due."""
        if writable:
            self._write()
        if self._outgoing and time.monotonic() - self._moved_at > _STUCK:
            self._give_up("nothing leaves")
        self._perform(self._machine.tick(self._clock()))

    def close(self) -> None:
        """The line is gone."""
        self._outgoing.clear()
        self._machine.closed()
        self._perform([])

    def _perform(self, actions: list[Action]) -> None:
        notes = tuple(action for action in actions if isinstance(action, SetupNote))
        if not self._outgoing:
            self._moved_at = time.monotonic()
        for action in actions:
            if isinstance(action, Send):
                self._outgoing.append(action.data)
            elif isinstance(action, ChangeRate):
                self._outgoing.append(action.baud)
        if notes or self._machine.report != self._report:
            self._report = self._machine.report
            self._told(self._report, notes)

    def _write(self) -> None:
        try:
            while self._outgoing:
                first = self._outgoing[0]
                if isinstance(first, int):
                    self._change_rate(first)
                    self._outgoing.popleft()
                    continue
                sent = os.write(self._port.fileno(), first)
                self._moved_at = time.monotonic()
                self._outgoing[0] = first[sent:]
                if sent < len(first):
                    return
                self._outgoing.popleft()
        except BlockingIOError:
            return
        except (OSError, ValueError) as error:  # ValueError: a rate that the port cannot do
            self._give_up(getattr(error, "strerror", None) or str(error))

    def _change_rate(self, baud: int) -> None:
        """When the last byte has left: it belongs to the old rate."""
        if self.baud is None:
            return
        end = time.monotonic() + _DRAIN
        while self._port.out_waiting and time.monotonic() < end:
            time.sleep(0.005)
        time.sleep(_FIFO * 10 / self.baud)
        self._port.baudrate = baud
        self.baud = baud

    def _give_up(self, why: str) -> None:
        self._outgoing.clear()
        self._perform(self._machine.unwritable(why))

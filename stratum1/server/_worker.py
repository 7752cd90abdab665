"""A thread of the Python data plane: one socket, blocking until datagrams are there, with the kernel's receive stamps.

Never asyncio: a loop between the packet and the stamp costs four times as much and makes the stamps tens of microseconds late.
"""

import contextlib
import errno
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from itertools import chain
from struct import Struct
from typing import NamedTuple, cast

from stratum1.interchange import Mapping, TimeState
from stratum1.timescale import UtcNs

from ._counters import Counters, Tally
from ._datagrams import Datagrams
from ._departures import Departures
from ._listen import ListenAddress, receive_drops
from ._reasons import Sender
from ._tables import Tables
from .reply import Responder
from .service import ServiceSettings

__all__ = ["Entropy", "PythonWorker", "random_numbers"]

_PAUSE_AFTER_ERROR = 0.05
_POOL = 4096
_MEASURE_EVERY = 32  # datagrams that come alone; a reply that is stamped only to know the send delay costs another call


class Entropy:
    """Random octets, drawn from the kernel some thousand at a time. For one thread."""

    __slots__ = ("_at", "_octets")

    def __init__(self) -> None:
        self._octets = b""
        self._at = 0

    def __call__(self, count: int) -> bytes:
        """So many octets, at most 4096."""
        at = self._at
        end = at + count
        if end > len(self._octets):
            self._octets = os.urandom(_POOL)
            at, end = 0, count
        self._at = end
        return self._octets[at:end]


def random_numbers() -> Iterator[int]:
    """64 random bits each, without end, drawn from the kernel some hundred at a time; no Python code runs between two draws. For one
    thread.
    """
    numbers = Struct(f"!{_POOL // 8}Q").unpack
    return chain.from_iterable(iter(lambda: numbers(os.urandom(_POOL)), ()))


class _Standing(NamedTuple):
    """What is served until something changes; replaced whole, so that the thread needs no lock."""

    responder: Responder
    served: Callable[[int], UtcNs]


class PythonWorker:
    """Serves one socket in a thread of its own until `stop`; owns the socket."""

    def __init__(self, opened: socket.socket, listen: ListenAddress, service: ServiceSettings, tables: Tables, state: TimeState) -> None:
        """tables: shared with other workers."""
        self.listen = listen
        self._socket = opened
        self._datagrams = Datagrams(opened, wildcard=listen.is_wildcard)
        self._departures = Departures(opened, self._left)
        self._entropy = Entropy()
        self._draw = random_numbers().__next__
        self._tally = Tally()
        self._stopping = threading.Event()
        self._rounds = self._drops = 0
        self._each = self._each_sent = 0  # ns that a datagram of a batch takes to be judged and to be sent
        self._thread = threading.Thread(target=self._run, name=f"ntp {listen}", daemon=True)
        self.configure(listen, Responder(state, service, listen.settings, tables, listen.smear), tables, state)

    def configure(self, listen: ListenAddress, responder: Responder, tables: Tables, state: TimeState) -> None:
        """Serve by other settings from now on: those that the responder has, for this state."""
        self.listen, self._tables = listen, tables
        self._stand(responder, state)

    def publish(self, state: TimeState) -> None:
        """Serve this state from now on."""
        self._stand(self._standing.responder.renewed(state), state)

    def _stand(self, responder: Responder, state: TimeState) -> None:
        self._standing = _Standing(responder, _reader(state.realtime))

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering, at once, and close the socket."""
        self._stopping.set()
        # wakes the thread out of its call although an unconnected socket calls it an error (ENOTCONN)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._thread.ident is not None:
            self._thread.join()
        self._socket.close()

    @property
    def alive(self) -> bool:
        """Whether its thread runs; for watchdogs."""
        return self._thread.is_alive()

    @property
    def send_delay(self) -> float | None:
        """Seconds from the reading of the clock to the kernel's transmit stamp, None before the first."""
        delay = self._departures.delay
        return None if delay is None else delay / 1e9

    def counters(self) -> Counters:
        """What it has counted so far."""
        self._drops = receive_drops(self._socket, self._drops)
        return self._tally.snapshot(self._departures.stamps, self._drops)

    def _run(self) -> None:
        departures = self._departures
        while True:
            try:
                count = self._datagrams.receive()
            except OSError as error:
                if error.errno == errno.EINTR:
                    continue
                self._tally.receive_errors += 1
                if self._stopping.wait(_PAUSE_AFTER_ERROR):
                    return
                continue
            if self._stopping.is_set():
                return
            if departures.awaited:
                departures.collect()
            self._answer(count)
            if departures.awaited:
                departures.collect()

    def _answer(self, count: int) -> None:
        """Judge the datagrams of a batch and send the replies."""
        datagrams, tally, entropy, clock = self._datagrams, self._tally, self._entropy, time.clock_gettime_ns
        responder, served = self._standing
        draw, take, plain = self._draw, datagrams.take, responder.plain
        ahead, change, measured = self._plan(count)
        began = now = clock(time.CLOCK_REALTIME)
        for number in range(count):
            if number:
                now = clock(time.CLOCK_REALTIME)
            request, address, port, stamp = take(number)
            if not stamp:
                tally.daemon_receive_stamps += 1
                stamp = now
            received, sent = served(stamp), served(now + ahead)
            ahead += change
            reply, saved = plain(request, address, port, received, sent, draw), None
            if reply is not None:
                tally.plain[request[0]] += 1
            else:
                record, reply, saved = responder.reply(request, Sender(address, port), received, sent, entropy)
                tally.count(record)
            if reply is not None:
                stamped = measured or saved is not None
                if stamped:
                    self._departures.expect(saved, now if count == 1 else None)
                datagrams.answer(number, reply, stamped=stamped)
        self._send(count, began)

    def _plan(self, count: int) -> tuple[int, int, bool]:
        """By how much the transmit time of a batch's first reply is ahead of the clock, and by how much less or more each next one's;
        and whether the send delay is to be measured now.
        """
        delay = self._departures.delay
        if count > 1:
            return (delay or 0) + (count - 1) * self._each, self._each_sent - self._each, False
        self._rounds += 1
        return delay or 0, 0, not self._departures.measured or not self._rounds % _MEASURE_EVERY

    def _send(self, count: int, began: int) -> None:
        judged = time.clock_gettime_ns(time.CLOCK_REALTIME) if count > 1 else 0
        failed = self._datagrams.send()
        if failed:
            self._tally.response_send_errors += failed
            self._departures.restart()
        if count > 1:
            sent = time.clock_gettime_ns(time.CLOCK_REALTIME)
            self._each = _smoothed(self._each, (judged - began) // count)
            self._each_sent = _smoothed(self._each_sent, (sent - judged) // count)

    def _left(self, key: int, stamp: int) -> None:
        table = self._tables.interleaved
        if table is not None:
            table.sent(key, self._standing.served(stamp))


def _reader(mapping: Mapping | None) -> Callable[[int], UtcNs]:
    """What makes served time of a stamp; without a mapping (then it is said that the time is not known) the stamp itself."""
    if mapping is None:
        return UtcNs
    if mapping.rate == 0.0:
        # a method of int: called twice for each packet, without a frame of Python's
        return cast(Callable[[int], UtcNs], (mapping.served_ns - mapping.source_ns).__add__)
    return mapping.served


def _smoothed(mean: int, value: int) -> int:
    """An exponential mean over some eight batches; a batch that was torn apart by another thread counts as a tenfold one at most."""
    return mean + (min(max(value, 0), 10 * mean + 1000) - mean) // 8

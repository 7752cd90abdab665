"""The shell that reads a receiver's line: opens it for itself alone, finds its rate, stamps what comes and reopens it for ever.

It writes only for the set-up of the receiver, if it is given one.
"""

import errno
import fcntl
import os
import select
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import serial

from stratum1.timescale import MonoNs

from ._probe import BAUD_RATES, Probe
from ._setup_line import SetupLine, SetupTold
from .setup import SetupMachine

__all__ = ["LineState", "SerialReader", "explain_line_error"]

_READ_SIZE = 4096
_WAIT = 1.0
_LISTEN = 2.5
"""Seconds for each rate: a receiver speaks at least once a second, and two sentences of one burst are enough."""
_FIRST_RETRY = 0.5
_LAST_RETRY = 10.0
_JOIN = 5.0
_PTY_SLAVES = range(136, 144)
"""Device numbers of Unix98 pseudo-terminals (Linux, Documentation/admin-guide/devices.txt)."""


@dataclass(frozen=True, slots=True)
class LineState:
    """The line, for people. baud: None while unknown and for a pseudo-terminal, which has none. error: what is wrong and the remedy,
    or "".
    """

    open: bool
    device: str
    baud: int | None
    error: str


class SerialReader:
    """Reads a tty or pseudo-terminal in a thread of its own until `stop`.

    baud: bits per second, or "auto" to find it (again, when the bytes stop making sense). on_bytes(data, at_ns) gets each read with
    `clock()` taken right after it; on_state gets each change of the line. Both are called in the reader's thread and must return
    soon; neither may call `stop`. clock: CLOCK_MONOTONIC_RAW in the daemon.
    """

    def __init__(
        self,
        device: str,
        baud: int | Literal["auto"],
        on_bytes: Callable[[bytes, MonoNs], None],
        on_state: Callable[[LineState], None],
        clock: Callable[[], MonoNs],
        *,
        setup: tuple[SetupMachine, SetupTold] | None = None,
    ) -> None:
        """setup: brings the receiver to what is wanted, and who is told of it, in the reader's thread too."""
        self._setup = setup
        self._device = device
        self._baud: int | Literal["auto"] = baud
        self._on_bytes = on_bytes
        self._on_state = on_state
        self._clock = clock
        self._state: LineState | None = None
        self._heard = False
        self._stopping = threading.Event()
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._run, name=f"gnss {device}", daemon=True)

    def start(self) -> None:
        """Begin to read; once only."""
        self._thread.start()

    def stop(self) -> None:
        """Close the line and end the thread; returns when it is over. Further calls do nothing."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        os.write(self._wake_write, b"x")
        if self._thread.ident is not None:
            self._thread.join(_JOIN)
        if not self._thread.is_alive():
            os.close(self._wake_write)
            os.close(self._wake_read)

    def _run(self) -> None:
        delay = _FIRST_RETRY
        while not self._stopping.is_set():
            self._heard = False
            try:
                with _opened(self._device, self._baud) as port:
                    self._serve(port)
            except (OSError, termios.error, ValueError) as error:  # ValueError: a rate that the port cannot do
                self._tell(LineState(open=False, device=self._device, baud=None, error=explain_line_error(error, self._device)))
            delay = _FIRST_RETRY if self._heard else delay
            self._ready(None, delay)
            delay = min(delay * 2, _LAST_RETRY)

    def _serve(self, port: serial.Serial) -> None:
        """Read until `stop`. Raises OSError or termios.error when the line is gone."""
        while not self._stopping.is_set():
            automatic = self._baud == "auto" and not _is_pty(port.fileno())
            if automatic and not self._find_rate(port):
                return
            baud = None if _is_pty(port.fileno()) else int(port.baudrate)
            self._tell(LineState(open=True, device=self._device, baud=baud, error=""))
            watch = Probe() if automatic else None
            if self._setup is None:
                self._pump(port, watch)
            else:
                self._pump_and_set_up(port, watch, baud)

    def _pump(self, port: serial.Serial, watch: Probe | None) -> None:
        """Hand on what comes, until `stop` or until it makes no sense at this rate any more."""
        while not self._stopping.is_set():
            chunk = self._read(port, _WAIT)
            if chunk is not None and not self._hand_on(chunk, watch):
                return

    def _hand_on(self, chunk: tuple[bytes, MonoNs], watch: Probe | None) -> bool:
        """False if it makes no sense at this rate any more."""
        self._on_bytes(*chunk)
        if watch is None:
            return True
        watch.feed(*chunk)
        watch.chunks.clear()
        return not watch.hopeless

    def _pump_and_set_up(self, port: serial.Serial, watch: Probe | None, baud: int | None) -> None:
        """As `_pump`, while the receiver is brought to what is wanted."""
        assert self._setup is not None
        line = SetupLine(port, baud, *self._setup, self._clock)
        try:
            while not self._stopping.is_set():
                chunk = self._read(port, line.wait(_WAIT), line)
                if line.baud != baud:
                    baud = line.baud
                    self._tell(LineState(open=True, device=self._device, baud=baud, error=""))
                if chunk is None:
                    continue
                if not self._hand_on(chunk, watch):
                    return
                line.received(*chunk)
        finally:
            line.close()

    def _find_rate(self, port: serial.Serial) -> bool:
        """Try one rate after the other until one makes frames, and hand on what was read at it; False if stopped meanwhile."""
        while True:
            received = 0
            for rate in BAUD_RATES:
                port.baudrate = rate
                port.reset_input_buffer()
                probe = self._listen(port)
                if self._stopping.is_set():
                    return False
                if probe.accepted:
                    for data, at_ns in probe.chunks:
                        self._on_bytes(data, at_ns)
                    return True
                received += sum(len(data) for data, _ in probe.chunks)
            self._tell(LineState(open=True, device=self._device, baud=None, error=_no_rate(self._device, received)))

    def _listen(self, port: serial.Serial) -> Probe:
        probe = Probe()
        deadline = time.monotonic() + _LISTEN
        while not (probe.accepted or probe.hopeless or self._stopping.is_set()):
            left = deadline - time.monotonic()
            if left <= 0:
                break
            chunk = self._read(port, left)
            if chunk is not None:
                probe.feed(*chunk)
        return probe

    def _read(self, port: serial.Serial, timeout: float, line: SetupLine | None = None) -> tuple[bytes, MonoNs] | None:
        """What is there now, or as soon as something comes; None after `timeout` seconds or when stopped. line: gets its turn too."""
        fd = port.fileno()
        readable, writable = self._ready(fd, timeout, line is not None and line.writing)
        chunk = self._take(fd) if readable else None
        if line is not None:  # after the bytes have their time
            line.turn(writable)
        return chunk

    def _take(self, fd: int) -> tuple[bytes, MonoNs] | None:
        try:
            data = os.read(fd, _READ_SIZE)
        except BlockingIOError:
            return None
        at_ns = self._clock()
        if not data:
            raise OSError(errno.EIO, "hung up")
        self._heard = True
        return data, at_ns

    def _ready(self, fd: int | None, timeout: float, writing: bool = False) -> tuple[bool, bool]:
        """Whether the line has bytes for us and takes some of ours; nothing of both when stopped."""
        watched = [] if fd is None else [fd]
        ready, free, _ = select.select([self._wake_read, *watched], watched if writing else [], [], timeout)
        return (fd in ready, fd in free) if not self._stopping.is_set() else (False, False)

    def _tell(self, state: LineState) -> None:
        if state != self._state:
            self._state = state
            self._on_state(state)


@contextmanager
def _opened(device: str, baud: int | Literal["auto"]) -> Iterator[serial.Serial]:
    """The port, locked twice: flock stops those who ask for it too (pyserial), TIOCEXCL those who just open it (but for root)."""
    port = serial.Serial(device, BAUD_RATES[0] if baud == "auto" else baud, timeout=0, exclusive=True)
    try:
        if not _is_pty(port.fileno()) and _holders(device):
            raise OSError(errno.EBUSY, "already open")
        fcntl.ioctl(port.fileno(), termios.TIOCEXCL)
        try:
            yield port
        finally:
            with suppress(OSError):  # a line that was unplugged takes no ioctl any more
                fcntl.ioctl(port.fileno(), termios.TIOCNXCL)
    finally:
        port.close()


def _is_pty(fd: int) -> bool:
    """Whether this is a pseudo-terminal: it has no rate, and the program at its other end may keep this end open as well."""
    return os.major(os.fstat(fd).st_rdev) in _PTY_SLAVES


def _holders(device: str) -> list[str]:
    """Other processes that have the device open, as "name (pid)"; only those that we may look into."""
    target = os.path.realpath(device)
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        with suppress(OSError):  # it ended, or it belongs to somebody else
            if any(_link(entry) == target for entry in (process / "fd").iterdir()):
                found.append(f"{(process / 'comm').read_text().strip()} ({process.name})")
    return found


def _link(entry: Path) -> str:
    try:
        return str(entry.readlink())
    except OSError:
        return ""


def explain_line_error(error: Exception, device: str) -> str:
    """What went wrong with a line, and what a person can do about it."""
    number = _error_number(error)
    name = Path(os.path.realpath(device)).name
    if number in {errno.ENOENT, errno.ENODEV, errno.ENXIO}:
        return f"{device} is not there: plug the receiver in, or enable the UART (enable_uart=1 in config.txt) and check the name."
    if number in {errno.EACCES, errno.EPERM}:
        return f"{device} may not be opened: add the service's user to the group dialout (usermod -aG dialout USER) and start again."
    if number in {errno.EBUSY, errno.EAGAIN}:
        who = ", ".join(_holders(device)) or "another program"
        return (
            f"{device} is in use by {who}: stop it. For gpsd: systemctl disable --now gpsd.socket gpsd; for a login on the serial "
            f"console: systemctl disable --now serial-getty@{name} and take console=serial0 out of cmdline.txt."
        )
    if number in {errno.ENOTTY, errno.EINVAL}:
        return f"{device} is no serial line: name a tty, for example /dev/ttyAMA0 or /dev/ttyUSB0."
    if number == errno.EIO:
        return f"{device} was unplugged or closed at its other end; it is opened again when it is back."
    return f"{device} failed ({error}); it is opened again."


def _error_number(error: Exception) -> int | None:
    """The errno; pyserial puts some of them into a text, but they stay with the exception that it caught."""
    for one in (error, error.__context__):
        if one is not None and one.args and isinstance(one.args[0], int):
            return one.args[0]
    return None


def _no_rate(device: str, received: int) -> str:
    tried = ", ".join(map(str, BAUD_RATES))
    if received:
        return (
            f"{device}: {received} bytes came, but no two sentences at any of {tried} baud: check that a receiver is there that "
            "speaks NMEA or UBX, and its ground and level (3.3 V)."
        )
    return f"{device}: nothing comes at any of {tried} baud: check power and that the receiver's TX goes to this line's RX."

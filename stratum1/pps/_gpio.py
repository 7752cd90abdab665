"""Edges of a GPIO line, for boards without a PPS device: the GPIO character device stamps them in the interrupt, like a PPS driver does."""

import errno
import re
from dataclasses import dataclass
from typing import cast

from periphery import GPIO, CdevGPIO, EdgeEvent, GPIOError

from stratum1.interchange import KernelClockId

from ._errors import GpioSyntaxError, PpsError, PpsGoneError
from ._reader import EdgeReader
from ._source import EdgeCallback
from .events import Edge, EdgeKind

__all__ = ["GpioEdges", "GpioLine", "GpioSource", "edge_of_event", "parse_gpio_line"]

_LINES_MAX = 1024
"""More than any chip of a board has; a number beyond it is a slip of the pen (or a global number of the old sysfs interface)."""
_KINDS = {"rising": EdgeKind.ASSERT, "falling": EdgeKind.CLEAR}
_REMEDY = {
    errno.ENOENT: 'is missing: see which chips there are with "ls /dev/gpiochip*" (the header of a Raspberry Pi is gpiochip0)',
    errno.EACCES: "may not be opened: put the daemon's user into the group gpio",
    errno.EPERM: "may not be opened: put the daemon's user into the group gpio",
    errno.EBUSY: 'is taken: another program or an overlay (pps-gpio uses the pin too: then set pps = "/dev/pps0") holds the line',
    errno.EINVAL: "has no such line, or the line has no interrupt, or the kernel is older than 5.11",
    errno.ENOTTY: "is not a GPIO chip",
}


@dataclass(frozen=True, slots=True)
class GpioLine:
    """A line of a GPIO chip. path: its character device."""

    path: str
    line: int


def parse_gpio_line(text: str) -> GpioLine:
    """Read "gpiochip0:18" ("/dev/" in front is allowed). Raises GpioSyntaxError, which says what is wrong with which part."""
    chip, colon, line = text.removeprefix("/dev/").partition(":")
    if not colon:
        raise GpioSyntaxError(f'{text!r}: expected a chip, a colon and a line number, like "gpiochip0:18"')
    if not re.fullmatch(r"gpiochip[0-9]{1,4}", chip, re.ASCII):
        raise GpioSyntaxError(f'{text!r}: the chip is {chip!r}, expected "gpiochip" and a number, like "gpiochip0"')
    if not re.fullmatch(r"[0-9]{1,6}", line, re.ASCII):
        raise GpioSyntaxError(f"{text!r}: the line is {line!r}, expected a number, like 18 (GPIO18, pin 12 of a Raspberry Pi's header)")
    if int(line) >= _LINES_MAX:
        raise GpioSyntaxError(f"{text!r}: the line is {int(line)}, expected 0 to {_LINES_MAX - 1}: the number within the chip")
    return GpioLine(f"/dev/{chip}", int(line))


def edge_of_event(event: EdgeEvent, sequence: int, clock: KernelClockId) -> Edge | None:
    """Our edge for periphery's: rising is assert, falling is clear. None for an event without edge or stamp.

    The library hides the kernel's line sequence, so ours counts what was delivered and `missed` is 0 (the kernel keeps 16 events).
    """
    name, stamp_ns = _fields(event)
    kind = _KINDS.get(name)
    return Edge(kind, sequence, stamp_ns, clock, 0) if kind is not None and stamp_ns > 0 else None


class GpioSource:
    """An open line with both edges on. Raises PpsError from the constructor and from `read`, with cause and remedy."""

    def __init__(self, line: GpioLine) -> None:
        self._name = f"{line.path} line {line.line}"
        self._sequence = dict.fromkeys(EdgeKind, 0)
        try:
            self._gpio: GPIO = CdevGPIO(line.path, line.line, "in", edge="both", label="stratum1")
        except (GPIOError, OSError) as error:
            raise PpsError(f"{self._name} {_REMEDY.get(error.errno or 0, f'failed: {error.strerror or error}')}.") from error
        # Version 2 of the interface (Linux 5.10) is asked for CLOCK_REALTIME by the library; version 1 stamps with CLOCK_MONOTONIC.
        self._clock = KernelClockId.REALTIME if type(self._gpio).__name__ == "Cdev2GPIO" else KernelClockId.MONOTONIC

    @property
    def capabilities(self) -> tuple[str, ...]:
        """Both edges, always, and the clock of the stamps."""
        return ("rising", "falling", str(self._clock))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a PPS device would do better."""
        return ("A GPIO line is read without kernel pulse counts: lost pulses show as gaps only. The pps-gpio overlay has them.",)

    def read(self, timeout: float) -> tuple[Edge, ...]:
        """Wait at most `timeout` seconds for one edge. Raises PpsGoneError."""
        try:
            if not self._gpio.poll(timeout):
                return ()
            event = self._gpio.read_event()
        except (GPIOError, OSError, ValueError) as error:  # ValueError: the library got less than one event
            raise PpsGoneError(f"{self._name}: reading failed ({error}): unbound or unplugged") from error
        kind = _KINDS.get(_fields(event)[0])
        if kind is None:
            return ()
        self._sequence[kind] = (self._sequence[kind] + 1) % (1 << 32)
        edge = edge_of_event(event, self._sequence[kind], self._clock)
        return (edge,) if edge is not None else ()

    def close(self) -> None:
        """Release the line."""
        self._gpio.close()


class GpioEdges(EdgeReader):
    """Edges of a GPIO line: "gpiochip0:18". Raises GpioSyntaxError for a text that names none."""

    def __init__(self, text: str, on_edge: EdgeCallback, edge: EdgeKind = EdgeKind.ASSERT) -> None:
        """on_edge: called in the reader's thread. edge: the one that marks the second."""
        line = parse_gpio_line(text)
        super().__init__(text, lambda: GpioSource(line), on_edge, edge)


def _fields(event: EdgeEvent) -> tuple[str, int]:
    return cast(tuple[str, int], event)  # a named tuple; the library's type stub does not say so

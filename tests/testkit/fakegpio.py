"""A GPIO chip for unmodified programs on a kernel without one: any regular file stands for it (interface version 2 of linux/gpio.h).

Only what an edge reader asks for: requesting one line for input with edge events. The line's descriptor is a pipe of this
process, so only threads of the test can use it.
"""

import errno
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

from testkit.notify import Call, Supervisor

__all__ = ["FakeGpio"]

_T = TypeVar("_T")
_GET_LINE = 0xC250B407  # GPIO_V2_GET_LINE_IOCTL
_REQUEST_SIZE = 592  # struct gpio_v2_line_request: offsets 256, consumer 32, config 272, num_lines 4, event_buffer_size 4, padding 20, fd 4
_FLAGS_AT, _FD_AT = 288, 588
_RISING, _FALLING = 1, 2


class FakeGpio:
    """A chip with 54 lines (as a Raspberry Pi's), of which the first one asked for gives events."""

    def __init__(self, path: Path) -> None:
        path.touch()
        self.flags = 0
        """The flags of the last request."""
        self.line: int | None = None
        self._reader, self._writer = os.pipe()
        self._sequence = 0
        self._supervisor = Supervisor((_GET_LINE,), self._handle)

    def call(self, function: Callable[[], _T]) -> _T:
        """Run a function on a thread that sees the chip; threads that it starts see it too."""
        return self._supervisor.call(function)

    def event(self, edge: Literal["rising", "falling"], ns: int) -> None:
        """An edge on the line, stamped with `ns`."""
        self._sequence += 1
        kind = _RISING if edge == "rising" else _FALLING
        os.write(self._writer, struct.pack("=QIIII24x", ns, kind, self.line or 0, self._sequence, self._sequence))

    def hang_up(self) -> None:
        """The chip goes away."""
        os.close(self._writer)

    def _handle(self, call: Call) -> int:
        request = bytearray(call.peek(_REQUEST_SIZE))
        (line,) = struct.unpack_from("=I", request)
        if line >= 54:
            return -errno.EINVAL
        if self.line is not None:
            return -errno.EBUSY
        self.line = line
        (self.flags,) = struct.unpack_from("=Q", request, _FLAGS_AT)
        struct.pack_into("=i", request, _FD_AT, self._reader)
        call.poke(bytes(request))
        return 0

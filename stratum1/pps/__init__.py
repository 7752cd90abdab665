"""Pulses: edges of a kernel PPS device (RFC 2783), of a GPIO line, or simulated; each in a thread of its own, the same `Edge` from all."""

from ._device import PpsDevice
from ._errors import GpioSyntaxError, PpsError, PpsGoneError, PpsParseError, PpsPlatformError
from ._gpio import GpioEdges, GpioLine, parse_gpio_line
from ._probe import PpsProbe, probe_device
from ._reader import PpsReader
from ._source import EdgeCallback, EdgeSource
from .events import Edge, EdgeKind
from .report import PpsReport, PpsState

__all__ = [
    "Edge",
    "EdgeCallback",
    "EdgeKind",
    "EdgeSource",
    "GpioEdges",
    "GpioLine",
    "GpioSyntaxError",
    "PpsDevice",
    "PpsError",
    "PpsGoneError",
    "PpsParseError",
    "PpsPlatformError",
    "PpsProbe",
    "PpsReader",
    "PpsReport",
    "PpsState",
    "parse_gpio_line",
    "probe_device",
]

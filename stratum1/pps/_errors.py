"""What can go wrong with a pulse source, one class a cause."""

__all__ = ["GpioSyntaxError", "PpsError", "PpsGoneError", "PpsParseError", "PpsPlatformError"]


class PpsError(Exception):
    """The pulse source can't be used; the message says what, why, and the remedy."""


class PpsGoneError(PpsError):
    """The device was there and has vanished: unbound, unplugged, or made anew under the same name."""


class PpsPlatformError(PpsError):
    """The layout of the kernel's structures isn't known on this machine, so nothing is read from it."""


class PpsParseError(ValueError):
    """A structure from the kernel isn't what RFC 2783 says. `field` names the member (C syntax, as in linux/pps.h)."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"{field}: {text}")
        self.field = field


class GpioSyntaxError(ValueError):
    """The text doesn't name a line of a GPIO chip; the message says which part is wrong."""

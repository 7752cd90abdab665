"""HAT files as typed values, and what a HAT's name stands for in the configuration."""

import difflib
import tomllib
from importlib import resources
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

__all__ = ["Fact", "Hat", "HatError", "hat_defaults", "hat_names", "load_hat", "parse_hat"]

T = TypeVar("T")


class HatError(ValueError):
    """There is no HAT of that name, or its file is not right; the message says which and what would be."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=lambda name: name.replace("_", "-"), populate_by_name=True)


class Fact(_Model, Generic[T]):
    """One thing known of a HAT, and how it is known."""

    value: T
    source: str = Field(min_length=1, description="document or person it comes from")
    verified: bool = Field(True, description="read in that source; false: from memory or hearsay, to be confirmed on the hardware")
    note: str = ""


class BaudFact(Fact[int]):
    """The rate a receiver starts with, and others that people set it to."""

    also: tuple[int, ...] = ()


class Hat(_Model):
    """One HAT (hw/hats/NAME.toml). A fact that is left out is not known."""

    title: str = Field(min_length=1)
    receiver: Fact[str]
    speaks: Fact[tuple[Literal["nmea", "ubx", "pmtk", "pair"], ...]]
    device: Fact[str] = Field(description="serial line on a Raspberry Pi with the overlays of hw/README.md")
    baud: BaudFact
    pps_gpio: Fact[Annotated[int, Field(ge=0, le=57)]] | None = Field(
        None, description="BCM line of the pulse; none: it does not reach the GPIO header"
    )
    pps_edge: Fact[Literal["assert", "clear"]]
    serial_delay: Fact[Annotated[float, Field(ge=0, lt=1)]] | None = Field(
        None, description="seconds from the second to the first byte of its sentences at the starting baud rate, as people report it"
    )
    rtc: Fact[str] | None = None
    i2c: Fact[tuple[str, ...]] | None = None
    led: Fact[str] | None = None
    notes: tuple[str, ...] = ()


def hat_names() -> tuple[str, ...]:
    """Names of all HATs with a file."""
    folder = resources.files(__package__) / "hats"
    return tuple(sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml")))


def load_hat(name: str) -> Hat:
    """The HAT of that name. Raises HatError with the nearest name, or with what is wrong in the file."""
    names = hat_names()
    if name not in names:
        near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.4)
        raise HatError(f'no HAT is called "{name}"; ' + (f'did you mean "{near[0]}"?' if near else f"known: {', '.join(names)}"))
    text = (resources.files(__package__) / "hats" / f"{name}.toml").read_text(encoding="utf-8")
    return parse_hat(text, f"hw/hats/{name}.toml")


def parse_hat(text: str, file: str) -> Hat:
    """Check a HAT file. Raises HatError with a line a mistake."""
    try:
        return Hat.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise HatError(f"{file}: not valid TOML: {error}") from None
    except ValidationError as error:
        lines = [f"{file}: {'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors(include_url=False)]
        raise HatError("\n".join(lines)) from None


def hat_defaults(name: str) -> dict[str, str | int]:
    """What `hat = "NAME"` stands for: keys of the [receiver] table, each of which the file may override. Raises HatError.

    A baud rate that is not verified, or that people change, is detected rather than believed.
    """
    hat = load_hat(name)
    certain = hat.baud.verified and not hat.baud.also
    return {
        "device": hat.device.value,
        "baud": hat.baud.value if certain else "auto",
        "pps": "none" if hat.pps_gpio is None else "/dev/pps0",
        "pps-edge": hat.pps_edge.value,
        "protocol": "auto" if "ubx" in hat.speaks.value else "nmea",
    }

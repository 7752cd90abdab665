"""HAT files as typed values, and what a HAT's name stands for in the configuration."""

import difflib
import tomllib
from importlib import resources
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

__all__ = ["Fact", "Hat", "HatError", "HatSetup", "hat_defaults", "hat_names", "load_hat", "parse_hat"]

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


class HatSetup(_Model):
    """How the HAT's u-blox receiver is set up (keys of [receiver.setup]); what is left out stays as the configuration's default."""

    configure: Fact[bool] = Field(description="whether whoever names the HAT hands its receiver to us")
    mode: Fact[Literal["auto", "survey-in", "fixed", "navigation"]] | None = None
    pulse_polarity: Fact[Literal["rising", "falling"]] | None = Field(
        None, description="the edge at the start of the second at the receiver's pin, so that the pulse arrives as pps-edge says"
    )
    cable_delay: Fact[Annotated[float, Field(ge=0, lt=32e-6)]] | None = Field(
        None, description="seconds, of an antenna cable that comes with it"
    )
    baud: Fact[Literal[9600, 19200, 38400, 57600, 115200]] | None = Field(None, description="rate that its line bears best")


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
    setup: HatSetup | None = Field(None, description="u-blox receivers only")
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _speaks_ubx(self) -> "Hat":
        if self.setup is not None and "ubx" not in self.speaks.value:
            raise ValueError("setup is for receivers that speak ubx")
        return self


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


def hat_defaults(name: str) -> dict[str, Any]:
    """What `hat = "NAME"` stands for: keys of the [receiver] table, each of which the file may override. Raises HatError.

    A baud rate that is not verified, or that people change, is detected rather than believed.
    """
    hat = load_hat(name)
    certain = hat.baud.verified and not hat.baud.also
    defaults: dict[str, Any] = {
        "device": hat.device.value,
        "baud": hat.baud.value if certain else "auto",
        "pps": "none" if hat.pps_gpio is None else "/dev/pps0",
        "pps-edge": hat.pps_edge.value,
        "protocol": "auto" if "ubx" in hat.speaks.value else "nmea",
    }
    if hat.setup is not None:
        facts = {key: getattr(hat.setup, key) for key in HatSetup.model_fields}
        defaults["setup"] = {key.replace("_", "-"): fact.value for key, fact in facts.items() if fact is not None}
    return defaults

"""The [[output]] tables: one flat table for all modes, because TOML has no others; each mode knows its own keys."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, Strict, model_validator

from ._values import File, Flag, Model

__all__ = ["OutputConfig", "check_outputs"]

_KEYS = {
    "sock": ("path", "holdover"),
    "shm": ("unit", "permissions", "holdover"),
    "phc": ("device",),
    "ptp4l": ("path", "clock", "domain", "transport_specific"),
}
_NEEDED = {"sock": "path", "shm": "unit", "phc": "device"}
_LONGEST_PATH = 107
"""Bytes of a Unix socket's name (unix(7): sun_path has 108 with the NUL)."""
_OWN_UNITS = 2


def _permissions(text: str) -> str:
    if re.fullmatch(r"0[0246]{3}", text) and int(text, 8) & 0o600 == 0o600:
        return text
    raise ValueError('must be octal permissions that let the owner read and write, as "0600", "0660" or "0666"')


def _handed_out(text: str) -> str:
    if text == "realtime" or re.fullmatch(r"/\S+", text):
        return text
    raise ValueError('must be "realtime" (ptp4l stamps in software) or the device of a phc output, as "/dev/ptp0"')


Unit = Annotated[int, Strict()]


class OutputConfig(Model):
    """[[output]]: our time as the reference of another program or clock on this host."""

    mode: Literal["sock", "shm", "phc", "ptp4l"] = Field(
        description='"sock": samples for chronyd or ntpd-rs; "shm": NTP shared memory; "phc": steers a PTP hardware clock; '
        '"ptp4l": tells linuxptp how good its time is'
    )
    path: File | None = Field(
        None, description='sock (needed): the socket that the other program makes; ptp4l: its uds_address, else "/var/run/ptp4l"'
    )
    unit: Unit | None = Field(None, ge=0, le=255, description="shm (needed): number of the segment, key 0x4e545030 + unit")
    permissions: Annotated[str, AfterValidator(_permissions)] | None = Field(
        None, description='shm: octal mode of the segment; else "0600" for units 0 and 1, "0666" for the others'
    )
    device: File | None = Field(None, description='phc (needed): the hardware clock, as "/dev/ptp0"')
    clock: Annotated[str, AfterValidator(_handed_out)] | None = Field(
        None, description='ptp4l: the clock that it hands out: "realtime" (software stamps), or the device of a phc output; else "realtime"'
    )
    domain: Unit | None = Field(None, ge=0, le=255, description="ptp4l: its domainNumber, else 0")
    transport_specific: Unit | None = Field(None, ge=0, le=15, description="ptp4l: its transportSpecific, else 0 (gPTP: 1)")
    holdover: Flag | None = Field(
        None, description="sock, shm: go on in holdover while the error bound is within holdover-limit, else true"
    )

    @model_validator(mode="after")
    def _own_keys(self) -> "OutputConfig":
        known = _KEYS[self.mode]
        for name in sorted(self.model_fields_set - {"mode", *known}):
            if getattr(self, name) is not None:
                shown = ", ".join(_kebab(key) for key in known)
                raise ValueError(f'"{_kebab(name)}" is no key of mode = "{self.mode}"; known here: {shown}')
        needed = _NEEDED.get(self.mode)
        if needed is not None and getattr(self, needed) is None:
            raise ValueError(f'mode = "{self.mode}" needs the key "{needed}"')
        if self.path is not None and len(self.path.encode()) > _LONGEST_PATH:
            raise ValueError(f"path has {len(self.path.encode())} bytes, and a Unix socket's name has at most {_LONGEST_PATH}")
        return self

    @property
    def target(self) -> str:
        """What the output goes to, in one word for people: a path, or "unit 2"."""
        return f"unit {self.unit}" if self.mode == "shm" else self.device or self.path or "/var/run/ptp4l"

    @property
    def served_clock(self) -> str:
        """The clock that ptp4l hands out."""
        return self.clock or "realtime"

    @property
    def segment_mode(self) -> int:
        """Permission bits of the shared memory; gpsd's choice where none is given."""
        return int(self.permissions, 8) if self.permissions else 0o600 if (self.unit or 0) < _OWN_UNITS else 0o666

    @property
    def in_holdover(self) -> bool:
        """Whether samples are sent in holdover too."""
        return self.holdover is not False


def check_outputs(outputs: tuple[OutputConfig, ...]) -> None:
    """What the tables demand of each other. Raises ValueError."""
    targets = [(each.mode, each.target) for each in outputs]
    twice = next((each for each in targets if targets.count(each) > 1), None)
    if twice is not None:
        raise ValueError(f'[[output]] mode = "{twice[0]}" for {twice[1]} stands twice: one table is enough')
    steered = {each.device for each in outputs if each.mode == "phc"}
    for each in outputs:
        if each.mode == "ptp4l" and each.served_clock != "realtime" and each.served_clock not in steered:
            raise ValueError(
                f'[[output]] mode = "ptp4l": clock = "{each.clock}" is steered by no [[output]] with mode = "phc" and that device, '
                "so nothing would be known of its error"
            )


def _kebab(name: str) -> str:
    return name.replace("_", "-")

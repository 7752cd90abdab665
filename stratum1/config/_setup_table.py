"""[receiver.setup]: what a u-blox receiver is set to when its owner hands it to us."""

from collections.abc import Mapping
from math import hypot
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, Strict, model_validator

from ._values import Flag, Model, Number

__all__ = ["SetupConfig"]

_RATES = (4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)
_CONSTELLATIONS = ("gps", "galileo", "glonass", "beidou", "qzss", "navic", "sbas")
_MESSAGES = (
    *("NAV-PVT", "NAV-SOL", "NAV-TIMEUTC", "NAV-STATUS", "NAV-SAT", "NAV-SVINFO", "NAV-TIMELS", "NAV-SVIN"),
    *("TIM-TP", "TIM-SVIN", "MON-HW", "MON-RF", "SEC-SIG"),
)
_LOWEST, _HIGHEST = 6.33e6, 6.42e6
"""Metres from the centre of the Earth to a place where a receiver may stand."""


def _numbers(value: object) -> tuple[float, float, float]:
    numbers = value if isinstance(value, list | tuple) else ()
    if len(numbers) != 3 or any(isinstance(each, bool) or not isinstance(each, int | float) or abs(each) > 1e8 for each in numbers):
        raise ValueError("must be a list of three numbers")
    return (float(numbers[0]), float(numbers[1]), float(numbers[2]))


def _geodetic(value: object) -> object:
    if value is None:
        return None
    latitude, longitude, height = _numbers(value)
    if abs(latitude) > 90 or abs(longitude) > 360 or not -1000 <= height <= 20_000:
        raise ValueError("must be [latitude, longitude, height]: degrees, degrees, metres above the ellipsoid of WGS 84")
    return latitude, longitude, height


def _geocentric(value: object) -> object:
    if value is None:
        return None
    place = _numbers(value)
    if not _LOWEST <= hypot(*place) <= _HIGHEST:
        raise ValueError("must be [x, y, z] in metres from the centre of the Earth (ECEF), of a place near its surface")
    return place


def _constellations(value: object) -> object:
    if value is None:
        return None
    names = value if isinstance(value, list | tuple) else ()
    if not names or any(each not in _CONSTELLATIONS for each in names if isinstance(each, str)) or not all(map(_is_text, names)):
        raise ValueError(f"must be a list of some of {', '.join(_CONSTELLATIONS)}")
    if len(set(names)) != len(names):
        raise ValueError("names a constellation twice")
    return tuple(names)


def _rates(value: object) -> object:
    if not isinstance(value, Mapping) or any(name not in _MESSAGES for name in value):
        raise ValueError(f'must be as {{ "NAV-SAT" = 5 }}, with messages of {", ".join(_MESSAGES)}')
    if any(isinstance(rate, bool) or not isinstance(rate, int) or not 0 <= rate <= 255 for rate in value.values()):
        raise ValueError("must be whole numbers from 0 (never) to 255 seconds")
    return dict(value)


def _baud(value: object) -> object:
    if value is None or (value in _RATES and not isinstance(value, bool)):
        return value
    raise ValueError(f"must be one of {', '.join(map(str, _RATES))}")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


Place = tuple[float, float, float]


class SetupConfig(Model):
    """[receiver.setup]: what a u-blox receiver of generations 6 to 10 is set to. Off unless the HAT's data or this table turns it on."""

    configure: Flag = Field(False, description="whether the receiver is ours to set up; else nothing is ever written to it")
    mode: Literal["auto", "survey-in", "fixed", "navigation"] = Field(
        "auto",
        description='what a timing receiver does: hold the "position", find it by a survey, or navigate; "auto": the first that it can, '
        "and a position that it holds already is kept",
    )
    survey_duration: Annotated[int, Strict()] = Field(3600, ge=1, le=604_800, description="seconds that a survey takes at least")
    survey_accuracy: Number = Field(3.0, gt=0, le=1000, description="metres of standard deviation at which a survey ends; 1 m is 3 ns")
    position: Annotated[Place | None, BeforeValidator(_geodetic)] = Field(
        None, description="the antenna: [latitude, longitude, height] in degrees and in metres above the ellipsoid, not above the sea"
    )
    position_ecef: Annotated[Place | None, BeforeValidator(_geocentric)] = Field(
        None, description="the same as [x, y, z] in metres (ECEF, WGS 84)"
    )
    position_accuracy: Number = Field(0.1, gt=0, le=100, description="metres that the position may be off")
    stationary: Flag = Field(True, description="set the model of a receiver that does not move")
    constellations: Annotated[
        tuple[Literal["gps", "galileo", "glonass", "beidou", "qzss", "navic", "sbas"], ...] | None, BeforeValidator(_constellations)
    ] = Field(None, description="satellites that are used, all others are not (QZSS goes with GPS); left out: as the receiver is set")
    cable_delay: Number | None = Field(
        None,
        ge=-32.767e-6,
        le=32.767e-6,
        description='seconds that the receiver sends the pulse earlier for its antenna cable (5 ns a metre); then not in "pulse-delay" too',
    )
    pulse_length: Number = Field(0.1, ge=1e-5, le=0.9, description="seconds that a pulse lasts")
    pulse_polarity: Literal["rising", "falling"] | None = Field(
        None, description="the edge at the start of the second, at the receiver's pin; left out: as the receiver is set"
    )
    pulse_grid: Literal["utc", "gps"] = Field("utc", description="whose seconds the pulse marks; they differ by some nanoseconds")
    output: Literal["auto", "ubx", "both", "keep"] = Field(
        "auto",
        description='"ubx": UBX messages, no NMEA; "both": UBX messages beside what there is; "keep": as it is; '
        '"auto": "ubx", or "keep" where [receiver] protocol is "nmea"',
    )
    rates: Annotated[Mapping[str, int], BeforeValidator(_rates)] = Field(
        default_factory=dict, description='seconds between two messages of a kind, over the defaults, as { "NAV-SAT" = 1 }; 0: never'
    )
    baud: Annotated[int | None, BeforeValidator(_baud)] = Field(
        None, description='rate of the line to change to; [receiver] baud must be "auto". Left out: as it is'
    )
    port: Literal["auto", "uart1", "uart2", "usb"] = Field(
        "auto", description='the receiver\'s port at this line, where it does not say so itself (generations 9, 10); "auto": by the device'
    )
    save: Flag = Field(False, description="keep it in the receiver over a loss of power, if something was changed")

    @model_validator(mode="after")
    def _one_place(self) -> "SetupConfig":
        if self.position is not None and self.position_ecef is not None:
            raise ValueError("position and position-ecef are the same thing: write only one of them")
        if self.mode == "fixed" and self.position is None and self.position_ecef is None:
            raise ValueError('mode = "fixed" needs position or position-ecef')
        return self

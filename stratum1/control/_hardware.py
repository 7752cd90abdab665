"""Of the picture: the set-up of a receiver, and the sensor beside the crystal."""

from dataclasses import dataclass

__all__ = ["SetupStatus", "TemperatureStatus", "setup_alarms"]


@dataclass(frozen=True, slots=True)
class SetupStatus:
    """The set-up of a u-blox receiver. state: one word ("done", "partly", "unanswered", ...); the receiver's own words for model, firmware
    and protocol version, "" while unknown; generation 6 to 10; timing: it has a timing mode, None while unknown.

    refused: a sentence for each thing that it is not set to; changes: things that were written since the start.
    """

    state: str
    model: str
    firmware: str
    protocol: str
    generation: int | None
    timing: bool | None
    refused: tuple[str, ...]
    changes: int


@dataclass(frozen=True, slots=True)
class TemperatureStatus:
    """The sensor beside the crystal: its name ("" while none is found), degrees Celsius (None without a reading), what is wrong or ""."""

    sensor: str
    celsius: float | None
    error: str = ""


_SETUP_ALARMS = {
    "unanswered": "the receiver does not answer UBX and is left as it is; if it is no u-blox, set configure to false in [receiver.setup]",
    "unknown": "the receiver is no u-blox of generations 6 to 10 and is left as it is; set configure to false in [receiver.setup]",
    "unwritable": "the line takes no bytes, so the receiver is left as it is",
    "failed": "the receiver stopped answering or loses what it is set to; the log says more",
}


def setup_alarms(setup: SetupStatus) -> tuple[str, ...]:
    """What needs a person, as sentences."""
    told = _SETUP_ALARMS.get(setup.state)
    return setup.refused if told is None else (told, *setup.refused)

"""What a check found, and what a person does about it."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Level", "failure", "ok", "skipped", "warning"]


class Level(StrEnum):
    """How bad it is. FAILURE: the server can't do its work like this. WARNING: it works, but worse than it could, or not for long."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check. name: group and check ("serial.console"). text: one sentence. remedy: what to do, empty if nothing."""

    level: Level
    name: str
    text: str
    remedy: str = ""

    @property
    def group(self) -> str:
        """The part of the name before the dot."""
        return self.name.partition(".")[0]


def ok(name: str, text: str, remedy: str = "") -> Finding:
    """It is as it should be; a remedy is then a hint at something better still."""
    return Finding(Level.OK, name, text, remedy)


def warning(name: str, text: str, remedy: str) -> Finding:
    """It works, but not as well or as lastingly as it could."""
    return Finding(Level.WARNING, name, text, remedy)


def failure(name: str, text: str, remedy: str) -> Finding:
    """The server can't work like this."""
    return Finding(Level.FAILURE, name, text, remedy)


def skipped(name: str, text: str) -> Finding:
    """The check says nothing about this configuration or this host; the text says why."""
    return Finding(Level.SKIPPED, name, text)

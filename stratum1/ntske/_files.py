"""Secrets on disk: written whole or not at all, for nobody else's eyes."""

import contextlib
from pathlib import Path

from stratum1.durable import replace_file

__all__ = ["PrivateFileError", "mend_mode", "read_private", "write_private"]

_MOST_OCTETS = 1 << 20
_PRIVATE = 0o600


class PrivateFileError(Exception):
    """A file can't be read or written; the message names it and says what to do."""


def write_private(path: Path, data: bytes, mode: int = _PRIVATE) -> None:
    """Replace a file at once, so that a loss of power leaves the old or the new one. Raises PrivateFileError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, data, mode)
    except OSError as error:
        raise PrivateFileError(f"{path}: can't be written: {error.strerror}; check state-directory in [clock]") from error


def read_private(path: Path) -> bytes | None:
    """A file's content, None where there is none. Raises PrivateFileError."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_OCTETS + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PrivateFileError(f"{path}: can't be read: {error.strerror}; let the daemon's user read it (chown, chmod)") from error
    if len(data) > _MOST_OCTETS:
        raise PrivateFileError(f"{path}: longer than {_MOST_OCTETS} octets; is it the right file?")
    return data


def mend_mode(path: Path) -> bool:
    """Take a secret file away from everybody else; whether that was needed."""
    with contextlib.suppress(OSError):
        if path.stat().st_mode & 0o077:
            path.chmod(_PRIVATE)
            return True
    return False

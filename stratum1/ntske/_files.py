"""Secrets on disk: written whole or not at all, for nobody else's eyes."""

import contextlib
import os
from pathlib import Path

__all__ = ["PrivateFileError", "mend_mode", "read_private", "write_private"]

_MOST_OCTETS = 1 << 20
_PRIVATE = 0o600


class PrivateFileError(Exception):
    """A file can't be read or written; the message names it and says what to do."""


def write_private(path: Path, data: bytes, mode: int = _PRIVATE) -> None:
    """Replace a file at once, so that a loss of power leaves the old or the new one. Raises PrivateFileError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # of a run that lost its power
            temporary.unlink()
        try:
            _write_through(temporary, data, mode)
            temporary.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        _sync(path.parent)
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


def _write_through(path: Path, data: bytes, mode: int) -> None:
    opened = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    with open(opened, "wb") as file:
        os.fchmod(opened, mode)
        file.write(data)
        file.flush()
        os.fsync(opened)


def _sync(directory: Path) -> None:
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)

"""Files that are replaced whole: a loss of power leaves the old content or the new one, never half of either."""

import contextlib
import os
from pathlib import Path

__all__ = ["replace_file"]

_BY_UMASK = 0o666


def replace_file(path: Path, data: bytes, mode: int | None = None) -> None:
    """Replace a file's content, and have it on the medium before this returns. Raises OSError, and then the old file is still there.

    mode: the new file's permissions; None: what the process' umask leaves. Its directory must be there.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    with contextlib.suppress(FileNotFoundError):  # of a run that lost its power
        temporary.unlink()
    try:
        _write_through(temporary, data, mode)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_directory(path.parent)


def _write_through(path: Path, data: bytes, mode: int | None) -> None:
    # never through a link that somebody has laid there
    opened = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, _BY_UMASK if mode is None else mode)
    with open(opened, "wb") as file:
        if mode is not None:
            os.fchmod(opened, mode)
        file.write(data)
        file.flush()
        os.fsync(opened)


def _sync_directory(path: Path) -> None:
    """Make the rename last through a loss of power."""
    opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)

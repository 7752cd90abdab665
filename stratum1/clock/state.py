"""What is remembered between runs: small files, replaced whole or not at all.

Each is text: a first line with the kind, its version and a checksum, then the content, readable by people.
"""

import errno
import json
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

from stratum1.durable import replace_file
from stratum1.timescale import ROLLOVER_NS, UtcNs, from_rfc3339, rfc3339

__all__ = ["Drift", "DriftFile", "StateError", "StateFile", "floor_instant", "save_floor"]

_MOST_BYTES = 1 << 20
_FLOOR_NAME = "last-time"
_REMEDIES = {
    errno.ENOSPC: "free some space on its file system; what was saved before is kept",
    errno.EDQUOT: "raise the quota of the user that the daemon runs as; what was saved before is kept",
    errno.EROFS: "its file system is read-only: set state-directory in [clock] to a writable one; what was saved before is kept",
    errno.EACCES: "give the user that the daemon runs as write permission to its directory",
    errno.EPERM: "give the user that the daemon runs as write permission to its directory",
    errno.EIO: "the medium fails: check the SD card",
}


class StateError(Exception):
    """A state file can't be read, makes no sense or can't be written; the message names the file and the remedy."""


@dataclass(frozen=True, slots=True)
class Drift:
    """The lasting correction (s/s, positive speeds our clock up), one standard deviation of it (s/s), and when that was so."""

    frequency: float
    uncertainty: float
    saved: UtcNs


class DriftFile:
    """The drift, kept from one run to the next."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Drift | None:
        """The saved drift, None where there is no file. Raises StateError for one that can't be read or is not whole."""
        text = _load(self._path, "drift")
        if text is None:
            return None
        try:
            fields = dict(line.split(" ", 1) for line in text.splitlines())
            drift = Drift(float(fields["frequency"]), float(fields["uncertainty"]), from_rfc3339(fields["saved"]))
        except (ValueError, KeyError) as error:
            raise _senseless(self._path, f"{type(error).__name__}: {error}") from None
        if not (abs(drift.frequency) <= 0.1 and 0 <= drift.uncertainty < math.inf):
            raise _senseless(self._path, f"frequency {drift.frequency} and uncertainty {drift.uncertainty} are out of range")
        return drift

    def save(self, drift: Drift) -> None:
        """Replace what was saved. Raises StateError with the remedy, and then the old file is still there."""
        saved = rfc3339(drift.saved)
        _save(self._path, "drift", f"frequency {drift.frequency!r}\nuncertainty {drift.uncertainty!r}\nsaved {saved}\n")


class StateFile:
    """A small JSON object, for whatever a part of the daemon has learned."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> dict[str, object] | None:
        """The saved object, None where there is no file. Raises StateError for one that can't be read or is not whole."""
        text = _load(self._path, "state")
        if text is None:
            return None
        try:
            content = json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise _senseless(self._path, str(error)) from None
        if not isinstance(content, dict):
            raise _senseless(self._path, "it is not a JSON object")
        return content

    def save(self, content: dict[str, object]) -> None:
        """Replace what was saved. Raises StateError with the remedy, and then the old file is still there.

        Raises TypeError or ValueError for what JSON can't hold (NaN and infinity too): that is the caller's fault.
        """
        _save(self._path, "state", json.dumps(content, allow_nan=False, indent=1, sort_keys=True) + "\n")


def save_floor(state_dir: Path, instant: UtcNs) -> None:
    """Remember that it is `instant` or later; only for a time that is known to be right. Raises StateError."""
    _save(state_dir / _FLOOR_NAME, "time", rfc3339(instant) + "\n")


def floor_instant(state_dir: Path, build_date: UtcNs) -> UtcNs:
    """The latest instant that is surely past: the saved one, or the build date where that is later or nothing sound is saved.

    A saved instant 1024 weeks or more after the build date is not believed: it would make the rollover repair do harm.
    """
    try:
        text = _load(state_dir / _FLOOR_NAME, "time")
        saved = build_date if text is None else from_rfc3339(text)
    except (StateError, ValueError):
        return build_date
    return saved if build_date < saved < build_date + ROLLOVER_NS else build_date


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _senseless(path: Path, reason: str) -> StateError:
    return StateError(f"{path}: not a sound state file ({reason}); it is taken as absent and will be written anew")


def _head(kind: str, body: str) -> str:
    return f"# stratum1 {kind} 1 {zlib.crc32(body.encode()):08x}\n"


def _load(path: Path, kind: str) -> str | None:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"{path}: can't be read: {error.strerror}; {_remedy(error)}") from error
    if len(data) > _MOST_BYTES:
        raise _senseless(path, f"longer than {_MOST_BYTES} bytes")
    try:
        head, _, body = data.decode().partition("\n")
    except UnicodeDecodeError as error:
        raise _senseless(path, str(error)) from None
    if head + "\n" != _head(kind, body):
        raise _senseless(path, f"kind, version or checksum is wrong in {head[:60]!r}")
    return body


def _save(path: Path, kind: str, body: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, (_head(kind, body) + body).encode())
    except OSError as error:
        raise StateError(f"{path}: can't be saved: {error.strerror}; {_remedy(error)}") from error


def _remedy(error: OSError) -> str:
    return _REMEDIES.get(error.errno or 0, "check its path: state-directory in [clock]")

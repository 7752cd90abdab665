"""Where the master keys of cookies are kept: a file in the state directory, or drawn from a secret that a fleet shares."""

import secrets
from collections.abc import Callable
from pathlib import Path

from stratum1.nts.keyring import (
    KeyFileError,
    KeyHistory,
    KeyRing,
    Rotation,
    due,
    fit,
    fleet_ring,
    history_from_text,
    history_text,
    rotated,
)
from stratum1.timescale import UtcNs

from ._files import PrivateFileError, mend_mode, read_private, write_private

__all__ = ["FleetKeys", "KeptKeys", "Keys", "Tell"]

_SHORTEST_SECRET = 32
Tell = Callable[[bool, str], None]
"""Told whether it needs a person, and the sentence."""


class KeptKeys:
    """Our own keys, in a file that is only ours. The file is looked at once: who else would change it?"""

    def __init__(self, path: Path, rotation: Rotation, tell: Tell) -> None:
        self._path = path
        self._rotation = rotation
        self._tell = tell
        self._told = ""
        self._keep = True
        """Whether what is in memory may replace the file."""
        read = self._read()
        self._history = fit(read, rotation, secrets.token_bytes)
        if self._history != read:
            self._save()
        self._ring = self._history.ring

    @property
    def problem(self) -> str:
        """Why the keys can't be kept, empty while they are."""
        return self._told

    @property
    def ring(self) -> KeyRing:
        """What seals and opens now."""
        return self._ring

    @property
    def rotated_at(self) -> UtcNs | None:
        """When the keys were rotated last, as far as is known."""
        return self._history.rotated_at

    @property
    def next_rotation(self) -> UtcNs | None:
        """When they will be."""
        last = self._history.rotated_at
        return None if last is None else UtcNs(last + self._rotation.interval_ns)

    def look(self, known: UtcNs | None, _guess: UtcNs) -> KeyRing | None:
        """Rotate if it is time. known: served time, None while it is not known. Gives the ring if it is another one."""
        history = due(self._history, known, self._rotation, secrets.token_bytes)
        return self._take(history) if history is not self._history else None

    def rotate(self, known: UtcNs | None) -> KeyRing | None:
        """Rotate now, whatever the time."""
        return self._take(rotated(self._history, self._rotation, secrets.token_bytes, known))

    def _take(self, history: KeyHistory) -> KeyRing | None:
        before, self._history, self._ring = self._ring, history, history.ring
        self._save()
        return self._ring if self._ring != before else None

    def _read(self) -> KeyHistory | None:
        try:
            data = read_private(self._path)
        except PrivateFileError as error:
            self._keep = False
            self._told = f"{error}; until then the NTS keys are new ones in memory, and are lost at the end"
            self._tell(True, self._told)
            return None
        if data is None:
            return None
        try:
            history = history_from_text(data.decode("utf-8", "replace"))
        except KeyFileError as error:
            self._tell(
                True, f"{self._path}: no sound file of NTS keys: {error}; new keys are made, and clients ask for new cookies by themselves"
            )
            return None
        if mend_mode(self._path):
            self._tell(
                True, f"{self._path}: others could read the NTS keys; it is private again (0600): `stratum1 nts rotate` makes new keys"
            )
        return history

    def _save(self) -> None:
        if not self._keep:
            return
        try:
            write_private(self._path, history_text(self._history).encode())
        except PrivateFileError as error:
            if str(error) != self._told:
                self._told = str(error)
                self._tell(True, f"{error}; the NTS keys are lost when the daemon ends")
        else:
            self._told = ""


class FleetKeys:
    """Keys drawn by schedule from a secret that all servers of a fleet have in a file of theirs."""

    def __init__(self, path: Path, rotation: Rotation, tell: Tell, guess: UtcNs) -> None:
        """guess: what our clock says, known or not. Raises PrivateFileError for a secret that can't be used."""
        self._path = path
        self._rotation = rotation
        data = read_private(path)
        if data is None:
            raise PrivateFileError(f"{path}: there is no such file; make one with `openssl rand -hex 32` and copy it to all servers")
        self._secret = data.strip()
        if len(self._secret) < _SHORTEST_SECRET:
            raise PrivateFileError(
                f"{path}: {len(self._secret)} octets are too few for a shared secret, {_SHORTEST_SECRET} are needed: `openssl rand -hex 32`"
            )
        if mend_mode(path):
            tell(True, f"{path}: others could read the shared secret of NTS keys; it is private again (0600): give the fleet a new one")
        self._ring = fleet_ring(self._secret, guess, rotation)
        self._now = guess

    problem = ""

    @property
    def ring(self) -> KeyRing:
        """What seals and opens now."""
        return self._ring

    @property
    def rotated_at(self) -> UtcNs | None:
        """When this period began."""
        return UtcNs(self._now // self._rotation.interval_ns * self._rotation.interval_ns)

    @property
    def next_rotation(self) -> UtcNs | None:
        """When the next begins."""
        return UtcNs((self._now // self._rotation.interval_ns + 1) * self._rotation.interval_ns)

    def look(self, known: UtcNs | None, guess: UtcNs) -> KeyRing | None:
        """The ring of the time that we know, or else think that it is, if it is another one."""
        now = guess if known is None else known
        begun, self._now = self._now, now
        if now // self._rotation.interval_ns == begun // self._rotation.interval_ns:
            return None
        self._ring = fleet_ring(self._secret, now, self._rotation)
        return self._ring

    def rotate(self, _known: UtcNs | None) -> KeyRing | None:
        """Nothing: what the fleet shares changes with the secret only."""
        return None


Keys = KeptKeys | FleetKeys

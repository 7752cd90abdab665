"""Fetches a newer list where the owner wants it: over https, at most once a day, and only when the one at hand is near its end."""

import ssl
from pathlib import Path

from stratum1.clock import StateError, StateFile
from stratum1.durable import replace_file
from stratum1.timescale import NS, LeapTable, LeapTableError, UtcNs

from ._files import read_list

__all__ = ["FetchError", "LeapFetcher"]

_DAY = 86_400 * NS
_AHEAD = 150 * _DAY
"""The IERS issues a list about 175 days before the old one expires."""
_LARGEST = 1 << 16
_TIMEOUT = 30.0


class FetchError(Exception):
    """No newer list could be had; the message says why."""


class LeapFetcher:
    """One address, one file in the state directory. Attempts are remembered over restarts, so that nobody's server is flooded."""

    def __init__(self, url: str, directory: Path, trust: ssl.SSLContext | None = None) -> None:
        """trust: whose certificates are believed; the system's authorities if None."""
        self._url = url
        self._trust = trust
        self._attempts = StateFile(directory / "leap-seconds-fetch")
        self.path = directory / "leap-seconds.list"
        """Where a fetched list is kept."""

    def is_due(self, now: UtcNs, table: LeapTable) -> bool:
        """Whether to try at `now`, which is known to be right; table: the best list at hand."""
        if table.expires - now > _AHEAD:
            return False
        try:
            attempted = (self._attempts.load() or {}).get("attempted", 0)
        except StateError:
            return True
        return not (isinstance(attempted, int) and 0 <= now - attempted * NS < _DAY)

    async def fetch(self, now: UtcNs, table: LeapTable) -> LeapTable:
        """A list that expires after `table`, kept in `path`. Raises FetchError, and StateError where nothing can be kept."""
        self._attempts.save({"attempted": now // NS})
        text = await self._get()
        try:
            found = read_list(text, self._url)
        except LeapTableError as error:
            raise FetchError(f"{self._url}: {error}") from None
        if not any(line.startswith("#h") for line in text.splitlines()):
            raise FetchError(f"{self._url}: the list carries no hash (#h), so a part of it may be missing")
        if found.expired(now):
            raise FetchError(f"{self._url}: the list there is expired itself")
        if found.expires <= table.expires:
            raise FetchError(f"{self._url}: the list there does not expire later than the one at hand")
        self._keep(text)
        return found

    async def _get(self) -> str:
        import aiohttp  # noqa: PLC0415 - half a second that commands which only read files need not pay

        trust: ssl.SSLContext | bool = True if self._trust is None else self._trust
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT)) as session,
                session.get(self._url, allow_redirects=False, ssl=trust) as answer,
            ):
                if answer.status != 200:
                    raise FetchError(f"{self._url}: the server answers {answer.status} {answer.reason}; 200 is needed")
                data = b""
                while len(data) <= _LARGEST and (more := await answer.content.read(_LARGEST)):
                    data += more
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise FetchError(f"{self._url}: {str(error) or type(error).__name__}") from None
        if len(data) > _LARGEST:
            raise FetchError(f"{self._url}: longer than {_LARGEST} bytes, which no list of leap seconds is")
        return data.decode("ascii", errors="replace")

    def _keep(self, text: str) -> None:
        """Whole or not at all."""
        try:
            replace_file(self.path, text.encode("ascii", errors="replace"))
        except OSError as error:
            raise FetchError(f"{self.path}: can't be kept: {error.strerror}") from None

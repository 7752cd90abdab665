"""Looks after the list while the daemon runs: a changed file is taken at once, a newer one is fetched where that is wanted."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from stratum1.clock import StateError
from stratum1.timescale import LeapTable, UtcNs

from ._fetch import FetchError, LeapFetcher
from ._files import LeapLists

__all__ = ["LeapWatch", "system_paths"]

_SYSTEM = Path("/usr/share/zoneinfo/leap-seconds.list")
_FETCH_EVERY = 3600.0


def system_paths(configured: str, state_directory: Path) -> list[Path]:
    """Where lists may lie: the owner's, the system's, the fetched one."""
    return [Path(configured), _SYSTEM, state_directory / "leap-seconds.list"]


class LeapWatch:
    """Used from the event loop's thread."""

    def __init__(
        self, lists: LeapLists, fetcher: LeapFetcher | None, taken: Callable[[LeapTable], None], note: Callable[[bool, str], None]
    ) -> None:
        """taken: told of each list that replaces another; note: told whether it needs a person, and the sentence."""
        self._lists = lists
        self._fetcher = fetcher
        self._taken = taken
        self._note = note
        self._problem = ""
        self.table = lists.best()
        """The list in force."""

    def look(self) -> None:
        """Look at the files; some system calls."""
        table = self._lists.best()
        if table == self.table:
            return
        self.table = table
        self._note(False, f"the list of leap seconds is now {table.origin}")
        self._taken(table)

    async def keep_fresh(self, now: Callable[[], UtcNs | None]) -> None:
        """Fetch a newer list whenever one is due; ends only by being cancelled. now: served time, None while it is not known."""
        if self._fetcher is None:
            return
        while True:
            await self.freshen(self._fetcher, now())
            await asyncio.sleep(_FETCH_EVERY)

    async def freshen(self, fetcher: LeapFetcher, now: UtcNs | None) -> None:
        """One turn. What goes wrong is told once."""
        if now is None or not fetcher.is_due(now, self.table):
            return
        try:
            await fetcher.fetch(now, self.table)
        except (FetchError, StateError) as error:
            if str(error) != self._problem:
                self._problem = str(error)
                self._note(True, f"no newer list of leap seconds: {error}; it is tried again tomorrow")
            return
        self._problem = ""
        self.look()

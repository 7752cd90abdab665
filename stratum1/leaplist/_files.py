"""The lists that a machine has, and the best of them: the one that expires last."""

import stat
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

from stratum1.timescale import NS, LeapTable, LeapTableError, parse_leap_list, rfc3339

__all__ = ["LeapLists", "check_against", "packaged_list", "read_list"]

_PACKAGED = Path(__file__).with_name("leap-seconds.list")
_DAY = 86_400 * NS
_LARGEST = 1 << 16
_Stat = tuple[int, int, int]


@cache
def packaged_list() -> LeapTable:
    """The copy that comes with this version."""
    return replace(parse_leap_list(_PACKAGED.read_text(encoding="ascii")), origin="the copy that comes with stratum1")


def read_list(text: str, origin: str) -> LeapTable:
    """A list that a clock can follow and that tells the same of the past as ours. Raises LeapTableError with what is wrong."""
    table = replace(parse_leap_list(text), origin=origin)
    check_against(table, packaged_list())
    return table


def check_against(table: LeapTable, known: LeapTable) -> None:
    """What two lists both cover they must tell alike: the past does not change. Raises LeapTableError."""
    both = min(table.expires, known.expires)
    told, history = (
        {start: offset for start, offset in zip(each.starts, each.offsets, strict=True) if start < both} for each in (table, known)
    )
    for start in sorted(told.keys() | history.keys()):
        if told.get(start) != history.get(start):
            raise LeapTableError(
                f"leap-seconds.list: TAI - UTC from {rfc3339(start, 0)[:10]} on is {_offset(told.get(start))} by it and "
                f"{_offset(history.get(start))} by the list that comes with stratum1: it is not used"
            )
    for i in range(1, len(table.starts)):
        if table.starts[i] % _DAY or abs(table.offsets[i] - table.offsets[i - 1]) != 1:
            raise LeapTableError(
                f"leap-seconds.list: TAI - UTC changes to {table.offsets[i]} s at {rfc3339(table.starts[i], 0)}; "
                "it must change by one second, at a midnight"
            )


def _offset(offset: int | None) -> str:
    return "unchanged" if offset is None else f"{offset} s"


class LeapLists:
    """Knows the files, in order of preference where two expire alike, and reads a file again when it has changed."""

    def __init__(self, paths: Iterable[Path], problem: Callable[[str], None]) -> None:
        """problem: told once what is wrong with a file; one that is not there is no fault, since the packaged copy always is."""
        self._paths = tuple(dict.fromkeys(paths))
        self._problem = problem
        self._read: dict[Path, tuple[_Stat, LeapTable | None]] = {}

    def best(self) -> LeapTable:
        """The list that expires last, as of now."""
        found = [table for path in self._paths if (table := self._table(path)) is not None]
        return max([*found, packaged_list()], key=lambda table: table.expires)

    def _table(self, path: Path) -> LeapTable | None:
        try:
            status = path.stat()
        except OSError:
            self._read.pop(path, None)
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        known = self._read.get(path)
        if known is None or known[0] != stamp:
            known = self._read[path] = (stamp, self._load(path))
        return known[1]

    def _load(self, path: Path) -> LeapTable | None:
        try:
            with path.open("rb") as file:
                data = file.read(_LARGEST + 1)
            if len(data) > _LARGEST:
                raise LeapTableError(f"longer than {_LARGEST} bytes, which no list of leap seconds is")
            return read_list(data.decode("ascii", errors="replace"), str(path))
        except OSError as error:
            self._problem(f"{path} can't be read: {error.strerror}; another list of leap seconds is used meanwhile")
        except LeapTableError as error:
            self._problem(f"{path} is not used: {error}")
        return None

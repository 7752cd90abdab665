"""The table of leap seconds, as the IERS publishes it (leap-seconds.list) and as tzdata ships it."""

import hashlib
from bisect import bisect_right
from dataclasses import dataclass

from ._instants import NS, TaiNs, UtcNs
from ._ntp import NTP_UNIX_OFFSET

__all__ = ["LeapEvent", "LeapTable", "LeapTableError", "parse_leap_list"]


_LATEST = 1 << 35  # seconds since 1900: a date beyond the 30th century is a fault


class LeapTableError(ValueError):
    """The text is not a valid leap-seconds.list; the message names the line."""


@dataclass(frozen=True, slots=True)
class LeapEvent:
    """One leap second: the instant right after it, its sign (+1 inserted, -1 deleted) and TAI - UTC from then on, in seconds."""

    at: UtcNs
    sign: int
    tai_offset: int


@dataclass(frozen=True, slots=True)
class LeapTable:
    """TAI - UTC by date.

    `starts[i]` is the instant (UTC) from which TAI - UTC is `offsets[i]` seconds; `expires` is the end of the table's validity;
    `origin` says where it comes from, for people.
    """

    starts: tuple[UtcNs, ...]
    offsets: tuple[int, ...]
    expires: UtcNs
    origin: str = ""

    def tai_offset(self, instant: UtcNs) -> int:
        """TAI - UTC in seconds at an instant; before 1972 the first entry's value stands."""
        return self.offsets[max(0, bisect_right(self.starts, instant) - 1)]

    def next_leap(self, instant: UtcNs) -> LeapEvent | None:
        """The first leap second that is not over yet at `instant`, or None if the table holds no later one."""
        i = max(1, bisect_right(self.starts, instant))
        if i >= len(self.starts):
            return None
        return LeapEvent(self.starts[i], self.offsets[i] - self.offsets[i - 1], self.offsets[i])

    def expired(self, instant: UtcNs) -> bool:
        """Whether the table says nothing reliable about `instant` any more."""
        return instant >= self.expires

    def tai_from_utc(self, instant: UtcNs) -> TaiNs:
        """TAI of a UTC instant."""
        return TaiNs(instant + self.tai_offset(instant) * NS)

    def utc_from_tai(self, instant: TaiNs) -> UtcNs:
        """UTC of a TAI instant; inside an inserted leap second the count of the second after it, as POSIX has it."""
        for start, offset in zip(reversed(self.starts), reversed(self.offsets), strict=True):
            if instant - offset * NS >= start:
                return UtcNs(instant - offset * NS)
        return UtcNs(instant - self.offsets[0] * NS)


def parse_leap_list(text: str) -> LeapTable:
    """Read a leap-seconds.list (IERS Bulletin C companion; lines "NTP-seconds TAI-UTC", "#@" expiry, "#h" SHA-1).

    Raises LeapTableError where a line is malformed, the order is wrong, the expiry is missing or the hash does not match.
    """
    starts: list[UtcNs] = []
    offsets: list[int] = []
    expires: UtcNs | None = None
    digest: str | None = None
    hashed = ""
    for number, line in enumerate(text.splitlines(), 1):
        try:
            if line.startswith("#@"):
                expires = _from_ntp_seconds(line[2:])
                hashed += line[2:].strip()
            elif line.startswith("#$"):
                hashed += line[2:].strip()
            elif line.startswith("#h"):
                digest = "".join(word.rjust(8, "0") for word in line[2:].split())
            elif line.strip() and not line.startswith("#"):
                seconds_text, offset_text = line.partition("#")[0].split()
                starts.append(_from_ntp_seconds(seconds_text))
                offsets.append(_offset(offset_text))
                hashed += seconds_text + offset_text
        except ValueError:
            raise LeapTableError(f'leap-seconds.list, line {number}: expected "NTP-seconds TAI-UTC", got {line[:60]!r}') from None
    if not starts or starts != sorted(set(starts)):
        raise LeapTableError("leap-seconds.list: the dates are missing or not in ascending order")
    if expires is None:
        raise LeapTableError('leap-seconds.list: no expiry date (a line that starts with "#@")')
    if digest is not None and hashlib.sha1(hashed.encode(), usedforsecurity=False).hexdigest() != digest:
        raise LeapTableError("leap-seconds.list: its SHA-1 (#h) does not match its content")
    return LeapTable(tuple(starts), tuple(offsets), expires)


def _offset(text: str) -> int:
    offset = int(text)
    if abs(offset) >= 1000:
        raise ValueError(text)
    return offset


def _from_ntp_seconds(text: str) -> UtcNs:
    seconds = int(text)
    if not 0 <= seconds < _LATEST:
        raise ValueError(text)
    return UtcNs((seconds - NTP_UNIX_OFFSET) * NS)

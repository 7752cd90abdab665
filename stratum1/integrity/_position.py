"""Whether the antenna is where it has always been.

The place is learned as a mean over at least ten minutes and then a day, in metres around the first position; so is how far single
positions scatter. A move counts from 50 m on, and not before it is eight times the usual scatter and five times the accuracy that the
receiver states (or 15 m times its dilution of precision): a sky with few satellites moves positions, too.

The learned place never leaves this module: evidence holds a distance. A place that stays for an hour becomes the new one.
"""

from math import cos, hypot, isfinite, radians

from stratum1.gnss.events import Fix, FixMode
from stratum1.timescale import NS, MonoNs

__all__ = ["PositionWatch"]

_METRES = 111_195.0  # a degree of latitude on a sphere of 6371 km (mean radius, IUGG)
_LEAST = 50.0  # m
_SCATTERS, _ACCURACIES, _DOP_METRES = 8.0, 5.0, 15.0
_VERTICAL = 3.0  # heights scatter more
_NEEDED = 300  # positions
_MEMORY = 86_400
_LASTING = 10 * NS
_MOVED_FOR_GOOD = 3600 * NS


class PositionWatch:
    """Fed with every fix; says how far it is from the learned place by how far it may be."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Learn the place anew."""
        self._origin: tuple[float, float, float] | None = None
        self._mean = (0.0, 0.0, 0.0)
        self._scatter = 0.0
        self._count = 0
        self._first: MonoNs | None = None
        self._moved: MonoNs | None = None
        self._latest: MonoNs | None = None
        self._place: tuple[float, float, float] | None = None
        self.distance = self.limit = 0.0

    def fix(self, fix: Fix, learn_time: float) -> None:
        """Take a position. learn_time: seconds after the first one before a move is called one."""
        place = self._metres(fix)
        if place is None:
            return
        self._first = fix.at_ns if self._first is None else self._first
        self._latest = fix.at_ns
        self.distance = _apart(place, self._mean) if self._count else 0.0
        self.limit = max(_LEAST, _SCATTERS * self._scatter, self._stated(fix))
        learned = self._count >= _NEEDED and (fix.at_ns - self._first) / NS >= learn_time
        if not learned or self.distance <= self.limit:
            self._moved = None
            self._learn(place)
        else:
            self._note_move(fix.at_ns, place)

    @property
    def ratio(self) -> float:
        """Distance by its limit once it has lasted ten seconds, else 0.0."""
        if self._moved is None or self._latest is None or self._latest - self._moved < _LASTING:
            return 0.0
        return self.distance / self.limit

    def _note_move(self, at_ns: MonoNs, place: tuple[float, float, float]) -> None:
        if self._moved is None or self._place is None or _apart(place, self._place) > 2 * self.limit:
            self._moved = at_ns if self._moved is None else self._moved
            self._place, self._place_since = place, at_ns
        elif at_ns - self._place_since > _MOVED_FOR_GOOD:
            self.forget()

    def _learn(self, place: tuple[float, float, float]) -> None:
        self._count += 1
        share = 1.0 / min(_MEMORY, self._count)
        far = min(_apart(place, self._mean), self.limit)
        self._scatter = (self._scatter**2 + (far**2 - self._scatter**2) * min(1.0, 2 * share)) ** 0.5
        east, north, up = (old + (new - old) * share for old, new in zip(self._mean, place, strict=True))
        self._mean = (east, north, up)

    def _metres(self, fix: Fix) -> tuple[float, float, float] | None:
        """East, north, up of the first position."""
        where = fix.position
        if where is None or fix.mode < FixMode.TWO_D or not (isfinite(where.latitude) and isfinite(where.longitude)):
            return None
        height = where.altitude if isfinite(where.altitude) and fix.mode is FixMode.THREE_D else None
        if self._origin is None:
            self._origin = (where.latitude, where.longitude, height or 0.0)
        latitude, longitude, altitude = self._origin
        east = (where.longitude - longitude + 180.0) % 360.0 - 180.0
        up = 0.0 if height is None else height - altitude
        return east * _METRES * cos(radians(latitude)), (where.latitude - latitude) * _METRES, up

    @staticmethod
    def _stated(fix: Fix) -> float:
        accuracy = fix.position_accuracy
        if accuracy is not None and isfinite(accuracy):
            return _ACCURACIES * accuracy
        dop = fix.dop.hdop if fix.dop is not None else 1.0
        return _DOP_METRES * dop if isfinite(dop) else _LEAST


def _apart(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    east, north, up = (a - b for a, b in zip(one, other, strict=True))
    return max(hypot(east, north), abs(up) / _VERTICAL)

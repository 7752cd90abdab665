"""One epoch of a receiver, gathered from the sentences that share a time of day."""

import math
from dataclasses import dataclass, field

from stratum1.timescale import NS, MonoNs, UtcNs

from ._calendar import Dated
from ._satellites import SatelliteKey
from ._sentences import Detail, Gsa, Nav
from .events import Dop, Fix, FixMode, Position

__all__ = ["Epoch", "Used"]

LEAP_SECOND = 86_400 * NS
"""Times of day from here on lie inside a leap second (23:59:60)."""


@dataclass(slots=True)
class Used:
    """What the GSA sentences of an epoch say: the highest mode, every satellite named, and the last dilutions."""

    mode: FixMode = FixMode.UNKNOWN
    satellites: frozenset[SatelliteKey] = frozenset()
    dop: Dop | None = None

    def add(self, gsa: Gsa) -> None:
        """Receivers send one GSA a constellation, and some send the same satellites under two talkers."""
        self.mode = max(self.mode, gsa.mode)
        self.satellites |= gsa.satellites
        self.dop = gsa.dop


@dataclass(slots=True)
class Details:
    """What the UBX messages of an epoch say beyond NMEA; of two that say the same thing the later counts."""

    mode: FixMode | None = None
    fixed: bool = False
    residual_ns: int = 0
    placed: Position | None = None
    dop: Dop | None = None
    time_accuracy: float | None = None
    position_accuracy: float | None = None

    def add(self, detail: Detail) -> None:
        """Gather a message. A DOP with all three outweighs the one of NAV-PVT and NAV-SOL."""
        if detail.mode is not None:
            self.mode, self.fixed = detail.mode, detail.fixed
        self.residual_ns = detail.residual_ns or self.residual_ns
        self.placed = detail.placed or self.placed
        if detail.dop is not None and (self.dop is None or math.isnan(self.dop.hdop)):
            self.dop = detail.dop
        if detail.time_accuracy is not None:
            self.time_accuracy = detail.time_accuracy
        if detail.position_accuracy is not None:
            self.position_accuracy = detail.position_accuracy


@dataclass(slots=True)
class Epoch:
    """The running epoch. `at_ns` is the arrival of its first sentence; `addresses` what it has said so far; itow: GPS time of week in ms,
    once a UBX message has told it.
    """

    at_ns: MonoNs
    tod_ns: int | None
    itow: int | None = None
    addresses: set[str] = field(default_factory=set)
    dated: Dated | None = None
    own_date: bool = False
    contradiction: bool = False
    _rmc_valid: bool | None = None
    _valid: bool | None = None
    _position: Position | None = None
    _count: int | None = None
    _hdop: float = math.nan
    _details: Details = field(default_factory=Details)

    @property
    def leap(self) -> bool:
        """Whether this is 23:59:60."""
        return self.tod_ns is not None and self.tod_ns >= LEAP_SECOND

    @property
    def valid(self) -> bool | None:
        """Whether the receiver claims a fix: RMC decides; without one any other sentence is enough (GGA and GNS may be sent for each
        constellation apart). None if nothing was said.
        """
        return self._valid if self._rmc_valid is None else self._rmc_valid

    def takes(self, nav: Nav) -> bool:
        """Whether a sentence belongs here: the same time of day, and not said before. UBX messages know each other by the time of week."""
        if nav.address in self.addresses:
            return False
        if nav.detail is None:
            return nav.tod_ns == self.tod_ns
        if self.itow is not None:
            return nav.detail.itow == self.itow
        key = nav.detail.key_ns if nav.tod_ns is None else nav.tod_ns
        return key is None or key == self.tod_ns

    def add(self, nav: Nav) -> None:
        """Gather a sentence."""
        self.addresses.add(nav.address)
        if nav.detail is not None:
            self.itow = nav.detail.itow
            self._details.add(nav.detail)
            if nav.tod_ns is not None:  # 23:59:60 can't be told from the time of week
                self.tod_ns = nav.tod_ns
        if nav.valid is not None:
            if nav.address.endswith("RMC"):
                self._rmc_valid = nav.valid
            else:
                self._valid = bool(self._valid) or nav.valid
        if nav.position is not None and nav.valid:
            altitude = nav.position.altitude
            if math.isnan(altitude) and self._position is not None:
                altitude = self._position.altitude
            self._position = Position(nav.position.latitude, nav.position.longitude, altitude)
        if nav.used is not None:
            self._count = max(self._count or 0, nav.used)
        if not math.isnan(nav.hdop):
            self._hdop = nav.hdop

    def date(self, dated: Dated, own: bool) -> None:
        """A sentence of this epoch was dated; own: by itself (RMC, ZDA), which outweighs what was inferred."""
        if self.dated is not None and dated.utc != self.dated.utc and (own and self.own_date):
            self.contradiction = True
        if own or not self.own_date:
            self.dated = dated
            self.own_date = self.own_date or own

    def fix(self, used: Used, seen: int, trusted: bool, leap_seconds: int | None, holds: bool) -> Fix:
        """The epoch, complete. Satellites named by GSA outweigh the count of GGA, which NMEA limits to 12 and some receivers count
        by signals.
        """
        mode, told = self.mode(used), self._details
        return Fix(
            at_ns=self.at_ns,
            time=UtcNs(self.dated.utc + told.residual_ns) if self.dated else None,
            mode=mode,
            satellites_used=len(used.satellites) or self._count or 0,
            satellites_seen=seen,
            position=(told.placed or self._position) if mode >= FixMode.TWO_D else None,
            dop=used.dop or told.dop or (None if math.isnan(self._hdop) else Dop(math.nan, self._hdop, math.nan)),
            leap_seconds=leap_seconds,
            trusted=trusted,
            rollovers=self.dated.rollovers if self.dated else 0,
            time_accuracy=told.time_accuracy,
            position_accuracy=told.position_accuracy,
            fixed_position=told.fixed or (holds and mode >= FixMode.TWO_D),
        )

    def mode(self, used: Used) -> FixMode:
        """Kind of fix. UBX says it in one word; else the dimension is what GSA says, and without GSA an altitude makes it 3D."""
        if self._details.mode is not None:
            return self._details.mode
        if self.valid is False:
            return FixMode.NONE
        if used.mode is not FixMode.UNKNOWN:
            return used.mode
        if self.valid is None:
            return FixMode.UNKNOWN
        has_altitude = self._position is not None and not math.isnan(self._position.altitude)
        return FixMode.THREE_D if has_altitude else FixMode.TWO_D

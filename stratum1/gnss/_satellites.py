"""Which satellite is meant: constellations by talker, system id and number; and the satellites in view out of rounds of GSV."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from .events import Satellite

__all__ = ["Constellation", "Gsv", "InView", "SatelliteKey", "SkyRounds", "satellite_key"]

Constellation = Literal["G", "R", "E", "C", "J", "S", "I"]
"""RINEX letters: GPS, GLONASS, Galileo, BeiDou, QZSS, SBAS, NavIC."""

_BY_TALKER: dict[str, Constellation] = {"GL": "R", "GA": "E", "GB": "C", "BD": "C", "GQ": "J", "QZ": "J", "GI": "I"}
_BY_SYSTEM: dict[str, Constellation] = {"2": "R", "3": "E", "4": "C", "5": "J", "6": "I"}  # NMEA 4.11, GSA field 18; 1 is GPS with SBAS
_RANGES: tuple[tuple[int, int, Constellation, int], ...] = (
    (33, 64, "S", -87),  # NMEA 0183: number + 87 is the PRN
    (65, 99, "R", 64),  # NMEA 0183: slot + 64
    (120, 158, "S", 0),
    (193, 202, "J", 192),
    (201, 263, "C", 200),
    (301, 336, "E", 300),
    (401, 463, "C", 400),
    (901, 918, "I", 900),
)
"""First and last number, constellation, and what to take off for the number within the constellation; the first that fits counts,
and all others are GPS."""
_PATIENCE = 5
_MAX_KEYS = 32


class SatelliteKey(NamedTuple):
    """One satellite, however the sentence that names it counts: number is the one within the constellation."""

    constellation: Constellation
    number: int


class InView(NamedTuple):
    """One satellite of a GSV sentence; degrees and dB-Hz."""

    constellation: Constellation
    number: int
    elevation: int | None
    azimuth: int | None
    cn0: int | None


@dataclass(frozen=True, slots=True)
class Gsv:
    """Part `number` of `total` of one round of satellites in view; signal: the signal id of NMEA 4.10, or "" where none is sent."""

    talker: str
    total: int
    number: int
    signal: str
    satellites: tuple[InView, ...]


def satellite_key(talker: str, number: int, system: str = "") -> SatelliteKey:
    """The satellite that a number means in a sentence of this talker and (GSA) system id."""
    letter = _BY_SYSTEM.get(system) or _BY_TALKER.get(talker)
    for low, high, name, offset in _RANGES:
        if low <= number <= high and letter in {None, name}:
            return SatelliteKey(name, number - offset)
    return SatelliteKey(letter or "G", number)


class SkyRounds:
    """Satellites in view. A constellation is replaced by each complete round of its own and forgotten when it misses five skies.

    Receivers of NMEA 4.10 and later send a round for each signal; a satellite heard on several is one satellite, with its best C/N0.
    """

    def __init__(self) -> None:
        self._partial: dict[str, tuple[int, str, list[InView]]] = {}  # by talker: next part, signal of the first part, so far
        self._rounds: dict[tuple[str, str], tuple[InView, ...]] = {}
        self._missed: dict[tuple[str, str], int] = {}
        self._fresh: set[tuple[str, str]] = set()

    @property
    def fresh(self) -> bool:
        """Whether a round was completed since `settle`."""
        return bool(self._fresh)

    @property
    def known(self) -> bool:
        """Whether any round was ever completed and not forgotten."""
        return bool(self._rounds)

    def add(self, part: Gsv) -> None:
        """Take one sentence; parts that do not follow each other are thrown away."""
        expected, signal, so_far = self._partial.pop(part.talker, (1, "", []))
        if part.number == 1:
            expected, signal, so_far = 1, part.signal, []
        if part.number != expected:
            return
        so_far = [*so_far, *part.satellites]
        key = (part.talker, signal)
        if part.number < part.total:
            if len(self._partial) < _MAX_KEYS:
                self._partial[part.talker] = (expected + 1, signal, so_far)
        elif key in self._rounds or len(self._rounds) < _MAX_KEYS:
            self._rounds[key] = tuple(so_far)
            self._fresh.add(key)

    def settle(self) -> None:
        """An epoch is over: forget the constellations that have been silent while others were told."""
        if not self._fresh:
            return
        self._missed = {key: 0 if key in self._fresh else self._missed.get(key, 0) + 1 for key in self._rounds}
        self._rounds = {key: value for key, value in self._rounds.items() if self._missed[key] < _PATIENCE}
        self._fresh.clear()

    def satellites(self, used: Iterable[SatelliteKey]) -> tuple[Satellite, ...]:
        """Every satellite in view once, in order of constellation and number."""
        named = frozenset(used)
        found: dict[SatelliteKey, Satellite] = {}
        for (talker, _), views in self._rounds.items():
            for view in views:
                key = satellite_key(talker, view.number)
                one = Satellite(view.constellation, view.number, view.azimuth, view.elevation, view.cn0, key in named)
                found[key] = _merged(found[key], one) if key in found else one
        return tuple(found[key] for key in sorted(found))


def _merged(one: Satellite, other: Satellite) -> Satellite:
    return Satellite(
        one.constellation,
        one.number,
        one.azimuth if one.azimuth is not None else other.azimuth,
        one.elevation if one.elevation is not None else other.elevation,
        max((cn0 for cn0 in (one.cn0, other.cn0) if cn0 is not None), default=None),
        one.used or other.used,
    )

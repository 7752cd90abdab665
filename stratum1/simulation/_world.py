"""The deterministic world: a crystal that wanders, a pulse each second, and a receiver that names the seconds too late."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isnan

from stratum1.clock import ClockLimits, SimulatedClock
from stratum1.gnss.events import Dop, Event, Fix, FixMode, Position, TimeMark
from stratum1.interchange import Reading, Steering
from stratum1.timescale import NS, MonoNs, UtcNs, ns_from_seconds

from ._attacks import Attack, Scene

__all__ = ["MISSING", "Noise", "World", "spoken"]

MISSING = 1e9
"""A pulse whose stamp error is this (or nan) never came."""

_START = UtcNs(1_800_000_000 * NS)  # 2027-01-15T08:00:00Z, far from any leap second
_SERIAL_DELAY, _SERIAL_SPREAD = 0.4, 0.02  # s; uniform within the spread
_TRUSTED_AFTER = 3  # consistent fixes, as the decoder demands
_LIMITS = ClockLimits(max_frequency=500e-6, max_slew=0.1, precision=-30)


@dataclass(frozen=True, slots=True)
class Noise:
    """One value a second: frequency error of the crystal over [k, k + 1), s/s; stamp error of pulse k, seconds; degrees Celsius.

    Raises ValueError where the lengths differ or there is no second at all.
    """

    frequency: Sequence[float]
    pulses: Sequence[float]
    temperature: Sequence[float] | None = None

    def __post_init__(self) -> None:
        n = len(self.frequency)
        if not n or len(self.pulses) != n or (self.temperature is not None and len(self.temperature) != n):
            raise ValueError("the series of frequency, pulses and temperature must have the same length, at least 1")


class World:
    """Holds the truth. Second by second it shows a loop what a machine could see, and obeys its steering."""

    def __init__(self, noise: Noise, offset: float, seed: int = 0, attack: Attack | None = None) -> None:
        """offset: reference minus our clock at the start, seconds. seed: of the serial delays. attack: what is done to the receiver."""
        self._noise = noise
        self._attack = attack
        self._scene = Scene(attack, random.Random(seed + 1)) if attack is not None else None  # noqa: S311 (repeatable)
        self._draw = random.Random(seed)  # noqa: S311 (a simulation has to be repeatable)
        self._k = 0
        self._last_pulse = max((k for k, v in enumerate(noise.pulses) if not _is_missing(v)), default=-1)
        self.clock = SimulatedClock(_START, offset_ns=-ns_from_seconds(offset), crystal=noise.frequency[0], limits=_LIMITS)

    def __len__(self) -> int:
        return len(self._noise.frequency)

    def begin(self, k: int) -> None:
        """Go to the start of true second k; the crystal takes its new frequency."""
        self._k = k
        self.clock.advance_to(self.utc)
        self.clock.set_crystal(self._noise.frequency[k])

    @property
    def utc(self) -> UtcNs:
        """True time at the start of this second."""
        return UtcNs(_START + self._k * NS)

    @property
    def true_error(self) -> float:
        """Our clock minus truth now, seconds."""
        return self.clock.true_error_ns / NS

    @property
    def temperature(self) -> float | None:
        """Degrees Celsius in this second, None where there is no sensor."""
        return None if self._noise.temperature is None else self._noise.temperature[self._k]

    def pulse(self) -> Reading | None:
        """Both clocks as the stamp of this second's pulse has them, None if it never came."""
        error = self._noise.pulses[self._k]
        if self._attack is not None:
            error += self._attack.stamp_error(self._k)
        if _is_missing(error):
            return None
        shift = ns_from_seconds(error)
        now = self.clock.reading()
        return Reading(type(now.at_ns)(now.at_ns + shift), UtcNs(now.clock_ns + shift))

    def sentence(self) -> tuple[Event, ...]:
        """Let the receiver's sentence for this second arrive; nothing comes any more once the pulses are out for good."""
        delay = _SERIAL_DELAY + self._draw.uniform(-_SERIAL_SPREAD, _SERIAL_SPREAD)
        if self._k > self._last_pulse:
            return ()
        self.clock.advance_to(UtcNs(self.utc + ns_from_seconds(delay)))
        at_ns = self.clock.reading().at_ns
        if self._attack is None or self._scene is None:
            return spoken(at_ns, self.utc, self._k)
        return (*self._said(at_ns, self._attack), *self._scene.shown(at_ns, self._k))

    def _said(self, at_ns: MonoNs, attack: Attack) -> tuple[Event, ...]:
        """The sentences under attack: no fix while it is jammed."""
        shift = attack.shift * NS if attack.spoofed(self._k) else 0
        mark, fix = spoken(at_ns, UtcNs(self.utc + shift), self._k)
        if attack.jams(self._k):
            return (Fix(at_ns, self.utc, FixMode.NONE, 0, 9, None, None, None, True, 0),)
        place = Position(_POSITION.latitude + attack.degrees(self._k), _POSITION.longitude, _POSITION.altitude)
        return mark, replace(fix, position=place)

    def steer(self, steering: Steering | None) -> None:
        """Obey, from now on."""
        if steering is not None:
            self.clock.steer(steering)


def spoken(at_ns: MonoNs, utc: UtcNs, before: int) -> tuple[TimeMark, Fix]:
    """What a receiver says of second `utc` by a sentence that arrives at `at_ns`; trusted once `before` others came before it."""
    trusted = before >= _TRUSTED_AFTER
    mark = TimeMark(at_ns, utc, "GNRMC", True, trusted, 0)
    return mark, Fix(at_ns, utc, FixMode.THREE_D, 9, 12, _POSITION, _DOP, None, trusted, 0)


_POSITION = Position(46.95, 7.44, 550.0)
_DOP = Dop(1.6, 0.9, 1.3)


def _is_missing(error: float) -> bool:
    return isnan(error) or error >= MISSING

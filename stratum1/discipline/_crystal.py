"""What the crystal in this box does: how it follows the temperature, and how it ages. Learned while locked, used in holdover.

The correction (s/s) and the temperature are noted every 64 s. Both laws are fitted to changes, not to levels: the changes of a frequency
that walks at random are independent of each other, so that the fit's uncertainty is honest, while a fit to levels finds trends in
any walk (Granger and Newbold 1974, spurious regressions).
"""

import math
from collections import deque
from dataclasses import dataclass, replace

from stratum1.timescale import MonoNs, seconds

__all__ = ["DAY", "SLOT", "Crystal", "CrystalMemory", "Law"]

SLOT = 64.0
"""Seconds between two notes."""
DAY = 86_400.0
_SPAN = 4
"""Slots over which a change of temperature is compared with a change of frequency: slow enough for sensor and filter to follow both."""
_HOUR = 56
"""Slots, about an hour, over which ageing is told from the wander."""
_MEMORY = 4096.0
"""Changes (three days of slots) after which an older one counts a third: a box is moved, a fan is added."""
_ENOUGH, _ENOUGH_HOURS = 64.0, 24.0
_SURE, _SURE_AGEING = 5.0, 4.0
_WARMTH = 0.05
"""Degrees: RMS change over the span below which nothing can be learned of what the temperature does."""
_STEEPEST = 1e-5
"""s/s and degree; crystals do 1e-6 at most."""


@dataclass(frozen=True, slots=True)
class CrystalMemory:
    """What is kept of the fits: sums of squares and products of changes (temperature: degree^2, both: degree s/s, frequency: (s/s)^2).

    count: changes behind them; hours, drift, drift_squares: number, mean (s/s an hour) and sum of squared deviations of hourly changes.
    """

    temperature_squares: float = 0.0
    products: float = 0.0
    frequency_squares: float = 0.0
    count: float = 0.0
    hours: float = 0.0
    drift: float = 0.0
    drift_squares: float = 0.0

    @property
    def sound(self) -> bool:
        """Whether these numbers can be what a crystal has taught: finite, and no square below zero."""
        numbers = (self.temperature_squares, self.frequency_squares, self.count, self.hours, self.drift_squares)
        return all(0.0 <= n < 1e12 for n in numbers) and abs(self.products) < 1e12 and abs(self.drift) <= 1e-3


@dataclass(frozen=True, slots=True)
class Law:
    """A coefficient with its standard uncertainty, and whether it is certain enough to be used."""

    value: float
    sigma: float
    used: bool


class Crystal:
    """Feed it with the correction in force and the temperature, once in a while, while locked."""

    def __init__(self, memory: CrystalMemory | None = None) -> None:
        self._memory = memory if memory is not None and memory.sound else CrystalMemory()
        self._slots: deque[tuple[float, float | None]] = deque(maxlen=_SPAN + 1)
        self._hourly: tuple[float, float | None] | None = None
        self._in_hour = 0
        self._next_ns: MonoNs | None = None

    @property
    def memory(self) -> CrystalMemory:
        """What to keep for the next run."""
        return self._memory

    def note(self, at_ns: MonoNs, frequency: float, temperature: float | None) -> None:
        """The correction in force (s/s) and the temperature (degrees Celsius) now; only one in 64 s is kept."""
        if self._next_ns is not None and at_ns < self._next_ns:
            return
        if self._next_ns is None or seconds(at_ns - self._next_ns) > SLOT:
            self._slots.clear()
            self._hourly = None
        self._next_ns = MonoNs(at_ns + int(SLOT * 1e9))
        self._slots.append((frequency, temperature))
        self._compare()
        self._age(frequency, temperature)

    @property
    def warmth(self) -> Law:
        """Change of the correction with temperature, s/s and degree. Overlapping spans repeat each change, which the sigma allows for."""
        m = self._memory
        if m.count < 2.0 or m.temperature_squares <= 0.0:
            return Law(0.0, math.inf, used=False)
        value = m.products / m.temperature_squares
        rest = max(0.0, m.frequency_squares - value * m.products) / m.count
        sigma = math.sqrt(rest * _SPAN / m.temperature_squares)
        warm = m.temperature_squares >= m.count * _WARMTH**2
        used = m.count >= _ENOUGH and warm and sigma * _SURE < abs(value) <= _STEEPEST
        return Law(value, sigma, used)

    @property
    def ageing(self) -> Law:
        """Lasting change of the correction, s/s a second, what the temperature explains left out."""
        m = self._memory
        if m.hours < 2.0:
            return Law(0.0, math.inf, used=False)
        hour = _HOUR * SLOT
        sigma = math.sqrt(m.drift_squares / (m.hours - 1.0) / m.hours) / hour
        value = m.drift / hour
        return Law(value, sigma, used=m.hours >= _ENOUGH_HOURS and abs(value) > _SURE_AGEING * sigma)

    def explained(self, degrees: float) -> float:
        """By how much the correction has to change where the temperature does by so many degrees, s/s; 0.0 while that isn't known."""
        warmth = self.warmth
        return warmth.value * degrees if warmth.used else 0.0

    def _compare(self) -> None:
        if len(self._slots) <= _SPAN:
            return
        (f0, t0), (f1, t1) = self._slots[0], self._slots[-1]
        if t0 is None or t1 is None:
            return
        df, dt = f1 - f0, t1 - t0
        m, keep = self._memory, 1.0 - 1.0 / _MEMORY
        self._memory = replace(
            m,
            temperature_squares=m.temperature_squares * keep + dt * dt,
            products=m.products * keep + dt * df,
            frequency_squares=m.frequency_squares * keep + df * df,
            count=m.count * keep + 1.0,
        )

    def _age(self, frequency: float, temperature: float | None) -> None:
        if self._hourly is None:
            self._hourly, self._in_hour = (frequency, temperature), 0
            return
        self._in_hour += 1
        if self._in_hour < _HOUR:
            return
        before, was = self._hourly
        self._hourly, self._in_hour = (frequency, temperature), 0
        warmer = temperature - was if temperature is not None and was is not None else 0.0
        change = max(-1e-4, min(1e-4, frequency - before - self.explained(warmer)))
        m = self._memory
        hours = min(m.hours + 1.0, 24.0 * 365.0)
        mean = m.drift + (change - m.drift) / hours
        self._memory = replace(m, hours=hours, drift=mean, drift_squares=m.drift_squares + (change - m.drift) * (change - mean))

"""What will become of the clock without samples: how its frequency is to be led, how far off it may get, and how long that may last."""

import math
from dataclasses import dataclass

from stratum1.timescale import MonoNs, seconds

from ._crystal import Crystal, CrystalMemory, Law
from ._holdover import COVERAGE, FrequencyHistory

__all__ = ["Foresight", "Weather"]

_FOLLOW = 30.0  # s; sensors answer in steps of up to a degree, which are smoothed over this
_STALE = 120.0  # s; a sensor that has been silent for so long is gone


@dataclass(frozen=True, slots=True)
class Weather:
    """The temperature (degrees Celsius, smoothed) at an instant."""

    at_ns: MonoNs
    temperature: float


class Foresight:
    """Taught while locked, asked in holdover. warmth and ageing are shown too."""

    def __init__(self, memory: CrystalMemory | None = None) -> None:
        self._crystal = Crystal(memory)
        self._plain = FrequencyHistory()
        self._compensated = FrequencyHistory()
        self._weather: Weather | None = None

    @property
    def memory(self) -> CrystalMemory:
        """What to keep for the next run."""
        return self._crystal.memory

    @property
    def warmth(self) -> Law:
        """See `Crystal.warmth`."""
        return self._crystal.warmth

    @property
    def ageing(self) -> Law:
        """See `Crystal.ageing`."""
        return self._crystal.ageing

    @property
    def learned(self) -> float:
        """The longest span, in seconds, over which the crystal's changes are known; 0.0 if none."""
        return self._plain.learned

    def feel(self, at_ns: MonoNs, temperature: float) -> None:
        """The sensor was read."""
        if not (math.isfinite(temperature) and abs(temperature) < 1e3):
            return
        before = self._weather
        if before is not None and before.at_ns < at_ns and seconds(at_ns - before.at_ns) <= _STALE:
            share = -math.expm1(-seconds(at_ns - before.at_ns) / _FOLLOW)
            temperature = before.temperature + share * (temperature - before.temperature)
        if before is None or before.at_ns < at_ns:
            self._weather = Weather(at_ns, temperature)

    def temperature(self, at_ns: MonoNs) -> float | None:
        """Degrees Celsius now, smoothed; None where no sensor tells."""
        weather = self._weather
        return weather.temperature if weather is not None and seconds(at_ns - weather.at_ns) <= _STALE else None

    def note(self, at_ns: MonoNs, frequency: float, time_constant: float) -> None:
        """The correction (s/s) in force while locked, found with this time constant (seconds)."""
        temperature, warmth = self.temperature(at_ns), self._crystal.warmth
        self._plain.note(at_ns, frequency, time_constant)
        if temperature is not None:
            self._compensated.note(at_ns, frequency, time_constant, temperature, warmth.value if warmth.used else 0.0)
        self._crystal.note(at_ns, frequency, temperature)

    def lead(self, age: float, warmer: float | None) -> float:
        """By how much the correction has to change from what it was `age` seconds ago, when it was so many degrees colder; s/s."""
        ageing = self.ageing
        return self._crystal.explained(warmer or 0.0) + (ageing.value * age if ageing.used else 0.0)

    def growth(self, age: float, frequency_sigma: float, warmer: float | None) -> tuple[float, float]:
        """See `FrequencyHistory.growth`; warmer: degrees since then, None where no sensor tells."""
        warmth = self.warmth
        if warmer is None or not warmth.used or not self._compensated.learned:
            return self._plain.growth(age, frequency_sigma)
        grown, rate = self._compensated.growth(age, frequency_sigma)
        doubt = COVERAGE * warmth.sigma * abs(warmer)
        return grown + doubt * age, rate + doubt

    def lasts(self, allowance: float, frequency_sigma: float, steady: bool) -> float | None:
        """See `FrequencyHistory.lasts`; steady: a sensor tells, so that changes of temperature are allowed for."""
        history = self._compensated if steady and self.warmth.used and self._compensated.learned else self._plain
        return history.lasts(allowance, frequency_sigma)

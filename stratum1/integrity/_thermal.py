"""How much of a change of frequency the temperature explains, where a sensor beside the crystal is read.

An uncooled AT-cut crystal changes by up to some tenths of a ppm a kelvin away from its turning point. The sensor of a processor moves
all the time by some kelvin with the load; so the excursion of ten minutes counts only as far as it is beyond twice the usual one.
"""

from collections import deque

from stratum1.interchange import Environment
from stratum1.timescale import NS

__all__ = ["ThermalExcuse"]

_PER_KELVIN = 0.2e-6  # s/s
_WINDOW, _SLOT = 600 * NS, 20 * NS
_DEAD = 1.0  # K
_MEMORY = 2000  # slots: half a day


class ThermalExcuse:
    """Fed with readings of the sensor."""

    def __init__(self) -> None:
        self._slots: deque[tuple[int, float]] = deque(maxlen=64)
        self._sum, self._count, self._began = 0.0, 0, 0
        self._usual = 0.0
        self._seen = 0
        self.excuse = 0.0
        """s/s; 0.0 where nothing out of the ordinary happens."""

    def read(self, environment: Environment) -> None:
        """Take a reading."""
        at_ns, temperature = environment.at_ns, max(-300.0, min(1000.0, environment.temperature))
        if self._count and at_ns - self._began >= _SLOT:
            self._slots.append((at_ns, self._sum / self._count))
            self._sum, self._count = 0.0, 0
            self._look(at_ns)
        if not self._count:
            self._began = at_ns
        self._sum += temperature
        self._count += 1

    def _look(self, at_ns: int) -> None:
        while self._slots and at_ns - self._slots[0][0] > _WINDOW:
            self._slots.popleft()
        values = [value for _, value in self._slots]
        excursion = max(values) - min(values) if values else 0.0
        self.excuse = _PER_KELVIN * max(0.0, excursion - 2 * self._usual - _DEAD) if self._seen >= 30 else _PER_KELVIN * excursion
        self._seen += 1
        # the median by steps: a fan that starts now and then doesn't become the usual
        step = 0.02 if self._seen > 100 else 0.2
        self._usual = max(0.0, self._usual + (step if excursion > self._usual else -step))

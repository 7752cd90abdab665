"""One source's samples, kept as its time minus our raw clock: whatever our clock is made to do, they stay good."""

import math
from abc import ABC, abstractmethod
from collections import deque
from typing import NamedTuple

from stratum1.interchange import Sample
from stratum1.timescale import NS, MonoNs, UtcNs, seconds

from ._filter import Estimate, Filter

__all__ = ["DelayTrack", "PulseTrack", "Track"]

_TOLERANCE = 2e-4  # s/s; of a crystal that nothing is known about
_WANDERS = (1e-9, 4e-9, 1.6e-8, 6.4e-8)
"""s/s per square-root second: a crystal left alone, and what temperature may do to it. The likelihood of the samples chooses."""
_PULSE_WANDER = 1e-8  # s/s per square-root second; pulses come each second, and no more than some tens of them are averaged
_DELAY_WANDER = 1e-8  # s per square-root second; routes change by jumps, which begin a track anew
_MEMORY = 32.0  # samples over which likelihoods and lateness are remembered
_FIRST = 4  # samples that a track begins with
_UNLIKELY = 6.0  # standard deviations
_QUIET = 8  # samples in a row, all far later than usual, that say that the route is another one
_LATE = 4.0  # times the usual lateness, in the mean of both ways
_LEFT_OUT = 1.3
"""By so much the errors exceed what the filter says, since a belief cut off on both sides is not normal (measured in simulation)."""
_GAP = 16_384.0  # s; so long without a sample, and what was known is no use


class _Timed(NamedTuple):
    at_ns: MonoNs
    value: float
    delay: float
    noise: float


class Track(ABC):
    """What both kinds share. Values are relative to the first sample's, so that a float holds them to the picosecond."""

    def __init__(self) -> None:
        self._base_ns: int | None = None
        self.last_ns: MonoNs | None = None
        self.interval = 0.0
        """Mean seconds between samples."""

    def offset_at(self, at_ns: MonoNs, clock_ns: UtcNs) -> Estimate | None:
        """Source minus our clock at an instant, seconds, with its variance; None while too little is known."""
        found = self._estimate(at_ns)
        if found is None or self._base_ns is None:
            return None
        return found._replace(value=found.value + (self._base_ns - (clock_ns - at_ns)) / NS)

    def add(self, sample: Sample, clock_ns: UtcNs) -> bool:
        """Take a sample (its numbers sane, newer than the last); False if it was outvoted."""
        raw = clock_ns - sample.at_ns
        if self._base_ns is None:
            self._base_ns = raw
        if self.last_ns is not None:
            elapsed = seconds(sample.at_ns - self.last_ns)
            self.interval += (elapsed - self.interval) / 4 if self.interval else elapsed
            if elapsed > _GAP:
                self._forget()
        timed = _Timed(sample.at_ns, (raw - self._base_ns) / NS + sample.offset, sample.delay, sample.sigma)
        used = self._take(timed)
        self.last_ns = sample.at_ns
        return used

    @property
    @abstractmethod
    def jitter(self) -> float:
        """Standard deviation of a single sample, seconds."""

    @property
    @abstractmethod
    def delay(self) -> float:
        """Least round trip, seconds."""

    @abstractmethod
    def _estimate(self, at_ns: MonoNs) -> Estimate | None:
        """Relative to the base, at an instant."""

    @abstractmethod
    def _take(self, timed: _Timed) -> bool:
        """One more sample; False if it was outvoted."""

    @abstractmethod
    def _forget(self) -> None:
        """Begin anew with the next sample."""

    def _elapsed(self, at_ns: MonoNs) -> float:
        return 0.0 if self.last_ns is None else max(0.0, seconds(at_ns - self.last_ns))


class PulseTrack(Track):
    """A reference clock: samples with a normal error, gated already."""

    def __init__(self) -> None:
        super().__init__()
        self._filter: Filter | None = None
        self._sigma = 1e-6
        self._strays = 0

    @property
    def jitter(self) -> float:
        """See `Track.jitter`: as the reference clock states it."""
        return self._sigma

    @property
    def delay(self) -> float:
        """See `Track.delay`."""
        return 0.0

    def _estimate(self, at_ns: MonoNs) -> Estimate | None:
        return None if self._filter is None else self._filter.after(self._elapsed(at_ns))

    def _forget(self) -> None:
        self._filter, self._strays = None, 0

    def _take(self, timed: _Timed) -> bool:
        self._sigma = timed.noise
        if self._filter is not None:
            self._filter.pass_time(self._elapsed(timed.at_ns))
            found = self._filter.after(0.0)
            limit = _UNLIKELY * math.sqrt(found.variance + timed.noise**2)
            self._strays = self._strays + 1 if abs(timed.value - found.value) > limit else 0
            if 0 < self._strays < _FIRST:
                return False
            if self._strays:
                self._forget()
        if self._filter is None:
            self._filter = Filter(_PULSE_WANDER, timed.value, timed.noise**2, _TOLERANCE**2)
        else:
            self._filter.normal(timed.value, timed.noise)
        return True


class DelayTrack(Track):
    """A server: each way of a packet is at least so long, and later by an exponential law whose scale is learned.

    Several filters run side by side, each for a crystal that wanders more than the last one's; the samples decide which is believed.
    """

    def __init__(self) -> None:
        super().__init__()
        self._filters: list[Filter] = []
        self._scores = [0.0] * len(_WANDERS)
        self._best = 0
        self._scale = 0.0
        self._recent: deque[_Timed] = deque(maxlen=_FIRST)
        self._early = self._quiet = 0

    @property
    def jitter(self) -> float:
        """See `Track.jitter`: the standard deviation of the half difference of two exponential delays."""
        return self._scale / math.sqrt(2)

    @property
    def delay(self) -> float:
        """See `Track.delay`."""
        if self._filters:
            return max(0.0, 2 * self._filters[self._best].delay)
        return max(0.0, min((each.delay for each in self._recent), default=0.0))

    @property
    def wander(self) -> float:
        """The crystal's wander that is believed, s/s per square-root second."""
        return _WANDERS[self._best]

    def _estimate(self, at_ns: MonoNs) -> Estimate | None:
        if not self._filters:
            return None
        found = self._filters[self._best].after(self._elapsed(at_ns))
        return found._replace(variance=found.variance * _LEFT_OUT**2, rate_variance=found.rate_variance * _LEFT_OUT**2)

    def _forget(self) -> None:
        self._filters = []
        self._recent.clear()

    def _take(self, timed: _Timed) -> bool:
        self._recent.append(timed)
        if not self._filters:
            if len(self._recent) == _FIRST:
                self._begin()
            return bool(self._filters)
        for each in self._filters:
            each.pass_time(self._elapsed(timed.at_ns), _DELAY_WANDER)
        if self._is_early(timed):
            self._early += 1
            if self._early < _FIRST:
                return False
            self._begin()  # so often it is not the sample that is wrong
            return True
        self._early = 0
        self._update(timed)
        late = timed.delay / 2 - self._filters[self._best].delay
        self._quiet = self._quiet + 1 if late > _LATE * self._scale else 0
        if self._quiet >= _QUIET:
            self._begin()
        return True

    def _is_early(self, timed: _Timed) -> bool:
        """Earlier, on either way, than even the crystal that wanders most allows: its clock was set, or the route is a shorter one."""
        for sign in (1, -1):
            above, sigma = self._filters[-1].deviation(sign, timed.delay / 2 + sign * timed.value, timed.noise)
            if above < -_UNLIKELY * sigma:
                return True
        return False

    def _begin(self) -> None:
        first = list(self._recent)
        least = min(each.delay for each in first)
        mean = sum(each.delay for each in first) / len(first)
        self._scale = max(mean - least, 0.01 * abs(least), *(each.noise for each in first))
        start = first[0]
        spread = start.delay - least + self._scale
        delay = least / 2 - self._scale / 2
        self._filters = [Filter(each, start.value, spread**2, _TOLERANCE**2, delay=delay, spread=self._scale) for each in _WANDERS]
        self._scores = [0.0] * len(_WANDERS)
        self._best = 0
        before = start.at_ns
        for timed in first:
            for each in self._filters:
                each.pass_time(seconds(timed.at_ns - before), _DELAY_WANDER)
            before = timed.at_ns
            self._update(timed)
        self._early = self._quiet = 0

    def _update(self, timed: _Timed) -> None:
        for number, each in enumerate(self._filters):
            likelihood = sum(
                each.one_way(sign, timed.delay / 2 + sign * timed.value, self._scale, timed.noise) for sign in (1, -1)
            )  # both ways, one after the other
            self._scores[number] += likelihood - self._scores[number] / _MEMORY
        self._best = max(range(len(_WANDERS)), key=lambda number: self._scores[number])
        late = max(0.0, timed.delay / 2 - self._filters[self._best].delay)
        self._scale = max(timed.noise, self._scale + (min(late, 3 * self._scale) - self._scale) / _MEMORY)

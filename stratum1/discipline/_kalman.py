"""The adaptive Kalman engine: tunes itself to the crystal and to the pulse, whatever they are.

What it knows at the start: the stated sigma of the samples, and the drift file if there is one. Phase and frequency are measured by a
robust line through the first samples (`_line`); from there on a jury of Kalman filters (`_jury`) tracks phase, frequency and drift, each
with another belief about the crystal, and the samples themselves say which of them to believe. The noise of the samples is learned
from the differences of successive innovations, which a phase that is off does not touch.

A sample further off than four standard deviations is outvoted. Outvoted samples that go on for half a minute, and nearly all of them,
are the truth: then phase is measured anew. A clock that is held over for so long is off by a microsecond at most, so waiting is cheap,
and a burst of late interrupts passes by.

The phase is taken out by frequency over an eighth of the filter's own time constant: that costs a few percent of the least possible
phase error and keeps the frequency that clients see three times quieter than taking it out at once.
"""

import math
from collections import deque
from dataclasses import replace
from enum import StrEnum

from stratum1.clock import ClockLimits
from stratum1.interchange import Steering
from stratum1.timescale import MonoNs, seconds

from ._engine import Estimate, Verdict, slewing
from ._jury import Consensus, Jury
from ._line import Line, Window
from ._types import FrequencyEstimate

__all__ = ["Kalman"]

_GATE = 4.0
_RECENT, _DOUBTS, _PATIENCE = 8, 6, 32.0
"""So many outvoted among so many samples, and for so many seconds, are no outliers."""
_CREPT = 8.0
"""Standard deviations. Where the first of them was no further off, the samples did not jump but crept away: it is the crystal that has
changed its rate, and there is nothing to wait for."""
_TOLERANCE = 1e-4  # s/s; of a crystal that nothing is known about
_AGEING = 1e-6  # s/s; what temperature may have done since the drift file was written
_SHAKEN = 1e-6  # s/s; what may have become of the frequency where the phase has jumped
_REMEMBERED = 1e-7  # s/s; what the frequency may have done in a gap, plus its uncertainty
_KNOWN = 5e-6  # s/s; a frequency less certain than this does not count as known
_GAP = 30.0  # s without samples (or 20 intervals) after which phase is measured anew
_COAST = 3.0  # intervals for which the drift goes on where no sample comes
_NOISE_MEMORY = 64.0  # samples
_CUT, _CUT_MEAN = 6.0, 0.9742
"""Squares (in units of the variance) are cut at the first, so that outliers teach little; the mean of a Gaussian's then is the second."""
_BIAS_SHARES = (1 / 512, 1 / 16)
_WEIGHT_MEMORY = 64.0  # samples
_WEIGHT_RANGE, _VAGUE = math.log(16.0), math.log(2.0)
_SMOOTH, _SOONEST = 8.0, 1.5
"""The phase is taken out over this part of the filter's time constant, and over so many intervals at the least."""
_RESOLUTION = 1e-9  # s; stamps have no more
_LONGEST = 1e5  # s; a longer gap has been ended by a new measurement anyway


class _Phase(StrEnum):
    UNSET = "unset"
    TRACKING = "tracking"
    DOUBTING = "doubting"


class Kalman:
    """The engine of `discipline = "kalman"`. limits: of the clock it steers; drift: frequency and uncertainty of an earlier run."""

    name = "kalman"

    def __init__(self, limits: ClockLimits, drift: FrequencyEstimate | None = None) -> None:
        self._limits = limits
        self._jury = Jury()
        self._phase = _Phase.UNSET
        self._window = Window()
        self._recent: deque[tuple[MonoNs, float, float, bool]] = deque(maxlen=_RECENT)
        self._doubting_ns: MonoNs | None = None
        self._crept = False
        self._at_ns: MonoNs | None = None
        """The instant up to which `_moved` counts."""
        self._state_ns: MonoNs | None = None
        """The instant that the belief belongs to."""
        self._sampled_ns: MonoNs | None = None
        """The instant of the last sample."""
        self._moved = 0.0
        """Seconds by which steering has moved our clock against the crystal since then."""
        self._in_force = 0.0
        self._interval = 1.0
        self._noise = 0.0
        """Variance of a sample of ordinary weight, s^2."""
        self._samples = 0
        self._usual: float | None = None
        """Log of the stated sigma that is usual."""
        self._innovation: float | None = None
        self._bias, self._bias_sigma = 0.0, 1.0
        frequency = self._clamped(drift.frequency) if drift else 0.0
        self._frequency_sigma = math.hypot(drift.uncertainty, _AGEING) if drift else _TOLERANCE
        self._now = Consensus(0.0, frequency, 0.0, 0.0, self._frequency_sigma**2, 1.0, 1e-9, 0.0)
        """Belief at the last sample that was used, or before there was one."""

    def update(self, at_ns: MonoNs, offset: float, sigma: float) -> Verdict:
        """See `Engine.update`."""
        if self._sampled_ns is not None and at_ns <= self._sampled_ns:
            return Verdict.DUPLICATE
        elapsed = self._elapse(at_ns)
        if self._phase is not _Phase.UNSET and elapsed > max(_GAP, 20 * self._interval):
            self._innovation = None
            self.restart(math.hypot(self._sigma_of_frequency(), _REMEMBERED))
        elif elapsed < _GAP or self._phase is _Phase.UNSET:
            self._interval += (min(elapsed, 2048.0) - self._interval) / 8
        innovation = offset - self._now.theta
        if self._phase is _Phase.UNSET:
            self._window.add(at_ns, innovation, sigma)
            return self._conclude()
        return self._track(at_ns, offset, innovation, sigma)

    def collect(self, at_ns: MonoNs, offset: float, sigma: float) -> None:
        """See `Engine.collect`."""
        self._sampled_ns = self._state_ns = at_ns
        self._at_ns = at_ns if self._at_ns is None else max(self._at_ns, at_ns)
        self._moved = self._in_force * seconds(self._at_ns - at_ns)  # nothing but the remembered frequency has been commanded yet
        self._window.add(at_ns, offset - self._now.theta, sigma)

    def command(self, at_ns: MonoNs) -> Steering:
        """See `Engine.command`."""
        self._advance(at_ns)
        frequency, phase = self._predicted()
        wanted = phase / max(1.0, _SOONEST * self._interval, self._interval / (_SMOOTH * self._now.gain))
        steering = slewing(self._limits, frequency, wanted)
        self._in_force = steering.frequency + steering.phase_rate
        return steering

    def estimate(self) -> Estimate:
        """See `Engine.estimate`."""
        frequency, phase = self._predicted()
        known = self._phase is not _Phase.UNSET
        return Estimate(
            phase_known=known,
            frequency_known=known and self._sigma_of_frequency() <= _KNOWN,
            offset=phase,
            sigma=math.sqrt(self._now.phase_variance),
            lag=self._lag(),
            frequency=frequency,
            frequency_sigma=self._sigma_of_frequency(),
            jitter=math.sqrt(self._noise + self._now.phase_variance),
            wander=self._now.wander,
            time_constant=self._interval / max(1e-6, self._now.gain),
            phase=self._phase.value,
        )

    def shift(self, at_ns: MonoNs, change: float) -> None:
        """See `Engine.shift`."""
        self._propagate(at_ns)
        self._jury.shift(change)
        self._now = replace(self._now, f=self._clamped(self._now.f + change))

    def stepped(self, seconds: float) -> None:
        """See `Engine.stepped`."""
        self._jury.step(seconds)
        self._now = replace(self._now, theta=self._now.theta - seconds)

    def restart(self, frequency_sigma: float) -> None:
        """See `Engine.restart`."""
        self._phase = _Phase.UNSET
        self._frequency_sigma = min(_TOLERANCE, frequency_sigma)
        self._now = replace(self._now, d=0.0)
        self._window = Window()
        self._recent.clear()
        self._doubting_ns = None

    def _elapse(self, at_ns: MonoNs) -> float:
        """Bring the belief to the instant of a sample; how many seconds have passed since the sample before."""
        before, self._sampled_ns = self._sampled_ns, at_ns
        self._propagate(at_ns, before)
        return seconds(at_ns - before) if before is not None else self._interval

    def _propagate(self, at_ns: MonoNs, sampled_ns: MonoNs | None = None) -> None:
        """Bring the belief to an instant. sampled_ns: of the last sample before it, where that is not the last of all."""
        self._advance(at_ns)
        state_ns, since = self._state_ns, self._sampled_ns if sampled_ns is None else sampled_ns
        if state_ns is None or since is None:
            self._state_ns, self._moved = at_ns, 0.0
            return
        elapsed = seconds(at_ns - state_ns)
        frequency, phase, driven = self._predicted_after(elapsed, seconds(state_ns - since))
        if self._phase is not _Phase.UNSET and 0.0 < elapsed <= _LONGEST:
            self._jury.relax(driven / elapsed)
            self._jury.predict(elapsed, self._moved)
            self._now = self._jury.consensus()
        else:
            self._now = replace(self._now, theta=phase, f=frequency)
        self._state_ns, self._moved = at_ns, 0.0

    def _advance(self, at_ns: MonoNs) -> None:
        """Count what the command in force has moved since the last call."""
        if self._state_ns is not None and self._at_ns is not None and at_ns > self._at_ns:
            self._moved += self._in_force * seconds(at_ns - self._at_ns)
        self._at_ns = at_ns if self._at_ns is None else max(self._at_ns, at_ns)

    def _predicted(self) -> tuple[float, float]:
        """Frequency and phase as of the last `_advance`."""
        if self._at_ns is None or self._state_ns is None or self._sampled_ns is None:
            return self._now.f, self._now.theta
        elapsed, quiet = seconds(self._at_ns - self._state_ns), seconds(self._state_ns - self._sampled_ns)
        frequency, phase, _ = self._predicted_after(elapsed, quiet)
        return frequency, phase

    def _predicted_after(self, elapsed: float, quiet: float) -> tuple[float, float, float]:
        """Frequency and phase so long after the belief's own instant, and for how long of that the drift went on.

        quiet: seconds from the last sample to that instant; the drift goes on for some intervals of silence only. The frequency is that
        of half an interval ahead, since a command has to last for one.
        """
        now = self._now
        driven = max(0.0, min(elapsed, _COAST * self._interval - quiet))
        phase = now.theta + now.f * elapsed + now.d * driven * (elapsed - driven / 2) - self._moved
        lead = max(0.0, min(self._interval / 2, _COAST * self._interval - quiet - elapsed))
        return self._clamped(now.f + now.d * (driven + lead)), phase, driven

    def _conclude(self) -> Verdict:
        """Begin as soon as the window has a line: from there on the filters know best how certain its slope is."""
        line = self._window.line(self._frequency_sigma)
        if line is None:
            if len(self._window) >= _RECENT:
                self._window.drop_first()
            return Verdict.COLLECTED
        self._begin(line)
        return Verdict.ACQUIRED

    def _begin(self, line: Line) -> None:
        self._noise = max(_RESOLUTION, line.scatter) ** 2
        self._samples = line.count
        theta = self._now.theta + line.offset
        frequency = self._clamped(self._now.f + line.slope)
        shared = math.sqrt(max(0.0, line.sigma**2 - line.scatter**2 / line.count))
        self._jury.begin(theta, frequency, line.sigma, line.slope_sigma, shared * line.slope_sigma)
        self._now = self._jury.consensus()
        self._phase = _Phase.TRACKING
        self._window = Window()
        self._recent.clear()
        self._innovation, self._bias = None, 0.0

    def _track(self, at_ns: MonoNs, offset: float, innovation: float, sigma: float) -> Verdict:
        weight = self._weight(sigma)
        variance = max(_RESOLUTION**2, self._noise * weight)
        total = self._now.phase_variance + variance
        spike = abs(innovation) > _GATE * math.sqrt(total)
        self._learn_noise(innovation, total)
        self._recent.append((at_ns, innovation, sigma, spike))
        if spike:
            return self._doubt(at_ns, abs(innovation) / math.sqrt(total))
        self._phase, self._doubting_ns = _Phase.TRACKING, None
        self._samples += 1
        self._learn_bias(innovation / math.sqrt(total))
        self._jury.update(offset, variance, total)
        self._now = self._jury.consensus()
        return Verdict.USED

    def _doubt(self, at_ns: MonoNs, deviations: float) -> Verdict:
        """deviations: how far off the sample is, in standard deviations."""
        self._phase = _Phase.DOUBTING
        if self._doubting_ns is None:
            self._doubting_ns, self._crept = at_ns, deviations < _CREPT
        patience = 0.0 if self._crept else max(_PATIENCE, _RECENT * self._interval / 2)
        patient = seconds(at_ns - self._doubting_ns) >= patience
        if not patient or sum(spike for *_, spike in self._recent) < _DOUBTS:
            return Verdict.SPIKE
        recent = list(self._recent)
        self.restart(math.hypot(self._sigma_of_frequency(), _SHAKEN))
        for then_ns, innovation, sigma, _ in recent:
            self._window.add(then_ns, innovation, sigma)
        return self._conclude()

    def _weight(self, sigma: float) -> float:
        """How much noisier than usual this sample says that it is, as a ratio of variances.

        What is stated is an estimate too, so that less than a factor of two in it says nothing.
        """
        stated = math.log(sigma)
        self._usual = stated if self._usual is None else self._usual + (stated - self._usual) / _WEIGHT_MEMORY
        excess = max(0.0, abs(stated - self._usual) - _VAGUE)
        return math.exp(2 * math.copysign(min(_WEIGHT_RANGE, excess), stated - self._usual))

    def _learn_noise(self, innovation: float, total: float) -> None:
        before, self._innovation = self._innovation, innovation
        if before is None:
            return
        square = min(_CUT, (innovation - before) ** 2 / (2 * total)) / _CUT_MEAN
        share = 1.0 / min(_NOISE_MEMORY, self._samples + 4.0)
        self._noise = max(_RESOLUTION**2, min(1e12, self._noise * (1 + (square - 1) * share)))

    def _learn_bias(self, normal: float) -> None:
        """The mean of recent innovations, over about as long as the filter itself remembers; and its own standard deviation."""
        share = max(_BIAS_SHARES[0], min(_BIAS_SHARES[1], self._now.gain))
        self._bias += (normal - self._bias) * share
        self._bias_sigma = math.sqrt(share / (2 - share))

    def _lag(self) -> float:
        """The mean of recent innovations where it is no accident."""
        if abs(self._bias) < _GATE * self._bias_sigma:
            return 0.0
        return self._bias * math.sqrt(self._noise + self._now.phase_variance)

    def _sigma_of_frequency(self) -> float:
        if self._phase is _Phase.UNSET:
            return self._frequency_sigma
        return math.sqrt(self._now.frequency_variance)

    def _clamped(self, frequency: float) -> float:
        limit = self._limits.max_frequency
        return max(-limit, min(limit, frequency))

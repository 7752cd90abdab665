"""The phase-locked / frequency-locked loop of RFC 5905 (section 11.3, appendix A.5.5.6), made for a pulse every second.

What is the RFC's: the states (NSET, FSET, FREQ, SYNC, SPIK), the hybrid frequency prediction (PLL below, FLL above the Allan intercept),
the phase that is amortised second by second, the time constant moved by a counter with hysteresis, the spike suppressor.
What differs, since the RFC's constants are for polls of 64 s behind a filter that may delay a sample by eight of them:
- The offset register is a prediction, corrected by 1/T of the innovation (sample minus prediction); slewing is taken off it as it
  happens. So a large known offset, a saturated slew or a missing pulse does not wind the frequency up.
- Damping is 1/sqrt(2), the optimum for white noise on the samples and a random walk of the frequency, not the RFC's 2.
- T starts at what the start-up measurement is worth, grows with the elapsed time (which makes the loop a growing least-squares
  line), and is then steered by whether successive innovations agree (T too long) or contradict each other (T too short).
"""

import math
from collections import deque
from enum import StrEnum

from stratum1.clock import ClockLimits
from stratum1.interchange import Steering
from stratum1.timescale import MonoNs, seconds

from ._engine import Estimate, Verdict, slewing
from ._line import Line, Window
from ._types import FrequencyEstimate

__all__ = ["PllFll"]

_ALLAN = 1500.0  # s; Allan intercept (A.5.5.6): beyond it frequency is better measured than integrated
_AVG = 4.0  # FLL averaging (A.5.5.6)
_LIMIT = 30.0  # poll-adjust threshold (A.5.5.6)
_STEP = 2.0**0.25  # of the time constant; the RFC's factor of 2 would cost up to a quarter of the accuracy at each end
_T_MIN, _T_MAX = 2.0, 16384.0
_WANDER = 1e-9  # s/s per square-root second, of an ordinary crystal: only where T first settles depends on it
_GATE = 3.5  # standard deviations; SGATE of A.5.2 is 3
_RECENT, _DOUBTS = 8, 6  # so many spikes among so many samples are no spikes
_TOLERANCE = 1e-4  # s/s; of a crystal that nothing is known about
_ENOUGH = 5e-6  # s/s; frequency uncertainty that ends the start-up measurement
_AGEING = 1e-6  # s/s; what temperature may have done since the drift file was written
_REMEMBERED = 1e-7  # s/s; what the frequency may have done in a gap, plus its uncertainty
_GAP = 30.0  # s without samples (or 20 intervals) after which phase is measured anew
_JITTER_SAMPLES = 64.0
_RESOLUTION = 1e-9  # s; stamps have no more


class _Phase(StrEnum):
    UNSET = "unset"  # NSET, FSET: nothing measured yet
    MEASURING = "measuring"  # FREQ: phase known, frequency not yet
    TRACKING = "tracking"  # SYNC
    DOUBTING = "doubting"  # SPIK: the last sample was outvoted


class PllFll:
    """The engine of `discipline = "pll-fll"`. limits: of the clock it steers; drift: frequency and uncertainty of an earlier run."""

    name = "pll-fll"

    def __init__(self, limits: ClockLimits, drift: FrequencyEstimate | None = None) -> None:
        self._limits = limits
        self._frequency = self._clamped(drift.frequency) if drift else 0.0
        self._frequency_sigma = math.hypot(drift.uncertainty, _AGEING) if drift else _TOLERANCE
        self._phase = _Phase.UNSET
        self._window = Window()
        self._recent: deque[tuple[MonoNs, float, float, bool]] = deque(maxlen=_RECENT)
        self._at_ns: MonoNs | None = None
        self._sampled_ns: MonoNs | None = None
        self._offset = self._lag = self._rate = self._wander = 0.0
        self._sigma = self._jitter = 0.0
        self._samples = 0
        self._interval = 1.0
        self._worth = 0.0
        self._count = 0.0
        self._cap = _T_MAX
        self._ramping = True
        self._time_constant = _T_MIN

    def update(self, at_ns: MonoNs, offset: float, sigma: float) -> Verdict:
        """See `Engine.update`."""
        if self._sampled_ns is not None and at_ns <= self._sampled_ns:
            return Verdict.DUPLICATE
        elapsed = seconds(at_ns - self._sampled_ns) if self._sampled_ns is not None else self._interval
        self._sampled_ns = at_ns
        self._advance(at_ns)
        innovation = offset - self._offset
        if self._phase is not _Phase.UNSET and elapsed > max(_GAP, 20 * self._interval):
            self.restart(math.hypot(self._frequency_sigma, _REMEMBERED))
        elif elapsed < _GAP or self._phase is _Phase.UNSET:
            self._interval += (min(elapsed, _ALLAN) - self._interval) / 8
        if self._phase in (_Phase.UNSET, _Phase.MEASURING):
            self._window.add(at_ns, innovation, sigma)
            return self._conclude()
        spike = abs(innovation) > _GATE * self._jitter
        self._recent.append((at_ns, innovation, sigma, spike))
        if not spike:
            self._phase = _Phase.TRACKING
            self._track(innovation, elapsed)
            return Verdict.USED
        if sum(1 for *_, bad in self._recent if bad) >= _DOUBTS:
            return self._believe_spikes()
        self._phase = _Phase.DOUBTING
        self._learn_jitter(_GATE * self._jitter)
        return Verdict.SPIKE

    def collect(self, at_ns: MonoNs, offset: float, sigma: float) -> None:
        """See `Engine.collect`."""
        self._sampled_ns = at_ns
        self._window.add(at_ns, offset - self._offset, sigma)

    def command(self, at_ns: MonoNs) -> Steering:
        """See `Engine.command`; the phase is amortised over a fifth of the time constant, at least one second."""
        self._advance(at_ns)
        wanted = self._offset / max(1.0, self._time_constant / 5, self._interval / 2)
        steering = slewing(self._limits, self._frequency, wanted)
        self._rate = steering.phase_rate
        return steering

    def estimate(self) -> Estimate:
        """See `Engine.estimate`."""
        return Estimate(
            phase_known=self._phase is not _Phase.UNSET,
            frequency_known=self._phase in (_Phase.TRACKING, _Phase.DOUBTING),
            offset=self._offset,
            sigma=self._sigma,
            lag=self._lag,
            frequency=self._frequency,
            frequency_sigma=self._frequency_sigma,
            jitter=self._jitter,
            wander=self._wander,
            time_constant=self._time_constant,
            phase=self._phase.value,
        )

    def shift(self, at_ns: MonoNs, change: float) -> None:
        """See `Engine.shift`."""
        self._advance(at_ns)
        self._frequency = self._clamped(self._frequency + change)

    def stepped(self, seconds: float) -> None:
        """See `Engine.stepped`. Deviations are kept against the prediction, which moves with the clock."""
        self._offset -= seconds

    def restart(self, frequency_sigma: float) -> None:
        """See `Engine.restart`."""
        self._phase = _Phase.UNSET
        self._frequency_sigma = min(_TOLERANCE, frequency_sigma)
        self._window = Window()
        self._recent.clear()

    def _advance(self, at_ns: MonoNs) -> None:
        """Take off what the command in force has slewed since the last call."""
        if self._at_ns is not None and at_ns > self._at_ns:
            self._offset -= self._rate * seconds(at_ns - self._at_ns)
        self._at_ns = at_ns if self._at_ns is None else max(self._at_ns, at_ns)

    def _conclude(self) -> Verdict:
        """What the window says: phase as soon as it has a line, frequency when that is certain enough."""
        line = self._window.line(self._frequency_sigma)
        if line is None:
            if len(self._window) >= _RECENT:
                self._window.drop_first()
            return Verdict.COLLECTED
        if line.slope_sigma <= _ENOUGH:
            self._begin(line)
            return Verdict.ACQUIRED
        if self._phase is _Phase.MEASURING:
            return Verdict.COLLECTED
        self._phase = _Phase.MEASURING
        self._offset += line.offset
        self._window.shift(-line.offset)
        self._sigma, self._jitter = line.sigma, line.scatter
        return Verdict.ACQUIRED

    def _begin(self, line: Line) -> None:
        """Close the loop. `worth`: the number of samples whose line would have so certain a slope without any prior knowledge."""
        if line.scatter > 2 * self._jitter:
            self._cap = _T_MAX
        self._offset += line.offset
        self._frequency = self._clamped(self._frequency + line.slope)
        self._sigma, self._jitter, self._frequency_sigma = line.sigma, line.scatter, line.slope_sigma
        self._worth = max(float(line.count), (math.sqrt(12) * line.scatter / line.slope_sigma / self._interval) ** (2 / 3))
        self._samples = line.count
        self._phase, self._ramping = _Phase.TRACKING, True
        self._lag = self._count = 0.0
        self._time_constant = self._bounded(self._worth * self._interval / 4)
        self._window = Window()
        self._recent.clear()

    def _believe_spikes(self) -> Verdict:
        """Most recent samples were outvoted, so it is the prediction that is wrong (or the noise has changed): measure anew from them."""
        recent = list(self._recent)
        self._cap = max(_T_MIN, self._time_constant / 2)
        self.restart(_AGEING)
        for at_ns, innovation, sigma, _ in recent:
            self._window.add(at_ns, innovation, sigma)
        return self._conclude()

    def _track(self, innovation: float, elapsed: float) -> None:
        """Both predictions of A.5.5.6: phase, and frequency by PLL and, for sparse samples, by FLL."""
        self._samples += 1
        t = self._time_constant
        gain = max(min(0.5, elapsed / t), 1.0 / self._samples)
        change = innovation * min(elapsed, t) / (2 * t * t)
        if elapsed > _ALLAN / 2:
            change += innovation / (max(elapsed, _ALLAN) * _AVG)
        before = self._frequency
        self._frequency = self._clamped(before + change)
        self._offset += gain * innovation
        self._wander = math.sqrt(self._wander**2 + ((self._frequency - before) ** 2 - self._wander**2) / _JITTER_SAMPLES)
        self._adjust_time_constant(innovation)
        self._learn_jitter(innovation)
        self._sigma = math.sqrt(gain) * self._jitter
        self._frequency_sigma = math.hypot(self._jitter * math.sqrt(self._interval / (2 * t**3)), self._lag / t)

    def _adjust_time_constant(self, innovation: float) -> None:
        """Successive innovations of a loop that is neither too slow nor too fast are uncorrelated; count how far they are from it."""
        weight = min(0.5, self._interval / self._time_constant)
        expected = self._jitter * self._jitter * math.sqrt(weight / (2 - weight))
        self._count += max(-3.0, min(3.0, innovation * self._lag / expected))
        self._lag += weight * (innovation - self._lag)
        if self._count > _LIMIT:
            self._set_time_constant(self._time_constant / _STEP)
        elif self._ramping:
            grown = (self._worth + self._samples) * self._interval / 4
            settled = min(self._cap, math.sqrt(self._jitter * math.sqrt(self._interval) / (2 * _WANDER)))
            self._time_constant = self._bounded(min(grown, max(settled, self._time_constant)))
            self._ramping = self._time_constant < settled
            self._count = max(0.0, self._count)
        elif self._count < -_LIMIT:
            self._set_time_constant(self._time_constant * _STEP)

    def _set_time_constant(self, value: float) -> None:
        self._time_constant = self._bounded(value)
        self._count = 0.0
        self._ramping = False

    def _bounded(self, time_constant: float) -> float:
        return max(_T_MIN, 2 * self._interval, min(_T_MAX, time_constant))

    def _learn_jitter(self, innovation: float) -> None:
        share = 1.0 / min(_JITTER_SAMPLES, self._samples + 1.0)
        self._jitter = max(_RESOLUTION, math.sqrt(self._jitter**2 + (innovation**2 - self._jitter**2) * share))

    def _clamped(self, frequency: float) -> float:
        limit = self._limits.max_frequency
        return max(-limit, min(limit, frequency))

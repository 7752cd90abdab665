"""The discipline: an engine, the step policy, the lock states and the error bound, put together."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite, log2

from stratum1.clock import ClockLimits
from stratum1.interchange import Environment, LockState, ReferenceHealth, Sample, Steering
from stratum1.timescale import MonoNs, seconds

from ._crystal import CrystalMemory
from ._engine import Engine, Estimate, Verdict
from ._foresight import Foresight
from ._kalman import Kalman
from ._lock import LockEvent, LockMachine
from ._pll import PllFll
from ._steps import StepPolicy
from ._types import UNKNOWN_BOUND, Decision, DisciplineReport, DisciplineSettings, DriftRecord, FrequencyEstimate

__all__ = ["Discipline"]

_LARGEST = 1e11  # s; offsets beyond 3,000 years are cut to it, so that their squares stay far from overflow
_SIGMAS = (1e-9, 1e6)  # s; stated sigmas are kept within
_LOCK_SAMPLES = 5
_SPREAD = 5.0  # standard deviations of the estimate: its law is learned too, and a day has 86,400 seconds
_STRAYS = 3  # so many outvoted samples in a row enter the bound: by then it may be us who are wrong
_NOISIER = 10.0  # a jitter this many times the stated sigma says that something is wrong with the samples
_SILENT = 3.0  # intervals without a sample, after which the crystal is led by what is known of it
_FINEST = 1e-12  # s/s; a smaller change of the frequency is not worth a command
_POLL = 64.0  # s between the samples of servers, until it is known better
_AHEAD = 600.0  # s after the last tick; ticks come every second
_ADRIFT = (LockState.HOLDOVER, LockState.UNSYNCHRONISED)
_CLAIMING = (LockState.LOCKED, LockState.HOLDOVER, LockState.NETWORK)


@dataclass(frozen=True, slots=True)
class _Anchor:
    """What was known at the last sample that was used: spread (seconds) around the estimate, uncertainty of the frequency (s/s).

    temperature: then, in degrees Celsius, None where no sensor tells.
    """

    at_ns: MonoNs
    spread: float
    frequency_sigma: float
    temperature: float | None


class Discipline:
    """Samples in, decisions out. Instants are those of the monotonic clock and may come late or twice, never as NaN.

    settings: checked on their own; limits: of the clock that is steered; drift: what an earlier run learned, None at first.
    """

    def __init__(self, settings: DisciplineSettings, limits: ClockLimits, drift: DriftRecord | None = None) -> None:
        self._settings = settings
        self._resolution = 2.0**limits.precision
        known = drift is not None and isfinite(drift.frequency) and isfinite(drift.uncertainty)
        prior = FrequencyEstimate(drift.frequency, abs(drift.uncertainty)) if drift is not None and known else None
        self._engine: Engine = Kalman(limits, prior) if settings.engine == "kalman" else PllFll(limits, prior)
        self._policy = StepPolicy(settings)
        self._lock = LockMachine()
        self._foresight = Foresight(drift.crystal if drift is not None else None)
        self._led = 0.0
        self._in_force: Steering | None = None
        self._anchor: _Anchor | None = None
        self._acquired_ns: MonoNs | None = None
        self._now: MonoNs | None = None
        self._ticked_ns: MonoNs | None = None
        self._seen_ns: MonoNs | None = None
        self._settled_ns: MonoNs | None = None
        self._settled = 0
        self._strays: list[float] = []
        self._disturbance = 0.0
        self._interval = 1.0
        self._settled_bound = 0.0
        self._network = False
        self._last: tuple[float, float] | None = None
        self._samples = self._spikes = self._ignored = self._steps = 0
        self._panic: str | None = None

    def observe(self, sample: Sample) -> Decision:
        """Take a sample that passed the gates; what it says of our clock is used, held back or outvoted."""
        offset, sigma = _within(sample)
        if not self._timely(sample.at_ns):
            self._ignored += 1
            return self._decide(0.0)
        self._pass(sample.at_ns)
        self._note_source(sample.stratum > 0)
        self._note_arrival(sample.at_ns)
        self._last = (offset, sigma)
        self._samples += 1
        if self._lock.state in _ADRIFT and self._settings.step_threshold < abs(offset) <= self._bound()[0]:
            self._policy.grant()  # we said ourselves that we may be so far off: no reason to wait
        if self._policy.holds(sample.at_ns, offset, sigma):
            return self._hold(sample.at_ns, offset)
        expected = self._engine.estimate().offset
        verdict = self._engine.update(sample.at_ns, offset, sigma)
        if self._panic is None:
            self._lock.happen(LockEvent.SAMPLE, sample.at_ns, f"samples of {sample.source} arrive")
        if verdict in (Verdict.USED, Verdict.ACQUIRED):
            self._strays.clear()
            return self._decide(self._adopt(sample, sigma, verdict))
        self._spikes += verdict is Verdict.SPIKE
        if self._anchor is not None:
            self._stray(sample.at_ns, offset - expected)
        return self._decide(0.0)

    def collect(self, samples: Iterable[Sample]) -> None:
        """Samples of before the first `observe`, in their order: they count in its measurement, and lead to nothing by themselves."""
        for each in samples:
            if self._anchor is None and self._timely(each.at_ns):
                offset, sigma = _within(each)
                self._note_arrival(each.at_ns)
                self._engine.collect(each.at_ns, offset, sigma)

    def tick(self, at_ns: MonoNs, reference: ReferenceHealth) -> Decision:
        """Once a second, whether samples come or not: go on slewing, notice what is missing, let the bound grow.

        reference: the health of what steers, reference clock or servers.
        """
        self._pass(at_ns)
        self._ticked_ns = self._now
        self._lead(at_ns)
        if reference.heard:
            self._lock.happen(LockEvent.HEARD, at_ns, "the reference clock is heard")
        why = self._lost(at_ns, reference)
        if why:
            self._settled_ns, self._settled = None, 0
            self._lock.happen(LockEvent.LOST, at_ns, why)
        return self._decide(0.0)

    def environment(self, environment: Environment) -> None:
        """The temperature of now: what it does to the crystal is learned while locked and used in holdover."""
        self._foresight.feel(environment.at_ns, environment.temperature)

    def disturbed(self, at_ns: MonoNs, offset: float | None) -> Decision:
        """Somebody else set the clock: measure anew, and say so.

        offset: how far that put us off, reference minus our clock, seconds (a clock set 1 s forward: -1.0); None if unknown.
        The frequency learned so far is kept; the next measurement may step within the panic limit.
        """
        self._pass(at_ns)
        known = offset is not None and isfinite(offset)
        change = max(-_LARGEST, min(_LARGEST, offset)) if offset is not None and known else 0.0
        self._engine.stepped(-change)
        self._engine.restart(self._engine.estimate().frequency_sigma)
        self._disturbance = self._disturbance + abs(change) if known else UNKNOWN_BOUND
        self._settled_ns, self._settled = None, 0
        self._strays.clear()
        self._policy.grant()
        self._policy.excuse(change)
        self._in_force = None
        size = f"by {-change:+.6f} s" if known else "by an unknown amount"
        self._lock.happen(LockEvent.DISTURBED, at_ns, f"somebody else set the clock {size}")
        return self._decide(0.0)

    def drift(self) -> FrequencyEstimate:
        """What to write to the drift file. While nothing was measured it's what was read from it, or 0 with 1e-4."""
        estimate = self._engine.estimate()
        return FrequencyEstimate(estimate.frequency, estimate.frequency_sigma)

    @property
    def crystal(self) -> CrystalMemory:
        """What was learned of the crystal, to keep for the next run."""
        return self._foresight.memory

    def report(self) -> DisciplineReport:
        """The picture for people."""
        estimate = self._engine.estimate()
        now = self._now if self._now is not None else MonoNs(0)
        return DisciplineReport(
            engine=self._engine.name,
            phase=estimate.phase,
            state=self._lock.state,
            since_ns=self._lock.since_ns,
            reason=self._lock.reason,
            time_constant=estimate.time_constant,
            poll_exponent=round(log2(estimate.time_constant / 16)),
            jitter=estimate.jitter,
            wander=estimate.wander,
            frequency=estimate.frequency,
            frequency_sigma=estimate.frequency_sigma,
            samples=self._samples,
            spikes=self._spikes,
            ignored=self._ignored,
            steps=self._steps,
            last_offset=self._last[0] if self._last else None,
            last_sigma=self._last[1] if self._last else None,
            learned=self._foresight.learned,
            temperature=self._foresight.temperature(now),
            warmth=self._foresight.warmth,
            ageing=self._foresight.ageing,
            age=None if self._anchor is None else max(0.0, seconds(now - self._anchor.at_ns)),
            lasts=self._lasts(now),
            history=self._lock.history,
        )

    def _pass(self, at_ns: MonoNs) -> None:
        self._now = at_ns if self._now is None else max(self._now, at_ns)

    def _timely(self, at_ns: MonoNs) -> bool:
        """Newer than the sample before, and not from a future that would make every later sample look old."""
        if self._seen_ns is not None and at_ns <= self._seen_ns:
            return False
        return self._ticked_ns is None or seconds(at_ns - self._ticked_ns) < _AHEAD

    def _note_source(self, network: bool) -> None:
        """Another kind of source steers from now on, and at intervals of its own."""
        if network != self._network:
            self._network = network
            self._interval, self._seen_ns = _POLL if network else 1.0, None

    def _note_arrival(self, at_ns: MonoNs) -> None:
        if self._seen_ns is not None:
            self._interval += (min(seconds(at_ns - self._seen_ns), 1024.0) - self._interval) / 8
        self._seen_ns = at_ns

    def _hold(self, at_ns: MonoNs, offset: float) -> Decision:
        """The sample is too far off to be slewed; when it has been so for the stepout, measure anew and step."""
        self._ignored += 1
        self._stray(at_ns, offset)
        if self._policy.overdue(at_ns):
            self._engine.restart(self._engine.estimate().frequency_sigma)
        return self._decide(0.0)

    def _stray(self, at_ns: MonoNs, deviation: float) -> None:
        self._strays = [*self._strays[1 - _STRAYS :], abs(deviation)]
        if self._disagreement() > self._limit():
            self._settled_ns, self._settled = None, 0
            self._lock.happen(LockEvent.STRAYED, at_ns, f"the reference disagrees by {deviation:+.6f} s")

    def _disagreement(self) -> float:
        return max(self._strays) if len(self._strays) >= _STRAYS else 0.0

    def _limit(self) -> float:
        """holdover_limit; where the reference itself isn't that good (no pulses), twice the bound that it allowed."""
        return max(self._settings.holdover_limit, 2 * self._settled_bound)

    def _adopt(self, sample: Sample, sigma: float, verdict: Verdict) -> float:
        """The engine has changed its estimate: decide on a step (returned, seconds), the lock, and what the bound starts from."""
        at_ns = sample.at_ns
        step = 0.0
        if verdict is Verdict.ACQUIRED:
            step = self._step(at_ns)
            self._disturbance, self._settled_ns, self._settled = 0.0, None, 0
            self._acquired_ns = at_ns
        estimate = self._engine.estimate()
        root = min(_LARGEST, abs(sample.root_dispersion) + (abs(sample.delay) + abs(sample.root_delay)) / 2)
        spread = abs(estimate.lag) + _SPREAD * estimate.sigma + root
        self._anchor = _Anchor(at_ns, spread, estimate.frequency_sigma, self._foresight.temperature(at_ns))
        self._led = 0.0
        if self._panic is None:
            self._settle(at_ns, estimate, sigma, sample.source)
        return step

    def _step(self, at_ns: MonoNs) -> float:
        offset = self._engine.estimate().offset
        if not self._policy.steps(offset):
            return 0.0
        refusal = self._policy.refuses(offset)
        if refusal:
            self._panic = refusal
            self._lock.happen(LockEvent.REFUSED, at_ns, refusal)
            return 0.0
        self._engine.stepped(offset)
        self._policy.stepped()
        self._steps += 1
        return offset

    def _settle(self, at_ns: MonoNs, estimate: Estimate, sigma: float, source: str) -> None:
        """Locked is a clock whose residual offset stays within some sigmas for some seconds, and whose samples are as good as stated."""
        noise = max(sigma, estimate.jitter)
        bound, _ = self._bound()
        near = estimate.frequency_known and abs(estimate.offset) + abs(estimate.lag) <= self._settings.lock_ratio * noise
        good = estimate.jitter <= _NOISIER * sigma or bound <= self._settings.holdover_limit
        if not (near and good):
            self._settled_ns, self._settled = None, 0
            return
        self._settled_ns = at_ns if self._settled_ns is None else self._settled_ns
        self._settled += 1
        if self._settled < _LOCK_SAMPLES or seconds(at_ns - self._settled_ns) < self._settings.lock_seconds:
            return
        self._policy.locked()
        self._settled_bound = bound
        event = LockEvent.SETTLED_NETWORK if self._network else LockEvent.SETTLED
        name = "the network" if self._network else "the reference clock"
        within = self._settings.lock_ratio * noise * 1e6
        self._lock.happen(event, at_ns, f"{name} ({source}) has agreed within {within:.3g} µs for {self._settings.lock_seconds:g} s")
        if self._acquired_ns is not None and seconds(at_ns - self._acquired_ns) >= 4 * estimate.time_constant:
            self._foresight.note(at_ns, estimate.frequency, estimate.time_constant)

    def _lead(self, at_ns: MonoNs) -> None:
        """Without samples, lead the frequency by what is known of the crystal."""
        if self._anchor is None or self._seen_ns is None or seconds(at_ns - self._seen_ns) <= _SILENT * max(1.0, self._interval):
            return
        age = max(0.0, seconds(at_ns - self._anchor.at_ns))
        wanted = self._foresight.lead(age, self._warmer(at_ns))
        if abs(wanted - self._led) >= _FINEST:
            self._engine.shift(at_ns, wanted - self._led)
            self._led = wanted

    def _warmer(self, at_ns: MonoNs) -> float | None:
        """Degrees by which it is warmer than at the last sample that was used, None where no sensor tells."""
        now, then = self._foresight.temperature(at_ns), self._anchor.temperature if self._anchor else None
        return now - then if now is not None and then is not None else None

    def _lost(self, at_ns: MonoNs, reference: ReferenceHealth) -> str:
        if not reference.usable:
            return reference.reason or "the reference can't be used"
        if self._network:
            return ""  # a server is polled seldom, and how long it may be silent is known to whoever polls it
        if reference.pausing:
            return ""
        silence = max(self._settings.silence, 4 * self._interval)
        if self._seen_ns is not None and seconds(at_ns - self._seen_ns) > silence:
            return f"no sample for {silence:.0f} s"
        return ""

    def _bound(self) -> tuple[float, float]:
        """Error bound (seconds) and its rate (s/s) now."""
        residual = abs(self._engine.estimate().offset)
        if self._anchor is None or self._now is None:
            return UNKNOWN_BOUND + residual, 0.0
        age = max(0.0, seconds(self._now - self._anchor.at_ns))
        grown, rate = self._foresight.growth(age, self._anchor.frequency_sigma, self._warmer(self._now))
        return residual + self._anchor.spread + grown + self._disagreement() + self._disturbance + self._resolution, rate

    def _lasts(self, now: MonoNs) -> float | None:
        """See `DisciplineReport.lasts`. What the temperature will do is not known: as if it stayed."""
        if self._anchor is None or self._lock.state not in _CLAIMING:
            return None
        age = max(0.0, seconds(now - self._anchor.at_ns))
        warmer = self._warmer(now)
        rest = self._bound()[0] - self._foresight.growth(age, self._anchor.frequency_sigma, warmer)[0]
        whole = self._foresight.lasts(self._settings.holdover_limit - rest, self._anchor.frequency_sigma, warmer is not None)
        return None if whole is None else max(0.0, whole - age)

    def _decide(self, step: float) -> Decision:
        now = self._now if self._now is not None else MonoNs(0)
        steering = self._engine.command(now)
        bound, rate = self._bound()
        if bound > self._limit():
            text = f"the error bound passed the limit of {self._limit():.3g} s"
            self._lock.happen(LockEvent.LIMIT, now, text)
        estimate = self._engine.estimate()
        changed = self._panic is None and (step != 0.0 or steering != self._in_force)
        self._in_force = steering
        return Decision(
            steering=Steering(steering.frequency, steering.phase_rate, step) if changed else None,
            state=self._lock.state,
            in_specification=self._lock.state in _CLAIMING and bound <= self._settings.holdover_limit,
            offset=estimate.offset,
            sigma=estimate.sigma,
            error_bound=bound,
            bound_rate=rate,
            frequency=estimate.frequency,
            transitions=self._lock.take(),
            panic=self._panic,
        )


def _within(sample: Sample) -> tuple[float, float]:
    """Offset and sigma, cut to what can be computed with."""
    return max(-_LARGEST, min(_LARGEST, sample.offset)), max(_SIGMAS[0], min(_SIGMAS[1], sample.sigma))

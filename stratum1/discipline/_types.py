"""What the discipline is told and what it answers: frozen values, no behaviour beyond checking them."""

from dataclasses import dataclass
from typing import NamedTuple

from stratum1.interchange import LockState, Steering
from stratum1.timescale import MonoNs, UtcNs

from ._crystal import CrystalMemory, Law

__all__ = [
    "ENGINES",
    "UNKNOWN_BOUND",
    "Decision",
    "DisciplineError",
    "DisciplineReport",
    "DisciplineSettings",
    "DriftRecord",
    "FrequencyEstimate",
    "Transition",
]

ENGINES = ("kalman", "pll-fll")
"""The engines, the default first."""

UNKNOWN_BOUND = 1e9
"""Seconds (31 years) stated as error bound while nothing at all is known; finite, so that it can be printed and compared."""


class DisciplineError(ValueError):
    """A setting of the discipline can't be used; the message names it, its value and what is allowed."""


@dataclass(frozen=True, slots=True)
class DisciplineSettings:
    """How the clock is disciplined.

    holdover_limit: error bound in seconds at which we stop claiming to know the time. step_threshold: a larger offset (seconds) is
    stepped and not slewed, once it has lasted for stepout seconds (RFC 5905, section 11.3: STEPT, WATCH). panic_limit: a larger
    step (seconds) is refused (PANICT). The first step after the start may have any size and waits for no stepout.
    lock_ratio: locked needs a residual offset of at most this many standard deviations of a sample, for lock_seconds.
    silence: seconds without a sample after which the reference counts as lost (at least four times the usual interval).
    Raises DisciplineError for an unknown engine and for a number that is not positive and finite.
    """

    engine: str = "kalman"
    holdover_limit: float = 1e-3
    step_threshold: float = 0.128
    panic_limit: float = 1000.0
    stepout: float = 300.0
    lock_ratio: float = 4.0
    lock_seconds: float = 5.0
    silence: float = 5.0

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise DisciplineError(f'discipline = "{self.engine}": unknown; allowed: "kalman", "pll-fll"')
        for name in ("holdover_limit", "step_threshold", "panic_limit", "stepout", "lock_ratio", "lock_seconds", "silence"):
            value = getattr(self, name)
            if not 0.0 < value < 1e9:
                raise DisciplineError(f"{name.replace('_', '-')} = {value}: allowed are numbers above 0 and below 1e9 seconds")


@dataclass(frozen=True, slots=True)
class DriftRecord:
    """What an earlier run has learned: the correction and its standard uncertainty, s/s, when it was saved, and what the crystal does."""

    frequency: float
    uncertainty: float
    saved: UtcNs
    crystal: CrystalMemory | None = None


class FrequencyEstimate(NamedTuple):
    """A frequency correction and its standard uncertainty, both s/s."""

    frequency: float
    uncertainty: float


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of the lock state, and the sentence that says why."""

    at_ns: MonoNs
    before: LockState
    after: LockState
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done and what may be claimed, from now until the next Decision.

    steering: to be put into force at once, None if what is in force stays. in_specification: error_bound is within holdover_limit
    and the state claims to know the time. offset: estimate of reference minus our clock, seconds; sigma: its standard uncertainty.
    error_bound: seconds, contains the true error; it grows by bound_rate (s/s) until the next Decision. frequency: the lasting
    correction, s/s. transitions: changes of state that this call made. panic: why a step was refused; the caller must stop.
    """

    steering: Steering | None
    state: LockState
    in_specification: bool
    offset: float
    sigma: float
    error_bound: float
    bound_rate: float
    frequency: float
    transitions: tuple[Transition, ...]
    panic: str | None


@dataclass(frozen=True, slots=True)
class DisciplineReport:
    """The discipline for people.

    phase: what the engine does ("unset", "measuring", "tracking", "doubting"). time_constant: seconds; poll_exponent: log2 of a
    sixteenth of it, which is what RFC 5905 calls poll. jitter: RMS of a sample against the prediction, seconds.
    wander: RMS change of the frequency per sample, s/s. spikes: samples outvoted as outliers; ignored: duplicates, and samples
    held back by the step policy.
    last_offset and last_sigma: of the last sample, seconds. learned: seconds over which the crystal's changes are known.
    temperature: degrees Celsius, smoothed, None where no sensor tells; warmth: change of the correction with it, s/s and degree;
    ageing: lasting change of the correction, s/s a second. age: seconds since the last sample that was used. lasts: seconds from now until
    the bound passes holdover_limit if no sample comes any more, None where that is a week or more, or nothing is known yet.
    history: the last changes of state, oldest first.
    """

    engine: str
    phase: str
    state: LockState
    since_ns: MonoNs | None
    reason: str
    time_constant: float
    poll_exponent: int
    jitter: float
    wander: float
    frequency: float
    frequency_sigma: float
    samples: int
    spikes: int
    ignored: int
    steps: int
    last_offset: float | None
    last_sigma: float | None
    learned: float
    temperature: float | None
    warmth: Law
    ageing: Law
    age: float | None
    lasts: float | None
    history: tuple[Transition, ...]

"""Raw stamps of noise series, judged as the daemon judges them: through the gate, then by the guard's watch over the pulses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan

from stratum1.integrity._crystal import Deviation, PulseWatch
from stratum1.refclock._gate import EdgeVerdict, PulseGate
from stratum1.simulation import Series
from stratum1.timescale import NS

LEARNED = 900


@dataclass(frozen=True)
class Judged:
    """worst: the largest ratio after the learning time, and when; found: the first second with an alarm, None for none."""

    worst: float
    worst_at: int
    found: int | None
    deviation: Deviation | None


def judge(noise: Series, added: Callable[[int], float] = lambda _: 0.0, excuse: Sequence[float] = ()) -> Judged:
    """Run a series; added: what an attacker adds to the stamp of a second, seconds; excuse: what temperature explains, s/s."""
    watch, gate = PulseWatch(), PulseGate()
    clock, worst, worst_at = 0.0, 0.0, 0
    for k, (frequency, error) in enumerate(zip(noise.frequency, noise.pulses, strict=True)):
        stamp = error + added(k)
        if not isnan(stamp):
            raw = 10**15 + k * NS + round((clock + stamp) * NS)
            if gate.judge(raw).verdict is EdgeVerdict.USED:
                found = watch.add(k, raw, learn=True, excuse=excuse[k] if excuse else 0.0)
                if k > LEARNED and found.ratio >= 1.0:
                    return Judged(max(worst, found.ratio), k, k, found)
                if k > LEARNED and found.ratio > worst:
                    worst, worst_at = found.ratio, k
        clock += frequency
    return Judged(worst, worst_at, None, None)

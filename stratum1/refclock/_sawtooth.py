"""The sawtooth: what a receiver says of the error of each of its pulses, kept until the pulse that it is about.

A receiver can give a pulse only at an edge of its own clock (48 to 125 MHz), so each comes up to half a period early or late, in a
pattern like a saw's teeth. A timing receiver announces by how much (`stratum1.gnss.events.PulseCorrection`, which has the sign and its
source). Whether the announcements fit the pulses is measured, not assumed: second differences of the pulses' times are compared with
those of the announced errors. They share nothing but the sawtooth, whatever the crystal does.
"""

import math
from collections import deque
from dataclasses import dataclass

__all__ = ["Sawtooth", "SawtoothReport"]

_AHEAD = 8  # announcements kept; a receiver tells of the next pulse only
_MEMORY = 64
_DECAY = 1 - 1 / 256
_LEAST, _LIMIT = 32, 6.0  # comparisons, and standard errors, before announcements are called wrong
_STILL = 1e-4  # ns^2
_HALF = 0.5  # of 1, where they are right, and -1, where their sign is wrong


@dataclass(frozen=True, slots=True)
class SawtoothReport:
    """in_use: whether the last pulse was corrected. last: announced error of the pulse that was seen last, seconds; spread: their root mean
    square, None where none were announced. corrected, missing, late: pulses so far that were, that weren't though others near them were,
    and announcements that came after their pulse.

    agreement: how much of the announced errors is seen in the pulses, 1 where all is right; uncertainty: its standard error. Both None
    while too little is known. wrong: they do not fit, and are not used.
    """

    in_use: bool = False
    last: float | None = None
    spread: float | None = None
    corrected: int = 0
    missing: int = 0
    late: int = 0
    agreement: float | None = None
    uncertainty: float | None = None
    wrong: bool = False


class Sawtooth:
    """Corrections by the number of their pulse: seconds of the scale that pulses are counted on. wanted: whether to use them at all."""

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted
        self._announced: dict[int, float | None] = {}
        self._errors: deque[float] = deque(maxlen=_MEMORY)
        self._since = _MEMORY
        """Pulses since the last that had an announced error."""
        self._fit = _Fit()
        self._in_use = False
        self._last: float | None = None
        self._corrected = self._missing = self._late = 0

    def announce(self, number: int, error: float | None, last_pulse: int | None) -> None:
        """What the receiver says of a pulse to come (seconds late); last_pulse: number of the last one that was seen.

        Of two announcements for one pulse the later is the better one.
        """
        if last_pulse is not None and number <= last_pulse:
            self._late += 1
            return
        self._announced[number] = error
        for old in sorted(self._announced)[:-_AHEAD]:
            del self._announced[old]

    def forget(self) -> None:
        """The line was lost or opened: what was announced may be of another receiver."""
        self._announced.clear()
        self._fit = _Fit()

    def correction(self, number: int | None) -> float | None:
        """Seconds to take off the stamp of a pulse of that number; None where nothing is known or wanted."""
        return None if number is None or not self._wanted or self._fit.wrong else self._announced.get(number)

    def pulse(self, number: int, at_ns: int, applied: bool) -> None:
        """A pulse was used; at_ns: its stamp, uncorrected; applied: whether the correction for it was taken off."""
        error = self._announced.get(number)
        self._announced = {each: value for each, value in self._announced.items() if each > number}
        self._since = 0 if error is not None else self._since + 1
        self._in_use = applied
        self._corrected += applied
        self._missing += not applied and self._alive and self._wanted and not self._fit.wrong
        if error is not None:
            self._errors.append(error)
            self._last = error
            self._fit.add(number, at_ns, error)

    @property
    def spread(self) -> float:
        """What a pulse that was not corrected has more of noise than those that are, seconds; 0.0 where none are."""
        return self._rms if self._wanted and self._alive and not self._fit.wrong else 0.0

    @property
    def alarm(self) -> str | None:
        """The sentence for a person where announcements do not fit the pulses."""
        if not (self._wanted and self._alive and self._fit.wrong):
            return None
        return (
            f"the receiver's corrections of its pulses (TIM-TP) do not fit them ({self._fit.slope:+.2f} of the announced errors are seen, "
            'not 1), so they are not used: check that pulse and messages come from the same receiver, or set "sawtooth-correction = false"'
        )

    def report(self) -> SawtoothReport:
        """The state for people."""
        known = self._fit.known
        return SawtoothReport(
            in_use=self._in_use,
            last=self._last if self._alive else None,
            spread=self._rms if self._alive else None,
            corrected=self._corrected,
            missing=self._missing,
            late=self._late,
            agreement=self._fit.slope if known else None,
            uncertainty=self._fit.uncertainty if known else None,
            wrong=self._fit.wrong,
        )

    @property
    def _alive(self) -> bool:
        return self._since < _MEMORY

    @property
    def _rms(self) -> float:
        return math.sqrt(sum(error * error for error in self._errors) / len(self._errors)) if self._errors else 0.0


class _Fit:
    """Least squares of the second differences of stamps over those of announced errors, with a memory of some minutes."""

    def __init__(self) -> None:
        self._last: deque[tuple[int, int, float]] = deque(maxlen=3)
        self._count = 0
        self._weight = self._xx = self._xy = self._yy = 0.0

    def add(self, number: int, at_ns: int, error: float) -> None:
        """One pulse."""
        self._last.append((number, at_ns, error))
        if len(self._last) < 3 or self._last[0][0] != number - 2 or self._last[1][0] != number - 1:
            return
        (_, t0, e0), (_, t1, e1), (_, t2, e2) = self._last
        y, x = float(t2 - 2 * t1 + t0), (e2 - 2 * e1 + e0) * 1e9
        if self._count >= _LEAST and y * y > 100 * self._yy / self._weight and abs(y) > 3 * abs(x):
            return  # a late interrupt tells nothing
        self._count += 1
        self._weight, self._xx, self._xy, self._yy = (
            _DECAY * before + now for before, now in ((self._weight, 1.0), (self._xx, x * x), (self._xy, x * y), (self._yy, y * y))
        )

    @property
    def known(self) -> bool:
        """Whether there is anything to tell: announced errors that stand still tell nothing."""
        return self._count >= _LEAST and self._xx > _STILL * self._weight

    @property
    def slope(self) -> float:
        """1 where the announced errors are the pulses' own."""
        return self._xy / self._xx if self._xx > 0 else 0.0

    @property
    def uncertainty(self) -> float:
        """Standard error of the slope."""
        left = max(0.0, self._yy - self.slope * self._xy) / self._weight if self._weight else 0.0
        return math.sqrt(left / self._xx) if self._xx > 0 else math.inf

    @property
    def wrong(self) -> bool:
        """Whether it is certain that they are not."""
        return self.known and self.slope + _LIMIT * self.uncertainty < _HALF

"""Streaming estimators over a phase that is measured once a second, at spans (tau) of 1, 2, 4 ... 65536 s.

Definitions: W. J. Riley, "Handbook of Frequency Stability Analysis", NIST Special Publication 1065 (2008): overlapping Allan
deviation, equation 11; time deviation from the modified Allan variance, equations 14 and 15; MTIE as in ITU-T G.810 (1996),
appendix II.5. Where no second is missing the figures are exactly those of the definitions over all seconds since the start.

How each stays cheap: the second difference d(k) = x(k) - 2 x(k - m) + x(k - 2m) is made once for each tau = m. Its squares give ADEV.
Its sum over the last m seconds, kept up by one addition and one subtraction, gives TDEV. The maximum over m + 1 points is that of two
windows of half the length, so that each tau keeps only the m / 2 latest maxima of the tau below. Phases are whole picoseconds, so sums
never lose digits however long they run.

A second without a measurement is a hole: what would need it is left out, nothing is filled in. TDEV takes a window where at least half
of its second differences are there (white phase noise then looks larger by up to 1.4); MTIE takes the points that are there. After
`_GAP` seconds without one, or a jump of `_JUMP`, a new series begins: no difference reaches over it.
"""

from array import array
from dataclasses import dataclass
from math import sqrt

__all__ = ["LONGEST_TAU", "PhaseStatistics", "StabilityPoint"]

LONGEST_TAU = 65_536
"""Seconds."""

_HOLE = -(1 << 63)
_RANGE = 1 << 61  # ps; 26 days of phase, far beyond what is a phase
_GAP = 600  # s
_JUMP = 100_000_000_000  # ps; a tenth of a second from one second to the next is another numbering, not a phase
_KEPT = 1 << 20  # values after which the older half counts half: figures of the last weeks, not of the first day for ever
_PICO = 1e-12


@dataclass(frozen=True, slots=True)
class StabilityPoint:
    """Figures over one span. tau in seconds; adev is a ratio, tdev and mtie are seconds; None while no value could be made.

    ..._samples: how many overlapping values are behind each (the older ones may count half).
    """

    tau: int
    adev: float | None
    adev_samples: int
    tdev: float | None
    tdev_samples: int
    mtie: float | None
    mtie_samples: int


class _Span:
    """What is kept for one tau."""

    __slots__ = (
        "adev_count", "adev_sum", "half", "highs", "lows", "mtie_before", "mtie_count", "mtie_now",
        "parts", "tau", "tdev_count", "tdev_sum", "total",
    )  # fmt: skip

    def __init__(self, tau: int) -> None:
        self.tau = tau
        self.half = max(1, tau // 2)
        self.adev_sum = self.tdev_sum = 0.0
        self.adev_count = self.tdev_count = self.mtie_count = 0
        self.mtie_now = self.mtie_before = -1
        self.restart()

    def restart(self) -> None:
        """A new series: the sums of values stay, what reaches into the past goes."""
        self.total = self.parts = 0
        self.highs: array[int] = array("q")
        self.lows: array[int] = array("q")

    def extremes(self, k: int, high: int, low: int) -> tuple[int, int]:
        """Take the maxima (of x and of -x) over half the span that ends at k; return those over the whole span."""
        if len(self.highs) < self.half:
            self.highs.append(high)
            self.lows.append(low)
            return high, low
        place = k % self.half
        before, self.highs[place] = self.highs[place], high
        below, self.lows[place] = self.lows[place], low
        return max(high, before), max(low, below)

    def note_mtie(self, extent: int) -> None:
        """Take a window's largest difference, ps."""
        self.mtie_count += 1
        self.mtie_now = max(self.mtie_now, extent)
        if self.mtie_count >= 2 * _KEPT:
            self.mtie_count -= _KEPT
            self.mtie_before, self.mtie_now = self.mtie_now, -1

    def note_difference(self, difference: int) -> None:
        """Take a second difference, ps."""
        self.total += difference
        self.parts += 1
        self.adev_sum += float(difference) ** 2
        self.adev_count += 1
        if self.adev_count >= 2 * _KEPT:
            self.adev_sum, self.adev_count = self.adev_sum / 2, self.adev_count // 2

    def note_mean(self) -> None:
        """Take the mean second difference of the last tau seconds, where enough of them are there."""
        if 2 * self.parts < self.tau or not self.parts:
            return
        self.tdev_sum += (self.total / self.parts) ** 2
        self.tdev_count += 1
        if self.tdev_count >= 2 * _KEPT:
            self.tdev_sum, self.tdev_count = self.tdev_sum / 2, self.tdev_count // 2

    def point(self) -> StabilityPoint:
        extent = max(self.mtie_now, self.mtie_before)
        return StabilityPoint(
            self.tau,
            sqrt(self.adev_sum / (2 * self.adev_count)) * _PICO / self.tau if self.adev_count else None,
            self.adev_count,
            sqrt(self.tdev_sum / (6 * self.tdev_count)) * _PICO if self.tdev_count else None,
            self.tdev_count,
            extent * _PICO if extent >= 0 else None,
            self.mtie_count,
        )


class PhaseStatistics:
    """ADEV, TDEV and MTIE of one phase. Memory grows with the series to at most 3.2 MB (tau up to 65536 s)."""

    def __init__(self, longest: int = LONGEST_TAU) -> None:
        """longest: tau to end at, a power of two, seconds. Raises ValueError for another number."""
        if longest < 1 or longest & (longest - 1):
            raise ValueError(f"longest = {longest}: must be a power of two, at least 1")
        self._spans = [_Span(1 << i) for i in range(longest.bit_length())]
        self._size = 1 << (3 * longest).bit_length()
        self.restart()

    def restart(self) -> None:
        """A new series: what was found so far stays, no difference will reach back over now."""
        self._ring: array[int] = array("q")
        self._count = 0
        self._second: int | None = None
        self._last = self._origin = 0
        for span in self._spans:
            span.restart()

    def add(self, second: int, phase: int) -> None:
        """Take the phase (whole picoseconds) of a second. A second twice is ignored; one that goes back begins a new series."""
        gap = 1 if self._second is None else second - self._second
        if gap == 0:
            return
        if not 0 < gap <= _GAP or abs(phase - self._last) > _JUMP * gap or abs(phase - self._origin) > _RANGE:
            self.restart()
            gap = 1
        if self._second is None:
            self._origin = phase
        for _ in range(gap - 1):
            self._push(_HOLE)
        self._second, self._last = second, phase
        self._push(phase - self._origin)

    def points(self) -> tuple[StabilityPoint, ...]:
        """The figures of now, shortest tau first; those over which nothing could be measured yet are left out."""
        return tuple(span.point() for span in self._spans if span.mtie_count)

    def _push(self, x: int) -> None:
        k, ring, mask = self._count, self._ring, self._size - 1
        self._count += 1
        if len(ring) <= mask:
            ring.append(x)
        else:
            ring[k & mask] = x
        high, low = x, (x if x == _HOLE else -x)
        for span in self._spans:
            m = span.tau
            high, low = span.extremes(k, high, low)
            if m > k:
                return
            if high != _HOLE:
                span.note_mtie(high + low)
            if 2 * m <= k:
                self._difference(span, k, x)

    def _difference(self, span: _Span, k: int, x: int) -> None:
        ring, mask, m = self._ring, self._size - 1, span.tau
        x1, x2 = ring[(k - m) & mask], ring[(k - 2 * m) & mask]
        hole = _HOLE in (x1, x2)
        if not hole and x != _HOLE:
            span.note_difference(x - 2 * x1 + x2)
        if k >= 3 * m:
            x3 = ring[(k - 3 * m) & mask]
            if not hole and x3 != _HOLE:
                span.total -= x1 - 2 * x2 + x3
                span.parts -= 1
        if k >= 3 * m - 1:
            span.note_mean()

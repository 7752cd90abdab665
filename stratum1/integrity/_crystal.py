"""Pulses against what this crystal has ever done.

The crystal of the board runs by itself (CLOCK_MONOTONIC_RAW), so an attacker who moves the pulses must move them against it. Some
trackers follow the pulses; each test compares the mean of the last few pulses with where they were expected some time ago, and learns
how far that usually is off: jitter, wander and temperature are all in it, whatever they are on this board. What is far beyond is an
alarm. Short spans find jumps and fast drags, long ones slow drags.

The limit of a test is the largest of: six times the root mean square of what was seen (less where it never went far); 1.3 times the
worst of the last hours (temperature cycles); and what temperature may do to any crystal without warning, a change of frequency that
begins to grow by 1e-9 a second. A change of the jitter widens it at once, because single pulses then scatter around the line through
their neighbours, which no drag makes them do.
"""

from collections import deque
from dataclasses import dataclass
from math import copysign, exp, inf, sqrt

from ._tracker import State, Tracker, extrapolated

__all__ = ["Deviation", "PulseWatch"]

_SIGMAS = 6.0
_WORST = 1.3
_WORST_SIGMAS = 4.0  # of hours of noise
_MANY = 60  # spans after which the worst is known, too
_BOUNDED = 2.2  # times the worst is beyond six sigma for noise, and below it for what never goes far, as a cycle does
_FORGET = exp(-1 / 7200)  # of the worst, each second
_LEAST = 50e-9  # s; below this nobody moves anything
_MEMORY = 4096
_LASTING, _SUSTAINED = 8, 0.88  # so much of the limit is enough where it lasts for so many pulses
_DELAY = 30  # s, and two spans, before a value is learned
_NEEDED = 300  # values before a test judges
_CLIP = 8.0
_FAST, _SLOW = 12, 4096  # pulses over which the jitter of now and the usual one are measured
_NEIGHBOURS = 8  # s that three pulses may be apart to show it
_NOISIER = 1.6  # times the usual jitter, from which on it counts as changed
_STRAYS = 5  # pulses in a row
_RESTART = 10  # s without a pulse after which the trackers begin anew
_GAP = 8  # s without a pulse after which the first ones are compared with where they would have been
_GAP_PULSES = (3, 12)  # how many of them: judged from, and until
_RENUMBERED = 400_000_000  # ns
_LONG_GAP = 7200  # s; beyond this nothing is expected any more
_SETTLES = 4  # time constants until a tracker stands where the steady gains keep it
_MISLED = (6, 12, 24, 48)  # pulses
_RATE_SPAN, _RATE_GROWTH = 48, 384  # s
_RATE_SIGMAS = 2.0
_SETTLED = 100  # pulses that a candidate's frequency needs


@dataclass(frozen=True, slots=True)
class Deviation:
    """The worst of all tests. size: pulses minus expectation (positive: they come late) and limit, seconds; span: over how many seconds."""

    ratio: float = 0.0
    size: float = 0.0
    limit: float = inf
    span: int = 0


class _Test:
    """The mean of the last `mean` pulses against the expectation of `span` seconds ago."""

    __slots__ = (
        "_cut", "_delayed", "_errors", "_floor", "_mean", "_oldest", "_seen", "_single", "_span", "_square", "_strict",
        "_tracker", "_waiting", "_worst", "error", "latest", "limit",
    )  # fmt: skip

    def __init__(self, tracker: Tracker, span: int, mean: int, strict: float, bend: float) -> None:
        """strict: the mean must be so many of its own standard errors from zero. bend: s; what an onset of 1e-9 1/s leads to."""
        self._tracker, self._span, self._mean, self._strict, self._floor = tracker, span, mean, strict, bend + _LEAST
        self._cut = 1 + mean // 16  # of the largest and of the smallest
        self._square = self._single = self._worst = 0.0
        self._seen = 0
        self.restart()

    def restart(self) -> None:
        self._waiting: deque[State] = deque()
        self._oldest: State | None = None
        self._errors: deque[float] = deque(maxlen=self._mean)
        self._delayed: deque[tuple[float, float]] = deque()
        self.error, self.latest, self.limit = 0.0, 0.0, inf

    @property
    def spread(self) -> float:
        """What this span usually brings at most, seconds."""
        return max(sqrt(self._square), self._worst / _WORST_SIGMAS)

    @property
    def size(self) -> float:
        """The deviation for people, seconds: single errors are cut to judge them."""
        return max(self.error, self.latest, key=abs)

    @property
    def past(self) -> State | None:
        """The state that the last expectation was made of."""
        return self._oldest

    def judge(self, second: int, phase: float, noisier: float, excuse: float, learn: bool) -> float:
        """Size of the deviation by its limit; 0.0 where there is nothing to judge. excuse: s/s that temperature explains."""
        while self._waiting and self._waiting[0][0] <= second - self._span:
            self._oldest = self._waiting.popleft()
        if self._oldest is None:
            return 0.0
        error = self.latest = phase - extrapolated(self._oldest, second)
        known = self._seen >= _NEEDED
        if known:
            clip = _CLIP * noisier * sqrt(self._single) + self._floor + excuse * self._span
            error = max(-clip, min(clip, error))
        self._errors.append(error)
        if len(self._errors) < self._mean:
            return 0.0
        ordered = sorted(self._errors)[self._cut : self._mean - self._cut]
        self.error = sum(ordered) / len(ordered)
        self.limit = self.usual(noisier, excuse)
        ratio = abs(self.error) / self.limit if self._clear(ordered) else 0.0
        if learn and ratio < 1.0:
            self._learn(error)
        return ratio

    def usual(self, noisier: float, excuse: float) -> float:
        """The limit, seconds; infinite while it is not learned."""
        if self._seen < _NEEDED:
            return inf
        likely = _SIGMAS * sqrt(self._square)
        if self._seen >= _MANY * (self._span + self._mean):
            likely = min(likely, _BOUNDED * self._worst)
        likely *= noisier
        return max(likely, _WORST * self._worst, self._floor) + excuse * self._span

    def note(self) -> None:
        """The tracker has taken a pulse."""
        if self._tracker.state is not None and self._tracker.count > _SETTLES * self._tracker.tau:
            self._waiting.append(self._tracker.state)

    def _clear(self, ordered: list[float]) -> bool:
        """Whether the mean is more than the scatter of what it was made of: pulses that only got noisier are no jump."""
        scatter = sum((each - self.error) ** 2 for each in ordered) / (len(ordered) - 1)
        return self.error**2 * len(ordered) >= self._strict**2 * scatter

    def _learn(self, error: float) -> None:
        """What is happening just now must not excuse itself, so it's learned later, if nobody has objected meanwhile."""
        self._worst *= _FORGET
        self._delayed.append((abs(self.error), abs(error)))
        if len(self._delayed) <= 2 * self._span + self._mean + _DELAY:
            return
        mean, single = self._delayed.popleft()
        self._seen += 1
        share = 1.0 / min(_MEMORY, self._seen)
        self._square += (min(mean * mean, 1.0) - self._square) * share
        self._single += (min(single * single, 1.0) - self._single) * share
        self._worst = max(self._worst, min(1.0, mean))


class PulseWatch:
    """Fed with numbered pulses of one receiver: raw stamps and the seconds that they mark."""

    def __init__(self) -> None:
        fast, middle, slow = Tracker(16), Tracker(48), Tracker(96)
        self._trackers = (fast, middle, slow)
        # bends: the largest response to a frequency that begins to grow by 1e-9 1/s, measured in simulation
        self._tests = (
            _Test(fast, 8, 7, 10.0, 0.19e-6),
            _Test(middle, 16, 8, 7.0, 1.32e-6),
            _Test(middle, 32, 8, 7.0, 2.25e-6),
            _Test(middle, 48, 16, 6.0, 3.39e-6),
            _Test(slow, 96, 24, 6.0, 13.7e-6),
        )
        self._origin: tuple[int, int] | None = None
        self._second = self._raw = 0
        self._last: deque[tuple[int, float]] = deque(maxlen=3)
        self._jitter = (0.0, 0.0)
        self._measured = 0
        self._ratios: deque[float] = deque(maxlen=_LASTING)
        self._gap: State | None = None
        self._gap_errors: list[float] = []
        self._kept: tuple[int, float] | None = None
        self._far = 0
        self._used: deque[tuple[int, float]] = deque(maxlen=_RATE_SPAN)
        self.pulses = 0
        self.deviation = Deviation()
        """Of the last pulse."""

    @property
    def scatter(self) -> float:
        """Beyond how much a single pulse is so far off that it had better wait, seconds; infinite while unknown."""
        return _SIGMAS * self._noisier() * self._trackers[0].scatter

    def surprise(self, second: int, raw_ns: int) -> float:
        """How far a pulse that comes now is from its place, seconds."""
        if self._origin is None:
            return 0.0
        return self._trackers[0].innovation(second, self._phase(second, raw_ns))

    def add(self, second: int, raw_ns: int, *, learn: bool, excuse: float) -> Deviation:
        """Take a pulse. learn: whether what it brings is what this crystal does. excuse: change of frequency by temperature, s/s."""
        if self._origin is None or not self._continues(second, raw_ns):
            self.restart()
            self._origin = (second, raw_ns)
        if not learn and self._strays(second, raw_ns):
            self.restart()
            self._origin = (second, raw_ns)
        elapsed = second - self._second
        self._second, self._raw = second, raw_ns
        phase = self._phase(second, raw_ns)
        self.pulses += 1
        if elapsed > _GAP and self._trackers[1].state is not None and self._trackers[1].count > _SETTLED:
            self._gap, self._gap_errors = self._trackers[1].state, []
        if elapsed > _RESTART:
            self._begin_anew()
        noisier = self._note_jitter(second, phase, learn)
        self.deviation = self._judge(second, phase, noisier, excuse, learn)
        for tracker in self._trackers:
            tracker.add(second, phase, noisier)
        for test in self._tests:
            test.note()
        return self.deviation

    def note_used(self) -> None:
        """The last pulse has steered our clock."""
        self._used.append((self._second, self._tests[3].latest))

    def misled(self) -> tuple[float, float]:
        """By how much pulses that steered our clock lately may have led it astray: seconds, and the rate that it may keep, s/s."""
        errors = [error for second, error in self._used if second > self._second - _RATE_SPAN]
        means = [abs(sum(errors[-n:])) / n for n in _MISLED if n <= len(errors)]
        amount = 1.5 * max(means, default=0.0)
        return amount, amount / max(24, 2 * self.deviation.span)

    def restart(self) -> None:
        """The pulses are at another place from now on; what the crystal does is kept."""
        self._origin = None
        self._gap = None
        self.deviation = Deviation()
        self._begin_anew()

    def keep_frequency(self) -> None:
        """Remember the frequency of before the deviation, to compare with later."""
        past = self._tests[3].past
        self._kept = None if past is None else (past[0], past[2])

    def off_frequency(self) -> tuple[float, float] | None:
        """Frequency of the pulses now against the remembered one, and what the crystal may have done since, s/s.

        None where there is nothing to compare. What it may have done grows with the root of the time, up to some minutes.
        """
        state = self._trackers[1].state
        if self._kept is None or state is None:
            return None
        if self._trackers[1].count < _SETTLED:
            return inf, 0.0
        since = min(_RATE_GROWTH, max(_RATE_SPAN, state[0] - self._kept[0]))
        allowed = _RATE_SIGMAS * self._tests[3].spread / _RATE_SPAN * sqrt(since / _RATE_SPAN)
        return state[2] - self._kept[1], allowed

    def _strays(self, second: int, raw_ns: int) -> bool:
        """Whether pulses that are not believed have moved once more: then they are followed from there."""
        far = abs(self.surprise(second, raw_ns)) > self.scatter
        self._far = self._far + 1 if far else 0
        return self._far >= _STRAYS

    def _continues(self, second: int, raw_ns: int) -> bool:
        """Whether the seconds are counted on as before: else they have been renumbered, or it was too long ago."""
        elapsed = second - self._second
        return 0 < elapsed <= _LONG_GAP and abs(raw_ns - self._raw - elapsed * 1_000_000_000) < _RENUMBERED

    def _phase(self, second: int, raw_ns: int) -> float:
        assert self._origin is not None
        return ((raw_ns - self._origin[1]) - (second - self._origin[0]) * 1_000_000_000) / 1e9

    def _begin_anew(self) -> None:
        for tracker in self._trackers:
            tracker.restart()
        for test in self._tests:
            test.restart()
        self._last.clear()
        self._used.clear()
        self._far = 0
        self._ratios.clear()

    def _judge(self, second: int, phase: float, noisier: float, excuse: float, learn: bool) -> Deviation:
        found = Deviation()
        for test in self._tests:
            ratio = test.judge(second, phase, noisier, excuse, learn)
            if ratio > found.ratio:
                found = Deviation(ratio, test.size, test.limit, test._span)
        after = self._after_gap(second, phase, noisier, excuse)
        if after.ratio > found.ratio:
            return after  # a mean of several pulses already
        # one value alone decides nothing, and less is enough where it lasts: noise comes and goes
        self._ratios.append(copysign(found.ratio, found.size))
        agreed = _agreed(list(self._ratios)[-2:])
        lasting = _agreed(list(self._ratios)) / _SUSTAINED if len(self._ratios) == _LASTING else 0.0
        return Deviation(max(agreed, lasting), found.size, found.limit, found.span)

    def _after_gap(self, second: int, phase: float, noisier: float, excuse: float) -> Deviation:
        """The first pulses after an interruption: an attacker may have used it."""
        if self._gap is None:
            return Deviation()
        span = second - self._gap[0]
        bent = self._gap if span <= 2 * _RATE_SPAN else (*self._gap[:3], 0.0)
        self._gap_errors.append(phase - extrapolated(bent, second))
        if len(self._gap_errors) > _GAP_PULSES[1]:
            self._gap = None
            return Deviation()
        limit = self._tests[3].usual(noisier, excuse) * max(1.0, span / _RATE_SPAN) ** 2
        ordered = sorted(self._gap_errors)
        middle = ordered[len(ordered) // 2]
        ratio = abs(middle) / limit if len(ordered) >= _GAP_PULSES[0] else 0.0
        return Deviation(ratio, middle, limit, span)

    def _note_jitter(self, second: int, phase: float, learn: bool) -> float:
        """By how far each pulse is from the line between its neighbours: neither a drag nor a single jump shows in that for long."""
        self._last.append((second, phase))
        if len(self._last) == 3 and self._last[2][0] - self._last[0][0] <= _NEIGHBOURS:
            size = _off_line(*self._last)
            self._measured += 1
            fast, slow = self._jitter
            cut = min(size, 8 * slow) if self._measured > 60 else size
            fast += (cut - fast) / min(_FAST, self._measured)
            if learn or self._measured <= 60:
                slow += (cut - slow) / min(_SLOW, self._measured)
            self._jitter = (fast, slow)
        return self._noisier()

    def _noisier(self) -> float:
        fast, slow = self._jitter
        ratio = fast / slow if slow > 0 and self._measured > 60 else 1.0
        return ratio if ratio > _NOISIER else 1.0


def _agreed(ratios: list[float]) -> float:
    """The least of them, 0.0 where they don't all have the same sign or are less than two."""
    least = min(abs(each) for each in ratios)
    return least if len(ratios) > 1 and abs(sum(ratios)) >= sum(abs(each) for each in ratios) else 0.0


def _off_line(first: tuple[int, float], middle: tuple[int, float], last: tuple[int, float]) -> float:
    """How far the middle one is from the line through the others, by the standard deviation that white noise of 1 would give it."""
    before = (last[0] - middle[0]) / (last[0] - first[0])
    after = 1.0 - before
    return abs(middle[1] - first[1] * before - last[1] * after) / sqrt(1 + before**2 + after**2)

"""One source: its track, what it said of itself last, and whether it may be used at all."""

import math
from dataclasses import replace

from stratum1.interchange import Leap, Reading, ReferenceHealth, Sample
from stratum1.timescale import MonoNs, UtcNs, seconds

from ._cluster import Candidate
from ._filter import Estimate
from ._track import DelayTrack, PulseTrack, Track
from ._types import SourceOptions, SourceReport, SourceState
from ._words import span

__all__ = ["COVERAGE", "Source"]

COVERAGE = 3.0
"""Standard deviations that an interval holds."""
_FARTHEST = 3.0  # s of root distance (chrony's maxdistance)
_WIDEST = 1.0  # s of jitter (chrony's maxjitter)
_STRATA = range(16)
_POLLS = 8  # missed ones after which a source is unreachable (RFC 5905, section 9.2)
_LATE_BY = 5.0  # s; a poll is late, not missed, for so long
_FEW = 4
_LARGEST = 1e11  # s; as the discipline cuts offsets
_SIGMAS = (1e-9, 1e6)
_LONGEST = 1e6  # s, of delays and dispersions


class Source:
    """Mutable; owned by the selection."""

    def __init__(self, name: str, options: SourceOptions, *, is_reference: bool) -> None:
        self.name = name
        self.options = options
        self.is_reference = is_reference
        self.sample: Sample | None = None
        """The last one that was not outvoted."""
        self.fresh: Sample | None = None
        """The same, until it has entered the mean."""
        self.fresh_clock_ns = UtcNs(0)
        self.poll = 0
        self._track: Track = PulseTrack() if is_reference else DelayTrack()
        self._health: ReferenceHealth | None = None
        self._reach = 0
        self._samples = 0

    def add(self, sample: Sample, clock_ns: UtcNs, reach: int, poll: int) -> bool:
        """Take a sample; False if it is not newer than the last, or was outvoted."""
        if self._track.last_ns is not None and sample.at_ns <= self._track.last_ns:
            return False
        sane = _sane(sample)
        self._reach, self.poll = reach & 0xFF, max(-7, min(17, poll))
        self._samples += 1
        used = self._track.add(sane, clock_ns)
        if used or self.sample is None:
            self.sample = sane
        else:
            self.sample = replace(self.sample, leap=sane.leap, stratum=sane.stratum, refid=sane.refid)
        if used:
            self.fresh, self.fresh_clock_ns = sane, clock_ns
        return used

    def tell_health(self, health: ReferenceHealth) -> None:
        """What the reference clock says of itself."""
        self._health = health

    def offset(self, now: Reading) -> Estimate | None:
        """Source minus our clock, seconds."""
        return self._track.offset_at(now.at_ns, now.clock_ns)

    def reach(self, at_ns: MonoNs) -> int:
        """The register, shifted by the polls that should have come meanwhile."""
        missed = self._missed(at_ns)
        return 0 if missed >= _POLLS else self._reach << missed & 0xFF

    def judge(self, now: Reading) -> Candidate | tuple[SourceState, str]:
        """Whether it may take part, or the letter and the sentence why not."""
        problem = self._silent(now.at_ns) or self._told()
        if problem is not None:
            return problem
        found = self.offset(now)
        if found is None or self.sample is None:
            return SourceState.FEW_SAMPLES, f"{self._samples} samples so far; {_FEW} are needed"
        distance = self._distance(found)
        if self._track.jitter > _WIDEST:
            return SourceState.VARIABLE, f"its samples scatter by {span(self._track.jitter)}; {span(_WIDEST)} is allowed"
        if distance > _FARTHEST:
            return SourceState.DISTANT, f"its root distance is {span(distance)}; {span(_FARTHEST)} is allowed"
        return Candidate(
            self.name,
            found.value,
            math.sqrt(found.variance),
            self._track.jitter,
            distance,
            self.sample.stratum,
            self.is_reference,
            self.options,
        )

    def report(self, now: Reading, state: SourceState, text: str, weight: float) -> SourceReport:
        """For people."""
        found, sample = self.offset(now), self.sample
        return SourceReport(
            name=self.name,
            is_reference=self.is_reference,
            state=state,
            text=text,
            options=self.options,
            offset=found.value if found else None,
            sigma=math.sqrt(found.variance) if found else None,
            distance=self._distance(found) if found else None,
            jitter=self._track.jitter if found else None,
            delay=self._track.delay if sample else None,
            weight=weight,
            stratum=sample.stratum if sample else None,
            refid=sample.refid if sample else b"\0\0\0\0",
            reach=self.reach(now.at_ns),
            poll=self.poll,
            samples=self._samples,
            last_ns=self._track.last_ns,
        )

    @property
    def delay(self) -> float:
        """Least round trip, seconds."""
        return self._track.delay

    @property
    def is_about_to_speak(self) -> bool:
        """Something has been heard of it, and it can't be compared yet."""
        if self.is_reference:
            return self._samples == 0 and self._health is not None and self._health.heard
        return 0 < self._samples < _FEW

    @property
    def interval(self) -> float:
        """Mean seconds between samples."""
        return self._track.interval

    @property
    def heard_ns(self) -> int:
        """Instant of the last sample."""
        return self._track.last_ns or 0

    def _distance(self, found: Estimate) -> float:
        """RFC 5905, section 11.2: half of what the way takes, all dispersion, and what the estimate itself leaves open."""
        sample = self.sample
        root = sample.root_dispersion + sample.root_delay / 2 if sample else 0.0
        return root + self._track.delay / 2 + COVERAGE * math.sqrt(found.variance)

    def _silent(self, at_ns: MonoNs) -> tuple[SourceState, str] | None:
        if self._health is not None and not self._health.usable:
            return SourceState.UNREACHABLE, self._health.reason or "it can't be used"
        last = self._track.last_ns
        if last is None:
            return SourceState.UNREACHABLE, "nothing has been heard of it yet"
        if not self.reach(at_ns):
            return SourceState.UNREACHABLE, f"no answer to the last {_POLLS} polls: its last sample is {seconds(at_ns - last):.0f} s old"
        return None

    def _told(self) -> tuple[SourceState, str] | None:
        sample = self.sample
        if sample is None:
            return None
        if sample.leap is Leap.UNKNOWN and not self.is_reference:
            return SourceState.UNSYNCHRONISED, "it says that it does not know the time (leap indicator 3)"
        if sample.stratum not in _STRATA:
            return SourceState.STRATUM, f"its stratum is {sample.stratum}; 0 to {_STRATA[-1]} are allowed"
        return None

    def _missed(self, at_ns: MonoNs) -> int:
        if self._track.last_ns is None:
            return _POLLS
        late = seconds(at_ns - self._track.last_ns) - _LATE_BY
        return max(0, min(_POLLS, math.floor(late / 2.0**self.poll)))


def _sane(sample: Sample) -> Sample:
    """Numbers that can be reckoned with, whatever was sent."""
    return replace(
        sample,
        offset=_cut(sample.offset, -_LARGEST, _LARGEST),
        sigma=_cut(sample.sigma, *_SIGMAS),
        delay=_cut(sample.delay, -1.0, _LONGEST),
        root_delay=_cut(abs(sample.root_delay), 0.0, _LONGEST),
        root_dispersion=_cut(abs(sample.root_dispersion), 0.0, _LONGEST),
    )


def _cut(value: float, least: float, most: float) -> float:
    return most if math.isnan(value) else max(least, min(most, value))

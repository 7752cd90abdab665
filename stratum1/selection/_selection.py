"""The selection: samples of all sources in, the one sample that may steer out."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from stratum1.interchange import Reading, ReferenceHealth, Sample
from stratum1.timescale import NS, MonoNs, UtcNs, seconds

from ._cluster import Candidate, Outlier, cluster, weights
from ._intersection import Interval, agreement, overlap
from ._source import COVERAGE, Source
from ._types import Own, SelectionReport, SelectionSettings, SourceOptions, SourceState
from ._words import interval_words, signed, span

__all__ = ["Selection"]

_COMBINE = 3.0  # times the best one's distance, at most, to enter the mean (chrony's combinelimit)
_BETTER = 2.0  # times as near must another one be to take the lead
_MOST = 64  # sources; the one that was silent longest is forgotten then
_PATIENCE = 20.0  # s that the very first choice waits for sources that are about to speak
_OVERDUE = 1.5  # intervals of the leading pulse after which another pulse steers alone
_State = SourceState


@dataclass(slots=True)
class _Outcome:
    """What a round of selection came to. verdicts: letter and sentence by source; shares: of the mean; lead: the best one."""

    verdicts: dict[str, tuple[SourceState, str]] = field(default_factory=dict)
    members: list[Candidate] = field(default_factory=list)
    text: str = ""

    @property
    def lead(self) -> Candidate | None:
        return self.members[0] if self.members else None

    def say(self, state: SourceState, candidates: Iterable[Candidate], text: str | Callable[[Candidate], str]) -> None:
        for each in candidates:
            self.verdicts[each.name] = (state, text if isinstance(text, str) else text(each))


class Selection:
    """Pure. Instants are those of the monotonic clock. A lone reference clock's samples go straight through.

    references: names of the reference clocks, known from the start; servers appear with their first sample.
    """

    def __init__(self, settings: SelectionSettings, references: Iterable[str] = ()) -> None:
        self._settings = settings
        self._sources: dict[str, Source] = {}
        for name in references:
            self._add(name, is_reference=True)
        self._lead: str | None = None
        self._began_ns: MonoNs | None = None
        self._emitted_ns: MonoNs | None = None
        self._shares: dict[str, float] = {}

    def observe(self, sample: Sample, clock_ns: UtcNs, own: Own, reach: int = 0xFF, poll: int = 0) -> Sample | None:
        """Take a sample and what our clock read at its instant; the sample that is to steer now, if any.

        own: our clock as a witness; reach, poll: of a server, as in `SampleInput`.
        """
        source = self._sources.get(sample.source) or self._add(sample.source, is_reference=sample.stratum == 0)
        if self._is_alone(source):
            source.add(sample, clock_ns, reach, poll)
            return sample
        if not source.add(sample, clock_ns, reach, poll):
            return None
        now = Reading(sample.at_ns, clock_ns)
        outcome = self._choose(now, own)
        self._lead = outcome.lead.name if outcome.lead else None
        if not self._is_due(source, outcome):
            return None
        return self._mean(source, outcome, now)

    @property
    def has_one(self) -> bool:
        """Whether there is one source only, and so nothing to choose."""
        return len(self._sources) == 1

    def tell_health(self, name: str, health: ReferenceHealth) -> None:
        """What a reference clock says of itself; one that can't be used has no voice."""
        self._sources[name].tell_health(health)

    def server_health(self, now: Reading) -> ReferenceHealth:
        """Whether any server is there that could steer, as the discipline wants to be told."""
        servers = [each for each in self._sources.values() if not each.is_reference]
        reachable = any(each.reach(now.at_ns) for each in servers)
        return ReferenceHealth(bool(servers), reachable, "" if reachable else "no server answers")

    def report(self, now: Reading, own: Own) -> SelectionReport:
        """Every source, with its letter and its sentence as of now."""
        only = next((each for each in self._sources.values() if self._is_alone(each)), None)
        outcome = self._only(only, now) if only else self._choose(now, own)
        lead = outcome.lead.name if outcome.lead else None
        shares = {only.name: 1.0} if only and lead else self._shares
        reports = tuple(
            source.report(now, *outcome.verdicts[name], shares.get(name, 0.0) if outcome.verdicts[name][0] in _IN_MEAN else 0.0)
            for name, source in sorted(self._sources.items(), key=lambda item: not item[1].is_reference)
        )
        return SelectionReport(lead, reports, outcome.text)

    def _add(self, name: str, *, is_reference: bool) -> Source:
        if len(self._sources) >= _MOST:
            oldest = min(self._sources.values(), key=lambda each: (each.is_reference, each.heard_ns))
            del self._sources[oldest.name]
        source = Source(name, self._settings.options.get(name, SourceOptions()), is_reference=is_reference)
        self._sources[name] = source
        return source

    def _is_alone(self, source: Source) -> bool:
        """A reference clock with nobody to compare it to."""
        return len(self._sources) == 1 and source.is_reference and self._settings.minimum == 1 and not source.options.noselect

    def _only(self, source: Source, now: Reading) -> _Outcome:
        outcome = _Outcome()
        judged = source.judge(now)
        if isinstance(judged, Candidate):
            outcome.members = [judged]
            outcome.say(_State.SELECTED, [judged], f"the only source; its root distance is {span(judged.distance)}")
        else:
            outcome.verdicts[source.name] = judged
        outcome.text = outcome.verdicts[source.name][1]
        return outcome

    def _choose(self, now: Reading, own: Own) -> _Outcome:
        outcome = _Outcome()
        candidates = []
        for name, source in self._sources.items():
            judged = source.judge(now)
            if not isinstance(judged, Candidate):
                outcome.verdicts[name] = judged
            elif source.options.noselect:
                text = f"watched only, as configured; its offset is {signed(judged.offset)} ± {span(judged.distance)}"
                outcome.verdicts[name] = (_State.NOSELECT, text)
            else:
                candidates.append(judged)
        agreeing = self._agreeing(candidates, own, outcome)
        if agreeing and not self._held_back(agreeing, own, outcome, now.at_ns):
            self._rank(agreeing, outcome)
        if not outcome.text:
            outcome.text = f"{len(agreeing)} of {len(candidates)} usable sources agree" if candidates else "no source can be used"
        return outcome

    def _agreeing(self, candidates: list[Candidate], own: Own, outcome: _Outcome) -> list[Candidate]:
        """Those in the intersection of the majority; the others get their letter."""
        trusted = [each for each in candidates if each.options.trust]
        voters = trusted or candidates
        witness = None if own.bound is None else (-own.bound, own.bound)
        majority = agreement([each.interval for each in voters], witness)
        if majority is None:
            outcome.say(_State.FALSETICKER, voters, lambda each: _alone_words(each, voters))
            others = [each for each in candidates if each not in voters]
            outcome.say(_State.MISTRUSTED, others, "the trusted sources contradict each other, and only they decide")
            if voters:
                outcome.text = f"no majority: no offset is within the intervals of more than half of the {len(voters)} usable sources"
            return []
        agreeing = [each for each in candidates if overlap(each.interval, majority)]
        liars = [each for each in candidates if each not in agreeing]
        outcome.say(_State.FALSETICKER, (each for each in liars if each in voters), lambda each: _outside(each, majority, "majority"))
        outcome.say(_State.MISTRUSTED, (each for each in liars if each not in voters), lambda each: _outside(each, majority, "trusted"))
        return agreeing

    def _held_back(self, agreeing: list[Candidate], own: Own, outcome: _Outcome, at_ns: MonoNs) -> bool:
        """Whether those that agree must wait nevertheless."""
        self._began_ns = at_ns if self._began_ns is None else self._began_ns
        awaited = [name for name, source in self._sources.items() if source.is_about_to_speak and not source.options.noselect]
        needed = self._settings.minimum
        text = ""
        required = [name for name, options in self._settings.options.items() if options.require]
        best = min(agreeing, key=lambda each: each.score)
        if awaited and self._emitted_ns is None and seconds(at_ns - self._began_ns) < _PATIENCE:
            text = f"at the start, {', '.join(awaited)} is waited for, at most {_PATIENCE:.0f} s"
        elif len(agreeing) < needed:
            text = f"{len(agreeing)} of the {needed} sources that must agree do so"
        elif required and not any(each.name in required for each in agreeing):
            text = f"none of those that are required agrees: {', '.join(required)}"
        elif own.holdover and own.bound is not None and not best.is_reference and best.distance > own.bound:
            text = f"in holdover our own bound of {span(own.bound)} is below the nearest server's distance of {span(best.distance)}"
        outcome.text = text
        outcome.say(_State.WAITING, agreeing if text else (), text)
        return bool(text)

    def _rank(self, agreeing: list[Candidate], outcome: _Outcome) -> None:
        """Cluster, preference, the best one, and who joins it in the mean."""
        left, out = cluster(agreeing)
        outcome.say(_State.OUTLIER, (each for each in agreeing if each.name in out), lambda each: _away_words(each, out[each.name]))
        preferred = [each for each in left if each.options.prefer]
        if preferred:
            names = ", ".join(each.name for each in preferred)
            outcome.say(_State.OTHER_PREFERRED, (each for each in left if each not in preferred), f"{names} is preferred, and agrees")
        pool = preferred or left
        lead = next((each for each in pool if each.name == self._lead and each.score <= _BETTER * pool[0].score), pool[0])
        near = [each for each in pool if each is not lead and each.distance <= _COMBINE * lead.distance]
        outcome.say(
            _State.TOO_FAR_TO_COMBINE,
            (each for each in pool if each is not lead and each not in near),
            lambda each: (
                f"its root distance of {span(each.distance)} is more than {_COMBINE:g} times that of {lead.name}, {span(lead.distance)}"
            ),
        )
        outcome.members = [lead, *near]
        count = len(agreeing)
        agree = f"{count} sources agree" if count > 1 else "the only one that can be used"
        outcome.say(_State.SELECTED, [lead], f"{agree}; its root distance of {span(lead.distance)} leads")
        outcome.say(_State.COMBINED, near, lambda each: _member_words(each, self._shares.get(each.name)))
        missing = [each for each in near if each.is_reference and each.name not in self._shares and self._shares]
        outcome.say(_State.NO_NEW_SAMPLE, missing, "it had no new pulse when the mean was taken last")

    def _is_due(self, source: Source, outcome: _Outcome) -> bool:
        """Whether this sample is the occasion for a new mean: the leading pulse's own, or any server's where servers lead."""
        lead = outcome.lead
        if lead is None or source.name not in (each.name for each in outcome.members):
            return False
        if source.name == lead.name or not lead.is_reference:
            return True
        if self._emitted_ns is None or source.fresh is None:
            return False
        interval = self._sources[lead.name].interval
        return source.is_reference and seconds(source.fresh.at_ns - self._emitted_ns) > _OVERDUE * max(interval, source.interval)

    def _mean(self, source: Source, outcome: _Outcome, now: Reading) -> Sample | None:
        """One sample of all that the members know."""
        lead = self._sources[source.name if outcome.members[0].is_reference else outcome.members[0].name]
        values: dict[str, tuple[float, float]] = {}
        for each in outcome.members:
            member = self._sources[each.name]
            found = _pulse_value(member, now) if member.is_reference else (each.offset, each.sigma)
            if found is not None:
                values[each.name] = found
            member.fresh = None
        self._emitted_ns = now.at_ns
        if lead.sample is None or not values:
            return None
        self._shares = weights({name: sigma for name, (_, sigma) in values.items()})
        # what one estimate of a server is off by, the next one is off by too: no averaging takes it away, so it counts as dispersion
        lasting = sum(share * COVERAGE * values[name][1] for name, share in self._shares.items() if not self._sources[name].is_reference)
        if lead.is_reference and len(values) == 1:
            return lead.sample
        offset = sum(share * values[name][0] for name, share in self._shares.items())
        return replace(
            lead.sample,
            at_ns=now.at_ns,
            offset=offset,
            sigma=1 / math.sqrt(sum(sigma**-2 for _, sigma in values.values())),
            delay=self._average(lambda each: each.delay),
            root_delay=self._average(lambda each: each.sample.root_delay if each.sample else 0.0),
            root_dispersion=self._average(lambda each: each.sample.root_dispersion if each.sample else 0.0) + lasting,
            reference_time=UtcNs(now.clock_ns + round(offset * NS)),
        )

    def _average(self, value: Callable[[Source], float]) -> float:
        """A mean's error stays below the same mean of the bounds."""
        return sum(share * value(self._sources[name]) for name, share in self._shares.items())


_IN_MEAN = (_State.SELECTED, _State.COMBINED)


def _pulse_value(source: Source, now: Reading) -> tuple[float, float] | None:
    """A pulse's own offset and sigma, brought to now at the rate that its past shows; None if it has been used already."""
    sample, found = source.fresh, source.offset(now)
    if sample is None or found is None:
        return None
    elapsed = seconds(now.at_ns - sample.at_ns)
    moved = ((source.fresh_clock_ns - sample.at_ns) - (now.clock_ns - now.at_ns)) / NS
    return sample.offset + moved + found.rate * elapsed, math.hypot(sample.sigma, math.sqrt(found.rate_variance) * elapsed)


def _outside(each: Candidate, majority: Interval, whose: str) -> str:
    word = "interval of the majority" if whose == "majority" else "interval of the trusted sources"
    return f"offset {signed(each.offset)} ± {span(each.distance)} is outside the {word}: {interval_words(*majority)}"


def _alone_words(each: Candidate, voters: list[Candidate]) -> str:
    agree = sum(overlap(each.interval, other.interval) for other in voters)
    return (
        f"no majority: offset {signed(each.offset)} ± {span(each.distance)} agrees with {agree - 1} of {len(voters) - 1} others; "
        f"more than half of {len(voters)} must agree"
    )


def _away_words(each: Candidate, outlier: Outlier) -> str:
    return (
        f"offset {signed(each.offset)} lies {span(outlier.away)} from the others (RMS), which is more than the {span(outlier.scatter)} "
        "that samples scatter"
    )


def _member_words(each: Candidate, share: float | None) -> str:
    part = "" if share is None else f"; {100 * share:.0f} % of the mean"
    return f"agrees: offset {signed(each.offset)} ± {span(each.distance)}{part}"

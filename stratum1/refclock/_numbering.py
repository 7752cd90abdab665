"""Which second a pulse starts: agreed between sentences at the start, carried on by counting pulses afterwards.

Counting is trusted over sentences while pulses keep coming, because a receiver that stumbles names a wrong second for a
while, and a serial line that stalls names it late. Sentences that go on contradicting the count for long win in the end. While
the two disagree, or where pulses were away long enough to doubt the count, nothing is numbered.

Seconds here are of a scale without leap seconds; the caller converts.
"""

from collections.abc import Mapping

from stratum1.gnss.events import TimeMark
from stratum1.timescale import NS

from ._delay import DelayEstimate, DelayLearner, circular_difference

__all__ = ["Numbering"]

_AGREE = 3  # pulses in a row on which sentences must agree before the first number is believed
_DISAGREE = 4  # pulses in a row on which they must disagree before it's called so
_RELABEL, _RELABEL_LATE = 120, 900  # contradictions in a row after which sentences win over the count
_YOUNG = 1200  # s; a cold receiver learns the current leap seconds within 12.5 minutes, and its time jumps then
_NEAR = 60  # s; a jump beyond this is no correction but a fault (week rollover, time zone, another receiver)
_SURE_GAP = 5  # s without pulses after which a sentence must confirm the count
_NEARBY_NS = 5 * NS  # a sentence is not measured against a pulse farther away
_ONCE_NS = 600_000_000
_LASTING = 13  # s that a delay can't be told before a person hears of it
_KINDS = 32
_ALARM_NS = 10 * NS


class Numbering:
    """Numbers pulses. Times in raw nanoseconds; `expected` holds delays known from earlier runs, by kind of sentence, in seconds.

    fixed: the owner's word on the delay of the first sentence, seconds.
    """

    def __init__(self, expected: Mapping[str, float], fixed: float | None) -> None:
        self._expected = {kind: delay for kind, delay in expected.items() if 0 <= delay < 2}
        self._fixed = fixed
        self._learners: dict[str, DelayLearner] = {}
        self._pulse_ns: int | None = None
        self._ordinal = 0  # of the last pulse, since the grid is known
        self._base: int | None = None  # second of the pulse with ordinal 0
        self._candidate: int | None = None
        self._agreeing = self._waiting = 0
        self._contradictions = self._run = self._confirmed = 0
        self._shift: int | None = None
        self._doubtful = self._suspicious = False
        self._epoch: tuple[int, str] | None = None  # the time that it names and the kind that opened it
        self._unresolved: str | None = None
        self._jumped = False
        self._forbidden: frozenset[int] = frozenset()
        self._misnamed: int | None = None

    def rescale(self, seconds: int) -> None:
        """The scale that seconds are counted on has moved: every number is that much larger from now on."""
        if self._base is not None:
            self._base += seconds
        self._epoch = self._candidate = None

    def lose(self) -> None:
        """The number can't be carried on: agree on it anew."""
        self._lose()

    def forbid(self, shifts: frozenset[int]) -> None:
        """A sentence that is off the count by one of these confirms it: the receiver made a leap second that was none, or missed one."""
        self._forbidden = shifts

    def pulse(self, at_ns: int, seconds: int | None, jumped: bool = False) -> None:
        """Note a pulse; seconds since the one before, None where they can't be counted; jumped: it's because the pulses have moved."""
        if seconds is None:
            self._jumped = jumped and (self._jumped or self._base is not None)
            self._lose()
            self._ordinal = 0
        else:
            self._ordinal += seconds
            self._doubtful = self._doubtful or seconds > _SURE_GAP
        self._pulse_ns = at_ns

    def mark(self, mark: TimeMark, named_ns: int) -> None:
        """Note a sentence; named_ns: the time that it names, on the scale without leap seconds.

        The first one of each epoch may number, the others only learn their delays. Each kind is heard about once a second.
        """
        lead = self._epoch is None or named_ns != self._epoch[0] or mark.sentence == self._epoch[1]
        if lead:
            self._epoch = (named_ns, mark.sentence)
        pulse_ns = self._pulse_ns
        if pulse_ns is None or not mark.valid or abs(mark.at_ns - pulse_ns) > _NEARBY_NS:
            return
        learner = self._learners.get(mark.sentence)
        if learner is None:
            if len(self._learners) >= _KINDS:
                return
            learner = self._learners[mark.sentence] = DelayLearner(mark.sentence)
        if learner.heard_ns is not None and abs(mark.at_ns - learner.heard_ns) < _ONCE_NS:
            return
        learner.heard_ns = mark.at_ns
        since_ns = mark.at_ns - pulse_ns
        if self._base is None:
            self._learn(learner, mark, since_ns - named_ns, lead)
        elif mark.trusted:
            self._compare(learner, mark.at_ns, self._measured(since_ns, named_ns), lead)
        elif lead and learner.resolved and _contradicts(learner, self._measured(since_ns, named_ns)):
            self._suspicious = True  # not to be believed, but a reason to wait for one that is

    @property
    def second(self) -> int | None:
        """The second that the last pulse starts, None while unknown."""
        return None if self._base is None else self._base + self._ordinal

    def ahead(self, at_ns: int) -> int | None:
        """The second that an edge at a raw time would start if it were a pulse; None while the count is not certain or too long ago."""
        second = self.second
        if second is None or self._pulse_ns is None or not self.certain or not 0 < at_ns - self._pulse_ns < _NEARBY_NS:
            return None
        return second + round((at_ns - self._pulse_ns) / NS)

    @property
    def certain(self) -> bool:
        """Whether the number may be used: known, confirmed after a gap, and not contradicted by the last sentence."""
        return self._base is not None and not (self._doubtful or self._suspicious or self._contradictions)

    @property
    def problem(self) -> str | None:
        """The sentence that says why pulses are not numbered; None when all is well or too new to tell."""
        if self._base is None:
            return self._unnumbered
        if self._contradictions >= _DISAGREE:
            return self._contradiction()
        if self._doubtful:
            return "the count of pulses is confirmed anew after an interruption"
        return None

    def alarms(self, at_ns: int) -> list[str]:
        """What a person should know at a raw time: why pulses can't be numbered, and delays that have jumped."""
        alarms = [
            self._jump(each) for each in self._learners.values() if each.conflicts >= _DISAGREE and at_ns - each.conflict_ns < _ALARM_NS
        ]
        reason = self._unnumbered if self._base is None else self._contradiction() if self._contradictions >= _DISAGREE else None
        if self._misnamed in self._forbidden and self._base is not None:
            alarms.append(
                f"the receiver names a second that differs by {self._misnamed:+d} s from the count of pulses, since it made a leap second "
                "that the list does not have, or missed one: the count is followed; update the receiver before you restart stratum1"
            )
        return [reason, *alarms] if reason else alarms

    def reset_line(self) -> None:
        """The serial line was lost or opened: the count goes on, but the next sentence must confirm it."""
        self._doubtful = True
        self._agreeing = 0
        self._epoch = None

    def delays(self) -> tuple[DelayEstimate, ...]:
        """What is known of each kind of sentence, earliest first."""
        return tuple(sorted((each.estimate() for each in self._learners.values() if each.samples), key=lambda e: e.delay))

    def lead_delay(self) -> DelayEstimate | None:
        """The kind that opens the epochs."""
        leads = [learner for learner in self._learners.values() if learner.leads]
        return max(leads, key=lambda learner: learner.leads).estimate() if leads else None

    def memory(self) -> dict[str, float]:
        """Delays worth keeping for the next start, by kind of sentence: those that were measured against numbered pulses."""
        kept = {e.sentence: e.delay for e in self.delays() if e.resolved and e.samples >= 16} if self._base is not None else {}
        return {**self._expected, **kept}

    def _learn(self, learner: DelayLearner, mark: TimeMark, late_ns: int, lead: bool) -> None:
        """While no number is known: only the fraction of a delay is seen. late_ns: arrival since the pulse less the named time."""
        phase = (late_ns % NS) / NS
        if learner.ready and abs(circular_difference(phase, learner.phase)) > learner.usual:
            learner.conflicts += 1
            learner.conflict_ns = mark.at_ns
            self._agreeing = 0
            if learner.conflicts >= _DISAGREE:
                learner.forget()
            return
        learner.add(phase, lead)
        if not lead:
            return
        self._unresolved = learner.scattered
        if self._unresolved is not None:
            self._waiting = max(self._waiting, _LASTING)
        if learner.ready and mark.trusted:
            self._number(learner, late_ns)

    def _number(self, learner: DelayLearner, late_ns: int) -> None:
        if not learner.resolved:
            expected = self._fixed if self._fixed is not None else self._expected.get(learner.sentence)
            self._unresolved = learner.resolve(expected)
            if self._unresolved is not None:
                self._wait(learner, expected)
                return
            self._waiting = 0
        second = (round(learner.delay * NS) - late_ns + NS // 2) // NS
        base = second - self._ordinal
        self._agreeing = self._agreeing + 1 if base == self._candidate else 1
        self._candidate = base
        if self._agreeing >= _AGREE:
            self._believe(learner, base)

    def _wait(self, learner: DelayLearner, expected: float | None) -> None:
        """A delay that stays different from the one known before is believed in the end, unless that may well be a wrong second."""
        self._agreeing = 0
        self._waiting += 1
        free = expected is not None and self._fixed is None and not self._jumped
        if free and self._waiting >= _RELABEL and learner.outdates(expected or 0.0):
            del self._expected[learner.sentence]
            self._waiting = 0

    def _believe(self, learner: DelayLearner, base: int) -> None:
        self._base = base
        self._doubtful = self._jumped = False
        self._waiting = self._contradictions = self._run = self._confirmed = 0
        self._unresolved = None
        for other in self._learners.values():
            other.resolved = other is learner  # the others can be measured now

    def _compare(self, learner: DelayLearner, at_ns: int, measured: float, lead: bool) -> None:
        """A number is known, so that the whole delay (seconds) is measured: does it fit?"""
        if not (learner.ready and learner.resolved):
            learner.add(measured, lead)
            if learner.ready and self.certain:
                learner.settle(measured)
            elif learner.ready and lead:  # neither can confirm the other: start anew
                self._lose()
            return
        deviation = measured - learner.delay
        self._suspicious = self._suspicious and not lead
        if abs(deviation) <= learner.usual:
            learner.add(measured, lead)
            if lead:
                self._misnamed = None
                self._confirm()
        elif not _contradicts(learner, measured):
            self._conflict(learner, at_ns, lead)
        elif lead:
            shift = round(deviation)
            self._contradict(-shift if abs(deviation - shift) <= learner.sure else None)

    def _measured(self, since_ns: int, named_ns: int) -> float:
        """Delay by the count, seconds: of an arrival so long after the last pulse."""
        return (since_ns + ((self._base or 0) + self._ordinal) * NS - named_ns) / NS

    def _confirm(self) -> None:
        self._doubtful = False
        self._contradictions = self._run = 0
        self._confirmed += 1

    def _conflict(self, learner: DelayLearner, at_ns: int, lead: bool) -> None:
        """The delay has jumped by a part of a second, the count stands. If the jump lasts, the new delay is measured by the count."""
        learner.conflicts += 1
        learner.conflict_ns = at_ns
        if self._doubtful and lead and learner.conflicts >= _DISAGREE:
            self._lose()
        elif learner.conflicts >= _RELABEL:
            learner.forget()

    def _contradict(self, shift: int | None) -> None:
        """The sentence names a second that is `shift` later than the count has it; None if it fits no number at all."""
        if shift is not None and shift in self._forbidden:
            self._misnamed = shift
            self._confirm()
            return
        self._contradictions += 1
        self._run = self._run + 1 if shift == self._shift else 1
        self._shift = shift
        if self._doubtful and self._contradictions >= _DISAGREE:
            self._lose()
        elif self._base is not None and shift is not None and abs(shift) <= _NEAR and self._run >= self._patience:
            self._base += shift
            self._contradictions = self._run = self._confirmed = 0

    @property
    def _patience(self) -> int:
        return _RELABEL if self._confirmed < _YOUNG else _RELABEL_LATE

    def _lose(self) -> None:
        """The number is lost. The delays are kept as if from an earlier run: they must prove themselves again."""
        for learner in self._learners.values():
            if learner.resolved and self._base is not None:
                self._expected[learner.sentence] = learner.delay
            learner.forget()
        self._base = self._candidate = self._unresolved = None
        self._suspicious = False
        self._agreeing = self._waiting = self._contradictions = self._run = self._confirmed = 0

    @property
    def _unnumbered(self) -> str | None:
        """Told only when it lasts: the first arrivals often are too few."""
        if self._unresolved is None or self._waiting < _LASTING:
            return None
        return f"{self._unresolved} (the pulses themselves have jumped before that)" if self._jumped else self._unresolved

    def _contradiction(self) -> str:
        if self._shift is None:
            what = "the receiver names a time that fits no pulse"
        else:
            what = f"the receiver names a second that differs by {self._shift:+d} s from the count of pulses"
        if self._shift is not None and abs(self._shift) <= _NEAR:
            end = f"it is believed when it has said so for {self._patience} s without a break"
        else:
            end = "check its date and settings; if it is right after all, restart stratum1"
        return f"{what}, so the reference is not used until they agree: {end}"

    def _jump(self, learner: DelayLearner) -> str:
        how = "the pulses are counted on" if self._base is not None else "the pulses can't be numbered"
        return (
            f"{learner.sentence} used to come {learner.delay:.2f} s after its pulse and does not any more: "
            f"{how}; check the serial line and what else the receiver was told to send"
        )


def _contradicts(learner: DelayLearner, measured: float) -> bool:
    """Whether a delay that was measured by the count (seconds) speaks of another second, and not of a delay that has jumped."""
    deviation = measured - learner.delay
    if abs(deviation) <= learner.usual:
        return False
    return abs(deviation - round(deviation)) <= learner.sure or not 0 <= measured < 1.5

"""Which UTC second a pulse starts: agreed between sentences at the start, carried on by counting pulses afterwards.

Counting is trusted over sentences while pulses keep coming, because a receiver that stumbles names a wrong second for a
while, and a serial line that stalls names it late. Sentences that go on contradicting the count win in the end.
"""

from dataclasses import dataclass

from stratum1.gnss.events import TimeMark
from stratum1.timescale import NS

from ._delay import DelayEstimate, DelayLearner, circular_difference

__all__ = ["Numbering"]

_AGREE = 4  # lead sentences in a row before the first number is believed
_RELABEL = 120  # lead sentences in a row that contradict the count before they win
_COUNT_GAP = 600  # seconds over which pulses can be counted without seeing them (500 ppm of it is 0.3 s)


@dataclass(slots=True)
class _Grid:
    """A pulse and the second it starts (UTC seconds since 1970), None while unknown."""

    at_ns: int
    second: int | None


class Numbering:
    """Numbers pulses. Times in raw nanoseconds; `expected` holds delays known from earlier runs, by kind of sentence."""

    def __init__(self, expected: dict[str, float], fixed: float | None) -> None:
        self._expected = expected
        self._fixed = fixed
        self._learners: dict[str, DelayLearner] = {}
        self._grid: _Grid | None = None
        self._last_time: int | None = None
        self._agreeing = 0
        self._candidate: _Grid | None = None
        self._contradictions = 0
        self._shift = 0
        self.problem: str | None = None
        """Why pulses can't be numbered, or an alarm about the delay; None when all is well."""

    def pulse(self, at_ns: int) -> int | None:
        """Note a pulse; returns the UTC second that it starts, None while that is unknown."""
        grid = self._grid
        second = None
        if grid is not None and grid.second is not None:
            whole = round((at_ns - grid.at_ns) / NS)
            second = grid.second + whole if whole <= _COUNT_GAP else None
            if second is None:
                self._restart()
        self._grid = _Grid(at_ns, second)
        return second

    def mark(self, mark: TimeMark) -> None:
        """Note a sentence that names a time. Only trusted ones may number, the first of each epoch decides."""
        grid = self._grid
        lead = mark.utc != self._last_time
        self._last_time = mark.utc
        if grid is None or not (mark.valid and mark.trusted) or mark.at_ns - grid.at_ns > _COUNT_GAP * NS:
            return
        learner = self._learners.setdefault(mark.sentence, DelayLearner(mark.sentence))
        phase_ns = mark.at_ns - grid.at_ns - mark.utc % NS
        if self._jumped(learner, phase_ns / NS):
            return
        learner.add((phase_ns % NS) / NS, lead)
        if grid.second is not None:
            self._settle_by_count(learner, mark, grid)
        if lead and learner.ready:
            self._number(learner, mark, grid)

    def second_changed(self, seconds: int) -> None:
        """A leap second passed between two pulses: shift the count by `seconds` (-1 after an inserted one)."""
        if self._grid is not None and self._grid.second is not None:
            self._grid.second += seconds

    def reset_line(self) -> None:
        """The serial line was lost: the count goes on, agreement on contradictions starts anew."""
        self._agreeing = self._contradictions = 0
        self._last_time = None

    def delays(self) -> tuple[DelayEstimate, ...]:
        """What is known of each kind of sentence, earliest first."""
        return tuple(sorted((learner.estimate() for learner in self._learners.values()), key=lambda e: e.delay))

    def lead_delay(self) -> DelayEstimate | None:
        """The kind that opens the epochs."""
        leads = [learner for learner in self._learners.values() if learner.leads]
        return max(leads, key=lambda learner: learner.leads).estimate() if leads else None

    def memory(self) -> dict[str, float]:
        """Delays worth keeping for the next start, by kind of sentence."""
        kept = {e.sentence: e.delay for e in self.delays() if e.resolved and e.samples >= 16}
        return {**self._expected, **kept}

    def _jumped(self, learner: DelayLearner, phase: float) -> bool:
        """Whether this arrival is far from all that this kind did before; a lasting change is learned anew, with an alarm."""
        if not learner.ready or abs(circular_difference(phase, learner.phase)) <= max(0.25, 3 * learner.spread):
            learner.conflicts = 0
            return False
        learner.conflicts += 1
        self.problem = (
            f"{learner.sentence} used to come {learner.delay:.3f} s after its pulse and now comes {phase % 1.0:.3f} s after one: "
            "the pulses are counted on; check the serial line and what else the receiver was told to send"
        )
        if learner.conflicts >= _RELABEL:
            learner.forget()
        return learner.conflicts > 0

    def _expected_for(self, learner: DelayLearner) -> float | None:
        return self._fixed if self._fixed is not None else self._expected.get(learner.sentence)

    def _settle_by_count(self, learner: DelayLearner, mark: TimeMark, grid: _Grid) -> None:
        """Once pulses are numbered, the whole delay of every kind can be measured."""
        if learner.resolved or not learner.ready or grid.second is None:
            return
        measured = (mark.at_ns - grid.at_ns + grid.second * NS - mark.utc) / NS
        learner.whole = round(measured - learner.phase)
        learner.resolved = 0 <= learner.delay < 1.5  # beyond that the count and the sentence disagree

    def _number(self, learner: DelayLearner, mark: TimeMark, grid: _Grid) -> None:
        if not learner.resolved:
            problem = learner.resolve(self._expected_for(learner))
            if problem is not None and grid.second is None:
                self._unresolved(learner, problem)
                return
        named = mark.utc + round(learner.delay * NS) - (mark.at_ns - grid.at_ns)
        second = round(named / NS)
        if grid.second is None:
            self._agree(second, grid)
        elif second == grid.second:
            self._contradictions = 0
            if not any(other.conflicts for other in self._learners.values()):
                self.problem = None
        else:
            self._contradict(second - grid.second, grid)

    def _unresolved(self, learner: DelayLearner, problem: str) -> None:
        """The known delay and the one seen now differ too much: wait, then believe a new one only if no other reading is nearer."""
        self.problem = problem
        self._agreeing += 1
        expected = self._expected_for(learner)
        if expected is None or self._fixed is not None or self._agreeing < _RELABEL:
            return
        if abs(learner.phase - expected) < abs(learner.phase + 1 - expected):
            self._expected.pop(learner.sentence, None)
            self._agreeing = 0

    def _agree(self, second: int, grid: _Grid) -> None:
        before = self._candidate
        if before is not None and before.second is not None and second - before.second == round((grid.at_ns - before.at_ns) / NS):
            self._agreeing += 1
        else:
            self._agreeing = 1
        self._candidate = _Grid(grid.at_ns, second)
        if self._agreeing >= _AGREE:
            grid.second = second
            self._contradictions = 0
            self.problem = None

    def _contradict(self, shift: int, grid: _Grid) -> None:
        self._contradictions = self._contradictions + 1 if shift == self._shift else 1
        self._shift = shift
        self.problem = (
            f"the receiver names a second that differs by {shift:+d} s from the count of pulses, for {self._contradictions} sentences: "
            "the reference is not used until they agree"
        )
        if self._contradictions >= _RELABEL and grid.second is not None:
            grid.second += shift
            self._contradictions = 0
            self.problem = None

    @property
    def contradicted(self) -> bool:
        """Whether sentences have contradicted the count for some seconds, so that neither can be believed."""
        return self._contradictions >= _AGREE

    def _restart(self) -> None:
        self._agreeing = self._contradictions = 0
        self._candidate = None

"""The reference clock: numbers pulses with seconds, gates the bad ones, emits samples."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from stratum1.gnss.events import Event, Fix, FixMode, TimeMark
from stratum1.interchange import Leap, Reading, ReferenceHealth, Sample
from stratum1.pps.events import Edge, EdgeKind
from stratum1.timescale import NS, LeapTable, MonoNs, UtcNs

from ._delay import DelayEstimate, DelayLearner
from ._gate import EdgeVerdict, PulseGate
from ._numbering import Numbering
from ._polarity import PulseWidth

__all__ = ["RefClock", "RefClockReport", "RefClockSettings"]

_SILENCE = 5.0  # seconds without a fix after which the receiver is not heard any more
_PULSELESS = 3.5  # seconds without a pulse after which the reference is lost
_LEAP_PAUSE = 5  # seconds around a leap second in which nothing is measured (as chrony does)
_UNKNOWN_DELAY = 0.5  # without pulses and without a known delay, a sentence is this much late at most, and on average half of it


@dataclass(frozen=True, slots=True)
class RefClockSettings:
    """What the owner chose. pulse_delay: seconds by which pulses arrive late. accuracy: fixed error of the pulse, seconds.

    delays: serial delays learned earlier, seconds by kind of sentence. has_pulse False: sentences alone give the time.
    """

    edge: EdgeKind = EdgeKind.ASSERT
    has_pulse: bool = True
    refuse_polarity: bool = True
    pulse_delay: float = 0.0
    accuracy: float = 1e-6
    refid: bytes = b"GPS\0"
    serial_delay: float | None = None
    delays: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RefClockReport:
    """For people. width: pulse width in seconds; verdicts: edges by what became of them; alarms: sentences with their remedy."""

    health: ReferenceHealth
    second: UtcNs | None
    delays: tuple[DelayEstimate, ...]
    width: float | None
    jitter: float
    verdicts: Mapping[str, int]
    alarms: tuple[str, ...]


class RefClock:
    """Pure: events with their times in, samples out. Times as in the contract (`stratum1.interchange`)."""

    def __init__(self, settings: RefClockSettings, leaps: LeapTable | None = None) -> None:
        self._settings = settings
        self._leaps = leaps
        self._numbering = Numbering(dict(settings.delays), settings.serial_delay)
        self._gate = PulseGate()
        self._width = PulseWidth(settings.edge)
        self._verdicts: Counter[str] = Counter(dict.fromkeys(EdgeVerdict, 0))
        self._fix: Fix | None = None
        self._fix_seen: MonoNs | None = None
        self._pulse_seen: MonoNs | None = None
        self._second: UtcNs | None = None
        self._heard = False
        self._line_reason = ""
        self._marks = DelayLearner("first sentence")
        self._last_mark: UtcNs | None = None

    def line(self, is_open: bool, reason: str) -> None:
        """The serial line was opened, or lost for the given reason."""
        self._line_reason = "" if is_open else reason
        self._numbering.reset_line()
        if not is_open:
            self._fix = None

    def gnss(self, event: Event, reading: Reading) -> Sample | None:
        """One event of the receiver; `reading` is both clocks at event.at_ns (used only where sentences alone give the time)."""
        self._heard = True
        if isinstance(event, Fix):
            self._fix, self._fix_seen = event, event.at_ns
        elif isinstance(event, TimeMark):
            if not event.valid:
                return None
            if self._near_leap(event.utc):
                return None
            if self._settings.has_pulse:
                self._numbering.mark(event)
            else:
                return self._sentence_sample(event, reading)
        return None

    def edge(self, edge: Edge, reading: Reading) -> Sample | None:
        """One edge, `reading` is both clocks at its stamp; a Sample if it may steer."""
        self._heard = True
        self._width.edge(edge.kind, reading.at_ns)
        if edge.kind is not self._settings.edge:
            self._verdicts[EdgeVerdict.OTHER_EDGE] += 1
            return None
        verdict, second = self._judge(reading)
        self._verdicts[verdict] += 1
        if verdict is not EdgeVerdict.USED or second is None:
            return None
        true_ns = UtcNs(second * NS + round(self._settings.pulse_delay * NS))
        self._second = UtcNs(second * NS)
        return self._sample(reading, true_ns, self._gate.sigma, self._settings.accuracy)

    def health(self, at_ns: MonoNs) -> ReferenceHealth:
        """Whether the reference can be used at a raw time, and if not, why."""
        reason = self._unusable(at_ns)
        return ReferenceHealth(self._heard, not reason, reason)

    def memory(self) -> dict[str, float]:
        """Learned delays to keep over a restart, seconds by kind of sentence."""
        return self._numbering.memory()

    def report(self, at_ns: MonoNs) -> RefClockReport:
        """The state for people."""
        return RefClockReport(
            self.health(at_ns),
            self._second,
            self._numbering.delays() if self._settings.has_pulse else (self._marks.estimate(),),
            self._width.seconds,
            self._gate.sigma,
            dict(self._verdicts),
            tuple(self._alarms()),
        )

    def _judge(self, reading: Reading) -> tuple[EdgeVerdict, int | None]:
        verdict = self._gate.judge(reading.at_ns)
        if verdict is not EdgeVerdict.USED:
            return verdict, None
        self._pulse_seen = reading.at_ns
        second = self._count(reading.at_ns)
        if self._fix_problem(reading.at_ns):
            return EdgeVerdict.NO_FIX, second
        if self._settings.refuse_polarity and self._width.inverted:
            return EdgeVerdict.POLARITY, second
        if second is None or self._numbering.contradicted:
            return EdgeVerdict.NOT_NUMBERED, second
        if self._near_leap(UtcNs(second * NS)):
            return EdgeVerdict.LEAP, second
        return EdgeVerdict.USED, second

    def _count(self, at_ns: MonoNs) -> int | None:
        """Number a pulse; in UTC the count stands still over an inserted leap second and jumps over a deleted one."""
        second = self._numbering.pulse(at_ns)
        if second is None or self._leaps is None or self._second is None:
            return second
        leap = self._leaps.next_leap(self._second)
        if leap is not None and self._second < leap.at <= second * NS:
            self._numbering.second_changed(-leap.sign)
            second -= leap.sign
            self._second = UtcNs(second * NS)
        return second

    def _near_leap(self, instant: UtcNs) -> bool:
        if self._leaps is None:
            return False
        leap = self._leaps.next_leap(UtcNs(instant - _LEAP_PAUSE * NS))
        return leap is not None and abs(leap.at - instant) <= _LEAP_PAUSE * NS

    def _sample(self, reading: Reading, true_ns: UtcNs, sigma: float, fixed: float) -> Sample:
        return Sample(
            source="refclock",
            at_ns=reading.at_ns,
            offset=(true_ns - reading.clock_ns) / NS,
            sigma=sigma,
            delay=0.0,
            stratum=0,
            refid=self._settings.refid,
            root_delay=0.0,
            root_dispersion=fixed,
            reference_time=true_ns,
            leap=Leap.NONE,
        )

    def _sentence_sample(self, mark: TimeMark, reading: Reading) -> Sample | None:
        """Without pulses the first sentence of each epoch gives the time, to the width of what its delay may be."""
        lead = mark.utc != self._last_mark
        self._last_mark = mark.utc
        if not (lead and mark.trusted):
            return None
        known = self._settings.serial_delay
        delay = _UNKNOWN_DELAY / 2 if known is None else known
        self._marks.add(((reading.clock_ns - mark.utc) % NS) / NS, lead=True)
        self._second = UtcNs(mark.utc - mark.utc % NS)
        true_ns = UtcNs(mark.utc + round(delay * NS))
        return self._sample(reading, true_ns, max(5e-3, self._marks.spread / 1.64), _UNKNOWN_DELAY / 2 if known is None else 0.02)

    def _fix_problem(self, at_ns: MonoNs) -> str:
        if self._line_reason:
            return self._line_reason
        if self._fix is None or self._fix_seen is None:
            return "the receiver has not told a position yet" if self._heard else "nothing has been heard of the receiver yet"
        silence = (at_ns - self._fix_seen) / NS
        if silence > _SILENCE:
            return f"the receiver has been silent for {silence:.0f} s"
        if self._fix.mode < FixMode.TWO_D:
            return f"the receiver has no fix (satellites in view: {self._fix.satellites_seen})"
        if not self._fix.trusted:
            return "the receiver's date is not confirmed by three consistent fixes yet"
        return ""

    def _unusable(self, at_ns: MonoNs) -> str:
        problem = self._fix_problem(at_ns)
        if problem or not self._settings.has_pulse:
            return problem
        if self._pulse_seen is None:
            return "no pulse has been seen yet"
        silence = (at_ns - self._pulse_seen) / NS
        if silence > _PULSELESS:
            return f"no pulse for {math.floor(silence)} s"
        if self._settings.refuse_polarity and self._width.inverted:
            return self._width.inverted
        if self._numbering.contradicted or self._second is None:
            return self._numbering.problem or "the pulses are being numbered"
        return ""

    def _alarms(self) -> list[str]:
        alarms = [text for text in (self._numbering.problem, self._width.inverted) if text]
        lead = self._numbering.lead_delay()
        if self._settings.has_pulse and lead and self._width.symmetric and 0.4 <= lead.delay % 1.0 <= 0.6:
            alarms.append(
                f"the first sentence comes {lead.delay:.3f} s after the pulse and the pulse's width can't tell which edge is on time: an "
                "inverted symmetric pulse would look the same, half a second wrong; compare once with another server, or give the "
                "receiver a pulse of 100 ms"
            )
        return alarms

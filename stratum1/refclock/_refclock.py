"""The reference clock: numbers pulses with seconds, gates the bad ones, emits samples."""

import math
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from stratum1.gnss.events import Event, Fix, FixMode, PulseCorrection, TimeMark
from stratum1.interchange import Leap, Reading, ReferenceHealth, Sample
from stratum1.pps.events import Edge, EdgeKind
from stratum1.timescale import NS, LeapTable, MonoNs, TaiNs, UtcNs

from ._delay import DelayEstimate, DelayLearner
from ._gate import EdgeVerdict, PulseGate
from ._numbering import Numbering
from ._polarity import PulseWidth
from ._sawtooth import Sawtooth, SawtoothReport

__all__ = ["RefClock", "RefClockReport", "RefClockSettings"]

_SILENCE = 5.0  # seconds without a fix after which the receiver is not heard any more
_PULSELESS = 3.5  # seconds without a pulse after which the reference is lost
_LEAP_PAUSE = 5 * NS  # around a leap second in which nothing is measured (as chrony does)
_LEAP_CONFUSION = 2 * NS  # around one in which receivers number the seconds in ways of their own
_DAY = 86_400 * NS
_EPOCH, _LAST_DAY = date(1970, 1, 1).toordinal(), date.max.toordinal()
_UNKNOWN_DELAY = 1.0  # without pulses and without a known delay, a sentence is this much late at most, and on average half of it
_KNOWN_DELAY = 0.1  # without pulses, a known delay may be off by this
_HALF_SHORTER = 0.45  # s; from here on a delay makes sense half a second shorter as well
_REMEDY = 'compare once with another server and set "serial-delay" in [receiver]'
_WAITING = 16
_FOUNDING = NS // 1000
_UPSIDE_DOWN = 0.75  # s; so late a first sentence seems to be where it is the trailing edge of a short pulse that is seen


@dataclass(frozen=True, slots=True)
class RefClockSettings:
    """What the owner chose. name: of its samples. pulse_delay: seconds by which pulses arrive late.

    accuracy: fixed error of the pulse, seconds.
    delays: serial delays learned earlier, seconds by kind of sentence. has_pulse False: sentences alone give the time.
    serial_delay: the owner's word on the delay of the first sentence, seconds. refuse_polarity: whether pulses are refused whose
    width says that the other edge is the one on time. protocol: what of the receiver's output is believed: "auto" (all), "nmea", "ubx".
    sawtooth: whether pulses are corrected by what the receiver announces of their errors.
    Raises ValueError for a number out of range, an unknown protocol or a refid that isn't four octets.
    """

    name: str = "refclock"
    edge: EdgeKind = EdgeKind.ASSERT
    has_pulse: bool = True
    refuse_polarity: bool = True
    pulse_delay: float = 0.0
    accuracy: float = 1e-6
    refid: bytes = b"GPS\0"
    serial_delay: float | None = None
    delays: Mapping[str, float] = field(default_factory=dict)
    protocol: str = "auto"
    sawtooth: bool = True

    def __post_init__(self) -> None:
        if self.protocol not in ("auto", "nmea", "ubx"):
            raise ValueError(f'protocol = {self.protocol!r}: must be "auto", "nmea" or "ubx"')
        for name, least, most in (("pulse_delay", -1.0, 1.0), ("accuracy", 0.0, 1.0), ("serial_delay", 0.0, 2.0)):
            value = getattr(self, name)
            if not (value is None and name == "serial_delay") and not (isinstance(value, int | float) and least <= value <= most):
                raise ValueError(f"{name.replace('_', '-')} = {value}: allowed are {least:g} to {most:g} seconds")
        if not isinstance(self.refid, bytes) or len(self.refid) != 4:
            raise ValueError(f"refid = {self.refid!r}: must be four octets")


@dataclass(frozen=True, slots=True)
class RefClockReport:
    """For people. second: the one that the last pulse started, None while pulses are not numbered; width: pulse width in seconds;
    verdicts: edges by what became of them; alarms: sentences with their remedy.
    """

    health: ReferenceHealth
    second: UtcNs | None
    delays: tuple[DelayEstimate, ...]
    width: float | None
    jitter: float
    verdicts: Mapping[str, int]
    alarms: tuple[str, ...]
    sawtooth: SawtoothReport = field(default_factory=SawtoothReport)


class RefClock:
    """Pure: events with their times in, samples out. Times as in the contract (`stratum1.interchange`)."""

    def __init__(self, settings: RefClockSettings, leaps: LeapTable | None = None) -> None:
        self._settings = settings
        self._leaps = leaps
        self._numbering = Numbering(settings.delays, settings.serial_delay)
        self._gate = PulseGate()
        self._sawtooth = Sawtooth(settings.sawtooth)
        self._width = PulseWidth(settings.edge)
        self._verdicts: Counter[str] = Counter(dict.fromkeys(EdgeVerdict, 0))
        self._fix: Fix | None = None
        self._fix_seen: MonoNs | None = None
        self._edge_seen: MonoNs | None = None
        self._pulse_seen: MonoNs | None = None
        self._stepped: MonoNs | None = None
        self._heard = False
        self._line_reason = ""
        self._marks = DelayLearner("first sentence")
        self._last_mark: UtcNs | None = None
        self._waiting: deque[Reading] = deque(maxlen=_WAITING)
        """Pulses on the grid that had no number yet."""
        self._early: tuple[Sample, ...] = ()
        self._edge_before: Reading | None = None

    def leap_scale(self, scale: LeapTable | None, forbidden: frozenset[int]) -> None:
        """TAI - UTC by date as it is believed now; forbidden: by how many seconds no sentence may correct the count of pulses."""
        self._numbering.forbid(forbidden)
        if scale == self._leaps:
            return
        second = self._second()
        before, self._leaps = self._leaps, scale
        if second is not None and not self._near_leap(second, _LEAP_PAUSE):
            self._numbering.rescale((self._continuous(second) - _continuous(second, before)) // NS)
        elif second is not None:
            self._numbering.lose()

    def line(self, is_open: bool, reason: str) -> None:
        """The serial line was opened, or lost for the given reason."""
        self._line_reason = "" if is_open else reason or "the serial line is lost"
        self._numbering.reset_line()
        self._sawtooth.forget()
        self._last_mark = None
        self._waiting.clear()
        if not is_open:
            self._fix = None

    def clock_stepped(self, at_ns: MonoNs) -> None:
        """Our clock was stepped, by whomever: what was stamped by then is of another clock."""
        self._stepped = at_ns if self._stepped is None else max(self._stepped, at_ns)
        self._marks.forget()
        self._waiting.clear()
        self._edge_before = None

    def gnss(self, event: Event, reading: Reading) -> Sample | None:
        """One event of the receiver; `reading` is both clocks at event.at_ns (used only where sentences alone give the time)."""
        self._heard = True
        if isinstance(event, Fix):
            self._fix, self._fix_seen = event, event.at_ns
        elif isinstance(event, PulseCorrection):
            self._announced(event)
        elif isinstance(event, TimeMark) and event.valid and not self._near_leap(event.utc, _LEAP_CONFUSION):
            if not self._settings.has_pulse:
                return None if self._near_leap(event.utc, _LEAP_PAUSE) else self._sentence_sample(event, reading)
            self._numbering.mark(event, self._continuous(event.utc))
        return None

    def edge(self, edge: Edge, reading: Reading) -> Sample | None:
        """One edge, `reading` is both clocks at its stamp; a Sample if it may steer."""
        self._heard = True
        number = self._numbering.ahead(reading.at_ns)
        error = self._sawtooth.correction(number)
        verdict, second = self._judge(edge, reading, MonoNs(reading.at_ns - round((error or 0.0) * NS)))
        self._verdicts[verdict] += 1
        if verdict is not EdgeVerdict.USED or second is None:
            return None
        counted = self._numbering.second
        if error is None or counted != number:
            late, sigma = 0.0, math.hypot(self._gate.sigma, self._sawtooth.spread)
        else:
            late, sigma = error, self._gate.sigma
        if counted is not None:
            self._sawtooth.pulse(counted, reading.at_ns, error is not None and counted == number)
        true_ns = UtcNs(second + round((self._settings.pulse_delay + late) * NS))
        sample = self._sample(reading, true_ns, sigma, self._settings.accuracy)
        self._early = tuple(self._numbered_late(sample))
        return sample

    def early(self) -> tuple[Sample, ...]:
        """What the pulses before the one just used measured, oldest first, now that the number of one tells the others': once."""
        early, self._early = self._early, ()
        return early

    def _numbered_late(self, sample: Sample) -> Iterator[Sample]:
        waiting = list(self._waiting)
        self._waiting.clear()
        for reading in waiting:
            before = round((sample.at_ns - reading.at_ns) / NS)
            true_ns = UtcNs(sample.reference_time - before * NS)
            if not self._near_leap(true_ns, _LEAP_PAUSE):
                yield self._sample(reading, true_ns, sample.sigma, self._settings.accuracy)

    def health(self, at_ns: MonoNs) -> ReferenceHealth:
        """Whether the reference can be used at a raw time, and if not, why."""
        reason = self._unusable(at_ns)
        second = self._second()
        pausing = second is not None and self._near_leap(second, _LEAP_PAUSE + _LEAP_CONFUSION)
        return ReferenceHealth(self._heard, not reason, reason, pausing)

    def memory(self) -> dict[str, float]:
        """Learned delays to keep over a restart, seconds by kind of sentence."""
        return self._numbering.memory()

    def report(self, at_ns: MonoNs) -> RefClockReport:
        """The state for people."""
        return RefClockReport(
            self.health(at_ns),
            self._second(),
            self._numbering.delays(),
            self._width.seconds,
            self._gate.sigma,
            dict(self._verdicts),
            tuple(self._alarms(at_ns)),
            self._sawtooth.report(),
        )

    def _announced(self, event: PulseCorrection) -> None:
        """Kept for the pulse that marks the second it names, and for no other."""
        if not self._near_leap(event.utc, _LEAP_CONFUSION):
            number = (self._continuous(event.utc) + NS // 2) // NS
            self._sawtooth.announce(number, event.error, self._numbering.second)

    def _judge(self, edge: Edge, reading: Reading, at_ns: MonoNs) -> tuple[EdgeVerdict, UtcNs | None]:
        """The verdict, and the second that a USED edge starts. Pulses without a fix run free: they neither count nor teach.

        at_ns: the edge's stamp without the sawtooth, which gate and numbering go by.
        """
        if self._stepped is not None and reading.at_ns <= self._stepped:
            return EdgeVerdict.STALE, None
        self._width.edge(edge.kind, reading.at_ns)
        if edge.kind is not self._settings.edge:
            return EdgeVerdict.OTHER_EDGE, None
        self._edge_seen = reading.at_ns
        before, self._edge_before = self._edge_before, reading
        known = self._fix is not None or self._line_reason
        if known and self._fix_problem(reading.at_ns):  # what comes before the first word may well be right: it saves seconds
            return EdgeVerdict.NO_FIX, None
        judgement = self._gate.judge(at_ns)
        if judgement.verdict is EdgeVerdict.USED:
            self._pulse_seen = reading.at_ns
            self._numbering.pulse(at_ns, judgement.seconds, judgement.jumped)
            if judgement.seconds is None or judgement.jumped:
                self._waiting.clear()
                if before is not None and abs(reading.at_ns - before.at_ns - NS) < _FOUNDING:
                    self._waiting.append(before)  # two edges a second apart found a grid: the first of them is a pulse too
            verdict, second = self._numbered(reading.at_ns)
            if verdict in (EdgeVerdict.NOT_NUMBERED, EdgeVerdict.NO_FIX):
                self._waiting.append(reading)
            return verdict, second
        return judgement.verdict, None

    def _numbered(self, at_ns: MonoNs) -> tuple[EdgeVerdict, UtcNs | None]:
        if self._fix_problem(at_ns) or self._date_problem():
            return EdgeVerdict.NO_FIX, None
        if self._polarity_problem():
            return EdgeVerdict.POLARITY, None
        second = self._second()
        if second is None or not self._numbering.certain:
            return EdgeVerdict.NOT_NUMBERED, None
        return EdgeVerdict.LEAP if self._near_leap(second, _LEAP_PAUSE) else EdgeVerdict.USED, second

    def _continuous(self, utc: UtcNs) -> int:
        """The scale that pulses are counted on: TAI where the table of leap seconds is known, else UTC as it comes."""
        return _continuous(utc, self._leaps)

    def _second(self) -> UtcNs | None:
        second = self._numbering.second
        if second is None:
            return None
        return UtcNs(second * NS) if self._leaps is None else self._leaps.utc_from_tai(TaiNs(second * NS))

    def _near_leap(self, instant: UtcNs, pause: int) -> bool:
        """Whether a leap second is so near (ns); where no valid table tells, each end of a month may have one (ITU-R TF.460)."""
        leap = self._leaps.next_leap(UtcNs(instant - pause)) if self._leaps is not None else None
        if leap is not None and abs(leap.at - instant) <= pause:
            return True
        if self._leaps is not None and not self._leaps.expired(instant):
            return False
        day = (instant + _DAY // 2) // _DAY
        return abs(instant - day * _DAY) <= pause and 1 <= _EPOCH + day <= _LAST_DAY and date.fromordinal(_EPOCH + day).day == 1

    def _sample(self, reading: Reading, true_ns: UtcNs, sigma: float, fixed: float) -> Sample:
        return Sample(
            source=self._settings.name,
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
        stale = self._stepped is not None and reading.at_ns <= self._stepped
        if stale or not (lead and mark.trusted) or self._fix_problem(reading.at_ns) or self._date_problem():
            return None
        known = self._settings.serial_delay
        known = self._settings.delays.get(mark.sentence) if known is None else known
        delay, fixed = (_UNKNOWN_DELAY / 2,) * 2 if known is None else (known, _KNOWN_DELAY)
        self._marks.add((reading.clock_ns - mark.utc) % NS / NS, lead=True)
        true_ns = UtcNs(mark.utc + round(delay * NS))
        return self._sample(reading, true_ns, max(5e-3, self._marks.spread / 1.64), fixed)

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
        return ""

    def _date_problem(self) -> str:
        trusted = self._fix is not None and self._fix.trusted
        return "" if trusted else "the receiver's date is not confirmed by three consistent fixes yet"

    def _unusable(self, at_ns: MonoNs) -> str:
        problem = self._fix_problem(at_ns) or self._date_problem()
        if problem or not self._settings.has_pulse:
            return problem
        return self._pulse_problem(at_ns) or self._polarity_problem() or self._number_problem()

    def _pulse_problem(self, at_ns: MonoNs) -> str:
        if self._edge_seen is None:
            return "no pulse has been seen yet"
        silence = (at_ns - self._edge_seen) / NS
        if silence > _PULSELESS:
            return f"no pulse for {math.floor(silence)} s"
        if self._pulse_seen is None or (at_ns - self._pulse_seen) / NS > _PULSELESS:
            return (
                "edges of the pulse come, but none a second after the other: if this stays, check the wiring for noise, and that the "
                "receiver gives one pulse a second"
            )
        return ""

    def _polarity_problem(self) -> str:
        if not (self._settings.has_pulse and self._settings.refuse_polarity):
            return ""
        return self._width.inverted or self._symmetric() or ""

    def _number_problem(self) -> str:
        problem = self._numbering.problem
        if problem is None and self._numbering.second is None:
            problem = "the pulses are being numbered"
        return problem or ""

    def _symmetric(self) -> str | None:
        """A pulse of half a second looks the same upside down; only how late sentences come could tell."""
        late = self._late()
        if not self._width.symmetric or late is None or late < _HALF_SHORTER:
            return None
        return (
            f"the first sentence comes {late:.2f} s after a pulse that lasts half a second: it can't be told from an inverted pulse, "
            f"half a second wrong. Give the receiver a pulse of 100 ms; or {_REMEDY}"
        )

    def _one_edged(self) -> str | None:
        """Sentences that come so late are suspicious; but receivers do it, and many drivers show one edge only."""
        late = self._late()
        if self._width.seconds is not None or late is None or late < _UPSIDE_DOWN:
            return None
        return (
            f"the first sentence comes {late:.2f} s after a pulse of which only the {self._settings.edge} edge is seen: an inverted pulse "
            f"would look like that. Let both edges be captured (capture_clear of the pps-gpio overlay); or {_REMEDY}"
        )

    def _late(self) -> float | None:
        """Delay of the first sentence within its second, unless the owner vouches for it; None while unknown."""
        lead = self._numbering.lead_delay()
        vouched = self._settings.serial_delay is not None
        return None if vouched or lead is None or lead.samples < 4 else lead.delay % 1.0

    def _alarms(self, at_ns: MonoNs) -> list[str]:
        if not self._settings.has_pulse:
            return []
        own = [text for text in (self._width.inverted, self._symmetric(), self._one_edged(), self._sawtooth.alarm) if text]
        return self._numbering.alarms(at_ns) + own


def _continuous(utc: UtcNs, scale: LeapTable | None) -> int:
    return utc if scale is None else scale.tai_from_utc(utc)

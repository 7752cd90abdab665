"""Adds the evidence up, refuses the reference above the limit, and says how it is believed again.

Score: of each group the strengths are added, at most 1, and counted by the group's weight. One weak hint (radio) never reaches the limit;
each strong one does: pulses far beyond what the crystal has ever done, a time that jumps, an antenna that has moved, spoofing affirmed by
the receiver, trusted servers that contradict.

While refused the pulses go on being measured against our clock, which now runs on what it had learned. They count as evidence as long as
they are farther off than our own error bound, or run at another frequency than the crystal's before by more than it may have changed.
So trust comes back in one of these ways, `return_after` after the last evidence (at less than half the limit) has gone:
the attack ends; or the bound has grown until it covers a new constant phase (another cable, another receiver): then the reference
contradicts nothing that we claim; or our clock has stopped claiming to know the time (unsynchronised). At once: when a trusted server
says that the reference is right where our clock is not, or when the owner says so. Where nobody vouched, the difference found at the
return (with our clock's own bound) stays in the error bound for a day: one of the two was wrong by it. A time that has jumped by seconds
stays evidence until the owner or a server decides: no bound of ours ever covers that.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from stratum1.gnss.events import Authenticity, Event, Fix, LeapNotice, RadioPath, Sky
from stratum1.interchange import Environment, LockState, Sample
from stratum1.timescale import NS, MonoNs

from ._clock_time import TimeWatch
from ._crystal import PulseWatch
from ._position import PositionWatch
from ._radio import Hint, RadioWatch
from ._sources import SourceWatch
from ._thermal import ThermalExcuse
from ._types import KINDS, Evidence, IntegrityReport, IntegritySettings

__all__ = ["Guard", "Standing"]

_FROM = 0.75  # of its limit: where a measurement begins to count
_SUSPICIOUS = 0.7
"""Strength of the evidence of the pulse, from which the bound allows for its being true; honest pulses stay below."""
_WITHHELD = 10  # pulses in a row
_DISPUTE = 86_400 * NS
_LARGEST_DISPUTE = 1.0  # s
_REMEDY = "if the reference is right after all (another antenna, cable or receiver), say so: `stratum1 trust-reference`"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is claimed of our clock: state, error bound (seconds) at a raw instant, growing by bound_rate (s/s)."""

    at_ns: MonoNs
    state: LockState
    error_bound: float
    bound_rate: float

    def bound(self, at_ns: MonoNs) -> float:
        """The bound later on, seconds."""
        return self.error_bound + self.bound_rate * max(0.0, (at_ns - self.at_ns) / NS)


class Guard:
    """One receiver's guard. Instants are raw; nothing of it is random or waits."""

    def __init__(self, settings: IntegritySettings) -> None:
        self._settings = settings
        self._pulses = PulseWatch()
        self._radio = RadioWatch()
        self._place = PositionWatch()
        self._time = TimeWatch(settings.earliest)
        self._servers = SourceWatch()
        self._thermal = ThermalExcuse()
        self._standing: Standing | None = None
        self._evidence: tuple[Evidence, ...] = ()
        self._score = 0.0
        self._first_pulse: MonoNs | None = None
        self._refused: MonoNs | None = None
        self._reason = ""
        self._off: tuple[float, float] | None = None  # of the last refused pulse: offset, bound
        self._quiet: MonoNs | None = None
        self._now = MonoNs(0)
        self._held_back = self._withheld = self._refusals = 0
        self._misled = (0.0, 0.0)
        self._dispute: tuple[MonoNs, float] | None = None
        self._told: list[tuple[MonoNs, bool, str]] = []

    @property
    def refusal(self) -> str:
        """Why the reference is refused, a sentence; empty while it is believed."""
        return self._reason if self._refused is not None else ""

    def gnss(self, event: Event) -> None:
        """One event of the receiver."""
        if not self._settings.enabled:
            return
        match event:
            case Fix():
                self._time.fix(event, self._is_learned(event.at_ns))
                if self._settings.stationary:
                    self._place.fix(event, self._settings.learn_time)
            case Sky():
                self._radio.sky(event, self._refused is None)
            case RadioPath():
                self._radio.path(event, self._refused is None)
            case Authenticity():
                self._radio.word(event)
            case LeapNotice():
                self._time.notice(event, self._is_learned(event.at_ns))
            case _:
                return

    def environment(self, environment: Environment) -> None:
        """The temperature beside the crystal."""
        self._thermal.read(environment)

    def compare(self, source: str, at_ns: MonoNs, offset: float, uncertainty: float) -> None:
        """What a trusted server says: reference minus our clock, and what that may be wrong by, seconds."""
        if self._settings.enabled:
            self._servers.compare(source, at_ns, offset, abs(uncertainty))

    def standing(self, standing: Standing) -> None:
        """What is claimed of our clock since the last call."""
        self._standing = standing

    def clock_stepped(self) -> None:
        """Our clock was stepped: what was measured against it is void."""
        self._servers.clock_stepped()
        self._off = None

    def pulse(self, sample: Sample) -> bool:
        """Judge the measurement by one pulse: whether it may steer."""
        if not self._settings.enabled:
            return True
        at_ns = sample.at_ns
        self._first_pulse = at_ns if self._first_pulse is None else self._first_pulse
        second = round(sample.reference_time / NS)
        raw = at_ns - (sample.reference_time - second * NS)
        surprised = abs(self._pulses.surprise(second, raw)) > self._pulses.scatter
        self._pulses.add(second, raw, learn=self._refused is None, excuse=self._thermal.excuse)
        self._servers.reference(at_ns, sample.offset, 4 * sample.sigma + sample.root_dispersion)
        bound = self._standing.bound(at_ns) if self._standing is not None else inf
        self._off = (sample.offset, bound + 4 * sample.sigma)
        self._decide(at_ns)
        if self._refused is not None or (surprised and self._is_learned(at_ns) and not self._let_pass()):
            return False
        self._pulses.note_used()
        return True

    def misled(self, at_ns: MonoNs) -> tuple[float, float]:
        """What has to be allowed for that an attack did to our clock before it was found out: seconds, and seconds a second."""
        if self._refused is None:
            return (self._pulses.misled()[0], 0.0) if self._is_suspicious else (0.0, 0.0)
        amount, rate = self._misled
        return amount + rate * max(0.0, (at_ns - self._refused) / NS), rate

    def disputed(self, at_ns: MonoNs) -> float:
        """What the reference may be wrong by since trust came back without anybody's word, for a day; seconds."""
        if self._dispute is None or at_ns - self._dispute[0] > _DISPUTE:
            return 0.0
        return self._dispute[1]

    def sentence(self, sample: Sample) -> bool:
        """Judge a measurement by a sentence alone: whether it may steer. Too coarse to be held against the crystal."""
        self._servers.reference(sample.at_ns, sample.offset, 4 * sample.sigma + sample.root_dispersion)
        return self._refused is None

    def tick(self, at_ns: MonoNs) -> None:
        """Once a second, whether pulses come or not."""
        if self._settings.enabled:
            self._decide(at_ns)

    def trust(self, at_ns: MonoNs) -> str:
        """The owner vouches for the reference: everything that was learned of it is forgotten. Returns what was done, a sentence."""
        was = self._refused is not None
        self._place.forget()
        self._time.overrule()
        self._servers.forget()
        self._radio = RadioWatch()
        self._pulses.restart()
        self._first_pulse = None
        self._dispute = None
        if was:
            self._believe(at_ns, "the owner vouches for it")
        return "the reference is believed; what was learned of it is learned anew" + ("" if was else " (it was not refused)")

    def told(self) -> Iterator[tuple[MonoNs, bool, str]]:
        """What happened since the last call: when, whether it needs a person, the sentence."""
        told, self._told = self._told, []
        return iter(told)

    def report(self) -> IntegrityReport:
        """The state for people."""
        return IntegrityReport(
            enabled=self._settings.enabled,
            score=self._score,
            limit=self._settings.limit,
            evidence=self._evidence,
            refused_since=self._refused,
            reason=self._reason if self._refused is not None else "",
            learned=self._is_learned(self._now),
            watched=self._pulses.pulses,
            refusals=self._refusals,
            withheld=self._withheld,
        )

    def _is_learned(self, at_ns: MonoNs) -> bool:
        return self._first_pulse is not None and (at_ns - self._first_pulse) / NS >= self._settings.learn_time

    def _difference(self) -> float:
        """How far off the reference may be if it is the one that is wrong: its difference from our clock, and our clock's own bound."""
        if self._off is None:
            return 0.0
        offset, bound = self._off
        return min(_LARGEST_DISPUTE, abs(offset) + bound)

    @property
    def _is_suspicious(self) -> bool:
        return any(each.kind == "pulse" and each.strength >= _SUSPICIOUS for each in self._evidence)

    def _let_pass(self) -> bool:
        """A pulse far from its place had better wait; many in a row are for the tests to judge."""
        if self._refused is None and self._held_back < _WITHHELD:
            self._held_back += 1
            self._withheld += 1
            return False
        return True

    def _decide(self, at_ns: MonoNs) -> None:
        self._now = max(self._now, at_ns)
        hints = list(self._hints(at_ns))
        since = {(each.kind, each.name): each.since for each in self._evidence}
        self._evidence = tuple(
            Evidence(kind, hint.name, hint.strength, hint.value, hint.sentence, since.get((kind, hint.name), at_ns)) for kind, hint in hints
        )
        self._score = sum(
            self._settings.weight(kind) * min(1.0, sum(hint.strength for group, hint in hints if group == kind)) for kind in KINDS
        )
        if self._refused is None:
            if self._score >= self._settings.limit - 1e-9:
                self._refuse(at_ns)
        else:
            self._look_for_trust(at_ns)

    def _hints(self, at_ns: MonoNs) -> Iterator[tuple[str, Hint]]:
        pulse = self._pulse_hint() if self._refused is None else self._standing_off()
        if pulse is not None and self._is_learned(at_ns):
            yield "pulse", pulse
        yield from (("time", hint) for hint in self._time.hints(at_ns))
        if self._place.ratio >= 1.0:
            distance = self._place.distance
            text = f"the antenna seems to have moved by {distance:.0f} m, where {self._place.limit:.0f} m could be explained"
            yield "position", Hint("moved", min(1.0, self._place.ratio / 2), distance, text)
        word = self._radio.receiver(at_ns)
        if word is not None:
            yield "receiver", word
        yield from (("radio", hint) for hint in self._radio.hints(at_ns))
        server = self._servers.hint(at_ns)
        if server is not None:
            yield "sources", server

    def _pulse_hint(self) -> Hint | None:
        found = self._pulses.deviation
        strength = min(1.0, (found.ratio - _FROM) / (1 - _FROM))
        if strength <= 0:
            return None
        word = "late" if found.size > 0 else "early"
        text = (
            f"the pulses have moved: they come {abs(found.size) * 1e6:.3g} µs too {word} by what the crystal did {found.span} s ago, "
            f"and it was never off by more than {found.limit * 1e6:.3g} µs"
        )
        return Hint("prediction", strength, found.size, text)

    def _standing_off(self) -> Hint | None:
        """While refused: whether the pulses contradict what we claim."""
        if self._standing is None or self._standing.state in (LockState.UNSYNCHRONISED, LockState.COLD) or self._off is None:
            return None
        offset, bound = self._off
        if abs(offset) > bound:
            text = f"the pulses differ from our clock by {offset * 1e6:+.3g} µs, whose error is at most {bound * 1e6:.3g} µs"
            return Hint("contradiction", 1.0, offset, text)
        frequency = self._pulses.off_frequency()
        if frequency is not None and abs(frequency[0]) > frequency[1] + self._thermal.excuse:
            if frequency[0] == inf:
                return Hint("frequency", 1.0, 0.0, "the frequency of the pulses is being measured")
            text = (
                f"the pulses run at a frequency {frequency[0] * 1e9:+.3g} ppb from before, "
                f"and this crystal changes by {frequency[1] * 1e9:.3g} ppb at most"
            )
            return Hint("frequency", 1.0, frequency[0], text)
        return None

    def _refuse(self, at_ns: MonoNs) -> None:
        self._refused, self._quiet = at_ns, None
        self._refusals += 1
        strongest = sorted(self._evidence, key=lambda each: -each.strength * self._settings.weight(each.kind))
        self._reason = "the reference is not believed: " + "; ".join(each.sentence for each in strongest[:3])
        self._misled = self._pulses.misled() if self._is_learned(at_ns) else (0.0, 0.0)
        self._pulses.keep_frequency()
        self._pulses.restart()
        self._told.append((at_ns, True, f"{self._reason} (score {self._score:.2f}, limit {self._settings.limit:g}); {_REMEDY}"))

    def _look_for_trust(self, at_ns: MonoNs) -> None:
        voucher = self._servers.voucher(at_ns)
        if voucher and not any(each.kind == "sources" for each in self._evidence):
            self._time.forget()
            self._dispute = None
            self._believe(at_ns, f"{voucher}, which we trust, says that it is right")
            return
        if self._score >= self._settings.limit / 2:
            self._quiet = None
        elif self._quiet is None:
            self._quiet = at_ns
        elif (at_ns - self._quiet) / NS >= self._settings.return_after:
            self._dispute = (at_ns, max(self.disputed(at_ns), self._difference()))
            self._believe(at_ns, f"nothing has spoken against it for {self._settings.return_after:.0f} s")

    def _believe(self, at_ns: MonoNs, why: str) -> None:
        self._refused, self._quiet, self._held_back = None, None, 0
        self._evidence = tuple(each for each in self._evidence if each.kind != "pulse")
        self._told.append((at_ns, False, f"the reference is believed again: {why}"))

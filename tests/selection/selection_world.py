"""Sources for the selection's tests: samples on a raw clock that runs 20 ppm fast, of a truth that our clock is off by a known amount."""

import random
from dataclasses import dataclass, field

from stratum1.interchange import Leap, Reading, ReferenceHealth, Sample
from stratum1.selection import Own, Selection, SelectionReport, SelectionSettings, SourceOptions, SourceReport
from stratum1.timescale import NS, MonoNs, UtcNs

START = 1_795_478_400 * NS
CRYSTAL = 20e-6


def reading(second: float, clock_error: float = 0.0) -> Reading:
    """Both clocks at a true second; clock_error: ours minus truth, seconds."""
    return Reading(MonoNs(round(second * (1 + CRYSTAL) * NS)), UtcNs(START + round((second + clock_error) * NS)))


def pulse(name: str, second: float, error: float = 0.0, *, sigma: float = 1e-6, accuracy: float = 1e-6, clock_error: float = 0.0) -> Sample:
    """A reference clock's sample; error: of the source, its time minus truth, seconds."""
    now = reading(second, clock_error)
    offset = error - clock_error
    true_ns = UtcNs(now.clock_ns + round(offset * NS))
    return Sample(name, now.at_ns, offset, sigma, 0.0, 0, b"GPS\0", 0.0, accuracy, true_ns, Leap.NONE)


def answer(
    name: str, second: float, error: float = 0.0, *, way: float = 1e-3, late: tuple[float, float] = (0.0, 0.0), **changes: object
) -> Sample:
    """A server's answer. way: least one-way delay; late: by how much each way took longer, seconds."""
    now = reading(second)
    values: dict[str, object] = {
        "stratum": 1,
        "refid": b"\x0a\0\0\x01",
        "root_delay": 0.0,
        "root_dispersion": 1e-5,
        "leap": Leap.NONE,
        **changes,
    }
    return Sample(
        source=name,
        at_ns=now.at_ns,
        offset=error + (late[0] - late[1]) / 2,
        sigma=1e-6,
        delay=2 * way + sum(late),
        reference_time=now.clock_ns,
        **values,  # type: ignore[arg-type] # each is of its field's type
    )


@dataclass
class Bench:
    """A selection and what it answered. own: our clock as a witness."""

    options: dict[str, SourceOptions] = field(default_factory=dict)
    minimum: int = 1
    references: tuple[str, ...] = ()
    own: Own = field(default_factory=Own)
    seed: int = 1

    def __post_init__(self) -> None:
        self.selection = Selection(SelectionSettings(self.minimum, self.options), self.references)
        self.steered: list[Sample] = []
        self.second = 0.0
        self.draw = random.Random(self.seed)

    def feed(self, sample: Sample, second: float, *, clock_error: float = 0.0, poll: int = 0) -> Sample | None:
        """One sample; what came of it."""
        found = self.selection.observe(sample, reading(second, clock_error).clock_ns, self.own, 0xFF, poll)
        if found is not None:
            self.steered.append(found)
        return found

    def pulses(self, seconds: int, **errors: float) -> "Bench":
        """A second's pulses of each reference, one after the other."""
        for _ in range(seconds):
            for number, (name, error) in enumerate(errors.items()):
                self.selection.tell_health(name, ReferenceHealth(True, True, ""))
                at = self.second + 1e-6 * number
                self.feed(pulse(name, at, error + self.draw.gauss(0, 1e-7), sigma=1e-7), at)
            self.second += 1
        return self

    def polls(self, rounds: int, interval: int = 16, late: float = 1e-4, **errors: float) -> "Bench":
        """Each server is asked once a round; lateness is exponential with mean `late` each way."""
        for _ in range(rounds):
            for number, (name, error) in enumerate(errors.items()):
                at = self.second + 0.01 * number
                ways = (self.draw.expovariate(1 / late), self.draw.expovariate(1 / late))
                self.feed(answer(name, at, error, late=ways), at, poll=4)
            self.second += interval
        return self

    def report(self) -> SelectionReport:
        """As of now."""
        return self.selection.report(reading(self.second), self.own)

    def source(self, name: str) -> SourceReport:
        """One source as of now."""
        return next(each for each in self.report().sources if each.name == name)

    def states(self) -> dict[str, str]:
        """Letters by name."""
        return {each.name: each.state.value for each in self.report().sources}

"""What goes into the pipeline once and comes out of it each time: settings, notes, outputs, the report."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .discipline import Decision, DisciplineReport, DisciplineSettings
from .gnss import Counters as GnssCounters
from .gnss.events import Fix, Health, Satellite
from .integrity import IntegritySettings
from .interchange import LockState, Steering
from .leaps import LeapReport
from .refclock import RefClockReport, RefClockSettings
from .reference import ReferenceReport
from .selection import SelectionReport, SelectionSettings
from .timescale import MonoNs, UtcNs

__all__ = ["Note", "Output", "PipelineReport", "PipelineSettings", "joined"]


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """Everything that shapes the pipeline: what a recording must carry so that its replay is the same run.

    refclock: of the first receiver; more: of the others. floor: no date before it is believed, None to take dates as sent.
    repair: move such dates by multiples of 1024 weeks. selection: options of receivers and servers, by their names.
    servers_steer: whether servers take over where no reference clock can be used; else they only witness.
    integrity: what it takes to refuse a receiver.
    Raises ValueError where two receivers have the same name.
    """

    discipline: DisciplineSettings
    refclock: RefClockSettings = field(default_factory=RefClockSettings)
    floor: UtcNs | None = None
    repair: bool = True
    more: tuple[RefClockSettings, ...] = ()
    selection: SelectionSettings = field(default_factory=SelectionSettings)
    servers_steer: bool = True
    integrity: IntegritySettings = field(default_factory=IntegritySettings)

    def __post_init__(self) -> None:
        names = [each.name for each in self.receivers]
        if len(set(names)) < len(names):
            raise ValueError(f"receivers need names of their own, not {', '.join(names)}")

    @property
    def receivers(self) -> tuple[RefClockSettings, ...]:
        """All receivers, in the order that their inputs are counted in."""
        return (self.refclock, *self.more)


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth an event log line. kind: "lock", "step", "receiver", "clock", ...; alarm: needs a person."""

    at_ns: MonoNs
    kind: str
    alarm: bool
    text: str


@dataclass(frozen=True, slots=True)
class Output:
    """What an input led to: steering to put into force (None: leave as it is), notes, and the panic that ends the daemon, if any."""

    steering: Steering | None = None
    notes: tuple[Note, ...] = ()
    panic: str | None = None


@dataclass(frozen=True, slots=True)
class PipelineReport:
    """The rooms' reports, for people.

    fix, satellites, refclock, gnss, health: of the receiver that is selected, else of the first; receivers: all of them.
    """

    state: LockState
    since: MonoNs
    reason: str
    decision: Decision | None
    fix: Fix | None
    satellites: tuple[Satellite, ...]
    refclock: RefClockReport
    discipline: DisciplineReport
    gnss: GnssCounters
    health: Mapping[str, Health]
    leaps: LeapReport
    steps: int
    samples: int
    receivers: tuple[ReferenceReport, ...]
    selection: SelectionReport


def joined(first: Output, second: Output) -> Output:
    """Two outputs of one input: the later rates hold, both steps are made."""
    steering = second.steering or first.steering
    if first.steering is not None and second.steering is not None:
        steering = replace(second.steering, step=first.steering.step + second.steering.step)
    return Output(steering, (*first.notes, *second.notes), first.panic or second.panic)

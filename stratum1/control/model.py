"""The one picture of everything that can be shown: page, API, command line and metrics are all made from a `Status`.

Frozen values only. Units: seconds unless a name says otherwise; instants are UTC nanoseconds and become RFC 3339 text in JSON.
Signs: an offset is reference minus our clock (positive: ours is behind); a frequency is the correction applied (positive speeds
our clock up). A part that this server does not have (no receiver, no pulse) is None; a value not known yet is None.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from stratum1.gnss.events import Dop, FixMode, Position, Satellite
from stratum1.interchange import Leap, LockState
from stratum1.timescale import UtcNs

from ._hardware import SetupStatus, TemperatureStatus, setup_alarms
from .chosen import SelectionStatus
from .foresight import CrystalStatus, HoldoverStatus
from .listeners import ListenerStatus, ServerStatus
from .nts import NtsKeStatus, nts_alarms
from .receiver import ReceiverTold, SawtoothStatus
from .watched import IntegrityStatus, StabilityStatus

__all__ = [
    "DisciplineStatus",
    "EventRecord",
    "GnssStatus",
    "LeapStatus",
    "LeapWitness",
    "LineStatus",
    "ListenerStatus",
    "LockStatus",
    "NextLeap",
    "OutputStatus",
    "PpsStatus",
    "ReceiverStatus",
    "RefclockStatus",
    "SerialDelay",
    "ServerStatus",
    "SourceStatus",
    "Status",
    "StatusSource",
    "TimeStatus",
    "alarms",
    "without_exact_position",
]


@dataclass(frozen=True, slots=True)
class LockStatus:
    """What the server knows about the time, since when (on its own clock), and the sentence that says why."""

    state: LockState
    since: UtcNs
    reason: str
    in_specification: bool


@dataclass(frozen=True, slots=True)
class NextLeap:
    """A leap second to come: the instant right after it, sign (+1 inserted, -1 deleted), TAI - UTC (s) from then on."""

    at: UtcNs
    sign: int
    tai_offset: int


@dataclass(frozen=True, slots=True)
class LeapWitness:
    """What one of list, receiver and sources says of leap seconds: "insert", "delete", "none", or "nothing" where it does not speak.

    at: the instant right after the leap second; since: since when it has said so; text: the same as a sentence.
    """

    witness: str
    says: str
    at: UtcNs | None
    since: UtcNs | None
    text: str


@dataclass(frozen=True, slots=True)
class LeapStatus:
    """Who announces what. decided_by: whose word the plan rests on, empty without a plan; list_origin: file or address of the list."""

    decided_by: tuple[str, ...]
    list_origin: str
    witnesses: tuple[LeapWitness, ...]
    alarms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TimeStatus:
    """What clients are served.

    offset: last measurement; sigma: its standard deviation; error_bound: what |error| stays below now, growing by bound_rate (s/s);
    precision: log2 of seconds; refid: as text; clock: "kernel" or "virtual"; steps: how often the clock was stepped since the
    start, by accumulated_steps seconds in all (absolute values); step_limit: panic limit, None for none.
    """

    utc: UtcNs
    stratum: int
    refid: str
    leap: Leap
    offset: float | None
    sigma: float | None
    error_bound: float
    bound_rate: float
    root_delay: float
    root_dispersion: float
    frequency_ppm: float
    reference_time: UtcNs | None
    precision: int
    tai_offset: int | None
    leap_file_expires: UtcNs | None
    next_leap: NextLeap | None
    clock: str
    steps: int
    accumulated_steps: float = 0.0
    step_limit: float | None = None


@dataclass(frozen=True, slots=True)
class DisciplineStatus:
    """The engine's name, its time constant, the offsets' jitter (root mean square) and the frequency's wander (ppm)."""

    engine: str
    time_constant: float
    jitter: float | None
    wander_ppm: float | None


@dataclass(frozen=True, slots=True)
class LineStatus:
    """The receiver's serial line. baud None until known; error: why it is not open, with the remedy, empty when it is."""

    open: bool
    device: str
    baud: int | None
    error: str


@dataclass(frozen=True, slots=True)
class GnssStatus:
    """The receiver. utc: the time of its last epoch; trusted: its date is confirmed by three consecutive consistent fixes.

    rollovers: times 1024 weeks added to its dates; sentences and rejects: counts since the start by kind and by reason. receiver: what it
    says of itself. setup: None where the receiver is not ours to set up.
    """

    line: LineStatus
    mode: FixMode
    satellites_used: int
    satellites_seen: int
    utc: UtcNs | None
    trusted: bool
    position: Position | None
    dop: Dop | None
    rollovers: int
    sentences: Mapping[str, int]
    rejects: Mapping[str, int]
    satellites: tuple[Satellite, ...]
    receiver: ReceiverTold = field(default_factory=ReceiverTold)
    setup: SetupStatus | None = None


@dataclass(frozen=True, slots=True)
class PpsStatus:
    """The pulse. state: one or two words ("arriving", "missing", "closed"); jitter: standard deviation of the pulse spacing's
    error; missed: pulses that the kernel counted and we did not get, or that failed to come; error: the sentence when it can't be read.
    """

    device: str
    state: str
    pulses: int
    missed: int
    jitter: float | None
    last_edge: UtcNs | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class SerialDelay:
    """How late a kind of sentence arrives after the pulse: learned delay, its spread (standard deviation), measurements behind it."""

    sentence: str
    delay: float
    spread: float
    samples: int


@dataclass(frozen=True, slots=True)
class RefclockStatus:
    """Pulses with their seconds. reason: why it is not usable, empty when it is; label: how the numbering of seconds stands.

    rejected: edges refused since the start, by reason (every reason from the start, with 0); alarms: sentences that need a
    person, each with its remedy.
    """

    usable: bool
    reason: str
    label: str
    delays: tuple[SerialDelay, ...]
    pulse_width: float | None
    rejected: Mapping[str, int]
    alarms: tuple[str, ...]
    sawtooth: SawtoothStatus = field(default_factory=SawtoothStatus)


@dataclass(frozen=True, slots=True)
class ReceiverStatus:
    """One receiver by its name; a part that it does not have is None."""

    name: str
    gnss: GnssStatus
    pps: PpsStatus | None
    refclock: RefclockStatus


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One [[source]] as configured, and its state in words."""

    mode: str
    address: str
    state: str


@dataclass(frozen=True, slots=True)
class OutputStatus:
    """One [[output]]. state: "waiting", "sending" or "problem"; text: the sentence; sent: samples, corrections or messages since the
    start; last_sent: when the last was; offset: what was sent or measured last, our time minus the other clock, None for ptp4l;
    clock_class: what ptp4l was told (6 locked, 7 holdover, 248 else), None for the others.
    """

    mode: str
    target: str
    state: str
    text: str
    sent: int
    last_sent: UtcNs | None
    offset: float | None
    clock_class: int | None


@dataclass(frozen=True, slots=True)
class EventRecord:
    """Something that happened, for people. kind: one word ("lock", "step", "line", "web"); text: the sentence."""

    at: UtcNs
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Status:
    """The whole picture at one instant. uptime in seconds; events: the newest last.

    gnss, pps, refclock: of the receiver that is selected, else of the first; receivers: all of them.
    """

    simulated: bool
    version: str
    hostname: str
    started: UtcNs
    uptime: float
    lock: LockStatus
    time: TimeStatus
    discipline: DisciplineStatus | None
    gnss: GnssStatus | None
    pps: PpsStatus | None
    refclock: RefclockStatus | None
    server: ServerStatus
    sources: tuple[SourceStatus, ...] = ()
    outputs: tuple[OutputStatus, ...] = ()
    events: tuple[EventRecord, ...] = ()
    temperature: TemperatureStatus | None = None
    stability: tuple[StabilityStatus, ...] = ()
    integrity: tuple[IntegrityStatus, ...] = ()
    leaps: LeapStatus | None = None
    receivers: tuple[ReceiverStatus, ...] = ()
    selection: SelectionStatus | None = None
    build_commit: str = ""
    build_date: str = ""
    crystal: CrystalStatus | None = None
    holdover: HoldoverStatus | None = None
    nts_ke: NtsKeStatus | None = None


class StatusSource(Protocol):
    """Who can be asked for the picture of now."""

    def snapshot(self) -> Status:
        """The state of everything at this instant; cheap, never blocks, callable from the event loop."""


def without_exact_position(status: Status) -> Status:
    """The picture for the network: the antenna's position rounded to 0.1 degree (some 10 km) and 100 m."""
    receivers = tuple(replace(each, gnss=_coarse(each.gnss)) for each in status.receivers)
    return replace(status, gnss=_coarse(status.gnss) if status.gnss else None, receivers=receivers)


def _coarse(gnss: GnssStatus) -> GnssStatus:
    exact = gnss.position
    if exact is None:
        return gnss
    return replace(gnss, position=Position(round(exact.latitude, 1), round(exact.longitude, 1), round(exact.altitude, -2)))


def _receiver_alarms(gnss: GnssStatus | None, pps: PpsStatus | None, refclock: RefclockStatus | None) -> list[str]:
    found = list(refclock.alarms) if refclock else []
    if gnss and gnss.line.error:
        found.append(f"Receiver {gnss.line.device}: {gnss.line.error}")
    if gnss and gnss.setup:
        found += [f"Receiver set-up: {text}" for text in setup_alarms(gnss.setup)]
    if pps and pps.error:
        found.append(f"Pulse {pps.device}: {pps.error}")
    return found


def alarms(status: Status) -> tuple[str, ...]:
    """Everything that needs a person now, as sentences with their remedy."""
    found: list[str] = []
    if len(status.receivers) > 1:
        for each in status.receivers:
            found += [f"{each.name}: {text}" for text in _receiver_alarms(each.gnss, each.pps, each.refclock)]
    else:
        found += _receiver_alarms(status.gnss, status.pps, status.refclock)
    if status.selection:
        found += [f"{each.name} is taken for a falseticker: {each.text}" for each in status.selection.sources if each.state in ("x", "T")]
    if status.temperature and status.temperature.error:
        found.append(f"Temperature: {status.temperature.error}")
    found += [f"Listener {each.listen_address}: {each.error}" for each in status.server.listeners if each.error]
    found += [
        f'Listener {each.listen_address}: data-plane = "{each.plane.asked}" can\'t be had, {each.data_plane} answers ({each.plane.reason})'
        for each in status.server.listeners
        if each.plane.fell_back
    ]
    found += status.leaps.alarms if status.leaps else ()
    found += nts_alarms(status.nts_ke, status.time.utc)
    found += [f"Output {each.mode}: {each.text}" for each in status.outputs if each.state == "problem"]
    return tuple(dict.fromkeys(found))

"""The daemon: the only place that knows all parts. Builds them from a configuration, runs them, stops them."""

import asyncio
import contextlib
import signal
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

import structlog

from . import __version__
from .build_date import build_date
from .clock import Clock, ClockError, ClockSetWatch, KernelClock, VirtualClock
from .clock.state import floor_instant
from .config import Config, ConfigError
from .control.http import Actions, ControlServer, make_control_app
from .control.model import EventRecord, Status
from .control.series import RecentSeries
from .discipline import DisciplineSettings, DriftRecord
from .gnss.serial_reader import LineState
from .inputs import EdgeInput, LineInput, SerialInput
from .interchange import KernelClockId
from .logs import configure
from .pipeline import Note, Pipeline, PipelineSettings
from .pps.events import Edge, EdgeKind
from .receiver import Receiver, SimulationSettings, raw_now
from .recorder import Recorder
from .recording import Header
from .refclock import RefClockSettings
from .server import ListenError, Server, parse_listen
from .service import Notifier
from .snapshot import (
    discipline_status,
    gnss_status,
    lock_status,
    pps_status,
    refclock_status,
    server_status,
    source_status,
    time_status,
)
from .timekeeper import Memory, Timekeeper
from .timescale import NS, LeapTable, LeapTableError, MonoNs, UtcNs, parse_leap_list
from .web import make_app

__all__ = ["EXIT_LISTEN", "EXIT_PANIC", "Daemon", "DaemonError", "RunOptions"]

EXIT_PANIC = 78
"""A step beyond the panic limit was refused: the unit must not restart us, since a fresh start would be allowed to step."""
EXIT_LISTEN = 1

_PUBLISH = {"virtual": 0.125, "kernel": 0.5}  # s; a virtual clock's mapping ages with the host clock's own rate
_EVENTS = 50


class DaemonError(Exception):
    """The daemon can't start; the message is the sentence for the owner."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How the daemon was started. reload: reads the configuration again (raises ConfigError). record: where the whole run is kept."""

    config: Config
    reload: Callable[[], Config]
    seed: int = 1
    record: TextIO | None = None


class Daemon:
    """One run. Everything but the device and socket threads happens in the event loop."""

    def __init__(self, options: RunOptions) -> None:
        """Raises DaemonError where a part can't be had at all."""
        self._options = options
        self.config = config = options.config
        self._log = structlog.get_logger("stratum1")
        self._events: deque[EventRecord] = deque(maxlen=_EVENTS)
        self._early: list[Note] = []
        self._state_directory = Path(config.clock.state_directory)
        self._leaps = self._read_leaps(Path(config.clock.leap_seconds_file))
        self._recorder = Recorder(lambda text: self._note(Note(raw_now(), "record", True, text)))
        clock = self._make_clock()
        memory = Memory(self._state_directory)
        problem = self._early_problem
        drift = memory.drift(problem)
        known = DriftRecord(drift.frequency, drift.uncertainty, drift.saved) if drift else None
        settings = _pipeline_settings(config, memory.delays(problem))
        if options.record is not None:
            self._recorder.open(options.record, Header(settings, clock.limits, known, self._leaps, whole=True))
        pipeline = Pipeline(settings, clock.limits, known, self._leaps)
        self.keeper = Timekeeper(clock, pipeline, memory=memory, recorder=self._recorder, note=self._note, panic=self._on_panic)
        self._started_raw, self._started = raw_now(), clock.reading().clock_ns
        self._receiver = self._make_receiver()
        self._line: LineState | None = None
        self._last_edge: UtcNs | None = None
        self._server = Server([parse_listen(each.listen) for each in config.server], self.keeper.cell)
        self.series = RecentSeries()
        self._listeners: list[ControlServer] = []
        self._notifier = Notifier()
        self._stopping = asyncio.Event()
        self._panic = ""
        self._tasks: set[asyncio.Future[None]] = set()
        self._loop: asyncio.AbstractEventLoop

    async def run(self) -> int:
        """Run until a signal or a panic; returns the exit status. Raises DaemonError when no listener can be opened."""
        self._loop = asyncio.get_running_loop()
        try:
            self._server.start()
        except ListenError as error:
            raise DaemonError(str(error)) from None
        tasks = []
        watch = self._watch_clock()
        try:
            await self._start_control()
            for note in self._early:
                self._note(note)
            if self._receiver is not None:
                self._receiver.start()
            self._handle_signals()
            self._notifier.ready(self._one_line())
            tasks = [
                asyncio.create_task(self._second_hand(), name="second-hand"),
                asyncio.create_task(self._publisher(), name="publisher"),
                asyncio.create_task(self._notifier.feed_watchdog(lambda: self._server.alive), name="watchdog"),
            ]
            await self._until_stopped(tasks)
        finally:
            await self._stop(tasks, watch)
        return EXIT_PANIC if self._panic else 0

    def stop(self) -> None:
        """Ask for a clean end."""
        self._stopping.set()

    def snapshot(self) -> Status:
        """The picture of now (StatusSource)."""
        keeper, now = self.keeper, raw_now()
        report, state = keeper.pipeline.report(now), keeper.cell.current
        state = replace(state, error_bound=state.error_bound_at(served := keeper.clock.reading().clock_ns), bound_at=served)
        receiver = self.config.receiver
        pulse = self._receiver.pulse_report() if self._receiver else None
        return Status(
            simulated=self._is_simulated,
            version=__version__,
            hostname=socket.gethostname(),
            started=UtcNs(served - (now - self._started_raw)),
            uptime=(now - self._started_raw) / NS,
            lock=lock_status(report, state, now),
            time=time_status(report, state, keeper, self._leaps, self.config.clock.panic_limit),
            discipline=discipline_status(report),
            gnss=gnss_status(report, receiver, self._line) if receiver else None,
            pps=pps_status(pulse, self._last_edge) if pulse else None,
            refclock=refclock_status(report) if receiver else None,
            server=server_status(self._server.counters()),
            sources=source_status(self.config),
            events=tuple(self._events),
        )

    async def reload(self) -> str:
        """Read the configuration again: log settings take effect, the rest is told. Raises ConfigError and changes nothing then."""
        self._notifier.reloading()
        try:
            config = self._options.reload()
        except ConfigError as error:
            self._note(Note(raw_now(), "config", True, str(error)))
            self._notifier.ready()
            raise
        configure(config.log.level, config.log.format)
        changed = [name for name in type(config).model_fields if name != "log" and getattr(config, name) != getattr(self.config, name)]
        self.config = self.config.model_copy(update={"log": config.log})
        names = ", ".join(f"[{name.replace('_', '-')}]" for name in changed)
        text = f"configuration read again: [log] is in force; a restart is needed for {names}" if names else "configuration read again"
        self._note(Note(raw_now(), "config", False, text))
        self._notifier.ready()
        return text

    async def recording(self) -> AsyncIterator[bytes]:
        """A recording from now on, for the control socket."""
        pipeline = self.keeper.pipeline
        settings = replace(pipeline.settings, refclock=replace(pipeline.settings.refclock, delays=pipeline.delays()))
        header = Header(settings, self.keeper.clock.limits, pipeline.drift(), self._leaps, whole=False)
        async for chunk in self._recorder.stream(lambda: header):
            yield chunk

    @property
    def _is_simulated(self) -> bool:
        return self.config.receiver is not None and self.config.receiver.device == "simulated"

    def _make_clock(self) -> Clock:
        try:
            clock: Clock = KernelClock() if self.config.clock.control == "kernel" else VirtualClock()
            floor = floor_instant(self._state_directory, build_date())
            if clock.reading().clock_ns < floor:
                clock.seed(floor)
                self._early_problem("the clock was before any possible date (no battery-backed clock?): it starts at the last known time")
        except ClockError as error:
            raise DaemonError(str(error)) from None
        return clock

    def _make_receiver(self) -> Receiver | None:
        config = self.config.receiver
        if config is None:
            return None
        simulation = SimulationSettings(self._options.seed, self._state_directory) if self._is_simulated else None
        if simulation is not None:
            simulation.directory.mkdir(parents=True, exist_ok=True)
        return Receiver(config, simulation, self._from_bytes, self._from_line, self._from_edge)

    def _read_leaps(self, path: Path) -> LeapTable | None:
        try:
            table = parse_leap_list(path.read_text(encoding="ascii", errors="replace"))
        except (OSError, LeapTableError) as error:
            self._early_problem(f"{path}: {error}: no leap second will be announced")
            return None
        if table.expired(build_date()):
            self._early_problem(f"{path} expired before this version was built: update the package tzdata")
        return table

    def _early_problem(self, text: str) -> None:
        self._early.append(Note(raw_now(), "start", True, text))

    def _from_bytes(self, data: bytes, at_ns: MonoNs) -> None:
        reading = self.keeper.clock.at(KernelClockId.MONOTONIC_RAW, at_ns)
        self._call(lambda: self.keeper.feed(SerialInput(reading, data)))

    def _from_edge(self, edge: Edge) -> None:
        reading = self.keeper.clock.at(edge.clock, edge.stamp_ns)
        self._call(lambda: self._edge(EdgeInput(reading, edge)))

    def _from_line(self, state: LineState) -> None:
        self._call(lambda: self._line_state(state))

    def _call(self, action: Callable[[], None]) -> None:
        """From a device's thread into the loop, whose end may have come."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(action)

    def _edge(self, event: EdgeInput) -> None:
        if event.edge.kind == (self.config.receiver.pps_edge if self.config.receiver else ""):
            self._last_edge = event.reading.clock_ns
        self.keeper.feed(event)

    def _line_state(self, state: LineState) -> None:
        self._line = state
        rate = f" at {state.baud} baud" if state.baud else ""
        text = f"the line {state.device} is open{rate}" if state.open else state.error
        self.keeper.feed(LineInput(raw_now(), state.open, text))

    def _note(self, note: Note) -> None:
        at = self.keeper.clock.at(KernelClockId.MONOTONIC_RAW, note.at_ns).clock_ns
        self._events.append(EventRecord(at, note.kind, note.text))
        (self._log.warning if note.alarm else self._log.info)(note.text, kind=note.kind)
        if note.kind == "lock":
            self._notifier.status(self._one_line())

    def _on_panic(self, text: str) -> None:
        self._panic = text
        self._stopping.set()

    def _one_line(self) -> str:
        report = self.keeper.pipeline.report(raw_now())
        return f"{report.state}: {report.reason}"

    def _watch_clock(self) -> ClockSetWatch | None:
        try:
            watch = ClockSetWatch()
        except ClockError as error:
            self._early_problem(str(error))
            return None
        self._loop.add_reader(watch.fileno(), lambda: self.keeper.publish() if watch.cancelled() else None)
        return watch

    async def _start_control(self) -> None:
        def report(kind: str, text: str) -> None:
            self._note(Note(raw_now(), kind, True, text))

        plugs = self._receiver.plugs() if self._receiver else {}
        actions = Actions(self.reload, self.recording, plugs)
        self._listeners = [ControlServer(make_control_app(self, self.series, actions), self.config.control.socket, report)]
        if self.config.web.enabled:
            app = make_app(self, self.series, show_position=self.config.web.show_position)
            self._listeners.append(ControlServer(app, self.config.web.listen, report))
        for listener in self._listeners:
            await listener.start()

    def _handle_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self.stop)
        self._loop.add_signal_handler(signal.SIGHUP, lambda: self._tasks.add(asyncio.ensure_future(self._reload_quietly())))

    async def _reload_quietly(self) -> None:
        with contextlib.suppress(ConfigError):  # told as an event already
            await self.reload()

    async def _second_hand(self) -> None:
        while True:
            self.keeper.tick()
            self.series.record(self.snapshot())
            await asyncio.sleep(1.0)

    async def _publisher(self) -> None:
        pause = _PUBLISH[self.keeper.clock.name]
        while True:
            self.keeper.publish()
            await asyncio.sleep(pause)

    async def _until_stopped(self, tasks: list[asyncio.Task[None]]) -> None:
        """A task that fails must end the daemon at once: nobody is to be served by half of it."""
        ended = asyncio.create_task(self._stopping.wait(), name="stop")
        endless = [task for task in tasks if task.get_name() != "watchdog"]
        done, _ = await asyncio.wait([ended, *endless], return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        for task in done - {ended}:
            await task

    async def _stop(self, tasks: list[asyncio.Task[None]], watch: ClockSetWatch | None) -> None:
        self._notifier.stopping(self._panic)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._receiver is not None:
            self._receiver.stop()
        self._server.stop()
        self._recorder.close()
        for listener in self._listeners:
            await listener.stop()
        if watch is not None:
            self._loop.remove_reader(watch.fileno())
            watch.close()
        self.keeper.close()
        self._notifier.close()


def _pipeline_settings(config: Config, delays: dict[str, float]) -> PipelineSettings:
    clock, receiver = config.clock, config.receiver
    discipline = DisciplineSettings(
        engine=clock.discipline, holdover_limit=clock.holdover_limit, step_threshold=clock.step_threshold, panic_limit=clock.panic_limit
    )
    if receiver is None:
        return PipelineSettings(discipline)
    refclock = RefClockSettings(
        edge=EdgeKind(receiver.pps_edge),
        has_pulse=receiver.pps != "none",
        refuse_polarity=receiver.pps_polarity_check == "refuse",
        pulse_delay=receiver.pulse_delay,
        accuracy=receiver.accuracy,
        refid=receiver.refid.encode().ljust(4, b"\0"),
        serial_delay=receiver.serial_delay,
        delays=delays,
    )
    return PipelineSettings(discipline, refclock, build_date(), receiver.rollover_repair)

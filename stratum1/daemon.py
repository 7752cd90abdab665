"""The daemon: the only place that knows all parts. Builds them from a configuration, runs them, stops them."""

import asyncio
import contextlib
import gc
import signal
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

import structlog

from . import __version__
from .clock import ClockError, ClockSetWatch
from .config import Config, ConfigError
from .control.http import ActionRefusedError, Actions, ControlServer, make_control_app
from .control.model import EventRecord, Status
from .control.series import RecentSeries, SeriesPoint
from .handout import Handout
from .inputs import EnvironmentInput, LeapListInput, TrustInput
from .interchange import Environment, KernelClockId
from .keyservice import KeyService
from .logs import configure
from .pipeline import Note, Pipeline
from .receiver import raw_now
from .receivers import Receivers, Surroundings
from .recorder import Recorder
from .recording import Header
from .secondhand import SecondHand
from .served import server_status
from .server import ListenError
from .service import Notifier
from .serving import Serving
from .snapshot import (
    crystal_status,
    discipline_status,
    holdover_status,
    integrity_status,
    leap_status,
    lock_status,
    output_status,
    receiver_statuses,
    selection_status,
    source_status,
    stability_status,
    temperature_status,
    time_status,
)
from .startup import DaemonError, leap_watch, listeners, make_clock, pipeline_settings, unserved
from .temperature import TemperatureReader, TemperatureState
from .timekeeper import Memory, Timekeeper
from .timescale import NS, UtcNs
from .web import make_app

__all__ = ["EXIT_FAILURE", "EXIT_PANIC", "Daemon", "DaemonError", "RunOptions"]

EXIT_PANIC = 78
"""A step beyond the panic limit was refused: the unit must not restart us, since a fresh start would be allowed to step."""
EXIT_FAILURE = 1

_PUBLISH = {"virtual": 0.125, "kernel": 0.5}  # s; a virtual clock's mapping ages with the host clock's own rate
_EVENTS = 50
_LOOK_AT_LISTS = 30.0  # s
_OLDEST_TICK = 5 * NS  # older than it is a second hand that hangs: the service manager is to know


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
        state_directory = Path(config.clock.state_directory)
        problem = self._early_problem
        self._leap_watch = leap_watch(config, lambda table: self.keeper.feed(LeapListInput(raw_now(), table)), self._tell_leap)
        self._recorder = Recorder(lambda text: self._note(Note(raw_now(), "record", True, text)))
        listen = listeners(config)
        clock = make_clock(config, problem)
        memory = Memory(state_directory)
        memory.check(problem)
        known = memory.drift(problem)
        settings = pipeline_settings(config, memory.delays(problem))
        if options.record is not None:
            self._recorder.open(options.record, Header(settings, clock.limits, known, self._leap_watch.table, whole=True))
        pipeline = Pipeline(settings, clock.limits, known, self._leap_watch.table)
        self.keeper = Timekeeper(clock, pipeline, memory=memory, recorder=self._recorder, note=self._note, panic=self._on_panic)
        self._early += [Note(raw_now(), "config", True, text) for text in unserved(config)]
        self._started_raw = raw_now()
        self._hand = SecondHand()
        around = Surroundings(clock, self._hand.call, self.keeper.feed, self._note)
        self._receivers = Receivers(config, options.seed, around)
        self._thermometer = self._make_thermometer()
        self._server = Serving(config, listen, self.keeper.cell, self._tell_server)
        self._nts = KeyService(config, self._times, self._server.use_ring, self._tell_nts)
        self._outputs = Handout(config, self.keeper, self._from_output)
        self.series = RecentSeries()
        self._listeners: list[ControlServer] = []
        self._notifier = Notifier()
        self._panic = ""
        self._tasks: set[asyncio.Future[None]] = set()
        self._loop: asyncio.AbstractEventLoop

    async def run(self) -> int:
        """Run until a signal or a panic; returns the exit status. Raises DaemonError when no listener can be opened."""
        self._loop = asyncio.get_running_loop()
        self._handle_signals()
        watch = None
        with self._hand.in_loop():
            try:
                self._start_server()
                watch = self._watch_clock()
                await self._start_control()
                for note in self._early:
                    self._note(note)
                self._nts.start()
                self._receivers.start()
                if self._thermometer is not None:
                    self._thermometer.start()
                self._outputs.start()
                self._notifier.ready(self._one_line())
                self._tasks.add(asyncio.create_task(self._notifier.feed_watchdog(lambda: self.healthy), name="watchdog"))
                self._tasks.add(asyncio.create_task(self._leap_watch.keep_fresh(self._known_time), name="leap seconds"))
                self._hand.every(1.0, self._second_hand)
                self._hand.every(_LOOK_AT_LISTS, self._leap_watch.look)
                self._hand.every(_LOOK_AT_LISTS, self._server.look)
                self._hand.every(_PUBLISH[self.keeper.clock.name], self.keeper.publish)
                gc.collect()
                gc.freeze()  # what is there now stays: no collector needs to walk over it again
                await self._hand.stopping.wait()
            finally:
                await self._stop(watch)
        self._hand.raise_failure()
        return EXIT_PANIC if self._panic else 0

    @property
    def healthy(self) -> bool:
        """Whether all of it moves: every listener answers and the second hand is not late."""
        return self._server.alive and self._nts.alive and raw_now() - self.keeper.ticked_at < _OLDEST_TICK

    def stop(self) -> None:
        """Ask for a clean end."""
        self._hand.stopping.set()

    def snapshot(self) -> Status:
        """The picture of now (StatusSource)."""
        keeper, now = self.keeper, raw_now()
        report, state = keeper.pipeline.report(now), keeper.cell.current
        report = replace(report, since=max(report.since, self._started_raw))
        state = replace(state, error_bound=state.error_bound_at(served := keeper.clock.reading().clock_ns), bound_at=served)
        receivers = receiver_statuses(report, self._receivers.seen)
        leading = next((each for each in receivers if each.name == report.selection.selected), receivers[0] if receivers else None)
        return Status(
            simulated=self._is_simulated,
            version=__version__,
            hostname=socket.gethostname(),
            started=UtcNs(served - (now - self._started_raw)),
            uptime=(now - self._started_raw) / NS,
            lock=lock_status(report, state, now, keeper.unsteerable),
            time=time_status(report, state, keeper, self.config.clock.panic_limit),
            discipline=discipline_status(report),
            crystal=crystal_status(report),
            holdover=holdover_status(report, self.config.clock.holdover_limit),
            gnss=leading.gnss if leading else None,
            pps=leading.pps if leading else None,
            refclock=leading.refclock if leading else None,
            receivers=receivers,
            selection=selection_status(report.selection, now, bool(receivers)),
            server=server_status(self._server.reports(), self._server.counters(), state),
            sources=source_status(self.config),
            stability=stability_status(report),
            integrity=integrity_status(report, state, now) if receivers else (),
            outputs=output_status(self._outputs.reports()),
            events=tuple(self._events),
            leaps=leap_status(report),
            nts_ke=self._nts.status(),
            temperature=temperature_status(self._thermometer.state) if self._thermometer else None,
        )

    async def reload(self) -> str:
        """Read the configuration again: [log] and what the service can change live take effect, the rest is told.

        Raises ConfigError and changes nothing then.
        """
        self._notifier.reloading()
        try:
            config = self._options.reload()
        except ConfigError as error:
            self._note(Note(raw_now(), "config", True, str(error)))
            self._notifier.ready()
            raise
        configure(config.log.level, config.log.format)
        in_force = self._server.reload(config).model_copy(update={"log": config.log, "nts_ke": config.nts_ke})
        self._nts.reload(in_force)
        self.config = in_force
        waiting = [name for name in type(config).model_fields if getattr(config, name) != getattr(self.config, name)]
        names = ", ".join(f"[{name.replace('_', '-')}]" for name in waiting)
        text = f"configuration read again; a restart is needed for {names}" if names else "configuration read again: all of it is in force"
        self._note(Note(raw_now(), "config", False, text))
        self._notifier.ready()
        return text

    async def recording(self) -> AsyncIterator[bytes]:
        """A recording from now on, for the control socket."""
        pipeline = self.keeper.pipeline
        header = Header(pipeline.learned_settings, self.keeper.clock.limits, pipeline.drift(), self._leap_watch.table, whole=False)
        async for chunk in self._recorder.stream(lambda: header):
            yield chunk

    def _trust(self) -> str:
        """The owner vouches for the receivers."""
        if not self.config.receivers:
            raise ActionRefusedError("no receiver is configured: there is nothing to trust")
        self.keeper.feed(TrustInput(self.keeper.clock.reading().at_ns))
        return "the receivers are believed; what was learned of them is learned anew"

    @property
    def _is_simulated(self) -> bool:
        return self.config.receiver is not None and self.config.receiver.device == "simulated"

    def _make_thermometer(self) -> TemperatureReader | None:
        wanted = self.config.clock.temperature_sensor
        if wanted == "none" or (wanted == "auto" and self._is_simulated):  # what is simulated must not depend on the room it runs in
            return None
        return TemperatureReader(wanted, self._from_sensor, self._from_thermometer, raw_now)

    def _tell_leap(self, alarm: bool, text: str) -> None:
        note = Note(raw_now(), "leap", alarm, text)
        if hasattr(self, "keeper"):
            self._note(note)
        else:
            self._early.append(note)

    def _known_time(self) -> UtcNs | None:
        """Served time while it is known."""
        state = self.keeper.cell.current
        return self.keeper.clock.reading().clock_ns if state.synchronised else None

    def _times(self) -> tuple[UtcNs | None, UtcNs]:
        """Served time while it is known, and what our clock says in any case."""
        now = self.keeper.clock.reading().clock_ns
        return (now if self.keeper.cell.current.synchronised else None), now

    def _tell_nts(self, alarm: bool, text: str) -> None:
        self._note(Note(raw_now(), "nts", alarm, text))

    def _rotate(self) -> str:
        if self.config.nts_ke is None:
            raise ActionRefusedError("there is no [nts-ke] table: NTS is not served")
        return self._nts.rotate()

    def _tell_server(self, alarm: bool, text: str) -> None:
        self._note(Note(raw_now(), "server", alarm, text))

    def _early_problem(self, text: str) -> None:
        self._early.append(Note(raw_now(), "start", True, text))

    def _from_sensor(self, environment: Environment) -> None:
        self._hand.call(lambda: self.keeper.feed(EnvironmentInput(environment)))

    def _from_thermometer(self, state: TemperatureState) -> None:
        text = state.error or (f"the temperature is read from {state.sensor}" if state.sensor else "a temperature sensor is looked for")
        self._hand.call(lambda: self._note(Note(raw_now(), "temperature", bool(state.error), text)))

    def _from_output(self, alarm: bool, text: str) -> None:
        self._hand.call(lambda: self._note(Note(raw_now(), "output", alarm, text)))

    def _note(self, note: Note) -> None:
        at = self.keeper.clock.at(KernelClockId.MONOTONIC_RAW, note.at_ns).clock_ns
        self._events.append(EventRecord(at, note.kind, note.text))
        (self._log.warning if note.alarm else self._log.info)(note.text, kind=note.kind)
        if note.kind == "lock":
            self._notifier.status(self._one_line())

    def _on_panic(self, text: str) -> None:
        self._panic = text
        self._hand.stopping.set()

    def _one_line(self) -> str:
        report = self.keeper.pipeline.report(raw_now())
        return f"{report.state}: {report.reason}"

    def _watch_clock(self) -> ClockSetWatch | None:
        try:
            watch = ClockSetWatch()
        except ClockError as error:
            self._early_problem(str(error))
            return None
        self._loop.add_reader(watch.fileno(), self._look_at_watch, watch)
        return watch

    def _look_at_watch(self, watch: ClockSetWatch) -> None:
        try:
            if watch.cancelled():
                self._hand.guarded(self.keeper.publish)
        except ClockError as error:  # the publisher still notices, half a second later
            self._loop.remove_reader(watch.fileno())
            self._note(Note(raw_now(), "clock", True, str(error)))

    def _start_server(self) -> None:
        try:
            self._server.start()
        except ListenError as error:
            raise DaemonError(str(error)) from None

    async def _start_control(self) -> None:
        def report(kind: str, text: str) -> None:
            self._note(Note(raw_now(), kind, True, text))

        actions = Actions(self.reload, self.recording, self._receivers.plugs(), self._trust, self._rotate)
        self._listeners = [ControlServer(make_control_app(self, self.series, actions), self.config.control.socket, report)]
        if self.config.web.enabled:
            app = make_app(self, self.series, show_position=self.config.web.show_position, authority=lambda: self._nts.authority)
            self._listeners.append(ControlServer(app, self.config.web.listen, report))
        for listener in self._listeners:
            await listener.start()

    def _handle_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self.stop)
        self._loop.add_signal_handler(signal.SIGHUP, self._on_hangup)

    def _on_hangup(self) -> None:
        task = asyncio.ensure_future(self._reload_quietly())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reload_quietly(self) -> None:
        with contextlib.suppress(ConfigError):  # told as an event already
            await self.reload()

    def _second_hand(self) -> None:
        self.keeper.tick()
        self._outputs.tick()
        self._receivers.look_at_pulses()
        self._nts.look()
        self.series.add(self._point())

    def _point(self) -> SeriesPoint:
        """The second's point for the live plots: what a snapshot would say, at a quarter of its price."""
        keeper, now = self.keeper, raw_now()
        engine, state = keeper.pipeline.engine, keeper.cell.current
        return SeriesPoint(
            at=state.bound_at,
            uptime=(now - self._started_raw) / NS,
            offset=engine.last_offset,
            frequency_ppm=keeper.clock.frequency * 1e6,
            bound=state.error_bound,
            jitter=engine.jitter if engine.samples else None,
            received={address: counters.received for address, counters in self._server.counters().items()},
        )

    async def _stop(self, watch: ClockSetWatch | None) -> None:
        self._hand.end()
        self._notifier.stopping(self._panic)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        async with contextlib.AsyncExitStack() as ends:  # the last one first, each of them whatever becomes of the others
            ends.callback(self._notifier.close)
            ends.callback(self.keeper.close)
            if watch is not None:
                ends.callback(watch.close)
                ends.callback(self._loop.remove_reader, watch.fileno())
            for listener in self._listeners:
                ends.push_async_callback(listener.stop)
            ends.callback(self._recorder.close)
            ends.callback(self._server.stop)
            ends.callback(self._nts.stop)
            ends.callback(self._outputs.stop)
            if self._thermometer is not None:
                ends.callback(self._thermometer.stop)
            ends.callback(self._receivers.stop)

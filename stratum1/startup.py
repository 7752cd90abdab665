"""What the daemon is built from: clock, listeners, settings; and what of a configuration this version does not do."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from .build_date import build_date
from .clock import Clock, ClockError, KernelClock, VirtualClock
from .clock.state import floor_instant
from .config import Config, ReceiverConfig, ServerConfig
from .discipline import DisciplineSettings
from .integrity import IntegritySettings
from .leaplist import LeapFetcher, LeapLists, LeapWatch, system_paths
from .pipeline import PipelineSettings
from .pps.events import EdgeKind
from .refclock import RefClockSettings
from .selection import SelectionSettings, SourceOptions
from .server import DataPlane, ListenAddress, ListenError, Smear, apart, open_socket, parse_listen
from .serving import listener_settings
from .timescale import LeapTable

__all__ = ["DaemonError", "leap_watch", "listeners", "make_clock", "pipeline_settings", "unserved"]


class DaemonError(Exception):
    """The daemon can't start; the message is the sentence for the owner."""


def leap_watch(config: Config, taken: Callable[[LeapTable], None], note: Callable[[bool, str], None]) -> LeapWatch:
    """Who looks after the list of leap seconds. taken: told of another list; note: whether it needs a person, and the sentence."""
    clock, directory = config.clock, Path(config.clock.state_directory)
    lists = LeapLists(system_paths(clock.leap_seconds_file, directory), lambda text: note(True, text))
    fetcher = LeapFetcher(clock.leap_seconds_url, directory) if clock.leap_seconds_url else None
    return LeapWatch(lists, fetcher, taken, note)


def listeners(config: Config) -> tuple[ListenAddress, ...]:
    """Where to listen, tried out: a server that can't listen must leave the clock to whoever steers it now. Raises DaemonError."""
    try:
        addresses = apart([_listener(each) for each in config.server])
        for each in addresses:
            open_socket(each).close()
    except ValueError as error:
        raise DaemonError(f"[[server]] listen: {error}") from None
    except ListenError as error:
        raise DaemonError(str(error)) from None
    return addresses


def _listener(server: ServerConfig) -> ListenAddress:
    return replace(
        parse_listen(server.listen),
        smear=Smear(server.smear),
        settings=listener_settings(server),
        data_plane=DataPlane(server.data_plane),
        workers=server.workers,
    )


def make_clock(config: Config, problem: Callable[[str], None]) -> Clock:
    """The clock to discipline, not before the last known time. Raises DaemonError."""
    try:
        clock: Clock = KernelClock() if config.clock.control == "kernel" else VirtualClock()
        floor = floor_instant(Path(config.clock.state_directory), build_date())
        if clock.reading().clock_ns < floor:
            clock.seed(floor)
            problem("the clock was before any possible date (no battery-backed clock?): it starts at the last known time")
    except ClockError as error:
        raise DaemonError(str(error)) from None
    return clock


def pipeline_settings(config: Config, delays: dict[str, float]) -> PipelineSettings:
    """What shapes the pipeline. delays: serial delays learned earlier, seconds by kind of sentence."""
    clock, names = config.clock, config.receiver_names
    discipline = DisciplineSettings(
        engine=clock.discipline, holdover_limit=clock.holdover_limit, step_threshold=clock.step_threshold, panic_limit=clock.panic_limit
    )
    selection = SelectionSettings(
        clock.minimum_agreeing_sources,
        {
            name: SourceOptions(each.prefer, each.trust, each.require, each.noselect)
            for name, each in (*zip(names, config.receivers, strict=True), *zip(config.source_names, config.source, strict=True))
        },
    )
    if config.receiver is None:
        return PipelineSettings(discipline, selection=selection)
    integrity = IntegritySettings(earliest=floor_instant(Path(clock.state_directory), build_date()), **config.integrity.model_dump())
    first, *more = (
        _refclock(name, each, delays, not number) for number, (name, each) in enumerate(zip(names, config.receivers, strict=True))
    )
    return PipelineSettings(
        discipline,
        first,
        build_date(),
        config.receiver.rollover_repair,
        more=tuple(more),
        selection=selection,
        servers_steer=clock.after_holdover == "sources",
        integrity=integrity,
    )


def _refclock(name: str, receiver: ReceiverConfig, delays: dict[str, float], is_first: bool) -> RefClockSettings:
    """delays: of all receivers, those of any but the first as "NAME/KIND"."""
    prefix = "" if is_first else f"{name}/"
    own = {kind.removeprefix(prefix): delay for kind, delay in delays.items() if kind.startswith(prefix)}
    return RefClockSettings(
        name=name,
        edge=EdgeKind(receiver.pps_edge),
        has_pulse=receiver.pps != "none",
        refuse_polarity=receiver.pps_polarity_check == "refuse",
        pulse_delay=receiver.pulse_delay,
        accuracy=receiver.accuracy,
        refid=receiver.refid.encode().ljust(4, b"\0"),
        serial_delay=receiver.serial_delay,
        delays={kind: delay for kind, delay in own.items() if "/" not in kind},
        protocol=receiver.protocol,
        sawtooth=receiver.sawtooth_correction,
    )


def unserved(config: Config) -> Iterator[str]:
    """A sentence for each thing that the configuration asks for and that this version does not do, or that its owner hardly means."""
    if config.source:
        yield f"[[source]]: {len(config.source)} configured, none is asked: network sources come with a later version"
    if config.output and config.receiver is not None and config.receiver.device == "simulated":
        yield "the receiver is simulated: what the [[output]] tables hand out is invented time"
    for each in config.receivers:
        if each.setup.configure and each.setup.cable_delay and each.pulse_delay:
            yield (
                f"{each.device}: pulse-delay and setup.cable-delay are both set: the pulse is corrected by both, so the antenna cable may "
                "stand in one of them only"
            )
    if config.receiver is None:
        yield "no [receiver] is configured, and it is the only source of time in this version: what is served stays unsynchronised"

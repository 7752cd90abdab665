"""All receivers of the configuration: opens them, hands on what they bring with their number, knows their lines and pulses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .clock import Clock
from .config import Config, ReceiverConfig
from .gnss.serial_reader import LineState
from .gnss.setup import SetupNote, SetupReport
from .inputs import EdgeInput, Input, LineInput, SerialInput
from .interchange import KernelClockId
from .pipeline import Note
from .pps import GpioSyntaxError
from .pps.events import Edge
from .pps.report import PpsState
from .receiver import Receiver, SimulationSettings, raw_now
from .startup import DaemonError
from .timescale import MonoNs, UtcNs

__all__ = ["Receivers", "Seen", "Surroundings"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the receivers work into. call: runs a function in the event loop, in order; feed takes an input there; note tells an event."""

    clock: Clock
    call: Callable[[Callable[[], None]], None]
    feed: Callable[[Input], None]
    note: Callable[[Note], None]


@dataclass(slots=True)
class Seen:
    """One receiver and what was last seen of it. last_edge: on our own clock; told: the state of its pulse that the log knows."""

    name: str
    config: ReceiverConfig
    devices: Receiver
    line: LineState | None = None
    setup: SetupReport | None = None
    last_edge: UtcNs | None = None
    told: PpsState | None = None


class Receivers:
    """Devices' threads call in; everything else happens in the event loop."""

    def __init__(self, config: Config, seed: int, around: Surroundings) -> None:
        """seed: of a simulated receiver. Raises DaemonError where one can't be had at all."""
        self._around = around
        self._directory = Path(config.clock.state_directory)
        self._seed = seed
        named = enumerate(zip(config.receiver_names, config.receivers, strict=True))
        self.seen = tuple(Seen(name, each, self._open(number, each)) for number, (name, each) in named)

    def start(self) -> None:
        """Begin to listen to all of them."""
        for each in self.seen:
            each.devices.start()

    def stop(self) -> None:
        """Release all devices."""
        for each in self.seen:
            each.devices.stop()

    def plugs(self) -> Mapping[str, Callable[[], None]]:
        """What can be pulled and put back, by name; only a simulated receiver has plugs, and there is one at most."""
        return {name: pull for each in self.seen for name, pull in each.devices.plugs().items()}

    def look_at_pulses(self) -> None:
        """Once for each turn that a pulse takes, for the owner who reads the log."""
        for each in self.seen:
            pulse = each.devices.pulse_report()
            if pulse is not None and pulse.state not in (each.told, PpsState.STOPPED, PpsState.OPENING):
                each.told = pulse.state
                self._around.note(Note(raw_now(), "pulse", pulse.state is PpsState.FAILED, self._named(each, pulse.text)))

    def _open(self, number: int, config: ReceiverConfig) -> Receiver:
        simulation = SimulationSettings(self._seed, self._directory) if config.device == "simulated" else None
        table = f"[[another-receiver]] {number}" if number else "[receiver]"
        try:
            return Receiver(
                config,
                simulation,
                partial(self._from_bytes, number),
                partial(self._from_line, number),
                partial(self._from_edge, number),
                on_setup=partial(self._from_setup, number),
            )
        except GpioSyntaxError as error:
            raise DaemonError(f"{table} pps: {error}") from None
        except OSError as error:
            raise DaemonError(f"the simulated receiver can't be made in {self._directory}: {error.strerror or error}") from None

    def _from_bytes(self, number: int, data: bytes, at_ns: MonoNs) -> None:
        reading = self._around.clock.at(KernelClockId.MONOTONIC_RAW, at_ns)
        self._around.call(lambda: self._around.feed(SerialInput(reading, data, number)))

    def _from_edge(self, number: int, edge: Edge) -> None:
        reading = self._around.clock.at(edge.clock, edge.stamp_ns)
        self._around.call(lambda: self._edge(EdgeInput(reading, edge, number)))

    def _from_line(self, number: int, state: LineState) -> None:
        self._around.call(lambda: self._line_state(number, state))

    def _from_setup(self, number: int, report: SetupReport, notes: tuple[SetupNote, ...]) -> None:
        def tell() -> None:
            seen = self.seen[number]
            seen.setup = report
            for note in notes:
                self._around.note(Note(raw_now(), "receiver", note.alarm, self._named(seen, note.text)))

        self._around.call(tell)

    def _edge(self, event: EdgeInput) -> None:
        seen = self.seen[event.receiver]
        if event.edge.kind == seen.config.pps_edge:
            seen.last_edge = event.reading.clock_ns
        self._around.feed(event)

    def _line_state(self, number: int, state: LineState) -> None:
        self.seen[number].line = state
        rate = f" at {state.baud} baud" if state.baud else ""
        text = f"the line {state.device} is open{rate}" if state.open else state.error
        self._around.feed(LineInput(raw_now(), state.open, text, number))

    def _named(self, seen: Seen, text: str) -> str:
        """With several receivers a sentence says which one it is about."""
        return f"{seen.name}: {text}" if len(self.seen) > 1 else text

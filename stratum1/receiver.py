"""The shells at the upper end: opens the receiver's line and its pulse as configured, real or simulated, behind one face."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .config import ReceiverConfig
from .gnss.serial_reader import LineState, SerialReader
from .gnss.setup import Port, SetupMachine, SetupNote, SetupReport, SetupWish, ecef
from .gnss.simulated import SimulatedReceiver
from .pps import EdgeSource, GpioEdges, PpsReader, PpsReport
from .pps.events import Edge, EdgeKind
from .pps.simulated import SimulatedPulse
from .simulation.truth import SimulatedTruth
from .timescale import MonoNs, UtcNs

__all__ = ["Receiver", "SimulationSettings", "raw_now", "setup_wish"]

_PHASE = 0.1
"""Seconds by which simulated true time differs from what the virtual clock starts with."""
_TICK = 21e-9
"""Seconds between two edges of the simulated receiver's own clock (48 MHz)."""
_KEEP = 60
"""Seconds of simulated truth kept: the devices never look back further than their last second."""


@dataclass(frozen=True, slots=True)
class SimulationSettings:
    """What the simulated receiver is made of. seed: of all its noise; directory: where its pseudo-terminal gets a lasting name."""

    seed: int
    directory: Path


def raw_now() -> MonoNs:
    """CLOCK_MONOTONIC_RAW."""
    return MonoNs(time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW))


class Receiver:
    """Serial line and pulse of one receiver. The callbacks come from threads of their own and must return soon."""

    def __init__(
        self,
        config: ReceiverConfig,
        simulation: SimulationSettings | None,
        on_bytes: Callable[[bytes, MonoNs], None],
        on_line: Callable[[LineState], None],
        on_edge: Callable[[Edge], None],
        *,
        on_setup: Callable[[SetupReport, tuple[SetupNote, ...]], None],
    ) -> None:
        """simulation: None for real devices. on_setup: told how the set-up of the receiver stands, if there is one.

        Raises GpioSyntaxError; OSError where nothing can be simulated.
        """
        self.config = config
        self._simulated: SimulatedReceiver | None = None
        self._pulse: EdgeSource | None = None
        device = config.device
        if simulation is not None:
            truth = _truth(simulation.seed)
            simulation.directory.mkdir(parents=True, exist_ok=True)
            speaks: Literal["nmea", "ubx"] = "ubx" if config.protocol == "ubx" else "nmea"
            self._simulated = SimulatedReceiver(truth, simulation.seed, simulation.directory, speaks=speaks, tick=_TICK)
            device = self._simulated.path
        if config.pps == "simulated" and simulation is not None:
            self._pulse = SimulatedPulse(truth, on_edge, simulation.seed + 1, tick=_TICK)
        elif config.pps != "none":
            self._pulse = _pulse_source(config, on_edge)
        baud = config.baud
        wish = setup_wish(config) if simulation is None else None
        setup = None if wish is None else (SetupMachine(wish), on_setup)
        self._line = SerialReader(device, "auto" if isinstance(baud, str) else baud, on_bytes, on_line, raw_now, setup=setup)

    def start(self) -> None:
        """Begin to listen; a device that is not there yet is waited for."""
        if self._simulated is not None:
            self._simulated.start()
        self._line.start()
        if self._pulse is not None:
            self._pulse.start()

    def stop(self) -> None:
        """Release both devices."""
        self._line.stop()
        if self._pulse is not None:
            self._pulse.stop()
        if self._simulated is not None:
            self._simulated.stop()

    def pulse_report(self) -> PpsReport | None:
        """The pulse's state, None where sentences alone give the time."""
        return self._pulse.report() if self._pulse is not None else None

    def plugs(self) -> Mapping[str, Callable[[], None]]:
        """What can be pulled and put back, by name; nothing on a real receiver."""
        if self._simulated is None:
            return {}
        simulated = self._simulated
        plugs = {
            "unplug": simulated.unplug,
            "replug": simulated.replug,
            "lose-fix": simulated.lose_fix,
            "regain-fix": simulated.regain_fix,
            "silence": simulated.pause,
            "speak": simulated.resume,
        }
        if isinstance(self._pulse, SimulatedPulse):
            plugs |= {"pause-pulse": self._pulse.pause, "resume-pulse": self._pulse.resume}
        return plugs


def setup_wish(config: ReceiverConfig) -> SetupWish | None:
    """What the receiver is to be set to; None where it is not ours to set up."""
    setup = config.setup
    if not setup.configure:
        return None
    ubx = setup.output in ("ubx", "both") or (setup.output == "auto" and config.protocol != "nmea")
    return SetupWish(
        mode=setup.mode,
        survey_duration=setup.survey_duration,
        survey_accuracy=setup.survey_accuracy,
        position=setup.position_ecef or (ecef(*setup.position) if setup.position is not None else None),
        position_accuracy=setup.position_accuracy,
        stationary=setup.stationary,
        constellations=None if setup.constellations is None else frozenset(setup.constellations),
        cable_delay=None if setup.cable_delay is None else round(setup.cable_delay * 1e9),
        pulse_length=round(setup.pulse_length * 1e6),
        pulse_polarity=setup.pulse_polarity,
        pulse_grid=setup.pulse_grid,
        messages=ubx,
        silence_nmea=ubx and setup.output != "both",
        rates=setup.rates,
        baud=setup.baud,
        port=_port(config.device) if setup.port == "auto" else setup.port,
        save=setup.save,
    )


def _port(device: str) -> Port:
    """The receiver's own USB port shows as ttyACM; whatever else there is leads to a UART."""
    return "usb" if Path(os.path.realpath(device)).name.startswith("ttyACM") else "uart1"


def _truth(seed: int) -> SimulatedTruth:
    """Simulated true time: starts at the host's idea of it, then goes its own way at a rate and phase that nobody is told."""
    host = UtcNs(time.clock_gettime_ns(time.CLOCK_REALTIME))
    return SimulatedTruth(seed, host, raw_now(), phase=_PHASE, keep=_KEEP)


def _pulse_source(config: ReceiverConfig, on_edge: Callable[[Edge], None]) -> EdgeSource:
    edge = EdgeKind(config.pps_edge)
    if config.pps.removeprefix("/dev/").startswith("gpiochip"):
        return GpioEdges(config.pps, on_edge, edge)
    return PpsReader(config.pps, on_edge, edge)

"""Runs the outputs: a thread for each, so that a device that hangs or a reader that stalls holds nobody else up."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from stratum1.config import OutputConfig
from stratum1.timescale import NS

from ._phc import PhcOutput
from ._ptp4l import Ptp4lOutput, ServedClock
from ._shm import ShmOutput
from ._sock import SockOutput
from .report import Moment, Output, OutputReport, OutputState

__all__ = ["Outputs"]

_INTERVAL = 1.0
_HUNG = 10.0
"""Seconds after which an output that has not come back from its work is said to hang."""

Tell = Callable[[bool, str], None]
"""Takes whether it needs a person, and the sentence; called from any thread."""


class Outputs:
    """All of them. moment: the present truth, asked for from their threads. tell: called when an output's state changes."""

    def __init__(self, configs: Sequence[OutputConfig], directory: Path, moment: Callable[[], Moment], tell: Tell) -> None:
        """directory: where our ends of sockets go."""
        phcs = {each.device: PhcOutput(each.device) for each in configs if each.mode == "phc" and each.device is not None}
        self._runners = [
            _Runner(each, _make(each, phcs, directory / f"output-{index + 1}.sock"), moment, tell) for index, each in enumerate(configs)
        ]

    def start(self) -> None:
        """Start them all."""
        for each in self._runners:
            each.start()

    def stop(self) -> None:
        """Stop them; one that hangs is left to the end of the process."""
        for each in self._runners:
            each.ask_to_stop()
        for each in self._runners:
            each.join()

    def reports(self) -> tuple[OutputReport, ...]:
        """How they stand, in the order of the configuration."""
        return tuple(each.report for each in self._runners)


def _make(config: OutputConfig, phcs: dict[str, PhcOutput], own: Path) -> Output:
    if config.mode == "sock":
        return SockOutput(config.target, holdover=config.in_holdover)
    if config.mode == "shm":
        return ShmOutput(config.unit or 0, config.segment_mode, holdover=config.in_holdover)
    if config.mode == "phc":
        return phcs[config.target]
    phc = phcs.get(config.served_clock)
    return Ptp4lOutput(
        config.target,
        str(own),
        _realtime_error if phc is None else _error_of(phc),
        ptp_timescale=phc is not None,
        domain=config.domain or 0,
        transport=config.transport_specific or 0,
    )


def _realtime_error(moment: Moment) -> float | None:
    """CLOCK_REALTIME against our time, by the newest mapping."""
    mapping = moment.state.realtime
    return None if mapping is None else (mapping.served_ns - mapping.source_ns) / NS


def _error_of(phc: PhcOutput) -> ServedClock:
    return lambda _: phc.error


class _Runner:
    """One output and its thread."""

    def __init__(self, config: OutputConfig, output: Output, moment: Callable[[], Moment], tell: Tell) -> None:
        self._output = output
        self._moment = moment
        self._tell = tell
        self._name = f"output {config.mode} {config.target}"
        self._report = OutputReport(config.mode, config.target, OutputState.WAITING, "not started yet", 0, None, None, None, None)
        self._stopping = threading.Event()
        self._busy_since: float | None = None
        self._told: tuple[OutputState, str] | None = None
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)

    @property
    def report(self) -> OutputReport:
        """How it stands; swapped as one, so any thread may look."""
        since, report = self._busy_since, self._report
        if since is not None and time.monotonic() - since > _HUNG:
            return replace(report, state=OutputState.PROBLEM, text="hangs in a call of the kernel or of its device")
        return report

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        self._stopping.set()

    def join(self) -> None:
        if self._thread.ident is None:  # never started
            self._output.close()
        else:
            self._thread.join(2.0)

    def _run(self) -> None:
        due = time.monotonic()
        try:
            while not self._stopping.is_set():
                self._busy_since = time.monotonic()
                self._turn()
                self._busy_since = None
                due = max(due + _INTERVAL, time.monotonic())
                self._stopping.wait(due - time.monotonic())
        finally:
            self._output.close()

    def _turn(self) -> None:
        moment = self._moment()
        turn = self._output.turn(moment)
        before = self._report
        self._report = OutputReport(
            mode=before.mode,
            target=before.target,
            state=turn.state,
            text=turn.text,
            sent=before.sent + turn.sent,
            last_sent=moment.now if turn.sent else before.last_sent,
            offset=turn.offset if turn.offset is not None else before.offset,
            clock_class=turn.clock_class if turn.clock_class is not None else before.clock_class,
            accuracy=turn.accuracy if turn.accuracy is not None else before.accuracy,
        )
        self._say(self._report)

    def _say(self, report: OutputReport) -> None:
        """Once for each change: of the state, of a problem, or of the class that ptp4l was told."""
        detail = report.text if report.state is OutputState.PROBLEM else f"class {report.clock_class}" if report.clock_class else ""
        told = (report.state, detail)
        if self._told is None and report.state is OutputState.WAITING:
            return  # as everything does right after the start
        if told != self._told:
            self._told = told
            self._tell(report.state is OutputState.PROBLEM, f"{self._name}: {report.text}")

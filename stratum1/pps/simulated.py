"""The simulated pulse: edges at the seconds of a truth, stamped with CLOCK_MONOTONIC_RAW as a kernel would, and a plug to pull."""

import random
import threading

from stratum1._pace import Pace, Truth, late_pulse, raw_now
from stratum1.interchange import KernelClockId
from stratum1.timescale import NS, MonoNs, UtcNs, ns_from_seconds

from ._source import EdgeCallback
from ._tally import PulseStatistics
from .events import Edge, EdgeKind
from .report import PpsReport, PpsState

__all__ = ["SimulatedPulse"]


class SimulatedPulse:
    """An `EdgeSource` without hardware: an assert edge at each true second, a clear edge `width` seconds later."""

    def __init__(
        self,
        truth: Truth,
        on_edge: EdgeCallback,
        seed: int,
        *,
        jitter: float = 1e-6,
        width: float = 0.1,
        edge: EdgeKind = EdgeKind.ASSERT,
        tick: float = 0.0,
    ) -> None:
        """jitter: one standard deviation of a stamp, seconds. width: 0.001 to 0.9 s. edge: which one the reports count as the pulse.
        tick: period of the receiver's own clock, seconds, as of the simulated receiver that the pulse belongs to.

        on_edge is called in the pulse's thread, after the instant of the stamp. Raises ValueError.
        """
        if not 0.001 <= width <= 0.9 or not 0 <= jitter <= 0.1:
            raise ValueError(f"a pulse of {width} s (0.001 to 0.9) with a jitter of {jitter} s (0 to 0.1) can't be simulated")
        self._truth = truth.twin()
        self._on_edge = on_edge
        self._random = random.Random(seed)  # noqa: S311 (a simulation has to be repeatable)
        self._jitter_ns = jitter * NS
        self._width_ns = ns_from_seconds(width)
        self._edge = edge
        self._tick = tick
        self._sequence = 0
        self._missed = 0
        self._paused = False
        self._lock = threading.Lock()
        self._statistics = PulseStatistics(edge)
        self._pace = Pace()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to deliver edges in a thread of its own. Returns at once."""
        if self._thread is None:
            self._pace = Pace()
            self._thread = threading.Thread(target=self._run, args=(self._pace,), name="pps simulated", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread, at once."""
        self._pace.end()
        if self._thread is not None:
            self._thread.join(2.0)
            self._thread = None

    def pause(self) -> None:
        """Pull the plug: no edges from the next pulse on; the count stands still, as the kernel's does."""
        self._paused = True

    def resume(self) -> None:
        """Put the plug back."""
        self._paused = False

    @property
    def paused(self) -> bool:
        """Whether the plug is pulled."""
        return self._paused

    def report(self) -> PpsReport:
        """The present state and counters; any thread may ask."""
        with self._lock:
            statistics, last = self._statistics, self._statistics.last
            state, text = self._state()
            return PpsReport(
                source="simulated",
                state=state,
                text=text,
                pulses=statistics.pulses,
                missed=statistics.missed,
                last_sequence=last.sequence if last is not None else None,
                jitter=statistics.jitter,
                width=statistics.width,
                capabilities=("simulated",),
                notes=("The pulses are simulated: the time served is made up.",),
                failures=0,
            )

    def _state(self) -> tuple[PpsState, str]:
        if self._thread is None:
            return PpsState.STOPPED, "The simulated pulse is off."
        if self._paused:
            return PpsState.WAITING, "The simulated pulse's plug is pulled."
        if self._statistics.last is None:
            return PpsState.WAITING, "The first simulated pulse is about to come."
        return PpsState.PULSING, "Pulses are simulated."

    def _run(self, pace: Pace) -> None:
        second = self._next_second()
        while self._pulse(pace, second):
            following = max(second + 1, self._next_second())
            self._missed += following - second - 1  # the thread was held up: the kernel would have counted on
            second = following

    def _next_second(self) -> int:
        return self._truth.utc_at(raw_now()) // NS + 1

    def _pulse(self, pace: Pace, second: int) -> bool:
        """Wait for one pulse and deliver it. False when the thread is to end."""
        start = second * NS + ns_from_seconds(late_pulse(second, self._tick))
        rise = self._stamp(UtcNs(start))
        fall = self._stamp(UtcNs(start + self._width_ns))
        if not pace.until(rise):
            return False
        if self._paused:
            self._missed = 0
            return True
        missed, self._missed = self._missed, 0
        self._sequence = (self._sequence + 1 + missed) % (1 << 32)
        self._deliver(EdgeKind.ASSERT, rise, missed)
        if not pace.until(fall):
            return False
        self._deliver(EdgeKind.CLEAR, fall, missed)
        return True

    def _stamp(self, utc: UtcNs) -> MonoNs:
        return MonoNs(self._truth.raw_at(utc) + round(self._random.gauss(0.0, self._jitter_ns)))

    def _deliver(self, kind: EdgeKind, stamp: MonoNs, missed: int) -> None:
        edge = Edge(kind, self._sequence, stamp, KernelClockId.MONOTONIC_RAW, missed)
        with self._lock:
            self._statistics.add(edge)
        self._on_edge(edge)

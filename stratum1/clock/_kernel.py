"""The host's own clock, steered by clock_adjtime(2) and by nobody else."""

import math
import time
from dataclasses import replace
from types import TracebackType
from typing import Self

from stratum1.interchange import KernelClockId, Leap, Mapping, Reading, Steering
from stratum1.timescale import NS, MonoNs, UtcNs, ns_from_seconds

from ._host import HostClocks, bracket, reading_time
from ._interface import ClockError, ClockLimits, ClockStatus
from ._steering import clamped, log2_precision
from ._timex import NOMINAL_TICK, Adj, AdjTime, Sta, Timex, adjust, microseconds_up, split_rate, timex_rate

__all__ = ["KernelClock"]

_MAX_SLEW = 0.1
"""The kernel takes a tick within 10 % of its nominal value."""
_MAX_FREQUENCY = 500e-6
"""What the kernel's frequency alone reaches, and more than any sound crystal needs."""
_LEAP_BITS = {Leap.INSERT: Sta.INS, Leap.DELETE: Sta.DEL}
_LEAP_PAUSE = 2 * NS
"""After a step the kernel forgets when its leap second is due, and learns it again only once it has seen the bits cleared for a second."""


class KernelClock:
    """CLOCK_REALTIME, or another clock that clock_adjtime(2) takes. One thread steers, any thread reads. Needs CAP_SYS_TIME.

    Making one takes the clock over: the kernel's own PLL, FLL and pulse disciplines and every running slew are switched off, the
    tick is brought back to nominal, the frequency stays, and the clock counts as unsynchronised until it is announced otherwise.
    `epoch` counts our steps and the times that others set the clock. Stamps and mappings are for CLOCK_REALTIME.
    """

    def __init__(self, clock_id: int = time.CLOCK_REALTIME, *, max_frequency: float = _MAX_FREQUENCY, adjtime: AdjTime = adjust) -> None:
        """max_frequency: largest lasting correction, s/s, up to 0.1 (beyond 500e-6 the tick takes part in it).

        adjtime: the call that reaches the kernel. Raises ClockError, with the remedy, where it refuses.
        """
        self._id = clock_id
        self._call = adjtime
        self._tick = NOMINAL_TICK
        self._take_over()
        taken = self._adjust(Timex(Adj.TICK, tick=self._tick))
        self._freq = taken.freq
        self._tolerance = taken.tolerance
        self._frequency = timex_rate(self._tick, self._freq)
        self._limits = ClockLimits(min(max_frequency, _MAX_SLEW), _MAX_SLEW, log2_precision(reading_time(clock_id)))
        self._host = HostClocks(clock_id, prior_rate=self._frequency)
        self._steps = 0
        self._disturbed = 0
        self._leap_from = 0

    @property
    def name(self) -> str:
        """What is shown to people."""
        return "kernel"

    @property
    def limits(self) -> ClockLimits:
        """Rates by tick and frequency together; the precision is measured."""
        return self._limits

    @property
    def frequency(self) -> float:
        """The lasting correction in force, s/s."""
        return self._frequency

    @property
    def epoch(self) -> int:
        """Our steps and the sets by others, as far as a mapping or a stamp has shown them."""
        return self._steps + self._host.sets

    @property
    def disturbed(self) -> int:
        """How often an announcement found a frequency or tick that we had not set: somebody else steers this clock too."""
        return self._disturbed

    def reading(self) -> Reading:
        """Now, on both clocks, within half of a bracket of readings."""
        pair = bracket(time.CLOCK_MONOTONIC_RAW, self._id)
        return Reading(MonoNs(pair.outer), UtcNs(pair.inner))

    def at(self, source: KernelClockId, stamp_ns: int) -> Reading:
        """The instant of a recent stamp; from CLOCK_REALTIME the served time is the stamp itself."""
        offset = self._host.offset()
        if source is KernelClockId.MONOTONIC_RAW:
            return Reading(MonoNs(stamp_ns), UtcNs(self._host.monotonic_from_raw(stamp_ns) + offset))
        monotonic = stamp_ns - offset if source is KernelClockId.REALTIME else stamp_ns
        return Reading(MonoNs(self._host.raw_from_monotonic(monotonic)), UtcNs(monotonic + offset))

    def steer(self, steering: Steering) -> None:
        """Put a steering into force. Raises ClockError where the kernel refuses or does something else than it was told."""
        wanted = clamped(steering, self._limits)
        with self._host.lock:
            self._host.look(keep=True)
            self._run_at(wanted.frequency + wanted.phase_rate)
            self._frequency = wanted.frequency
            self._host.restarted(timex_rate(self._tick, self._freq))
            if wanted.step:
                self._step(ns_from_seconds(wanted.step))

    def announce(self, status: ClockStatus) -> None:
        """Tell the kernel: synchronised or not, leap second at the coming midnight or not, bounds, TAI. Raises ClockError.

        The kernel inserts or deletes at the end of the very day on which it is told.
        """
        bits = Sta(0) if status.synchronised else Sta.UNSYNC
        if self._host.raw() >= self._leap_from:
            bits |= _LEAP_BITS.get(status.leap, Sta(0))
        timex = Timex(
            Adj.STATUS | Adj.MAXERROR | Adj.ESTERROR,
            status=bits,
            maxerror=microseconds_up(status.error_bound),
            esterror=microseconds_up(status.error_estimate),
        )
        if status.tai_offset is not None:
            timex = replace(timex, modes=timex.modes | Adj.TAI, constant=status.tai_offset)
        seen = self._adjust(timex)
        if not self._runs_as_told(seen, self._tick, self._freq):
            self._disturbed += 1
            with self._host.lock:
                self._set_rate(self._tick, self._freq)

    def mapping(self, source: KernelClockId) -> Mapping:
        """The identity for REALTIME; MONOTONIC is slewed as ours is, so its rate is 0; RAW runs as the crystal does."""
        with self._host.lock:
            pair = self._host.look()
            offset = self._host.offset()
            epoch = self.epoch
        served = UtcNs(pair.inner + offset)
        if source is KernelClockId.REALTIME:
            return Mapping(epoch, source, served, served, 0.0)
        if source is KernelClockId.MONOTONIC:
            return Mapping(epoch, source, pair.inner, served, 0.0)
        return Mapping(epoch, source, pair.outer, served, self._host.rate(pair))

    def seed(self, instant: UtcNs) -> None:
        """Set the clock; counts as a step. Raises ClockError."""
        with self._host.lock:
            self._step(instant - self.reading().clock_ns)

    def close(self) -> None:
        """Stop slewing; the frequency and the status stay, as the best that is known when nobody steers."""
        self.steer(Steering(self._frequency))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _adjust(self, timex: Timex) -> Timex:
        return self._call(self._id, timex)

    def _take_over(self) -> None:
        """Stop whatever else pulls at the clock: adjtime(3)'s slew, and the rest of a PLL offset, which only a PLL takes back."""
        self._adjust(Timex(Adj.OFFSET_SINGLESHOT))
        self._adjust(Timex(Adj.STATUS | Adj.NANO | Adj.OFFSET, status=Sta.PLL | Sta.FREQHOLD | Sta.UNSYNC))
        # turning the PLL off resets the whole status in the kernel, the choice of nanoseconds too, so that is made again
        worst = microseconds_up(math.inf)
        modes = Adj.STATUS | Adj.NANO | Adj.MAXERROR | Adj.ESTERROR
        self._adjust(Timex(modes, status=Sta.UNSYNC, maxerror=worst, esterror=worst))

    def _run_at(self, rate: float) -> None:
        tick, freq = split_rate(rate, self._tolerance)
        if (tick, freq) != (self._tick, self._freq):
            self._set_rate(tick, freq)

    def _set_rate(self, tick: int, freq: int) -> None:
        seen = self._adjust(Timex(Adj.TICK | Adj.FREQUENCY, tick=tick, freq=freq))
        self._tick, self._freq = seen.tick, seen.freq
        if not self._runs_as_told(seen, tick, freq):
            raise ClockError(
                f"the kernel was told tick {tick} us and frequency {freq / 65536:.4f} ppm and runs at {seen.tick} us and"
                f" {seen.freq / 65536:.4f} ppm: another program steers this clock; stop it (`stratum1 doctor` names it)"
            )

    @staticmethod
    def _runs_as_told(seen: Timex, tick: int, freq: int) -> bool:
        return seen.tick == tick and abs(seen.freq - freq) <= 1  # the kernel keeps the frequency in units of its own

    def _step(self, step_ns: int) -> None:
        """The kernel marks itself unsynchronised by this; its leap bits are cleared until it can time a leap second again."""
        whole, fraction = divmod(step_ns, NS)
        self._adjust(Timex(Adj.SETOFFSET | Adj.NANO | Adj.STATUS, status=Sta.UNSYNC, time_sec=whole, time_frac=fraction))
        self._leap_from = self._host.raw() + _LEAP_PAUSE
        self._steps += 1
        self._host.forget_offset()

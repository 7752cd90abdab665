"""The rules of clock_adjtime(2) as kernel/time/ntp.c has them, over fields instead of a clock: unit tests must not steer the host's."""

from dataclasses import replace

from stratum1.clock import ClockError, Timex
from stratum1.clock._timex import Adj, Sta

LIMIT = 16_000_000
WRITABLE = 0x00FF


class FakeKernel:
    """Called like `adjust`. `state` is what a read-only call gives, `steps` the steps taken, in ns."""

    def __init__(self, **state: int) -> None:
        self.state = replace(
            Timex(tick=10000, tolerance=500 << 16, status=Sta.UNSYNC, maxerror=LIMIT, esterror=LIMIT),
            **state,
        )
        self.steps: list[int] = []
        self.singleshot = 400
        self.calls = 0
        self.deaf = False
        """Ignores what it is told of rates, as if another program undid it at once."""

    def __call__(self, clock_id: int, timex: Timex) -> Timex:
        self.calls += 1
        modes = Adj(timex.modes)
        if modes == Adj.OFFSET_SINGLESHOT:
            self.singleshot = timex.offset
            return self.state
        if Adj.TICK in modes and not 9000 <= timex.tick <= 11000:
            raise ClockError("clock_adjtime: Invalid argument")
        if Adj.SETOFFSET in modes:
            self._step(timex, modes)
        if Adj.STATUS in modes:
            if self.state.status & Sta.PLL and not timex.status & Sta.PLL:
                self._set(status=(self.state.status & ~0xFFFF) | Sta.UNSYNC)
            self._set(status=(self.state.status & ~WRITABLE) | (timex.status & WRITABLE))
        if Adj.NANO in modes:
            self._set(status=self.state.status | Sta.NANO)
        self._values(timex, modes)
        return self.state

    def _values(self, timex: Timex, modes: Adj) -> None:
        if Adj.MAXERROR in modes:
            self._set(maxerror=min(LIMIT, timex.maxerror))
        if Adj.ESTERROR in modes:
            self._set(esterror=min(LIMIT, timex.esterror))
        if Adj.TAI in modes:
            self._set(tai=timex.constant)
        if Adj.OFFSET in modes and self.state.status & Sta.PLL:
            self._set(offset=timex.offset)
        if Adj.FREQUENCY in modes and not self.deaf:
            self._set(freq=max(-(500 << 16), min(500 << 16, timex.freq)))
        if Adj.TICK in modes and not self.deaf:
            self._set(tick=timex.tick)

    def _step(self, timex: Timex, modes: Adj) -> None:
        scale = 1 if Adj.NANO in modes else 1000
        if not 0 <= timex.time_frac * scale < 1_000_000_000:
            raise ClockError("clock_adjtime: Invalid argument")
        self.steps.append(timex.time_sec * 1_000_000_000 + timex.time_frac * scale)
        self._set(status=self.state.status | Sta.UNSYNC, maxerror=LIMIT, esterror=LIMIT, offset=0)

    def _set(self, **fields: int) -> None:
        self.state = replace(self.state, **fields)

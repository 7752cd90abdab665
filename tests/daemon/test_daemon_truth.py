"""The daemon against the truth that only its simulated receiver knows: how wrong is what it serves, with and without pulses?"""

import asyncio
import socket
import time
from pathlib import Path

import pytest
from testkit.loopback import free_port

import stratum1.receiver
from stratum1.config import Config
from stratum1.daemon import Daemon, RunOptions
from stratum1.interchange import LockState
from stratum1.receiver import raw_now
from stratum1.settings import load_config, simulation_overrides
from stratum1.simulation.truth import SimulatedTruth
from stratum1.timescale import NS, MonoNs, UtcNs

pytestmark = pytest.mark.timeout(150)

_PULSELESS = 30.0


class _Watcher:
    """Compares what is served with the truth."""

    def __init__(self, daemon: Daemon, truth: SimulatedTruth) -> None:
        self._daemon, self._truth = daemon, truth

    @property
    def state(self) -> LockState:
        return self._daemon.keeper.cell.current.state

    def look(self) -> tuple[float, float, float]:
        """Error of the served time now (served minus truth), the bound stated for it, and what this look itself may be off, seconds."""
        state = self._daemon.keeper.cell.current
        width, raw, stamp = min(self._pair() for _ in range(5))
        assert state.realtime is not None
        served = state.realtime.served(stamp)
        return (served - self._truth.utc_at(MonoNs(raw))) / NS, state.error_bound_at(served), width / 2 / NS

    @staticmethod
    def _pair() -> tuple[int, int, int]:
        """How far apart, ns, two readings of RAW were; their middle; and REALTIME in between (this thread may lose the processor there)."""
        before = raw_now()
        stamp = time.clock_gettime_ns(time.CLOCK_REALTIME)
        after = raw_now()
        return after - before, (before + after) // 2, stamp

    async def until(self, state: LockState, within: float) -> None:
        """Wait for a lock state."""
        end = time.monotonic() + within
        while self.state is not state:
            assert time.monotonic() < end, f"not {state} within {within} s but {self.state}"
            await asyncio.sleep(0.1)

    async def errors(self, seconds: float) -> list[float]:
        """Sizes of the errors, ten a second; every one must be within the bound."""
        sizes = []
        for _ in range(round(seconds * 10)):
            error, bound, own = self.look()
            assert abs(error) <= bound + own, "the bound is a promise"
            sizes.append(abs(error))
            await asyncio.sleep(0.1)
        return sizes


async def _watched_run(config: Config, truth: SimulatedTruth) -> tuple[list[float], list[float], list[float]]:
    daemon = Daemon(RunOptions(config, lambda: config))
    watcher = _Watcher(daemon, truth)
    running = asyncio.create_task(daemon.run())
    try:
        await watcher.until(LockState.LOCKED, within=60)
        await asyncio.sleep(10)
        locked = await watcher.errors(5)
        plugs = daemon._receivers.plugs()
        plugs["pause-pulse"]()
        await watcher.until(LockState.HOLDOVER, within=15)
        await asyncio.sleep(_PULSELESS)
        held = await watcher.errors(3)
        plugs["resume-pulse"]()
        await watcher.until(LockState.LOCKED, within=60)
        await asyncio.sleep(10)
        back = await watcher.errors(3)
    finally:
        daemon.stop()
        assert await running == 0
    return locked, held, back


def test_served_error_is_small_in_lock_grows_without_pulses_and_shrinks_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A crystal that wanders more than the usual one, so that half a minute without pulses shows.
    truth = SimulatedTruth(5, UtcNs(time.clock_gettime_ns(time.CLOCK_REALTIME)), raw_now(), wander=1e-7)
    monkeypatch.setattr(stratum1.receiver, "_truth", lambda _seed: truth)
    file = tmp_path / "file.toml"
    file.write_text(f'[[server]]\nlisten = "127.0.0.1:{free_port(socket.SOCK_DGRAM)}"\n[web]\nenabled = false\n')
    config = load_config(file, simulation_overrides(tmp_path, load_config(file)))
    locked, held, back = asyncio.run(_watched_run(config, truth.twin()))
    print(f"locked {max(locked):.3g} s, after {_PULSELESS:.0f} s without pulses {max(held):.3g} s, locked again {max(back):.3g} s")
    assert max(locked) < 10e-6
    assert min(held) > 2 * max(locked)
    assert max(back) < 10e-6

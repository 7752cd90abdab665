"""The whole daemon on the real kernel's clock, which is bent and put back: sentences on a pseudo-terminal, pulses from the fake device."""

import os
import statistics
import threading
import time
import tty
from pathlib import Path

import pytest
from testkit.daemon import started
from testkit.fakepps import FakePps

from long.host_clock import Guard, Saved
from stratum1.clock import KernelClock, read_timex
from stratum1.clock._host import bracket
from stratum1.clock._timex import Sta
from stratum1.gnss._simulated_nmea import nmea_epoch
from stratum1.interchange import Steering
from stratum1.timescale import NS, UtcNs

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


class _Receiver(threading.Thread):
    """Speaks and pulses by the host's time as it was before it was bent, carried on by CLOCK_MONOTONIC_RAW."""

    def __init__(self, saved: Saved, pps: FakePps) -> None:
        super().__init__(daemon=True)
        self._saved, self._pps = saved, pps
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.device = os.ttyname(self._slave)
        self._ended = threading.Event()
        self.silent = threading.Event()

    def run(self) -> None:
        second = self._saved.real_at(time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)) // NS + 1
        while self._sleep_until(second * NS):
            if not self.silent.is_set():
                pair = bracket(time.CLOCK_MONOTONIC_RAW, time.CLOCK_REALTIME)
                late = self._saved.real_at(pair.outer) - second * NS  # what an interrupt at the pulse itself would have read
                self._pps.pulse(pair.inner - late, "assert")
            if not self._sleep_until(second * NS + NS // 4):
                return
            os.write(self._master, nmea_epoch(UtcNs(second * NS), 1))
            second += 1

    def stop(self) -> None:
        self._ended.set()
        self.join()
        os.close(self._master)
        os.close(self._slave)

    def _sleep_until(self, true_ns: int) -> bool:
        left = true_ns - self._saved.real_at(time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW))
        return not self._ended.wait(max(0, left) / NS)


def test_daemon_pulls_the_hosts_clock_to_its_receiver_and_holds_it(tmp_path: Path) -> None:
    pps = FakePps(tmp_path / "pps")
    with Guard(240) as guard:
        with KernelClock() as clock:
            clock.steer(Steering(clock.frequency + 20e-6, step=-0.04))
        receiver = _Receiver(guard.saved, pps)
        receiver.start()
        clock_table = f'[clock]\ncontrol = "kernel"\nstate-directory = "{tmp_path}/state"\n'
        extra = f'[receiver]\ndevice = "{receiver.device}"\npps = "{pps.path}"\n{clock_table}'
        try:
            with started(tmp_path, extra, arguments=(), spawn=pps.spawn) as daemon:
                assert read_timex().status & Sta.UNSYNC
                daemon.await_lock("locked", within=60)
                time.sleep(60)
                errors = []
                for _ in range(100):
                    error = guard.saved.error_ns() / 1e9
                    told = daemon.status()["time"]
                    errors.append(error)
                    assert abs(error) <= told["error_bound"] + 1e-6
                    time.sleep(0.3)
                state = read_timex()
                assert not state.status & Sta.UNSYNC
                assert state.maxerror < 1000
                answer = daemon.ask().measurement
                assert (answer.stratum, answer.refid_text) == (1, "GPS")
                assert abs(answer.offset) < 2e-4  # the same clock on both sides
                receiver.silent.set()
                daemon.await_lock("holdover", within=15)
                receiver.silent.clear()
                daemon.await_lock("locked", within=30)
                assert daemon.end() == 0
                assert read_timex().status & Sta.UNSYNC
        finally:
            receiver.stop()
    rms = statistics.fmean(error**2 for error in errors) ** 0.5
    print(
        f"daemon on the kernel's clock: RMS {rms * 1e9:.0f} ns, worst {max(map(abs, errors)) * 1e9:.0f} ns; put back to {guard.left_ns} ns"
    )
    assert rms < 20e-6  # the pulses are as good as this test's thread is punctual in reading two clocks
    assert abs(guard.left_ns) < 1_000_000

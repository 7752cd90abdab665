"""A real daemon as reference for others: a socket and an emulated PTP hardware clock follow its lock."""

import socket
import struct
from pathlib import Path

from testkit.daemon import started
from testkit.fakeptp import FakePtp

from stratum1.timescale import NS


def test_samples_and_hardware_clock_follow_the_lock(tmp_path: Path) -> None:
    fake = FakePtp(tmp_path / "ptp0", error=30e-6)
    path = str(tmp_path / "reader.sock")
    tables = f'[[output]]\nmode = "sock"\npath = "{path}"\n[[output]]\nmode = "phc"\ndevice = "{fake.path}"\n'
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reader:
        reader.bind(path)
        reader.settimeout(5)
        with started(tmp_path, tables, spawn=fake.spawn) as daemon:
            before = daemon.await_status(lambda status: len(status["outputs"]) == 2, 20)
            assert [each["sent"] for each in before["outputs"]] == [0, 0]
            assert any("invented time" in event["text"] for event in before["events"])
            daemon.await_lock("locked", 40)
            tracking = daemon.await_status(lambda status: "steered" in status["outputs"][1]["text"], 20)
            sock, phc = tracking["outputs"]
            sample = struct.unpack("@qqdiiii", reader.recv(100))
            answer = daemon.ask().measurement
            # The simulated truth is 0.1 s ahead of the host at the start and gains 20 us a second.
            assert abs(sample[2] - answer.offset) < 0.01
            assert abs(sock["offset"] - answer.offset) < 0.01
            assert abs(fake.ahead() - 37 * NS - answer.offset * NS) < 0.01 * NS
            assert len(fake.steps) == 1
            assert abs(phc["offset"]) < 1e-3
            daemon.act("unplug")
            held = daemon.await_lock("holdover", 20)
            assert held["outputs"][0]["state"] == "sending"  # within specification it goes on
        assert "output sock" in daemon.printed()

"""The whole daemon with a receiver that speaks UBX only: it locks, corrects its pulses and shows what the receiver says of itself."""

import urllib.request
from pathlib import Path

import pytest
from testkit.daemon import started

pytestmark = pytest.mark.timeout(120)


def test_a_receiver_that_speaks_ubx_only(tmp_path: Path) -> None:
    extra = (
        '[receiver]\ndevice = "simulated"\npps = "simulated"\nprotocol = "ubx"\n'
        f'[clock]\ncontrol = "virtual"\nstate-directory = "{tmp_path}/state"\n'
    )
    with started(tmp_path, extra, arguments=()) as daemon:
        daemon.await_lock("locked", within=60.0)
        told = daemon.ask().measurement
        assert (told.stratum, told.refid_text, int(told.leap)) == (1, "GPS", 0)
        status = daemon.status()
        receiver, refclock = status["gnss"]["receiver"], status["refclock"]
        assert receiver["leap_seconds"] == 18
        assert receiver["fixed_position"] is True
        assert 5e-9 < receiver["time_accuracy"] < 30e-9
        assert receiver["radio"][0]["antenna"] == "ok"
        assert (receiver["spoofing"], receiver["jamming"]) == ("none", "none")
        assert set(status["gnss"]["sentences"]) >= {"UBX-NAV-PVT", "UBX-TIM-TP"}
        assert refclock["sawtooth"]["in_use"] is True
        assert refclock["sawtooth"]["corrected"] >= 3
        assert {each["sentence"] for each in refclock["delays"]} == {"UBX-NAV-PVT"}
        metrics = urllib.request.urlopen(f"http://127.0.0.1:{daemon.web}/metrics", timeout=5).read().decode()
        assert "\nstratum1_sawtooth_in_use 1.0\n" in metrics
        assert '\nstratum1_gnss_antenna_state{block="0"} 2.0\n' in metrics
        page = urllib.request.urlopen(f"http://127.0.0.1:{daemon.web}/", timeout=5).read().decode()
        assert "taken off each pulse" in page
        assert "position held" in page
        daemon.act("lose-fix")
        daemon.await_lock("holdover", within=20.0)
        assert any("antenna" in alarm for alarm in daemon.status()["alarms"])

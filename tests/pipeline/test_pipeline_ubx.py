"""From UBX bytes to served time: the same lock, the same honesty, and the sawtooth taken off."""

from dataclasses import replace

import pytest
from pipeline_world import REFCLOCK, Conditions, Rig

from stratum1.interchange import LockState

UBX = Conditions(speaks="ubx", jitter=1e-9, tick=21e-9)


def honest(rig: Rig) -> bool:
    return all(abs(row.error) <= row.bound for row in rig.rows)


@pytest.mark.parametrize(("speaks", "baud"), [("ubx", 9600), ("both", 38_400)])
@pytest.mark.parametrize("protocol", ["auto", "ubx"])
def test_a_receiver_that_speaks_ubx_locks_as_one_that_speaks_nmea(speaks: str, baud: int, protocol: str) -> None:
    rig = Rig(refclock=replace(REFCLOCK, protocol=protocol)).run(90, replace(UBX, speaks=speaks, baud=baud))
    assert rig.first(LockState.LOCKED) <= 25
    assert len(rig.steps) == 1
    assert rig.worst(60) < 1e-6
    assert honest(rig)
    report = rig.pipeline.report(rig.clock.reading().at_ns)
    assert report.fix is not None
    assert (report.fix.trusted, report.fix.leap_seconds, report.fix.fixed_position) == (True, 18, True)
    assert {"UBX-NAV-PVT"} <= set(rig.pipeline.delays())
    assert ("GNRMC" in rig.pipeline.delays()) is (speaks == "both" and protocol == "auto")
    assert {satellite.constellation for satellite in report.satellites} == {"G", "R", "E"}


def test_nothing_is_believed_of_the_other_protocol() -> None:
    rig = Rig(refclock=replace(REFCLOCK, protocol="nmea")).run(60, UBX)
    assert rig.state is not LockState.LOCKED
    assert rig.pipeline.report(rig.clock.reading().at_ns).gnss.ubx_frames > 300


def test_the_sawtooth_is_taken_off_all_the_way_to_the_samples() -> None:
    with_it, without = (Rig(refclock=replace(REFCLOCK, sawtooth=wanted), wander=1e-12).run(400, UBX) for wanted in (True, False))
    good, plain = (rig.pipeline.report(rig.clock.reading().at_ns).refclock for rig in (with_it, without))
    assert good.sawtooth.in_use
    assert not plain.sawtooth.in_use
    assert good.jitter < 2e-9
    assert plain.jitter > 5e-9
    assert good.sawtooth.agreement == pytest.approx(1.0, abs=0.15)
    assert good.sawtooth.missing <= 1
    assert honest(with_it)
    assert honest(without)


def test_a_cut_antenna_is_holdover_and_an_alarm() -> None:
    rig = Rig().run(60, UBX).run(30, replace(UBX, fix=False))
    assert rig.state == "holdover"
    health = rig.pipeline.report(rig.clock.reading().at_ns).health
    assert health["antenna"].alarm
    rig.run(30, UBX)
    assert rig.state == "locked"
    assert not rig.pipeline.report(rig.clock.reading().at_ns).health["antenna"].alarm
    assert honest(rig)

"""The figures of stability out of the whole pipeline, in a world whose noise is known."""

from dataclasses import replace
from math import sqrt

import pytest
from pipeline_world import Conditions, Rig

from stratum1.refclock import RefClockSettings
from stratum1.stability import StabilityReport

GOOD = Conditions()


def found(rig: Rig) -> StabilityReport:
    report = rig.pipeline.report(rig.clock.reading().at_ns).receivers[0].stability
    assert report is not None
    return report


def test_the_pulses_show_their_jitter_and_the_clock_only_what_it_did_while_locked() -> None:
    rig = Rig().run(400)
    report = found(rig)
    pulses = {point.tau: point for point in report.pulses}
    # white phase noise of 1 us: ADEV is sqrt(3) sigma / tau, TDEV over a second sigma
    assert pulses[1].adev == pytest.approx(sqrt(3) * 1e-6, rel=0.15)
    assert pulses[8].adev == pytest.approx(sqrt(3) * 1e-6 / 8, rel=0.3)
    assert pulses[1].tdev == pytest.approx(1e-6, rel=0.15)
    assert pulses[128].mtie == pytest.approx(20e-6 * 128, rel=0.01)  # the crystal is 20 ppm off
    clock = {point.tau: point for point in report.clock}
    assert clock[64].mtie is not None
    assert clock[64].mtie < 10e-6  # the step of 0.1 s at the start is not in it
    assert clock[1].mtie_samples < pulses[1].mtie_samples


def test_an_interruption_and_a_step_by_others_are_no_instability() -> None:
    rig = Rig().run(100)
    rig.run(30, replace(GOOD, pulse=False)).run(60)
    rig.disturb(0.01)
    rig.run(60)
    report = found(rig)
    assert max(point.mtie or 0.0 for point in report.clock) < 20e-6
    assert max(point.adev or 0.0 for point in report.pulses) < 5e-6


def test_sentences_are_too_coarse_to_be_measured() -> None:
    rig = Rig(refclock=RefClockSettings(has_pulse=False)).run(100, replace(GOOD, pulse=False))
    assert rig.pipeline.report(rig.clock.reading().at_ns).receivers[0].stability is None

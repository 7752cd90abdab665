"""The simulated receiver's UBX: right frames that say what its NMEA says, and announce its own pulses."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum1._pace import late_pulse
from stratum1.gnss import Event, Fix, FixMode, Framer, GnssDecoder, Sky, UbxFrame
from stratum1.gnss._simulated_nmea import nmea_epoch
from stratum1.gnss._simulated_ubx import ubx_epoch
from stratum1.gnss.events import Authenticity, LeapNotice, PulseCorrection, RadioPath
from stratum1.gnss.serial_reader import SerialReader
from stratum1.gnss.simulated import SimulatedReceiver
from stratum1.simulation.truth import SimulatedTruth
from stratum1.timescale import NS, MonoNs, UtcNs

seconds = st.integers(315_964_800, 4_102_444_800)  # from the start of GPS time to the year 2100


def decode(data: bytes) -> tuple[list[Event], GnssDecoder]:
    decoder = GnssDecoder(None)
    return decoder.feed(data, MonoNs(0)) + decoder.flush(MonoNs(0)), decoder


@given(seconds, st.integers(0, 2**32), st.floats(-12e-9, 12e-9))
@settings(deadline=None, max_examples=60)
def test_it_says_what_its_nmea_says(second: int, seed: int, late: float) -> None:
    data = ubx_epoch(UtcNs(second * NS), seed, late=late)
    assert len(data) <= 550  # at 9600 baud it has to fit into a second with room to spare
    assert all(isinstance(frame, UbxFrame) for frame in Framer().feed(data, MonoNs(0)))
    (events, decoder), (others, _) = decode(data), decode(nmea_epoch(UtcNs(second * NS), seed))
    assert not decoder.counters.rejects
    fix, other = (next(event for event in each if isinstance(event, Fix)) for each in (events, others))
    sky, seen = (next(event for event in each if isinstance(event, Sky)) for each in (events, others))
    assert fix.time is not None
    assert other.time is not None
    assert abs(fix.time - other.time) <= 20_000
    assert (fix.satellites_used, fix.satellites_seen) == (other.satellites_used, other.satellites_seen)
    assert fix.fixed_position
    assert fix.position is not None
    assert other.position is not None
    assert fix.position.latitude == pytest.approx(other.position.latitude, abs=2e-6)
    assert fix.position.altitude == pytest.approx(other.position.altitude, abs=0.06)
    assert sorted((s.elevation, s.azimuth, s.cn0, s.used) for s in sky.satellites) == sorted(
        (s.elevation, s.azimuth, s.cn0, s.used) for s in seen.satellites
    )
    correction = next(event for event in events if isinstance(event, PulseCorrection))
    assert correction.utc == (second + 1) * NS
    assert correction.error == pytest.approx(late, abs=1e-12)
    assert {LeapNotice, RadioPath, Authenticity} <= {type(event) for event in events}


def test_without_an_antenna_it_says_so() -> None:
    start = UtcNs(1_800_000_000 * NS)
    events, _ = decode(ubx_epoch(start, 1) + ubx_epoch(UtcNs(start + NS), 1, fix=False))
    events = events[next(i for i, event in enumerate(events) if isinstance(event, Fix)) + 1 :]
    fix = next(event for event in events if isinstance(event, Fix))
    assert (fix.mode, fix.satellites_used, fix.position, fix.time_accuracy) == (FixMode.NONE, 0, None, None)
    assert next(event for event in events if isinstance(event, PulseCorrection)).error is None
    assert next(event for event in events if isinstance(event, RadioPath)).antenna == "open"


def test_its_pulses_walk_through_a_tick() -> None:
    late = [late_pulse(second, 21e-9) for second in range(1000, 1400)]
    assert -10.5e-9 <= min(late) < -9e-9
    assert 9e-9 < max(late) <= 10.5e-9
    assert late_pulse(1000, 0.0) == 0.0


@pytest.mark.parametrize(("speaks", "baud"), [("ubx", 9600), ("both", 38_400)])
def test_its_bytes_come_through_a_terminal_and_are_understood(tmp_path: Path, speaks: str, baud: int) -> None:
    def now() -> MonoNs:
        return MonoNs(time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW))

    truth, decoder, events = SimulatedTruth(3, UtcNs(time.time_ns()), now()), GnssDecoder(None), []
    receiver = SimulatedReceiver(truth, 1, tmp_path, baud=baud, speaks=speaks, tick=21e-9)  # type: ignore[arg-type]
    receiver.start()
    reader = SerialReader(receiver.path, "auto", lambda data, at: events.extend(decoder.feed(data, at)), lambda _: None, now)
    reader.start()
    end = time.monotonic() + 20
    while time.monotonic() < end and not any(isinstance(event, Fix) for event in events):
        time.sleep(0.05)
    reader.stop()
    receiver.stop()
    fix = next(event for event in events if isinstance(event, Fix))
    assert fix.time is not None
    assert abs(truth.utc_at(now()) - fix.time) < 5 * NS
    correction = next(event for event in events if isinstance(event, PulseCorrection))
    assert correction.error == pytest.approx(late_pulse(correction.utc // NS, 21e-9), abs=1e-12)
    assert ("GNRMC" in decoder.counters.sentences) is (speaks == "both")


def test_both_protocols_need_a_fast_line() -> None:
    truth = SimulatedTruth(1, UtcNs(0), MonoNs(0))
    with pytest.raises(ValueError, match="38400 or more"):
        SimulatedReceiver(truth, 1, speaks="both")
    with pytest.raises(ValueError, match="tick"):
        SimulatedReceiver(truth, 1, tick=1.0)

"""The simulated receiver: valid NMEA for every second, and bytes through a real pseudo-terminal, with every plug."""

import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pynmea2
import pytest
import serial
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum1.gnss import Event, Fix, FixMode, GnssDecoder, Sky, TimeMark
from stratum1.gnss._simulated_nmea import nmea_epoch
from stratum1.gnss.serial_reader import SerialReader
from stratum1.gnss.simulated import SimulatedReceiver
from stratum1.simulation.truth import SimulatedTruth
from stratum1.timescale import NS, MonoNs, UtcNs

seconds = st.integers(0, 4_102_444_800)  # to the year 2100
SYSTEMS = {"1": "GP", "2": "GL", "3": "GA"}


def raw_now() -> MonoNs:
    return MonoNs(time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW))


def sentences(data: bytes) -> list[pynmea2.NMEASentence]:
    assert data.endswith(b"\r\n")
    return [pynmea2.parse(line, check=True) for line in data.decode("ascii").split("\r\n")[:-1]]


@given(seconds, st.integers(0, 999_999_999), st.integers(0, 2**32))
@settings(deadline=None)
def test_every_sentence_is_valid_and_names_the_second(second: int, fraction: int, seed: int) -> None:
    data = nmea_epoch(UtcNs(second * NS + fraction), seed)
    assert len(data) <= 700  # at 9600 baud it has to fit into a second with room to spare
    parsed = sentences(data)
    moment = datetime.fromtimestamp(second, UTC)
    rmc, gga, zda = parsed[0], parsed[1], parsed[-1]
    assert (rmc.sentence_type, gga.sentence_type, zda.sentence_type) == ("RMC", "GGA", "ZDA")
    assert {rmc.timestamp.replace(tzinfo=None), gga.timestamp.replace(tzinfo=None), zda.timestamp.replace(tzinfo=None)} == {
        moment.time().replace(tzinfo=None)
    }
    assert (rmc.datestamp.day, rmc.datestamp.month, rmc.datestamp.year % 100) == (moment.day, moment.month, moment.year % 100)
    assert (int(zda.day), int(zda.month), int(zda.year)) == (moment.day, moment.month, moment.year)
    assert rmc.status == "A"
    assert int(gga.gps_qual) == 1
    assert abs(rmc.latitude - 46.92389) < 1e-4
    assert abs(rmc.longitude - 7.46444) < 1e-4


@given(seconds, st.integers(0, 2**32))
@settings(deadline=None)
def test_sky_is_plausible_and_agrees_with_itself(second: int, seed: int) -> None:
    parsed = sentences(nmea_epoch(UtcNs(second * NS), seed))
    used = {s.data[-1]: [n for n in s.data[2:14] if n] for s in parsed if s.sentence_type == "GSA"}
    pages = [s for s in parsed if s.sentence_type == "GSV"]
    seen: dict[str, list[tuple[int, ...]]] = {talker: [] for talker in SYSTEMS.values()}
    for page in pages:
        fields = page.data[3:-1]
        seen[page.talker] += [tuple(map(int, fields[i : i + 4])) for i in range(0, len(fields), 4)]
        assert int(page.data[0]) == len([p for p in pages if p.talker == page.talker])
    for page in pages:
        assert int(page.data[2]) == len(seen[page.talker])
    for system, talker in SYSTEMS.items():
        numbers = {satellite[0] for satellite in seen[talker]}
        assert len(numbers) == len(seen[talker])
        assert {int(number) for number in used[system]} <= numbers
        for _, elevation, azimuth, cn0 in seen[talker]:
            assert 5 <= elevation <= 90
            assert 0 <= azimuth < 360
            assert 25 <= cn0 <= 50
    assert int(parsed[1].num_sats) == sum(map(len, used.values()))
    assert 5 <= int(parsed[1].num_sats) <= 16


def test_sky_moves_slowly_and_changes() -> None:
    def numbers(second: int) -> set[str]:
        return {
            line[:6] + "," + n
            for line in nmea_epoch(UtcNs(second * NS), 1).decode().split()
            if "GSA" in line
            for n in line.split(",")[3:15]
        }

    assert numbers(1_800_000_000) == numbers(1_800_000_001)
    assert numbers(1_800_000_000) != numbers(1_800_010_800)


@given(seconds, st.integers(0, 2**32))
@settings(deadline=None)
def test_without_an_antenna_there_is_no_fix_and_no_satellite(second: int, seed: int) -> None:
    parsed = sentences(nmea_epoch(UtcNs(second * NS), seed, fix=False))
    assert (parsed[0].status, int(parsed[1].gps_qual)) == ("V", 0)
    assert all(s.mode_fix_type == "1" for s in parsed if s.sentence_type == "GSA")
    assert all(int(s.num_sv_in_view) == 0 for s in parsed if s.sentence_type == "GSV")


def test_same_second_and_seed_same_bytes() -> None:
    assert nmea_epoch(UtcNs(10**18), 7) == nmea_epoch(UtcNs(10**18 + 5), 7) != nmea_epoch(UtcNs(10**18), 8)


class Bench:
    """A running receiver, its truth, and a serial port on it."""

    def __init__(self, directory: Path, baud: int = 115_200) -> None:
        self.truth = SimulatedTruth(3, UtcNs(time.time_ns()), raw_now())
        self.receiver = SimulatedReceiver(self.truth, 1, directory, baud=baud)
        self.receiver.start()
        self.buffer = b""
        self.port = self.open()

    def open(self) -> serial.Serial:
        return serial.Serial(self.receiver.path, 115_200, timeout=0.05, exclusive=True)

    def line(self, start: bytes = b"$GNRMC", timeout: float = 4.0) -> tuple[bytes, MonoNs]:
        """The next complete sentence of a kind, and when it had arrived."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            self.buffer += self.port.read(max(1, self.port.in_waiting))
            at = self.buffer.find(start)
            if at >= 0 and b"\r\n" in self.buffer[at:]:
                line, _, self.buffer = self.buffer[at:].partition(b"\r\n")
                return line, raw_now()
        raise TimeoutError(f"no {start!r} in {self.buffer!r}")

    def close(self) -> None:
        self.port.close()
        self.receiver.stop()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def test_sentences_come_after_their_true_second_by_the_serial_delay(bench: Bench) -> None:
    for _ in range(2):
        line, arrival = bench.line()
        rmc = pynmea2.parse(line.decode(), check=True)
        utc = bench.truth.utc_at(arrival)
        second = int(datetime.combine(rmc.datestamp, rmc.timestamp.replace(tzinfo=None), UTC).timestamp())
        assert 0.15 < utc / NS - second < 0.45
        assert pynmea2.parse(bench.line(b"$GNZDA")[0].decode(), check=True).timestamp.second == second % 60


def test_bytes_keep_the_pace_of_the_baud_rate(tmp_path: Path) -> None:
    bench = Bench(tmp_path, baud=9600)
    _, first = bench.line(b"$GNRMC")
    _, last = bench.line(b"$GNZDA")
    bench.close()
    assert 0.4 < (last - first) / NS < 0.75  # some 620 bytes at 960 bytes a second, less the first burst


def test_silence_and_speech(bench: Bench) -> None:
    bench.line()
    bench.receiver.pause()
    time.sleep(0.1)
    bench.port.reset_input_buffer()
    bench.buffer = b""
    with pytest.raises(TimeoutError):
        bench.line(timeout=1.2)
    bench.receiver.resume()
    bench.line()


def test_cut_antenna_is_said_in_the_sentences(bench: Bench) -> None:
    assert b",A," in bench.line()[0]
    bench.receiver.lose_fix()
    _eventually(lambda: b",V," in bench.line()[0])
    bench.receiver.regain_fix()
    _eventually(lambda: b",A," in bench.line()[0])


def test_unplugged_receiver_vanishes_and_comes_back_under_its_name(bench: Bench) -> None:
    path, device = bench.receiver.path, os.path.realpath(bench.receiver.path)
    bench.line()
    bench.receiver.unplug()
    bench.receiver.unplug()
    assert not os.path.lexists(path)
    with pytest.raises(serial.SerialException):
        bench.port.read(4096)  # what had arrived is dropped with the line
    with pytest.raises(serial.SerialException):
        bench.open()
    bench.port.close()
    bench.receiver.replug()
    bench.receiver.replug()
    assert bench.receiver.path == path
    bench.port = bench.open()
    bench.line()
    assert os.path.exists(device) or os.path.realpath(path) != device


def test_nobody_listening_finds_no_old_sentences(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.port.close()
    time.sleep(1.5)
    assert bench.receiver.lost > 300
    bench.port = bench.open()
    line, arrival = bench.line()
    assert pynmea2.parse(line.decode()).timestamp.second == bench.truth.utc_at(arrival) // NS % 60
    bench.close()


def test_chatter_to_the_receiver_is_ignored(bench: Bench) -> None:
    for _ in range(2):
        bench.port.write(b"\xb5\x62\x06\x00\x00\x00\x06\x18" * 64)
        bench.line()


def test_the_projects_own_reader_and_decoder_understand_it(tmp_path: Path) -> None:
    truth = SimulatedTruth(3, UtcNs(time.time_ns()), raw_now())
    receiver = SimulatedReceiver(truth, 1, tmp_path)
    decoder = GnssDecoder(UtcNs(0))
    events: list[Event] = []
    reader = SerialReader(receiver.path, "auto", lambda data, at_ns: events.extend(decoder.feed(data, at_ns)), lambda _: None, raw_now)
    receiver.start()
    reader.start()
    _eventually(lambda: sum(isinstance(event, Fix) and event.trusted for event in events) >= 1, tries=90)
    reader.stop()
    receiver.stop()
    for mark in (event for event in events if isinstance(event, TimeMark)):
        assert 0.15 < (truth.utc_at(mark.at_ns) - mark.utc) / NS < 1.1
        assert mark.valid
    fix = next(event for event in events if isinstance(event, Fix) and event.trusted)
    sky = [event for event in events if isinstance(event, Sky)][-1]
    assert (fix.mode, fix.trusted, fix.rollovers) == (FixMode.THREE_D, True, 0)
    assert fix.satellites_used == sum(satellite.used for satellite in sky.satellites) >= 5
    assert {satellite.constellation for satellite in sky.satellites} == {"G", "R", "E"}
    assert not decoder.counters.rejects


def test_path_without_a_directory_is_the_device_itself() -> None:
    receiver = SimulatedReceiver(SimulatedTruth(1, UtcNs(0), raw_now()), 1)
    assert receiver.path.startswith("/dev/")
    receiver.unplug()
    with pytest.raises(FileNotFoundError):
        _ = receiver.path
    receiver.replug()
    assert receiver.path.startswith("/dev/")
    receiver.stop()


def test_costs_next_to_nothing(bench: Bench) -> None:
    before, started = time.process_time(), time.monotonic()
    time.sleep(2.0)
    assert (time.process_time() - before) / (time.monotonic() - started) < 0.01


@pytest.mark.parametrize(("delay", "jitter", "baud"), [(-0.1, 0.02, 9600), (1.0, 0.02, 9600), (0.25, 0.5, 9600), (0.25, 0.02, 4800)])
def test_absurd_line_is_refused(delay: float, jitter: float, baud: int) -> None:
    with pytest.raises(ValueError, match="serial delay"):
        SimulatedReceiver(SimulatedTruth(1, UtcNs(0), raw_now()), 1, serial_delay=delay, jitter=jitter, baud=baud)


def _eventually(condition: Callable[[], bool], tries: int = 4) -> None:
    for _ in range(tries):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it did not become so")

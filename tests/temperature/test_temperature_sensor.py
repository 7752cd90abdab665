"""The sensor beside the crystal, in trees of files as the kernel lays them out; and its reader, as the daemon runs it."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from testkit.waiting import until

from stratum1.config import ConfigError, parse_config
from stratum1.doctor import Host
from stratum1.doctor._temperature import check_temperature
from stratum1.interchange import Environment
from stratum1.temperature import TemperatureReader, TemperatureState, find_sensor, known_sensors, read_celsius
from stratum1.timescale import MonoNs


def zone(root: Path, number: int, kind: str, reading: str) -> Path:
    folder = root / f"sys/class/thermal/thermal_zone{number}"
    folder.mkdir(parents=True)
    (folder / "type").write_text(kind + "\n")
    (folder / "temp").write_text(reading + "\n")
    return folder / "temp"


def chip(root: Path, number: int, name: str, **readings: str) -> Path:
    folder = root / f"sys/class/hwmon/hwmon{number}"
    folder.mkdir(parents=True)
    (folder / "name").write_text(name + "\n")
    for key, value in readings.items():
        (folder / key).write_text(value + "\n")
    return folder


def test_the_processor_s_zone_goes_before_the_others(tmp_path: Path) -> None:
    zone(tmp_path, 0, "acpitz", "27800")
    zone(tmp_path, 10, "gpu-thermal", "50000")
    path = zone(tmp_path, 2, "cpu-thermal", "48312")
    sensor = find_sensor("auto", tmp_path)
    assert sensor is not None
    assert (sensor.path, sensor.name, read_celsius(sensor.path)) == (path, "cpu-thermal", 48.312)


def test_a_zone_that_reads_nonsense_is_passed_over(tmp_path: Path) -> None:
    zone(tmp_path, 0, "cpu-thermal", "-274000")
    zone(tmp_path, 1, "acpitz", "garbage")
    zone(tmp_path, 2, "iwlwifi", "41000")
    sensor = find_sensor("auto", tmp_path)
    assert sensor is not None
    assert sensor.name == "iwlwifi"


def test_a_machine_without_sensors(tmp_path: Path) -> None:
    assert find_sensor("auto", tmp_path) is None
    assert find_sensor("cpu-thermal", tmp_path) is None
    assert find_sensor("/sys/class/hwmon/hwmon0/temp1_input", tmp_path) is None
    assert known_sensors(tmp_path) == []


@pytest.mark.parametrize(
    ("wanted", "name", "celsius"),
    [
        ("tmp102", "tmp102 temp1", 21.5),
        ("rp1_adc", "rp1_adc board", 33.0),
        ("acpitz", "acpitz", 27.8),
        ("/sys/class/hwmon/hwmon1/temp2_input", "/sys/class/hwmon/hwmon1/temp2_input", 33.0),
        ("/sys/class/hwmon/hwmon1", "/sys/class/hwmon/hwmon1", 99.0),
        ("/sys/class/thermal/thermal_zone0", "/sys/class/thermal/thermal_zone0", 27.8),
    ],
)
def test_a_sensor_by_name_or_path(tmp_path: Path, wanted: str, name: str, celsius: float) -> None:
    zone(tmp_path, 0, "acpitz", "27800")
    chip(tmp_path, 0, "tmp102", temp1_input="21500")
    broken = chip(tmp_path, 1, "rp1_adc", temp1_input="99000", temp2_input="33000", temp2_label="board")
    if wanted == "rp1_adc":
        (broken / "temp1_input").write_text("")
    sensor = find_sensor(wanted, tmp_path)
    assert sensor is not None
    assert (sensor.name, read_celsius(sensor.path)) == (name, celsius)


@pytest.mark.parametrize("text", ["", "warm", "1" * 40, "150001", "-55001", "21.5", "\x00"])
def test_what_is_no_temperature_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "temp1_input"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"degrees|literal"):
        read_celsius(path)


class Felt:
    def __init__(self, wanted: str, root: Path) -> None:
        self.readings: list[Environment] = []
        self.states: list[TemperatureState] = []
        self.reader = TemperatureReader(
            wanted, self.readings.append, self.states.append, lambda: MonoNs(7), root=root, interval=0.01, search=0.02
        )
        self.reader.start()


@pytest.fixture
def feel(tmp_path: Path) -> Iterator[Callable[[str], Felt]]:
    running: list[Felt] = []

    def begin(wanted: str) -> Felt:
        running.append(Felt(wanted, tmp_path))
        return running[-1]

    yield begin
    for felt in running:
        felt.reader.stop()


def test_readings_come_with_their_time_and_a_lost_sensor_is_told_once(tmp_path: Path, feel: Callable[[str], Felt]) -> None:
    path = chip(tmp_path, 0, "tmp102", temp1_input="21500") / "temp1_input"
    felt = feel("tmp102")
    until(lambda: len(felt.readings) >= 3)
    assert set(felt.readings) == {Environment(MonoNs(7), 21.5)}
    path.unlink()
    (path.parent / "name").unlink()
    until(lambda: len(felt.states) == 3)
    taken = len(felt.readings)
    time.sleep(0.1)
    assert len(felt.readings) == taken
    assert [state.error[:35] for state in felt.states] == ["", "the temperature sensor tmp102 temp1", 'there is no temperature sensor "tmp']
    assert felt.reader.state.celsius is None
    chip(tmp_path, 3, "tmp102", temp1_input="22000")
    until(lambda: Environment(MonoNs(7), 22.0) in felt.readings)
    assert felt.states[3:] == [TemperatureState("tmp102 temp1", 22.0, "")]


def test_no_sensor_is_no_fault_where_nobody_asked_for_one(tmp_path: Path, feel: Callable[[str], Felt]) -> None:
    felt = feel("auto")
    time.sleep(0.1)
    assert (felt.states, felt.readings) == ([], [])
    zone(tmp_path, 0, "cpu-thermal", "48312")
    until(lambda: bool(felt.readings))
    assert [state.sensor for state in felt.states] == ["cpu-thermal"]


def test_stopped_before_it_was_started() -> None:
    TemperatureReader("auto", lambda _reading: None, lambda _state: None, lambda: MonoNs(0)).stop()


def test_what_the_doctor_says(tmp_path: Path) -> None:
    def say(wanted: str, more: str = "") -> tuple[str, str]:
        config = parse_config(f'[clock]\ntemperature-sensor = "{wanted}"\n{more}', "test.toml")
        (finding,) = check_temperature(config, Host(root=tmp_path))
        return finding.level.value, f"{finding.text} {finding.remedy}".strip()

    assert say("auto") == ("skipped", "no temperature sensor is found: the crystal is not followed")
    zone(tmp_path, 0, "cpu-thermal", "48312")
    broken = chip(tmp_path, 0, "tmp102", temp1_input="")
    assert say("auto") == ("ok", "cpu-thermal reads 48.3 degrees Celsius")
    assert say("none")[0] == "skipped"
    assert say("auto", 'control = "virtual"\n[receiver]\ndevice = "simulated"\npps = "simulated"')[0] == "skipped"
    assert say("tmp103")[1].endswith("one of: cpu-thermal")
    assert say("tmp102")[0] == "warning"
    (broken / "temp1_input").write_text("21500")
    assert say("tmp103")[1].endswith("one of: cpu-thermal, tmp102")


@pytest.mark.parametrize("value", ["", "two words", "sys/class", "a" * 65, "hwmon0/temp1", " /sys/x"])
def test_a_sensor_that_can_t_be_named_so_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match=r"clock\.temperature-sensor = .*: must be"):
        parse_config(f'[clock]\ntemperature-sensor = "{value}"\n', "test.toml")

"""[receiver.setup]: what is accepted, what is refused and how, what comes from the HAT, and what the receiver is asked for."""

from pathlib import Path
from typing import Any

import pytest

from stratum1 import hw
from stratum1.config import Config, ConfigError, ReceiverConfig, SetupConfig, parse_config, render_toml
from stratum1.config._setup_table import _CONSTELLATIONS, _MESSAGES
from stratum1.gnss.setup import CONSTELLATIONS, MESSAGES, SetupWish, ecef
from stratum1.receiver import setup_wish
from stratum1.settings import load_config, simulation_overrides
from stratum1.startup import unserved


def read(lines: str, receiver: str = "") -> ReceiverConfig:
    found = parse_config(f"[receiver]\n{receiver}\n[receiver.setup]\n{lines}\n", "test.toml").receiver
    assert found is not None
    return found


def test_a_receiver_is_left_alone_unless_somebody_says_so() -> None:
    assert setup_wish(ReceiverConfig()) is None
    assert read("save = true").setup == SetupConfig(save=True)
    assert setup_wish(read("save = true")) is None


def test_the_words_are_those_of_the_set_up() -> None:
    assert (_CONSTELLATIONS, _MESSAGES) == (CONSTELLATIONS, MESSAGES)


def test_defaults_are_those_of_the_set_up() -> None:
    assert setup_wish(read("configure = true")) == SetupWish()


def test_every_key_reaches_the_set_up() -> None:
    receiver = read(
        """configure = true
mode = "fixed"
survey-duration = 7200
survey-accuracy = 2
position = [47, 8.5, 500]
position-accuracy = 0.5
stationary = false
constellations = ["gps", "galileo"]
cable-delay = 25e-9
pulse-length = 0.05
pulse-polarity = "falling"
pulse-grid = "gps"
output = "both"
rates = { "NAV-SAT" = 1, "SEC-SIG" = 0 }
baud = 115200
port = "uart2"
save = true
"""
    )
    assert setup_wish(receiver) == SetupWish(
        mode="fixed",
        survey_duration=7200,
        survey_accuracy=2.0,
        position=ecef(47, 8.5, 500),
        position_accuracy=0.5,
        stationary=False,
        constellations=frozenset({"gps", "galileo"}),
        cable_delay=25,
        pulse_length=50_000,
        pulse_polarity="falling",
        pulse_grid="gps",
        messages=True,
        silence_nmea=False,
        rates={"NAV-SAT": 1, "SEC-SIG": 0},
        baud=115_200,
        port="uart2",
        save=True,
    )
    config = Config(receiver=receiver)
    assert parse_config(render_toml(config), "again.toml") == config


def test_a_position_may_be_geocentric() -> None:
    wish = setup_wish(read("configure = true\nposition-ecef = [4283330.1, 601042.9, 4672158.5]"))
    assert wish is not None
    assert wish.position == (4_283_330.1, 601_042.9, 4_672_158.5)


@pytest.mark.parametrize(
    ("protocol", "output", "told"),
    [("auto", "auto", (True, True)), ("ubx", "auto", (True, True)), ("nmea", "auto", (False, False)), ("auto", "keep", (False, False))],
)
def test_what_is_believed_is_what_is_asked_for(protocol: str, output: str, told: tuple[bool, bool]) -> None:
    wish = setup_wish(read(f'configure = true\noutput = "{output}"', f'protocol = "{protocol}"'))
    assert wish is not None
    assert (wish.messages, wish.silence_nmea) == told


def test_the_port_is_known_by_the_device(tmp_path: Path) -> None:
    link = tmp_path / "gnss"
    link.symlink_to("/dev/ttyACM7")
    for device, port in ((link, "usb"), ("/dev/ttyAMA0", "uart1"), ("/dev/ttyUSB0", "uart1")):
        wish = setup_wish(read("configure = true", f'device = "{device}"'))
        assert wish is not None
        assert wish.port == port


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("configure = 1", "configure = 1: must be true or false"),
        ('mode = "survey"', "mode = \"survey\": must be 'auto', 'survey-in', 'fixed' or 'navigation'"),
        ('mode = "fixed"', 'mode = "fixed" needs position or position-ecef'),
        ("position = 3", "position = 3: must be a list of three numbers"),
        ("position = [47, 8]", "position: must be a list of three numbers"),
        ("position = [47, 8, true]", "position: must be a list of three numbers"),
        ("position = [91, 8, 0]", "position: must be [latitude, longitude, height]"),
        ("position-ecef = [47, 8, 500]", "position-ecef: must be [x, y, z] in metres"),
        ("position = [47, 8, 0]\nposition-ecef = [4283330, 601042, 4672158]", "write only one of them"),
        ('constellations = ["gps", "navstar"]', "constellations: must be a list of some of gps, galileo"),
        ("constellations = []", "constellations: must be a list of some of"),
        ("constellations = [[1]]", "constellations: must be a list of some of"),
        ('constellations = ["gps", "gps"]', "names a constellation twice"),
        ('rates = { "NAV-POSLLH" = 1 }', 'must be as { "NAV-SAT" = 5 }'),
        ('rates = { "NAV-SAT" = 256 }', "must be whole numbers from 0 (never) to 255"),
        ("cable-delay = 1e-3", "cable-delay = 0.001: must be a number at least -3.2767e-05"),
        ("survey-duration = 1.5", "survey-duration = 1.5: must be a whole number at least 1 and at most 604800"),
        ("baud = 14400", "baud = 14400: must be one of 4800"),
        ('port = "spi"', "port = \"spi\": must be 'auto'"),
        ("pulse_length = 0.1", 'pulse_length: unknown key; did you mean "pulse-length"?'),
        ("pulse-lenght = 0.1", 'pulse-lenght: unknown key; did you mean "pulse-length"?'),
    ],
)
def test_a_refusal_says_what_would_be_right(line: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(line)
    assert str(refused.value).startswith("test.toml: receiver.setup")
    assert told in str(refused.value)


def test_a_table_is_needed() -> None:
    with pytest.raises(ConfigError, match=r"receiver\.setup = 3: must be a table, written as \[receiver\.setup\]"):
        parse_config("[receiver]\nsetup = 3\n", "test.toml")


@pytest.mark.parametrize(
    ("receiver", "setup", "told"),
    [("baud = 9600", "baud = 115200", 'needs baud = "auto"'), ('protocol = "nmea"', 'output = "ubx"', "believes nothing else")],
)
def test_what_contradicts_the_table_above_is_refused(receiver: str, setup: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read(f"configure = true\n{setup}", receiver)
    read(setup, receiver)  # nothing is set up


def test_two_delays_for_one_cable_are_told() -> None:
    both = Config(receiver=read("configure = true\ncable-delay = 25e-9", "pulse-delay = 25e-9"))
    assert any("may stand in one of them only" in text for text in unserved(both))
    one = Config(receiver=read("configure = true\ncable-delay = 25e-9"))
    assert not any("cable" in text for text in unserved(one))


def load(tmp_path: Path, text: str, **overrides: Any) -> SetupConfig:
    file = tmp_path / "stratum1.toml"
    file.write_text(text)
    receiver = load_config(file, overrides).receiver
    assert receiver is not None
    return receiver.setup


def test_a_hat_hands_its_receiver_over_and_the_file_has_the_last_word(tmp_path: Path) -> None:
    assert load(tmp_path, '[receiver]\nhat = "uputronics"\n') == SetupConfig(configure=True, pulse_polarity="rising")
    mine = load(tmp_path, '[receiver]\nhat = "uputronics"\n[receiver.setup]\nconfigure = false\nmode = "navigation"\n')
    assert mine == SetupConfig(mode="navigation", pulse_polarity="rising")
    assert load(tmp_path, '[receiver]\nhat = "timehat"\n').configure is False
    assert load(tmp_path, '[receiver]\nhat = "adafruit-ultimate"\n') == SetupConfig()


def test_so_it_is_with_another_receiver(tmp_path: Path) -> None:
    file = tmp_path / "stratum1.toml"
    file.write_text(
        '[receiver]\n[[another-receiver]]\nhat = "uputronics"\npps = "/dev/pps1"\n[another-receiver.setup]\nmode = "navigation"\n'
    )
    config = load_config(file)
    assert config.another_receiver[0].setup == SetupConfig(configure=True, mode="navigation", pulse_polarity="rising")
    assert parse_config(render_toml(config), "again.toml") == config
    for wrong, told in (
        ("surveys = 1", r"another-receiver\[1\]\.setup\.surveys: unknown key"),
        ("pulse_length = 1", r"\.pulse_length: unknown key"),
    ):
        with pytest.raises(ConfigError, match=told):
            parse_config(f"[receiver]\n[[another-receiver]]\n[another-receiver.setup]\n{wrong}\n", "test.toml")
    with pytest.raises(ConfigError, match=r"must be a table, written as \[another-receiver\.setup\]"):
        parse_config("[receiver]\n[[another-receiver]]\nsetup = 3\n", "test.toml")


def test_who_turns_the_edge_keeps_the_polarity(tmp_path: Path) -> None:
    assert load(tmp_path, '[receiver]\nhat = "uputronics"\npps-edge = "clear"\n').pulse_polarity is None


def test_a_simulated_receiver_is_not_set_up(tmp_path: Path) -> None:
    overrides = simulation_overrides(tmp_path, None)
    assert load(tmp_path, '[receiver]\nhat = "uputronics"\n[receiver.setup]\nconfigure = true\n', **overrides).configure is False


@pytest.mark.parametrize("name", hw.hat_names())
def test_only_u_blox_hats_have_a_set_up(name: str) -> None:
    hat = hw.load_hat(name)
    assert (hat.setup is not None) == ("ubx" in hat.speaks.value)


def test_a_set_up_needs_a_receiver_that_understands_it() -> None:
    text = """title = "A HAT"
receiver = { value = "chip", source = "its datasheet" }
speaks = { value = ["nmea"], source = "its datasheet" }
device = { value = "/dev/ttyAMA0", source = "its datasheet" }
baud = { value = 9600, source = "its datasheet" }
pps-edge = { value = "assert", source = "its datasheet" }
[setup]
configure = { value = true, source = "its datasheet" }
"""
    with pytest.raises(hw.HatError, match="setup is for receivers that speak ubx"):
        hw.parse_hat(text, "test")
    assert hw.parse_hat(text.replace('["nmea"]', '["ubx"]'), "test").setup is not None
    with pytest.raises(hw.HatError, match=r"setup\.mode\.value"):
        hw.parse_hat(text.replace('["nmea"]', '["ubx"]') + 'mode = { value = "best", source = "x" }\n', "test")

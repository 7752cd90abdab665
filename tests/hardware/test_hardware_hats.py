"""HAT files: complete, checked, and what the configuration gets from them."""

from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum1 import hw
from stratum1.config import parse_config

MINIMAL = """
title = "A HAT"
receiver = { value = "chip", source = "its datasheet" }
speaks = { value = ["nmea"], source = "its datasheet" }
device = { value = "/dev/ttyAMA0", source = "its datasheet" }
baud = { value = 9600, source = "its datasheet" }
pps-edge = { value = "assert", source = "its datasheet" }
"""


@pytest.mark.parametrize("name", hw.hat_names())
def test_every_hat_makes_a_receiver_table_that_the_configuration_accepts(name: str) -> None:
    receiver = parse_config("", "test", {"receiver": hw.hat_defaults(name)}).receiver
    assert receiver is not None
    assert receiver.device.startswith("/dev/")
    assert (receiver.pps == "none") == (hw.load_hat(name).pps_gpio is None)


def test_the_hats_people_have_are_there() -> None:
    assert {"uputronics", "adafruit-ultimate", "waveshare-l76x", "timehat"} <= set(hw.hat_names())


def test_pins_are_those_of_the_boards() -> None:
    pins = {name: fact.value for name in ("uputronics", "adafruit-ultimate", "sku-424254") if (fact := hw.load_hat(name).pps_gpio)}
    assert pins == {"uputronics": 18, "adafruit-ultimate": 4, "sku-424254": 5}


def test_a_rate_that_people_change_is_detected() -> None:
    assert hw.hat_defaults("uputronics")["baud"] == "auto"
    assert hw.parse_hat(MINIMAL, "test").baud.value == 9600


@pytest.mark.parametrize(("wrong", "right"), [("uputronic", "uputronics"), ("Adafruit", "adafruit-ultimate"), ("UPUTRONICS", "uputronics")])
def test_unknown_name_is_answered_with_the_nearest(wrong: str, right: str) -> None:
    with pytest.raises(hw.HatError, match=f'no HAT is called "{wrong}"; did you mean "{right}"'):
        hw.hat_defaults(wrong)


def test_a_name_like_no_other_gets_the_whole_list() -> None:
    with pytest.raises(hw.HatError, match=r"known: adafruit-ultimate, .*uputronics"):
        hw.load_hat("zzzz")


def test_a_name_is_no_path() -> None:
    with pytest.raises(hw.HatError):
        hw.load_hat("../hats/uputronics")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('colour = "green"', "colour"),
        ('pps-gpio = { value = 99, source = "x" }', r"pps-gpio\.value"),
        ("pps-gpio = { value = 18 }", r"pps-gpio\.source"),
        ('pps-gpio = { value = 18, source = "" }', r"pps-gpio\.source"),
        ('serial-delay = { value = 1.5, source = "x" }', r"serial-delay\.value"),
        ("= 3", "not valid TOML"),
    ],
)
def test_mistakes_name_file_and_key(line: str, told: str) -> None:
    with pytest.raises(hw.HatError, match=f"hats/new.toml: {told}"):
        hw.parse_hat(MINIMAL + line, "hats/new.toml")


@settings(deadline=None)
@given(st.text(max_size=200))
def test_stray_text_is_refused_by_name(text: str) -> None:
    with pytest.raises(hw.HatError, match=r"^any: "):
        hw.parse_hat(text, "any")


def test_hypotheses_are_marked_in_the_data() -> None:
    lc29h = hw.load_hat("waveshare-lc29h").pps_gpio
    assert lc29h is not None
    assert not lc29h.verified


def test_the_data_is_in_the_package() -> None:
    rules = (resources.files("stratum1.hw") / "udev" / "60-stratum1.rules").read_text()
    assert 'SUBSYSTEM=="pps", GROUP="stratum1", MODE="0660"' in rules

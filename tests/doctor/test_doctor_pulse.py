"""What is said of the pulse per second: the device's requests are the real ones, answered by the fake device."""

import dataclasses
import os
import struct
import threading
import time
from pathlib import Path

import pytest
from host_tree import NOW, PI4, PI5, Tree, by_name, config, only
from testkit.fakepps import ASSERT_ONLY, FETCH, SETPARAMS, FakePps

from stratum1.config import Config
from stratum1.doctor import Finding
from stratum1.doctor._pulse import (
    check_pulse_device,
    check_pulse_holders,
    check_pulse_kernel,
    check_pulse_overlay,
    check_pulse_signal,
)
from stratum1.hw import hat_defaults
from stratum1.pps import probe_device

SECOND = 10**9


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "root")


def hat(name: str, text: str = "") -> Config:
    plain = {key: value for key, value in hat_defaults(name).items() if not isinstance(value, dict)}  # not the receiver's set-up
    lines = [f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}" for key, value in plain.items()]
    return config(text, "\n".join([f'hat = "{name}"', *lines]))


def gpio(pulse: str = "gpiochip0:18") -> Config:
    return config(receiver=f'device = "/dev/ttyAMA0"\npps = "{pulse}"')


def signal(tree: Tree, fake: FakePps, pulses: int = 0, settings: Config | None = None, seconds: float = 0.4) -> list[Finding]:
    """What is found while that many pulses come."""
    host = dataclasses.replace(tree.host(), probe=lambda path: probe_device(path, seconds))

    def beat() -> None:
        while not fake.calls[FETCH]:
            time.sleep(0.001)
        time.sleep(0.1)
        for number in range(pulses):
            fake.pulse(NOW + number * SECOND)

    beating = threading.Thread(target=beat, daemon=True)
    beating.start()
    return fake.call(lambda: list(check_pulse_signal(settings or config(), host)))


@pytest.fixture
def fake(tree: Tree) -> FakePps:
    tree.folder("/dev")
    return FakePps(tree.at("/dev/pps0"))


def test_pulses_that_come_are_counted_and_nothing_is_set(tree: Tree, fake: FakePps) -> None:
    finding = only(signal(tree, fake, pulses=1))
    assert (finding.level, finding.text) == ("ok", "1 assert edges in 0.4 s on /dev/pps0 (1 in all)")
    assert fake.calls[SETPARAMS] == 0


def test_silence_names_sky_pin_and_wire(tree: Tree, fake: FakePps) -> None:
    finding = only(signal(tree, fake, settings=hat("adafruit-ultimate")))
    assert finding.level == "failure"
    assert "none since its driver was loaded" in finding.text
    assert "view of the sky" in finding.remedy
    assert "the HAT's GPIO 4" in finding.remedy


def test_pulses_that_once_came_are_told(tree: Tree, fake: FakePps) -> None:
    fake.count(77)
    assert "(77 before)" in only(signal(tree, fake)).text


def test_edges_of_the_other_kind_are_told(tree: Tree, fake: FakePps) -> None:
    fake.params = struct.pack("@iiqiIqiI", 1, 0x1003, 0, 0, 0, 0, 0, 0)
    settings = config(receiver='device = "/dev/ttyAMA0"\npps-edge = "clear"')
    assert "but 1 assert edges" in only(signal(tree, fake, pulses=1, settings=settings)).text


def test_an_edge_that_nobody_switched_on_yet_is_no_fault(tree: Tree, fake: FakePps) -> None:
    settings = config(receiver='device = "/dev/ttyAMA0"\npps-edge = "clear"')
    finding = only(signal(tree, fake, settings=settings))
    assert finding.level == "ok"
    assert "the daemon switches it on" in finding.text


def test_more_than_one_pulse_a_second_is_a_failure(tree: Tree, fake: FakePps) -> None:
    assert "more than one a second" in only(signal(tree, fake, pulses=5)).text


def test_a_device_with_one_edge_can_not_check_the_polarity(tree: Tree) -> None:
    tree.folder("/dev")
    fake = FakePps(tree.at("/dev/pps0"), ASSERT_ONLY)
    assert by_name(signal(tree, fake, pulses=1)) == {"pulse.signal": "ok", "pulse.polarity": "warning"}


def test_an_edge_that_the_driver_lacks_is_a_failure(tree: Tree) -> None:
    tree.folder("/dev")
    fake = FakePps(tree.at("/dev/pps0"), ASSERT_ONLY)
    finding = only(signal(tree, fake, settings=config(receiver='device = "/dev/ttyAMA0"\npps-edge = "clear"')))
    assert finding.level == "failure"
    assert finding.remedy == 'Set pps-edge = "assert", or add capture_clear to the pps-gpio line in config.txt.'


def test_a_foreign_offset_is_told(tree: Tree, fake: FakePps) -> None:
    fake.params = struct.pack("@iiqiIqiI", 1, 0x1011, 0, 250, 0, 0, 0, 0)
    assert by_name(signal(tree, fake, pulses=1)) == {"pulse.signal": "ok", "pulse.offset": "warning"}


def test_what_is_no_pulse_device_is_told(tree: Tree) -> None:
    tree.file("/dev/pps0")
    assert "is not a PPS device" in only(check_pulse_signal(config(), tree.host())).text


@pytest.mark.parametrize(
    ("content", "level", "text"),
    [
        (f"{NOW // SECOND - 1}.900000000#815\n", "ok", "0.1 s ago (815 in all)"),
        (f"{NOW // SECOND - 9}.000000000#815\n", "failure", "no assert edge in the last 2 s"),
        ("0.000000000#0\n", "failure", "no assert edge in the last 2 s"),
        ("", "skipped", "seen as root only"),
    ],
)
def test_without_permission_the_last_edge_is_read_from_sysfs(tree: Tree, content: str, level: str, text: str) -> None:
    tree.file("/dev/pps0", mode=0o660)
    tree.caller(64990, groups=[])
    tree.file("/sys/class/pps/pps0/assert", content)
    # the files are the test's own: with its uid nobody else may read them
    finding = only(check_pulse_signal(config(), tree.host()))
    assert (finding.level, text in finding.text) == (level, True), finding


def test_a_pulse_device_is_described_by_its_driver(tree: Tree) -> None:
    tree.file("/dev/pps0")
    tree.file("/sys/class/pps/pps0/name", "pps@12.-1\n")
    found = list(check_pulse_device(config(), tree.host()))
    assert by_name(found) == {"pulse.device": "ok", "pulse.permission": "ok"}
    assert "(driver's name pps@12.-1)" in found[0].text


def test_a_device_that_only_root_may_open_needs_the_udev_rule(tree: Tree) -> None:
    tree.file("/dev/pps0", mode=0o600)
    tree.unit()
    found = {each.name: each for each in check_pulse_device(config(), tree.host())}
    assert found["pulse.permission"].level == "failure"
    assert 'SUBSYSTEM=="pps", GROUP="stratum1", MODE="0660"' in found["pulse.permission"].remedy


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        (hat("uputronics"), "Put dtoverlay=pps-gpio,gpiopin=18 into /boot/firmware/config.txt (the HAT's GPIO 18)"),
        (hat("adafruit-ultimate"), "Put dtoverlay=pps-gpio,gpiopin=4 into"),
        (config(), "gpiopin=18 into /boot/firmware/config.txt (18 is the usual GPIO; see your HAT's manual)"),
    ],
)
def test_a_missing_device_names_the_overlay_line_of_the_hat(tree: Tree, settings: Config, remedy: str) -> None:
    tree.pi(PI4, "")
    tree.file("/dev/gpiochip0")
    finding = only(check_pulse_device(settings, tree.host()))
    assert finding.level == "failure"
    assert remedy in finding.remedy
    assert 'Without the driver: pps = "gpiochip0:' in finding.remedy


def test_a_missing_device_whose_line_stands_wants_a_restart(tree: Tree) -> None:
    tree.pi(PI4, "dtoverlay=pps-gpio,gpiopin=18\n")
    assert "The line in /boot/firmware/config.txt stands: restart" in only(check_pulse_device(config(), tree.host())).remedy


def test_elsewhere_a_missing_device_wants_its_driver(tree: Tree) -> None:
    tree.file("/dev/pps1")
    remedy = only(check_pulse_device(config(), tree.host())).remedy
    assert remedy.startswith("Sources that are there: /dev/pps1.")
    assert "ldattach" in remedy


def overlay(tree: Tree, text: str, settings: Config | None = None, model: str = PI4) -> tuple[str, str]:
    tree.pi(model, text)
    finding = only(check_pulse_overlay(settings or hat("uputronics"), tree.host()))
    return finding.level.value, finding.text


@pytest.mark.parametrize(
    ("text", "level", "told"),
    [
        ("dtoverlay=pps-gpio,gpiopin=18\n", "ok", "line 1 puts the pulse on GPIO 18"),
        ("dtoverlay=pps-gpio\n", "ok", "GPIO 18"),
        ("\n dtoverlay = pps-gpio , gpiopin=18 # the pulse\n", "ok", "line 2 puts"),
        ("dtoverlay=pps-gpio\ndtparam=gpiopin=4\n", "failure", "the pulse is on GPIO 4; the HAT uputronics has it on GPIO 18"),
        ("dtoverlay=pps-gpio,gpiopin=4\ndtoverlay=pps-gpio,gpiopin=18\n", "ok", "line 2 puts"),
        ("#dtoverlay=pps-gpio,gpiopin=18\n", "failure", "is commented out (/boot/firmware/config.txt, line 1)"),
        ("[pi5]\ndtoverlay=pps-gpio,gpiopin=18\n", "failure", "stands in the section [pi5], which is not for this board"),
        ("[pi5]\n[all]\ndtoverlay=pps-gpio,gpiopin=18\n", "ok", ""),
        ("[pi4]\ndtoverlay=pps-gpio,gpiopin=18\n", "ok", ""),
        ("[none]\ndtoverlay=pps-gpio,gpiopin=18\n", "failure", "[none]"),
        ("dtparam=i2c_arm=on\n", "failure", "/boot/firmware/config.txt has no pps-gpio line"),
    ],
)
def test_the_overlay_line_is_read(tree: Tree, text: str, level: str, told: str) -> None:
    found = overlay(tree, text)
    assert found[0] == level
    assert told in found[1]


@pytest.mark.parametrize(
    ("model", "section", "level"),
    [
        (PI5, "pi5", "ok"),
        ("Raspberry Pi Compute Module 4 Rev 1.1", "cm4", "ok"),
        ("Raspberry Pi Compute Module 4 Rev 1.1", "pi5", "failure"),
        ("Raspberry Pi 400 Rev 1.0", "pi4", "ok"),
        ("Raspberry Pi 3 Model B Plus Rev 1.3", "pi3+", "ok"),
        ("Raspberry Pi 3 Model B Rev 1.2", "pi3+", "failure"),
        ("Raspberry Pi Zero 2 W Rev 1.0", "pi02", "ok"),
        ("Raspberry Pi 500 Rev 1.0", "pi5", "ok"),
    ],
)
def test_sections_are_those_of_the_board(tree: Tree, model: str, section: str, level: str) -> None:
    assert overlay(tree, f"[{section}]\ndtoverlay=pps-gpio,gpiopin=18\n", model=model)[0] == level


def test_files_that_include_each_other_are_read_once(tree: Tree) -> None:
    tree.file("/boot/firmware/more.txt", "include config.txt\ninclude more.txt\ndtoverlay=pps-gpio,gpiopin=18\n")
    assert overlay(tree, "include more.txt\n") == ("ok", "/boot/firmware/more.txt, line 3 puts the pulse on GPIO 18")


def test_a_missing_line_with_a_device_there_is_only_warned_of(tree: Tree) -> None:
    tree.file("/dev/pps0")
    assert overlay(tree, "")[0] == "warning"


def test_a_pi_with_the_old_boot_folder_is_read_too(tree: Tree) -> None:
    tree.pi(PI4)
    tree.file("/boot/config.txt", "dtoverlay=pps-gpio,gpiopin=18\n")
    assert only(check_pulse_overlay(hat("uputronics"), tree.host())).level == "ok"


def test_the_note_at_the_old_place_is_not_taken_for_the_file(tree: Tree) -> None:
    tree.pi(PI4)
    tree.file("/boot/config.txt", "DO NOT EDIT THIS FILE\n\nThe file you are looking for has moved to /boot/firmware/config.txt\n")
    assert only(check_pulse_overlay(hat("uputronics"), tree.host())).level == "skipped"


def test_a_line_that_the_driver_has_can_not_be_read_directly(tree: Tree) -> None:
    tree.pi(PI4, "dtoverlay=pps-gpio,gpiopin=18\n")
    assert only(check_pulse_overlay(gpio(), tree.host())).level == "failure"
    assert list(check_pulse_overlay(gpio("gpiochip0:4"), tree.host())) == []


def test_other_boards_have_no_config_txt(tree: Tree) -> None:
    assert list(check_pulse_overlay(config(), tree.host())) == []


def test_a_gpio_line_needs_its_chip(tree: Tree) -> None:
    tree.file("/dev/gpiochip4")
    missing = only(check_pulse_device(gpio(), tree.host()))
    assert (missing.level, missing.remedy) == ("failure", "Chips that are there: gpiochip4.")
    tree.file("/dev/gpiochip0", mode=0o600)
    tree.unit()
    found = {each.name: each for each in check_pulse_device(gpio(), tree.host())}
    assert 'GROUP="gpio"' in found["pulse.permission"].remedy


def test_no_pulse_at_all_is_a_warning(tree: Tree) -> None:
    assert only(check_pulse_device(config(receiver='device = "/dev/ttyAMA0"\npps = "none"'), tree.host())).level == "warning"


def test_kernel_support(tree: Tree) -> None:
    missing = only(check_pulse_kernel(config(), tree.host()))
    assert missing.level == "failure"
    assert "modprobe pps-gpio" in missing.remedy
    tree.folder("/sys/class/pps/pps0")
    assert only(check_pulse_kernel(config(), tree.host())).text == "the kernel has PPS support (pps0)"
    assert list(check_pulse_kernel(gpio(), tree.host())) == []


def test_another_reader_of_the_pulse_is_named(tree: Tree) -> None:
    tree.file("/dev/pps0")
    assert list(check_pulse_holders(config(), tree.host())) == []
    tree.process(900, "/usr/bin/stratum1 run", "stratum1.service", ["/dev/pps0"])
    assert list(check_pulse_holders(config(), tree.host())) == []
    tree.process(812, "/usr/sbin/chronyd -F 1", "chrony.service", ["/dev/pps0"])
    finding = only(check_pulse_holders(config(), tree.host()))
    assert (finding.level, finding.remedy) == ("warning", "sudo systemctl disable --now chrony.service")


def test_the_tree_is_ours_so_that_permissions_can_be_judged(tree: Tree) -> None:
    """What the tests of permissions stand on: files here belong to whoever runs the tests, and pi and stratum1 are others."""
    assert tree.file("/dev/x").stat().st_uid == os.getuid()
    assert os.getuid() not in (64_990, 64_999)

"""What is said of the receiver's serial line."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from host_tree import DAEMON_UID, PI4, PI5, Tree, by_name, config, only

from stratum1.doctor._serial import (
    check_serial_console,
    check_serial_device,
    check_serial_holders,
    check_serial_rivals,
    check_serial_uart,
)

AMA0 = "/dev/ttyAMA0"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "root")


@pytest.fixture
def line(tree: Tree) -> Iterator[int]:
    """A real tty under the name of the UART."""
    master, slave = os.openpty()
    tree.link(AMA0, os.ttyname(slave))
    yield slave
    os.close(master)
    os.close(slave)


@pytest.mark.usefixtures("line")
def test_a_line_that_the_daemon_may_open_is_good(tree: Tree) -> None:
    assert by_name(check_serial_device(config(), tree.host())) == {"serial.device": "ok", "serial.permission": "ok"}


def test_a_missing_line_names_those_that_are_there(tree: Tree) -> None:
    tree.file("/dev/ttyUSB0")
    finding = only(check_serial_device(config(), tree.host()))
    assert finding.level == "failure"
    assert "Lines that are there: /dev/ttyUSB0." in finding.remedy


@pytest.mark.parametrize(
    ("model", "config_txt", "remedy"),
    [
        (PI4, "", "Put into /boot/firmware/config.txt: enable_uart=1 and dtoverlay=disable-bt"),
        (PI4, "enable_uart=1\n", "Put into /boot/firmware/config.txt: dtoverlay=disable-bt"),
        (PI4, "enable_uart = 1\n[pi5]\ndtoverlay=disable-bt\n", "Put into /boot/firmware/config.txt: dtoverlay=disable-bt"),
        (PI5, "enable_uart=1\n# dtparam=uart0=on\n", "Put into /boot/firmware/config.txt: dtparam=uart0=on"),
        (PI5, "enable_uart=1\n[pi5]\ndtparam=uart0=on\n", "has the lines already: restart the board"),
    ],
)
def test_on_a_pi_the_missing_lines_of_config_txt_are_named(tree: Tree, model: str, config_txt: str, remedy: str) -> None:
    tree.pi(model, config_txt)
    assert remedy in only(check_serial_device(config(), tree.host())).remedy


def test_lines_of_an_included_file_count(tree: Tree) -> None:
    tree.pi(PI4, "include stratum1.txt\n")
    tree.file("/boot/firmware/stratum1.txt", "enable_uart=1\ndtoverlay=disable-bt\n")
    assert "has the lines already" in only(check_serial_device(config(), tree.host())).remedy


def test_the_udev_name_is_explained_where_it_is_missing(tree: Tree) -> None:
    finding = only(check_serial_device(config(receiver='pps = "none"'), tree.host()))
    assert "60-stratum1.rules" in finding.remedy


def test_a_link_to_nothing_says_so(tree: Tree) -> None:
    tree.link("/dev/gnss0", "ttyACM0")
    assert "it is a link to ttyACM0, which is missing" in only(check_serial_device(config(receiver='pps = "none"'), tree.host())).text


def test_a_file_is_no_line(tree: Tree) -> None:
    tree.file(AMA0)
    finding = only(check_serial_device(config(), tree.host()))
    assert (finding.level, finding.text) == ("failure", "/dev/ttyAMA0 is no serial line")


def test_the_services_user_outside_the_group_is_told_to_join_it(tree: Tree, line: int) -> None:
    os.fchmod(line, 0o660)
    tree.unit()
    tree.file("/etc/group", f"dialout:x:{os.fstat(line).st_gid}:\n")
    found = {each.name: each for each in check_serial_device(config(), tree.host())}
    assert found["serial.permission"].level == "failure"
    assert "stratum1, whom the daemon runs as, may not read and write /dev/ttyAMA0 (rw-rw----" in found["serial.permission"].text
    assert found["serial.permission"].remedy.startswith("sudo usermod -aG dialout stratum1")


@pytest.mark.parametrize("in_unit", [False, True])
def test_the_services_user_in_the_group_may(tree: Tree, line: int, in_unit: bool) -> None:
    os.fchmod(line, 0o660)
    tree.unit("User=stratum1\n" + ("SupplementaryGroups=dialout gpio\n" if in_unit else ""))
    tree.file("/etc/group", f"dialout:x:{os.fstat(line).st_gid}:{'' if in_unit else 'pi,stratum1'}\n")
    assert by_name(check_serial_device(config(), tree.host()))["serial.permission"] == "ok"


def test_a_caller_outside_the_group_is_warned_only(tree: Tree, line: int) -> None:
    os.fchmod(line, 0o660)
    tree.unit()
    tree.caller(64990)
    tree.file("/etc/group", f"dialout:x:{os.fstat(line).st_gid}:stratum1\n")
    found = {each.name: each for each in check_serial_device(config(), tree.host())}
    assert found["serial.permission"].level == "ok"
    assert found["serial.permission-caller"].level == "warning"
    assert "usermod -aG dialout pi" in found["serial.permission-caller"].remedy


def test_a_line_without_a_group_needs_a_udev_rule(tree: Tree, line: int) -> None:
    os.fchmod(line, 0o600)
    tree.unit()
    found = {each.name: each for each in check_serial_device(config(), tree.host())}
    assert 'GROUP="dialout"' in found["serial.permission"].remedy


@pytest.mark.parametrize("console", ["console=ttyAMA0,115200", "kgdboc=ttyAMA0,115200", "console=serial0"])
def test_the_kernels_console_on_the_line_is_a_failure(tree: Tree, console: str) -> None:
    tree.file(AMA0)
    tree.link("/dev/serial0", "ttyAMA0")
    tree.file("/proc/cmdline", f"{console} console=tty1 root=/dev/mmcblk0p2\n")
    tree.file("/boot/firmware/cmdline.txt")
    finding = only(check_serial_console(config(), tree.host()))
    assert finding.level == "failure"
    assert "out of /boot/firmware/cmdline.txt, restart; sudo systemctl disable --now serial-getty@ttyAMA0.service" in finding.remedy


def test_a_console_elsewhere_is_no_matter(tree: Tree) -> None:
    tree.file(AMA0)
    tree.file("/proc/cmdline", "console=ttyS0,115200 console=tty1\n")
    assert only(check_serial_console(config(), tree.host())).level == "ok"


def test_a_login_on_the_line_is_a_failure(tree: Tree) -> None:
    tree.process(612, "/sbin/agetty -o -p --keep-baud 115200,57600 ttyAMA0 vt220", "serial-getty@ttyAMA0.service")
    finding = only(check_serial_console(config(), tree.host()))
    assert finding.level == "failure"
    assert "agetty (pid 612, serial-getty@ttyAMA0.service)" in finding.text


@pytest.mark.parametrize("folder", ["/etc/systemd/system", "/run/systemd/generator"])
def test_a_login_that_only_waits_for_the_next_boot_is_seen(tree: Tree, folder: str) -> None:
    tree.link(f"{folder}/getty.target.wants/serial-getty@ttyAMA0.service", "/lib/systemd/system/serial-getty@.service")
    assert only(check_serial_console(config(), tree.host())).remedy == "sudo systemctl disable --now serial-getty@ttyAMA0.service"


def test_a_masked_login_is_none(tree: Tree) -> None:
    tree.enable("serial-getty@ttyAMA0.service", "getty.target")
    tree.link("/etc/systemd/system/serial-getty@ttyAMA0.service", "/dev/null")
    assert only(check_serial_console(config(), tree.host())).level == "ok"


@pytest.mark.parametrize("name", [AMA0, "/dev/gnss0"])
def test_who_holds_the_line_is_named_whatever_name_was_opened(tree: Tree, name: str) -> None:
    tree.file(AMA0)
    tree.link("/dev/gnss0", "ttyAMA0")
    tree.process(812, "/usr/sbin/gpsd -n /dev/ttyAMA0", "gpsd.service", ["/dev/null", AMA0])
    finding = only(check_serial_holders(config(receiver=f'device = "{name}"'), tree.host()))
    assert (finding.level, finding.remedy) == ("failure", "sudo systemctl disable --now gpsd.service")
    assert finding.text.startswith("gpsd (pid 812, gpsd.service) has /dev/")


def test_a_holder_that_a_person_started_is_ended_by_number(tree: Tree) -> None:
    tree.file(AMA0)
    tree.process(4711, "minicom -D /dev/ttyAMA0", "", [AMA0])
    assert only(check_serial_holders(config(), tree.host())).remedy == "sudo kill 4711"


def test_our_own_daemon_may_hold_it(tree: Tree) -> None:
    tree.file(AMA0)
    tree.process(900, "/usr/bin/python3 /usr/bin/stratum1 run --config /etc/stratum1/stratum1.toml", "stratum1.service", [AMA0])
    assert only(check_serial_holders(config(), tree.host())).level == "ok"


def test_who_is_not_root_is_told_that_others_may_be_hidden(tree: Tree) -> None:
    tree.file(AMA0)
    tree.caller(64990)
    finding = only(check_serial_holders(config(), tree.host()))
    assert "no program of yours" in finding.text
    assert "fuser" in finding.remedy


def test_gpsd_that_runs_or_is_enabled_is_a_rival(tree: Tree) -> None:
    assert only(check_serial_rivals(config(), tree.host())).level == "ok"
    tree.enable("gpsd.socket", "sockets.target")
    finding = only(check_serial_rivals(config(), tree.host()))
    assert (finding.level, finding.remedy) == ("warning", "sudo systemctl disable --now gpsd.socket gpsd.service")
    tree.process(812, "/usr/sbin/gpsd -n", "gpsd.service")
    assert "gpsd runs (pid 812)" in only(check_serial_rivals(config(), tree.host())).text


@pytest.mark.parametrize(("device", "level"), [("/dev/ttyACM0", "warning"), (AMA0, "ok")])
def test_modem_manager_matters_on_usb_only(tree: Tree, device: str, level: str) -> None:
    tree.process(500, "/usr/sbin/ModemManager", "ModemManager.service")
    assert only(check_serial_rivals(config(receiver=f'device = "{device}"'), tree.host())).level == level


def uart(tree: Tree, device: str) -> tuple[str, str]:
    finding = only(check_serial_uart(config(receiver=f'device = "{device}"'), tree.host()))
    return finding.level.value, finding.remedy


def test_the_bluetooth_uart_is_told_from_the_headers(tree: Tree) -> None:
    tree.pi(PI4, "enable_uart=1\n")
    for name in ("ttyAMA0", "ttyS0"):
        tree.file(f"/dev/{name}")
    tree.link("/dev/serial0", "ttyS0")
    level, remedy = uart(tree, AMA0)
    assert level == "failure"
    assert "Put dtoverlay=disable-bt into /boot/firmware/config.txt" in remedy
    assert uart(tree, "/dev/ttyS0")[0] == "warning"
    assert uart(tree, "/dev/serial0")[0] == "warning"


def test_bluetooth_that_is_at_the_uart_shows_it_too(tree: Tree) -> None:
    tree.pi(PI4, "")
    tree.file(AMA0)
    tree.process(400, "/usr/bin/hciattach /dev/ttyAMA0 bcm43xx 921600 noflow -", "hciuart.service")
    assert uart(tree, AMA0)[0] == "failure"


def test_the_headers_uart_is_good(tree: Tree) -> None:
    tree.pi(PI4, "enable_uart=1\ndtoverlay=disable-bt\n")
    tree.file(AMA0)
    tree.link("/dev/serial0", "ttyAMA0")
    assert uart(tree, AMA0)[0] == "ok"


def test_the_debug_connector_of_a_pi_5_is_not_the_header(tree: Tree) -> None:
    tree.pi(PI5, "")
    tree.file("/dev/ttyAMA10")
    tree.file(AMA0)
    tree.link("/dev/serial0", "ttyAMA10")
    level, remedy = uart(tree, "/dev/serial0")
    assert level == "failure"
    assert "dtparam=uart0=on" in remedy
    assert uart(tree, AMA0)[0] == "ok"


def test_elsewhere_the_wiring_is_not_judged(tree: Tree) -> None:
    assert uart(tree, AMA0)[0] == "skipped"


def test_a_service_whose_user_is_missing_is_told_once_and_elsewhere(tree: Tree, line: int) -> None:
    os.fchmod(line, 0o600)
    tree.unit("User=nobody-there\n")
    assert by_name(check_serial_device(config(), tree.host())) == {"serial.device": "ok"}


def test_a_running_service_tells_its_own_user(tree: Tree, line: int) -> None:
    os.fchmod(line, 0o660)
    tree.unit()
    tree.process(900, "/usr/bin/python3 /usr/bin/stratum1 run", "stratum1.service")
    tree.status(900, DAEMON_UID, [os.fstat(line).st_gid])
    assert by_name(check_serial_device(config(), tree.host()))["serial.permission"] == "ok"

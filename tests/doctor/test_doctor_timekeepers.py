"""What is said of other programs that steer the clock."""

from pathlib import Path

import pytest
from host_tree import Tree, config, only

from stratum1.doctor._timekeepers import check_enabled_timekeepers, check_running_timekeepers

VIRTUAL = '[clock]\ncontrol = "virtual"'


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "root")


@pytest.mark.parametrize(
    ("command", "unit", "title"),
    [
        ("/usr/sbin/chronyd -F 1", "chrony.service", "chrony"),
        ("/usr/sbin/ntpd -p /run/ntpd.pid", "ntpsec.service", "ntpd"),
        ("/usr/bin/ntp-daemon", "ntpd-rs.service", "ntpd-rs"),
        ("/lib/systemd/systemd-timesyncd", "systemd-timesyncd.service", "systemd-timesyncd"),
        ("/usr/sbin/openntpd -f /etc/openntpd/ntpd.conf", "openntpd.service", "OpenNTPD"),
        ("/usr/sbin/phc2sys -a -r", "phc2sys.service", "linuxptp's phc2sys"),
        ("/usr/sbin/ptp4l -f /etc/linuxptp/ptp4l.conf -i eth0", "ptp4l@eth0.service", "linuxptp's ptp4l"),
    ],
)
def test_each_is_named_with_its_unit(tree: Tree, command: str, unit: str, title: str) -> None:
    tree.process(812, command, unit)
    finding = only(check_running_timekeepers(config(), tree.host()))
    assert (finding.level, finding.remedy) == ("failure", f"sudo systemctl disable --now {unit}")
    assert finding.text.startswith(title)


def test_none_is_good(tree: Tree) -> None:
    tree.process(1, "/sbin/init", "")
    tree.process(2, "/usr/bin/python3 /usr/bin/stratum1 run", "stratum1.service")
    assert only(check_running_timekeepers(config(), tree.host())).level == "ok"


def test_one_that_a_person_started_is_ended_by_number(tree: Tree) -> None:
    tree.process(4711, "chronyd -d -f my.conf")
    assert only(check_running_timekeepers(config(), tree.host())).remedy == "sudo kill 4711"


def test_two_are_both_named(tree: Tree) -> None:
    tree.process(812, "/usr/sbin/chronyd", "chrony.service")
    tree.process(813, "/lib/systemd/systemd-timesyncd", "systemd-timesyncd.service")
    assert len(list(check_running_timekeepers(config(), tree.host()))) == 2


def test_a_virtual_clock_does_not_mind(tree: Tree) -> None:
    tree.process(812, "/usr/sbin/chronyd", "chrony.service")
    tree.enable("chrony.service")
    assert only(check_running_timekeepers(config(VIRTUAL), tree.host())).level == "ok"
    assert only(check_enabled_timekeepers(config(VIRTUAL), tree.host())).level == "skipped"


def test_one_that_starts_at_the_next_boot_is_warned_of(tree: Tree) -> None:
    tree.enable("systemd-timesyncd.service", "sysinit.target")
    finding = only(check_enabled_timekeepers(config(), tree.host()))
    assert finding.level == "warning"
    assert finding.remedy.startswith("sudo systemctl disable systemd-timesyncd.service")


def test_one_that_runs_is_not_told_twice(tree: Tree) -> None:
    tree.enable("chrony.service")
    tree.process(812, "/usr/sbin/chronyd", "chrony.service")
    assert only(check_enabled_timekeepers(config(), tree.host())).level == "ok"


def test_a_masked_one_is_none(tree: Tree) -> None:
    tree.enable("systemd-timesyncd.service", "sysinit.target")
    tree.link("/etc/systemd/system/systemd-timesyncd.service", "/dev/null")
    assert only(check_enabled_timekeepers(config(), tree.host())).level == "ok"

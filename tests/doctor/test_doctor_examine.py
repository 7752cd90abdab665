"""All checks together: which of them a configuration calls for, that each fault has a remedy, and that nothing is changed."""

import dataclasses
from pathlib import Path

import pytest
from host_tree import PI4, Tree, by_name, config
from testkit.fakepps import SETPARAMS, FakePps

from stratum1.config import parse_config
from stratum1.doctor import Finding, Level, examine, exit_status
from stratum1.pps import probe_device

SIMULATED = '[receiver]\ndevice = "simulated"\npps = "simulated"\n[clock]\ncontrol = "virtual"\n'


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "root")


def picture(root: Path) -> dict[str, tuple[int, int, str]]:
    """Mode, time of the last change and content of everything below."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content = str(path.readlink()) if path.is_symlink() else path.read_text() if path.is_file() else ""
        found[str(path)] = (status.st_mode, status.st_mtime_ns, content)
    return found


def troubled(tree: Tree) -> FakePps:
    """A Pi with nearly everything wrong."""
    tree.pi(PI4, "#dtoverlay=pps-gpio,gpiopin=18\n")
    tree.file("/dev/ttyAMA0")
    tree.file("/proc/cmdline", "console=ttyAMA0,115200 root=/dev/mmcblk0p2\n")
    tree.folder("/sys/class/pps")
    tree.folder("/sys/class/rtc")
    tree.unit("User=stratum1\n")
    tree.process(700, "/usr/sbin/gpsd -n /dev/ttyAMA0", "gpsd.service", ["/dev/ttyAMA0", "/dev/pps0"])
    tree.process(812, "/usr/sbin/chronyd -F 1", "chrony.service", ["socket:[4001]"])
    tree.enable("systemd-timesyncd.service", "sysinit.target")
    tree.sockets("udp", [("0.0.0.0", 123, 4001)])
    tree.sockets("tcp", [("0.0.0.0", 8080, 4002)], state="0A")
    tree.file("/proc/net/if_inet6")
    fake = FakePps(tree.at("/dev/pps0"))
    tree.at("/dev/pps0").chmod(0o600)
    return fake


def examined(tree: Tree, fake: FakePps) -> list[Finding]:
    host = dataclasses.replace(tree.host(), probe=lambda path: probe_device(path, 0.05))
    return fake.call(lambda: list(examine(config(), host)))


def test_everything_that_is_wrong_is_found_at_once(tree: Tree) -> None:
    failures = {each.name for each in examined(tree, troubled(tree)) if each.level is Level.FAILURE}
    assert failures == {
        *("serial.device", "serial.console", "serial.in-use"),
        *("pulse.permission", "pulse.signal"),
        *("timekeepers.running", "clock.privilege"),
        *("network.ntp", "network.privilege", "network.web", "storage.state", "storage.control"),
    }


def test_each_fault_has_a_remedy_and_each_finding_a_text(tree: Tree) -> None:
    found = examined(tree, troubled(tree))
    assert [each for each in found if not each.text] == []
    assert [each for each in found if each.level in (Level.WARNING, Level.FAILURE) and len(each.remedy) < 10] == []


def test_nothing_is_changed(tree: Tree) -> None:
    fake = troubled(tree)
    before = picture(tree.root)
    examined(tree, fake)
    assert picture(tree.root) == before
    assert fake.calls[SETPARAMS] == 0


def test_a_simulated_receiver_needs_no_hardware(tree: Tree) -> None:
    names = by_name(examine(parse_config(SIMULATED, "x.toml"), tree.host()))
    assert names["serial.device"] == "skipped"
    assert [name for name in names if name.startswith(("serial.", "pulse."))] == ["serial.device"]


def test_a_virtual_clock_needs_no_privilege(tree: Tree) -> None:
    tree.caller(64990)
    names = by_name(examine(parse_config(SIMULATED, "x.toml"), tree.host()))
    assert names["clock.kernel"] == "skipped"
    assert not names.keys() & {"clock.privilege", "clock.battery", "clock.governor"}


def test_without_a_receiver_no_line_is_looked_for(tree: Tree) -> None:
    names = by_name(examine(parse_config("", "x.toml"), tree.host()))
    assert [name for name in names if name.startswith(("serial.", "pulse."))] == []


@pytest.mark.parametrize(
    ("levels", "status"),
    [([], 0), ([Level.OK, Level.SKIPPED], 0), ([Level.WARNING], 0), ([Level.OK, Level.FAILURE, Level.WARNING], 1)],
)
def test_only_failures_make_the_exit_status(levels: list[Level], status: int) -> None:
    assert exit_status(Finding(level, "a.b", "text") for level in levels) == status

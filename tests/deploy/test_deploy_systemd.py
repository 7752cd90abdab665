"""The unit, users, directories and device rules, judged by systemd's own tools (the unit runs for real in the image's tests)."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[2] / "deploy" / "systemd"
UNIT = DEPLOY / "stratum1.service"
RULES = DEPLOY.parents[1] / "hw" / "udev" / "60-stratum1.rules"
UNITS = Path("/usr/lib/systemd/system")


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A system root with systemd's own units, ours, and the two programs that it starts."""
    shutil.copytree(UNITS, tmp_path / "usr/lib/systemd/system", symlinks=True)
    for program in ("usr/bin/stratum1", "bin/kill"):
        path = tmp_path / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    shutil.copy(UNIT, tmp_path / "etc/systemd/system")
    return tmp_path


def verified(root: Path) -> str:
    result = run("systemd-analyze", "verify", f"--root={root}", "--man=no", "stratum1.service")
    return "\n".join(line for line in (result.stdout + result.stderr).splitlines() if "stratum1" in line)


def service(key: str) -> list[str]:
    """Every value that [Service] gives a key, in order."""
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text().partition("[Service]")[2], re.MULTILINE)


def test_systemd_finds_nothing_to_say(root: Path) -> None:
    assert verified(root) == ""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("WatchdogSec=", "WatchdogSecs="), ("ProtectHome=yes", "ProtectHome=maybe"), ("/usr/bin/stratum1", "/usr/bin/no-such")],
)
def test_systemd_would_find_a_mistake(root: Path, right: str, wrong: str) -> None:
    unit = root / "etc/systemd/system/stratum1.service"
    assert right in unit.read_text()
    unit.write_text(unit.read_text().replace(right, wrong))
    assert verified(root) != ""


def test_exposure_stays_low() -> None:
    """2.3 with systemd 252 of 10; what is left is the network, the devices and the clock itself."""
    result = run("systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=25", str(UNIT))
    assert result.returncode == 0, result.stdout
    level = re.search(r"exposure level for stratum1.service: ([\d.]+)", result.stdout)
    assert level is not None
    assert 0 < float(level[1]) <= 2.5


def test_the_fast_path_is_loaded_by_a_unit_of_its_own(root: Path) -> None:
    """The daemon's privileges stay the two; the drop-in gives it one system call."""
    shutil.copy(DEPLOY / "stratum1-xdp.service", root / "etc/systemd/system")
    dropins = root / "etc/systemd/system/stratum1.service.d"
    dropins.mkdir()
    shutil.copy(DEPLOY / "dropins" / "xdp.conf", dropins)
    assert verified(root) == ""
    result = run("systemd-analyze", "verify", f"--root={root}", "--man=no", "stratum1-xdp.service")
    assert "stratum1" not in result.stdout + result.stderr
    one_shot = (DEPLOY / "stratum1-xdp.service").read_text()
    assert "CapabilityBoundingSet=CAP_BPF CAP_PERFMON CAP_NET_ADMIN CAP_CHOWN\n" in one_shot
    assert "Before=stratum1.service\n" in one_shot
    assert (DEPLOY / "dropins" / "xdp.conf").read_text().rpartition("[Service]\n")[2] == "SystemCallFilter=bpf\n"


def test_a_refused_step_and_a_wrong_configuration_stay_down_and_a_crash_comes_back() -> None:
    assert service("Restart") == ["on-abnormal"]
    assert service("RestartForceExitStatus") == ["1"]
    assert service("RestartPreventExitStatus") == ["2 78"]


def test_the_privileges_are_the_two() -> None:
    assert service("User") == ["stratum1"]
    assert service("AmbientCapabilities") == service("CapabilityBoundingSet") == ["CAP_SYS_TIME CAP_NET_BIND_SERVICE"]


def test_nothing_that_takes_the_clock_or_the_receiver_away() -> None:
    assert not any(service(key) for key in ("ProtectClock", "PrivateUsers", "PrivateDevices"))
    assert service("SystemCallFilter")[-1] == "@clock"
    assert {"char-pps rw", "char-gpiochip rw", "char-ttyAMA rw", "char-ttyUSB rw", "char-ttyACM rw"} <= set(service("DeviceAllow"))


def test_notify_watchdog_and_reload() -> None:
    assert (service("Type"), service("NotifyAccess"), service("ExecReload")) == (["notify"], ["main"], ["/bin/kill -HUP $MAINPID"])
    assert 1 <= int(service("WatchdogSec")[0]) <= 60
    assert service("MemoryDenyWriteExecute") == ["yes"]


def test_no_other_time_daemon_runs_beside_it() -> None:
    parser = configparser.RawConfigParser(strict=False)
    parser.read(UNIT)
    others = set(parser["Unit"]["Conflicts"].split())
    assert {f"{name}.service" for name in ("systemd-timesyncd", "chrony", "ntp", "ntpsec", "openntpd", "ntpd-rs")} <= others
    assert parser["Unit"]["Before"] == parser["Unit"]["Wants"] == "time-sync.target"


def test_user_and_groups_are_made(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    result = run("systemd-sysusers", f"--root={tmp_path}", str(DEPLOY / "sysusers.conf"))
    assert result.returncode == 0, result.stderr
    groups = {line.split(":")[0]: line.split(":")[3] for line in (tmp_path / "etc/group").read_text().splitlines()}
    assert (groups["dialout"], groups["gpio"]) == ("stratum1", "stratum1")
    assert set(service("SupplementaryGroups")[0].split()) <= set(groups)
    assert (tmp_path / "etc/passwd").read_text().startswith("stratum1:")


def test_directories_are_made(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    run("systemd-sysusers", f"--root={tmp_path}", str(DEPLOY / "sysusers.conf"))
    # Changing owners takes root, making the directories does not: what is looked at is the modes.
    run("systemd-tmpfiles", "--create", f"--root={tmp_path}", str(DEPLOY / "tmpfiles.conf"))
    modes = {path: (tmp_path / path).stat().st_mode & 0o777 for path in ("etc/stratum1", "etc/stratum1/tls", "var/lib/stratum1")}
    assert modes == {"etc/stratum1": 0o755, "etc/stratum1/tls": 0o750, "var/lib/stratum1": 0o750}


def udev_faults(rules: Path) -> list[str]:
    """What udev says of the rules: `udevadm verify` (systemd 254 and later, so in the trixie root), else the grammar of udev(7) by hand."""
    version = run("udevadm", "--version").stdout if shutil.which("udevadm") else "0"
    if int(version.split()[0]) >= 254:
        result = run("udevadm", "verify", "--resolve-names=never", str(rules))
        return [] if result.returncode == 0 else (result.stdout + result.stderr).splitlines()
    pair = r'[A-Z_]+(\{[^}]+\})?(==|!=|=|\+=|:=)"[^"]*"'
    lines = [line for line in rules.read_text().splitlines() if line and not line.startswith("#")]
    return [line for line in lines if not re.fullmatch(rf"{pair}(, {pair})*", line)]


def test_udev_rules_are_well_formed(tmp_path: Path) -> None:
    assert udev_faults(RULES) == []
    broken = tmp_path / "99-broken.rules"
    broken.write_text('SUBSYSTEM=="pps", GROUP="stratum1", MODE=="0660\n')
    assert udev_faults(broken) != []


def test_udev_gives_the_daemon_the_pulse_to_write() -> None:
    assert re.search(r'^SUBSYSTEM=="pps", GROUP="stratum1", MODE="0660"$', RULES.read_text(), re.MULTILINE)


@pytest.mark.parametrize("dropin", sorted((DEPLOY / "dropins").glob("*.conf")), ids=lambda path: path.name)
def test_drop_ins_are_understood_and_change_what_they_say(root: Path, dropin: Path) -> None:
    folder = root / "etc/systemd/system/stratum1.service.d"
    folder.mkdir()
    shutil.copy(dropin, folder)
    assert verified(root) == ""
    (folder / "broken.conf").write_text("[Service]\nPrivateIPCs=no\n")
    assert verified(root) != ""
    keys = re.findall(r"^(\w+)=", dropin.read_text().partition("[Service]")[2], re.MULTILINE)
    assert keys
    assert all(service(key) for key in keys)


def test_udev_rules_for_hardware_clocks_are_well_formed() -> None:
    assert udev_faults(RULES.with_name("61-stratum1-ptp.rules")) == []

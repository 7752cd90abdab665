"""What is said of the [[output]] tables: sockets, shared memory, hardware clocks."""

import os
import socket
from pathlib import Path

import pytest
from host_tree import DAEMON_UID, Tree, by_name, config, only

from stratum1.doctor import Finding
from stratum1.doctor._outputs import check_outputs
from stratum1.doctor._timekeepers import check_running_timekeepers

SOCK = '[[output]]\nmode = "sock"\npath = "/run/chrony.stratum1.sock"\n'
SHM = '[[output]]\nmode = "shm"\nunit = 2\n'
PHC = '[[output]]\nmode = "phc"\ndevice = "/dev/ptp0"\n'
PTP4L = '[[output]]\nmode = "ptp4l"\npath = "/run/ptp4l"\n'
HARDENED = "User=stratum1\nPrivateIPC=yes\nDevicePolicy=closed\nDeviceAllow=char-pps rw\n"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = Tree(tmp_path / "r")
    made.folder("/run")
    made.unit()
    return made


def found(tree: Tree, text: str) -> list[Finding]:
    return list(check_outputs(config(text), tree.host()))


def bound(tree: Tree, path: str, mode: int, *, listed: bool = True) -> None:
    """A socket file that somebody listens at, or has listened at."""
    here = os.getcwd()
    os.chdir(tree.at(path).parent)  # a socket's name is short
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
            made.bind(Path(path).name)
    finally:
        os.chdir(here)
    tree.at(path).chmod(mode)
    row = f"0000000000000000: 00000002 00000000 00000000 0002 01 4711 {path}\n" if listed else ""
    tree.file("/proc/net/unix", f"Num       RefCount Protocol Flags    Type St Inode Path\n{row}")


def test_nothing_is_said_without_outputs(tree: Tree) -> None:
    assert found(tree, "") == []


@pytest.mark.parametrize(("table", "path", "word"), [(SOCK, "/run/chrony.stratum1.sock", "refclock SOCK"), (PTP4L, "/run/ptp4l", "ptp4l")])
def test_a_socket_that_is_missing_stale_closed_and_good(tree: Tree, table: str, path: str, word: str) -> None:
    missing = only(found(tree, table))
    assert (missing.level, word in missing.remedy) == ("warning", True)
    bound(tree, path, 0o666, listed=False)
    assert "nobody listens" in only(found(tree, table)).text
    tree.at(path).unlink()
    bound(tree, path, 0o640)
    closed = only(found(tree, table))
    assert (closed.level, "may not write" in closed.text) == ("failure", True)
    tree.at(path).chmod(0o666)
    assert only(found(tree, table)).level == "ok"
    tree.at(path).unlink()
    tree.file(path)
    assert "is no socket" in only(found(tree, table)).text


def test_the_name_of_a_socket_may_lead_over_a_link(tree: Tree) -> None:
    bound(tree, "/run/ptp4l", 0o666)
    tree.folder("/var")
    tree.link("/var/run", "../run")
    assert only(found(tree, '[[output]]\nmode = "ptp4l"\n')).level == "ok"


def test_shared_memory(tree: Tree) -> None:
    head = "       key      shmid perms       size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime\n"

    def row(perms: str, size: int, uid: int) -> None:
        tree.file("/proc/sysvipc/shm", f"{head}garbage\n{0x4E545032:10} 0 {perms} {size} 1 0 0 {uid} 0 0 0 0 0 0\n")

    assert "will be made by stratum1" in only(found(tree, SHM)).text
    row("666", 96, 0)
    assert only(found(tree, SHM)).level == "ok"
    row("600", 96, DAEMON_UID)
    assert only(found(tree, SHM)).level == "ok"
    row("600", 96, 0)
    closed = only(found(tree, SHM))
    assert (closed.level, "ipcrm -M 0x4e545032" in closed.remedy) == ("failure", True)
    row("666", 80, 0)
    assert "has 80 bytes" in only(found(tree, SHM)).text


def test_the_hardened_unit_needs_its_drop_ins(tree: Tree) -> None:
    tree.unit(HARDENED)
    tree.file("/dev/ptp0", mode=0o666)
    findings = {each.name: each for each in found(tree, SHM + PHC)}
    assert {name for name, each in findings.items() if each.level == "failure"} == {"outputs.shm", "outputs.phc-unit"}
    assert "output-shm.conf" in findings["outputs.shm"].remedy
    dropins = Path(__file__).resolve().parents[2] / "deploy" / "systemd" / "dropins"
    for name in ("output-shm.conf", "output-phc.conf"):
        tree.file(f"/etc/systemd/system/stratum1.service.d/{name}", (dropins / name).read_text())
    assert "failure" not in by_name(found(tree, SHM + PHC)).values()


def test_a_hardware_clock(tree: Tree) -> None:
    tree.folder("/sys/class/ptp/ptp1")
    missing = only(found(tree, PHC))
    assert (missing.level, "/dev/ptp1" in missing.text) == ("failure", True)
    tree.file("/dev/ptp0", mode=0o600)
    tree.file("/sys/class/ptp/ptp0/clock_name", "igc phc\n")
    tree.process(900, "/usr/sbin/ts2phc -f x", "ts2phc.service")
    findings = {each.name: each for each in found(tree, PHC)}
    assert "igc phc" in findings["outputs.phc"].text
    assert findings["outputs.phc-permission"].level == "failure"
    assert 'SUBSYSTEM=="ptp"' in findings["outputs.phc-permission"].remedy
    assert findings["outputs.phc-rival"].remedy == "sudo systemctl disable --now ts2phc.service"


def test_ptp4l_that_hands_out_a_clock_that_nobody_of_us_steers(tree: Tree) -> None:
    text = f'[clock]\ncontrol = "virtual"\n{PTP4L}'
    assert by_name(found(tree, text))["outputs.ptp4l-clock"] == "warning"


@pytest.mark.parametrize(
    ("command", "table", "level"),
    [
        ("/usr/sbin/ptp4l -i eth0", PTP4L, "ok"),
        ("/usr/sbin/ptp4l -i eth0", SOCK, "failure"),
        ("/usr/sbin/chronyd -x", SOCK, "ok"),
        ("/usr/sbin/chronyd -x", "", "failure"),
        ("/usr/sbin/chronyd -F 1", SOCK, "failure"),
    ],
)
def test_a_reader_that_steers_nothing_is_no_rival(tree: Tree, command: str, table: str, level: str) -> None:
    tree.process(812, command, "x.service")
    assert only(check_running_timekeepers(config(table), tree.host())).level == level

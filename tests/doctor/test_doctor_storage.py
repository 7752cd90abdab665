"""What is said of the state directory and the control socket."""

from pathlib import Path

import pytest
from host_tree import Tree, by_name, config, only

from stratum1.doctor import Finding, Space
from stratum1.doctor._storage import check_control_socket, check_state_directory

STATE, SOCKET = "/var/lib/stratum1", "/run/stratum1/control.sock"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = Tree(tmp_path / "root")
    made.folder("/var/lib")
    made.folder("/run")
    return made


def state(tree: Tree, space: Space | None = None) -> dict[str, Finding]:
    return {each.name: each for each in check_state_directory(config(), tree.host(space=space))}


def test_root_makes_what_is_missing(tree: Tree) -> None:
    assert state(tree)["storage.state"].text == "/var/lib/stratum1 will be made by root"


def test_another_user_can_not(tree: Tree) -> None:
    tree.caller(64990)
    finding = state(tree)["storage.state"]
    assert (finding.level, finding.text) == ("failure", "/var/lib/stratum1 can't be made by pi")
    assert finding.remedy.startswith("sudo install -d -m 0750 -o pi /var/lib/stratum1")


def test_systemd_makes_it_for_the_service(tree: Tree) -> None:
    tree.unit("User=stratum1\nStateDirectory=stratum1\n")
    assert state(tree)["storage.state"].text == "/var/lib/stratum1 is made and given to stratum1 when the service starts"
    tree.folder(STATE, 0o700)  # of another owner: systemd hands it over at the start
    assert state(tree)["storage.state"].level == "ok"


def test_a_unit_without_state_directory_needs_a_writable_one(tree: Tree) -> None:
    tree.unit("User=stratum1\n")
    tree.folder(STATE, 0o755)
    assert state(tree)["storage.state"].text == "/var/lib/stratum1 is not writable for stratum1"
    tree.folder(STATE, 0o777)
    assert state(tree)["storage.state"].level == "ok"


def test_a_closed_folder_on_the_way_counts(tree: Tree) -> None:
    tree.unit("User=stratum1\n")
    tree.folder(STATE, 0o777)
    tree.folder("/var/lib", 0o700)
    assert state(tree)["storage.state"].level == "failure"


def test_a_file_in_its_place_is_told(tree: Tree) -> None:
    tree.file(STATE)
    assert state(tree)["storage.state"].text == "/var/lib/stratum1 is not a directory"


@pytest.mark.parametrize(
    ("space", "level", "told"),
    [
        (Space(10**9, False), "ok", "953 MB are free"),
        (Space(20 << 20, False), "warning", "only 20 MB"),
        (Space(4096, False), "failure", "is full"),
        (Space(10**9, True), "failure", "is read-only"),
    ],
)
def test_space(tree: Tree, space: Space, level: str, told: str) -> None:
    finding = state(tree, space)["storage.space"]
    assert (finding.level, told in finding.text) == (level, True)


def test_the_sockets_folder(tree: Tree) -> None:
    assert only(check_control_socket(config(), tree.host())).level == "ok"
    tree.caller(64990)
    finding = only(check_control_socket(config(), tree.host()))
    assert (finding.level, finding.text) == ("failure", "/run/stratum1 can't be made by pi")
    tree.unit("User=stratum1\nRuntimeDirectory=stratum1\n")
    assert by_name(check_control_socket(config(), tree.host())) == {"storage.control": "ok"}


def test_a_daemon_that_listens_can_be_asked_or_not(tree: Tree) -> None:
    tree.unit()
    tree.file("/proc/net/unix", f"Num       RefCount Protocol Flags    Type St Inode Path\n0: 2 0 10000 0001 01 31 {SOCKET}\n")
    tree.file(SOCKET, mode=0o660)
    finding = only(check_control_socket(config(), tree.host()))
    assert (finding.level, finding.text) == ("ok", f"a daemon listens at {SOCKET}, and root may ask it")
    tree.caller(64990, groups=[])
    finding = only(check_control_socket(config(), tree.host()))
    assert finding.level == "warning"
    assert "sudo usermod -aG" in finding.remedy


def test_a_socket_that_was_left_behind_is_no_daemon(tree: Tree) -> None:
    tree.file(SOCKET)
    assert "may write to /run/stratum1" in only(check_control_socket(config(), tree.host())).text

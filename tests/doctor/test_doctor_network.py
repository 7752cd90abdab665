"""What is said of the ports."""

import socket
from pathlib import Path

import pytest
from host_tree import DAEMON_UID, Tree, config, only

from stratum1.doctor import Host
from stratum1.doctor._network import check_key_port, check_ntp_ports, check_privileged_ports, check_web_port
from stratum1.doctor._sockets import bound_sockets

SYS_TIME, NET_BIND = 1 << 25, 1 << 10


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = Tree(tmp_path / "root")
    made.file("/proc/net/if_inet6", "00000000000000000000000000000001 01 80 10 80       lo\n")
    return made


def ntp(tree: Tree, listen: str = "[::]:123") -> tuple[str, str, str]:
    finding = only(check_ntp_ports(config(f'[[server]]\nlisten = "{listen}"'), tree.host()))
    return finding.level.value, finding.text, finding.remedy


def test_a_free_port_is_good(tree: Tree) -> None:
    tree.sockets("udp", [("0.0.0.0", 5353, 1), ("0.0.0.0", 11123, 2)])
    assert ntp(tree)[0] == "ok"


def test_who_took_the_port_is_named(tree: Tree) -> None:
    tree.sockets("udp", [("0.0.0.0", 123, 4001)])
    tree.process(812, "/usr/sbin/ntpd -g", "ntpsec.service", ["/dev/null", "socket:[4001]"])
    level, text, remedy = ntp(tree)
    assert (level, text) == ("failure", "[::]:123/udp is taken by ntpd (pid 812, ntpsec.service)")
    assert remedy == "sudo systemctl disable --now ntpsec.service, or choose another port in [[server]] listen"


def test_an_owner_that_is_hidden_is_looked_for_as_root(tree: Tree) -> None:
    tree.sockets("udp6", [("::", 123, 4001)])
    tree.caller(64990)
    level, text, remedy = ntp(tree)
    assert (level, text) == ("failure", "[::]:123/udp is taken by a program that pi may not look into")
    assert "sudo ss -ulpn 'sport = :123'" in remedy


def test_our_own_daemon_may_have_it(tree: Tree) -> None:
    tree.sockets("udp6", [("::", 123, 4001)])
    tree.process(900, "/usr/bin/python3 /usr/bin/stratum1 run", "stratum1.service", ["socket:[4001]"])
    assert ntp(tree)[0] == "ok"


@pytest.mark.parametrize(
    ("theirs", "ours", "level"),
    [
        ("127.0.0.1", "127.0.0.1:123", "failure"),
        ("127.0.0.1", "[::]:123", "failure"),
        ("127.0.0.1", "0.0.0.0:123", "failure"),
        ("127.0.0.53", "127.0.0.1:123", "ok"),
        ("::1", "127.0.0.1:123", "ok"),
        ("::", "127.0.0.1:123", "failure"),
        ("::ffff:127.0.0.1", "127.0.0.1:123", "failure"),
        ("::1", "[::1]:123", "failure"),
        ("::1", "0.0.0.0:123", "ok"),
    ],
)
def test_only_addresses_that_overlap_clash(tree: Tree, theirs: str, ours: str, level: str) -> None:
    tree.sockets("udp6" if ":" in theirs else "udp", [(theirs, 123, 4001)])
    assert ntp(tree, ours)[0] == level


def test_an_address_of_no_interface_is_told(tree: Tree) -> None:
    leaves = ["|-- 192.0.2.7", "   /32 host LOCAL", "|-- 192.0.2.0", "   /24 link UNICAST"]
    tree.file("/proc/net/fib_trie", "\n     ".join(["Local:\n  +-- 0.0.0.0/0 3 0 5", *leaves, ""]))
    assert ntp(tree, "192.0.2.7:123")[0] == "ok"
    assert ntp(tree, "192.0.2.0:123")[:2] == ("failure", "192.0.2.0:123/udp: no interface of this host has that address now")
    assert ntp(tree, "[2001:db8::1]:123")[0] == "failure"
    assert ntp(tree, "127.0.0.1:123")[0] == "ok"


def test_a_host_without_ipv6_is_told(tmp_path: Path) -> None:
    assert ntp(Tree(tmp_path / "bare"))[1] == "[::]:123/udp: this host has no IPv6"


def test_a_web_server_at_the_pages_port_is_named(tree: Tree) -> None:
    tree.sockets("tcp", [("0.0.0.0", 8080, 4002)], state="0A")
    tree.process(700, "nginx: master", "nginx.service", ["socket:[4002]"])
    finding = only(check_web_port(config(), tree.host()))
    assert finding.level == "failure"
    assert "nginx.service" in finding.remedy


def test_a_connection_from_the_same_port_is_no_listener(tree: Tree) -> None:
    tree.sockets("tcp", [("0.0.0.0", 8080, 4002)], state="01")
    assert only(check_web_port(config(), tree.host())).level == "ok"


def test_a_page_that_is_switched_off_needs_no_port(tree: Tree) -> None:
    assert only(check_web_port(config("[web]\nenabled = false"), tree.host())).level == "skipped"


def test_the_port_of_key_establishment(tree: Tree) -> None:
    assert list(check_key_port(config(), tree.host())) == []
    assert only(check_key_port(config("[nts-ke]"), tree.host())).level == "ok"
    tree.sockets("tcp6", [("::", 4460, 4003)], state="0A")
    tree.process(813, "/usr/sbin/chronyd", "chrony.service", ["socket:[4003]"])
    finding = only(check_key_port(config("[nts-ke]"), tree.host()))
    assert finding.level == "failure"
    assert "[nts-ke] listen" in finding.remedy


def test_without_a_listener_nobody_is_served(tree: Tree) -> None:
    assert only(check_ntp_ports(config().model_copy(update={"server": ()}), tree.host())).level == "failure"


@pytest.mark.parametrize(
    ("uid", "capabilities", "unit", "level"),
    [
        (64990, 0, None, "failure"),
        (64990, NET_BIND, None, "ok"),
        (0, None, None, "ok"),
        (0, SYS_TIME, None, "failure"),
        (64990, 0, "User=stratum1\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n", "ok"),
        (0, None, "User=stratum1\n", "failure"),
    ],
)
def test_low_ports_need_the_capability_of_whoever_runs_it(
    tree: Tree, uid: int, capabilities: int | None, unit: str | None, level: str
) -> None:
    tree.caller(uid, capabilities=capabilities)
    if unit is not None:
        tree.unit(unit)
    finding = only(check_privileged_ports(config(), tree.host()))
    assert finding.level == level
    assert ("CAP_NET_BIND_SERVICE" in finding.remedy) == (level == "failure")


def test_a_running_service_shows_its_capabilities(tree: Tree) -> None:
    tree.unit("User=stratum1\n")
    tree.process(900, "/usr/bin/stratum1 run", "stratum1.service")
    tree.status(900, DAEMON_UID, capabilities=NET_BIND)
    assert only(check_privileged_ports(config(), tree.host())).level == "ok"


def test_a_drop_in_can_take_capabilities_back(tree: Tree) -> None:
    tree.unit()
    assert only(check_privileged_ports(config(), tree.host())).level == "ok"
    tree.file("/etc/systemd/system/stratum1.service.d/local.conf", "[Service]\nAmbientCapabilities=\nAmbientCapabilities=CAP_SYS_TIME\n")
    assert only(check_privileged_ports(config(), tree.host())).level == "failure"


def test_high_ports_and_hosts_that_free_low_ones_need_none(tree: Tree) -> None:
    tree.caller(64990)
    assert list(check_privileged_ports(config('[[server]]\nlisten = "[::]:11123"'), tree.host())) == []
    tree.file("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0\n")
    assert list(check_privileged_ports(config(), tree.host())) == []


def test_malformed_rows_are_left_out(tree: Tree) -> None:
    tree.file("/proc/net/udp", "head\n0: XYZ:zz a b c d e f g h\nshort\n\n0: 0100007F:007B 0 07 0 0 0 0 0 99\n")
    assert [(str(one.address), one.port, one.inode) for one in bound_sockets(tree.host(), "udp")] == [("127.0.0.1", 123, 99)]


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_the_real_tables_show_a_real_socket(family: int, address: str) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as bound:
        bound.bind((address, 0))
        port = bound.getsockname()[1]
        assert address in {str(one.address) for one in bound_sockets(Host(), "udp") if one.port == port}

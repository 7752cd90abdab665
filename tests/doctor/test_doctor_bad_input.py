"""Whatever stands in the files that the checks read, they end with findings."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from host_tree import PI4, Tree, config
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum1.doctor import examine

READ = [
    "/boot/firmware/config.txt",
    "/etc/group",
    "/etc/passwd",
    "/proc/7/cgroup",
    "/proc/7/cmdline",
    "/proc/cmdline",
    "/proc/net/fib_trie",
    "/proc/net/if_inet6",
    "/proc/net/udp",
    "/proc/net/unix",
    "/proc/self/status",
    "/proc/sys/net/ipv4/ip_unprivileged_port_start",
    "/sys/class/pps/pps0/assert",
    "/sys/class/rtc/rtc0/since_epoch",
    "/usr/lib/systemd/system/stratum1.service",
    "/usr/share/zoneinfo/leap-seconds.list",
]
WORDS = [
    "\n",
    " ",
    "=",
    ":",
    ",",
    "#",
    "[pi4]",
    "include ",
    "config.txt",
    "dtoverlay",
    "pps-gpio",
    "gpiopin",
    "9",
    "0A",
    "\xb2",
    "\u0663",
    "|--",
]
WORDS += ["/32 host LOCAL", "User", "Uid", "Gid", "stratum1", "AmbientCapabilities", "console", "-1", "0100007F:007B", "\0", ".", "\ud7ff"]


@pytest.mark.parametrize("path", READ)
@settings(deadline=None, max_examples=25)
@given(content=st.binary(max_size=200) | st.lists(st.sampled_from(WORDS), max_size=40).map(lambda words: "".join(words).encode()))
def test_arbitrary_content_makes_findings(path: str, content: bytes) -> None:
    with TemporaryDirectory() as folder:
        tree = Tree(Path(folder) / "root")
        tree.pi(PI4, "")
        tree.file("/dev/pps0", mode=0o600)
        tree.caller(64990)  # who may not open the device, so that sysfs is read
        tree.process(7, "/usr/sbin/chronyd", "chrony.service")
        tree.file(path)
        tree.at(path).write_bytes(content)
        found = list(examine(config('[[server]]\nlisten = "192.0.2.1:123"'), tree.host()))
        assert len({each.group for each in found}) == 8

"""A host made of files, for the checks of `stratum1 doctor`: no privilege is needed to build one."""

import os
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from pathlib import Path
from struct import pack, unpack

from stratum1.clock import Timex
from stratum1.config import Config, parse_config
from stratum1.doctor import Finding, Host, Space
from stratum1.timescale import UtcNs, from_rfc3339

__all__ = ["DAEMON_UID", "NOW", "PI4", "PI5", "Tree", "by_name", "config", "only"]

NOW = from_rfc3339("2027-03-01T12:00:00Z")
DAEMON_UID = 64_999
_OTHER_GID = 64_998
PI4, PI5 = "Raspberry Pi 4 Model B Rev 1.4", "Raspberry Pi 5 Model B Rev 1.0"


def config(text: str = "", receiver: str = 'device = "/dev/ttyAMA0"\npps = "/dev/pps0"') -> Config:
    """A configuration with a receiver of hardware; `receiver` are the lines of its table, `text` the rest of the file."""
    return parse_config(f"[receiver]\n{receiver}\n{text}", "test.toml")


def by_name(findings: Iterable[Finding]) -> dict[str, str]:
    """Name to level; of several with a name the last."""
    return {finding.name: finding.level.value for finding in findings}


def only(findings: Iterable[Finding]) -> Finding:
    """The one finding."""
    found = list(findings)
    assert len(found) == 1, found
    return found[0]


class Tree:
    """The files below `root`. It begins with the users root, stratum1 and pi; the files' own group is called "dialout"."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self.file(
            "/etc/passwd", f"root:x:0:0::/root:/bin/sh\nstratum1:x:{DAEMON_UID}:{_OTHER_GID}::/:/bin/false\npi:x:64990:64990::/:/bin/sh\n"
        )
        self.file("/etc/group", f"root:x:0:\nstratum1:x:{_OTHER_GID}:\n")
        self.caller(0)

    def at(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def file(self, path: str, text: str = "", mode: int = 0o644) -> Path:
        """Write a file; its folders may be searched by all."""
        target = self.at(path)
        self.folder(str(Path(path).parent))
        target.write_text(text)
        target.chmod(mode)
        return target

    def folder(self, path: str, mode: int = 0o755) -> None:
        target = self.root
        target.chmod(0o755)
        for part in Path(path).parts[1:]:
            target = target / part
            if not target.exists():
                target.mkdir()
                target.chmod(0o755)
        target.chmod(mode)

    def link(self, path: str, target: str) -> None:
        """A symbolic link; `target` stands as it is, so relative ones stay below the root."""
        self.folder(str(Path(path).parent))
        self.at(path).symlink_to(target)

    def device_group(self, members: str = "") -> None:
        """Let the group that files get here be called dialout, with these members (comma-separated)."""
        self.file("/etc/group", f"stratum1:x:{_OTHER_GID}:\ndialout:x:{os.getgid()}:{members}\n")

    def caller(self, uid: int, groups: Sequence[int] = (64990,), capabilities: int | None = None) -> None:
        """Who asks; root has all capabilities unless others are named."""
        bits = capabilities if capabilities is not None else (1 << 41) - 1 if uid == 0 else 0
        self.status("self", uid, groups, bits)

    def status(self, process: int | str, uid: int, groups: Sequence[int] = (), capabilities: int = 0) -> None:
        ids = "\t".join([str(uid)] * 4)
        rows = ("Name:\tx", f"Uid:\t{ids}", f"Gid:\t{ids}", f"Groups:\t{' '.join(map(str, groups))}", f"CapEff:\t{capabilities:016x}")
        self.file(f"/proc/{process}/status", "\n".join(rows) + "\n")

    def process(self, pid: int, command: str, unit: str = "", has_open: Sequence[str] = ()) -> None:
        """A row of the process table, with what its descriptors point to."""
        words = command.split()
        name = words[0].rpartition("/")[2][:15]
        self.file(f"/proc/{pid}/comm", f"{name}\n")
        self.file(f"/proc/{pid}/cmdline", "\0".join(words) + "\0")
        self.file(f"/proc/{pid}/cgroup", f"0::/system.slice/{unit}\n" if unit else "0::/user.slice/user-1000.slice/session-1.scope\n")
        for number, target in enumerate(has_open):
            self.link(f"/proc/{pid}/fd/{number}", target)

    def enable(self, unit: str, target: str = "multi-user.target") -> None:
        self.link(f"/etc/systemd/system/{target}.wants/{unit}", f"/usr/lib/systemd/system/{unit}")

    def unit(self, text: str = "User=stratum1\nAmbientCapabilities=CAP_SYS_TIME CAP_NET_BIND_SERVICE\n") -> None:
        self.file("/usr/lib/systemd/system/stratum1.service", f"[Service]\n{text}")

    def sockets(self, table: str, rows: Sequence[tuple[str, int, int]], state: str = "07") -> None:
        """A table of /proc/net: address, port and inode of each socket."""
        lines = ["  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"]
        for number, (address, port, inode) in enumerate(rows):
            packed = ip_address(address).packed
            words = unpack(f"<{len(packed) // 4}I", packed)
            local = pack(f">{len(words)}I", *words).hex().upper()
            lines.append(f"{number:4}: {local}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  0  0 {inode} 2 0 0")
        self.file(f"/proc/net/{table}", "\n".join(lines) + "\n")

    def pi(self, model: str = PI4, config_txt: str | None = None) -> None:
        """Make it a Raspberry Pi, with this boot configuration."""
        self.file("/proc/device-tree/model", f"{model}\0")
        if config_txt is not None:
            self.file("/boot/firmware/config.txt", config_txt)

    def host(self, now: UtcNs = NOW, timex: Timex | None = None, space: Space | None = None) -> Host:
        state = timex or Timex(tolerance=500 << 16, freq=-(12 << 16), tick=10_000)
        return Host(
            self.root,
            now=lambda: now,
            timex=lambda: state,
            space=lambda _: space or Space(10**9, False),
            packages=lambda: (("aiohttp", ">=3.11", "3.11.16"),),
            python=(3, 13, 5),
            machine="aarch64",
            kernel="6.12.25+rpt-rpi-v8",
        )

"""Debian trixie's time servers and clients, unpacked and not installed, each in a root of its own; none of them can set a clock.

    trixie = Trixie("chrony", "ntpd-rs")
    namespace.command(trixie.command("chrony", directory, "chronyd", "-x", "-d", "-u", "root", "-f", str(directory / "chrony.conf")))

gives the command line of a process that becomes chronyd in the network namespace (output_peers.Namespace, or nothing before it for
the one that the caller is in, as root).
"""

import subprocess
from pathlib import Path

from sntp_peers import HERE, tool

__all__ = ["PACKAGES", "ROOTS", "Trixie"]

ROOTS = HERE.parent.parent / ".cache" / "trixie-peers"
PACKAGES = ("chrony", "ntpd-rs", "ntpsec", "openntpd", "ntpsec-ntpdig")


class Trixie:
    """The unpacked packages."""

    def __init__(self, *packages: str) -> None:
        """Fetches those that are not there yet (of PACKAGES, all if none is named); fails if that fails."""
        self.packages = packages or PACKAGES
        subprocess.run([HERE / "fetch_trixie.sh", ROOTS, *self.packages], check=True, timeout=300)

    def root(self, package: str) -> Path:
        """Where the package is unpacked."""
        return ROOTS / package

    def version(self, package: str) -> str:
        """Debian's version of the package, as "4.6.1-3"."""
        return (self.root(package) / "version").read_text().strip().rpartition(":")[2]

    def command(self, package: str, directory: Path, *argv: str) -> list[str]:
        """The command line that runs argv in the package's root, without the capability to set any clock. For root (of a user namespace).

        directory: seen in there under the same path, for configuration, keys and sockets. All else that is written is forgotten.
        No shell or wrapper stays between: the process is the program, in the foreground if that is what its options say.
        """
        clockless = [tool("setpriv"), "--bounding-set=-sys_time", "--inh-caps=-all"]
        inside = [str(HERE / "in_trixie.sh"), str(self.root(package)), str(directory)]
        return [tool("unshare"), "--mount", *clockless, *inside, *argv]

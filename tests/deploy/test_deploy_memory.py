"""The daemon under the unit's MemoryDenyWriteExecute=: the filter that systemd installs, put on a real daemon."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from testkit.daemon import started

# systemd.exec(5): mmap with PROT_EXEC and PROT_WRITE together, mprotect and pkey_mprotect with PROT_EXEC, shmat with SHM_EXEC.
_UNDER_FILTER = """
import ctypes, os, platform, struct, sys
LOAD, EQUAL, AND, RETURN = 0x20, 0x15, 0x54, 0x06
mmap, mprotect, pkey_mprotect, shmat = {"x86_64": (9, 10, 329, 30), "aarch64": (222, 226, 288, 196)}[platform.machine()]
program = [(LOAD, 0, 0, 0)]
for number, mask in ((mmap, 6), (mprotect, 4), (pkey_mprotect, 4), (shmat, 0o100000)):
    program += [(EQUAL, 0, 4, number), (LOAD, 0, 0, 32), (AND, 0, 0, mask), (EQUAL, 0, 1, mask), (RETURN, 0, 0, 0x50001), (LOAD, 0, 0, 0)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in [*program, (RETURN, 0, 0, 0x7FFF0000)]))
filter = ctypes.create_string_buffer(struct.pack("@HP", len(program) + 1, ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, filter):
    raise OSError(ctypes.get_errno(), "seccomp")
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


def under_filter(argv: list[str], **options: Any) -> "subprocess.Popen[Any]":
    return subprocess.Popen([sys.executable, "-c", _UNDER_FILTER, *argv], **options)


def test_the_filter_refuses_writable_code() -> None:
    code = "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)"
    child = under_filter([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    assert "PermissionError: [Errno 1]" in child.communicate(timeout=30)[1]
    assert child.returncode == 1


def test_the_daemon_starts_answers_and_ends_without_it(tmp_path: Path) -> None:
    with started(tmp_path, spawn=under_filter) as daemon:
        assert daemon.ask_soon(within=20).port == daemon.ntp
        status = daemon.await_status(lambda status: status["gnss"]["satellites_used"] > 0, within=30)
        assert status["simulated"]
        assert daemon.end(signal.SIGTERM) == 0, daemon.printed()

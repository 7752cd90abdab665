"""Run time of an eBPF program, as the kernel counts it while kernel.bpf_stats_enabled is set."""

import ctypes
import os
import struct
from pathlib import Path

__all__ = ["ProgramTimes"]

_SWITCH = Path("/proc/sys/kernel/bpf_stats_enabled")
_NUMBERS = {"x86_64": 321, "aarch64": 280}  # bpf(2)
_FD_BY_ID = 13  # BPF_PROG_GET_FD_BY_ID


class ProgramTimes:
    """Of the program with this id, from now on until `since`."""

    def __init__(self, program: int) -> None:
        self._program = program
        self._was = _SWITCH.read_text()
        _SWITCH.write_text("1")
        self._before = self._read()

    def since(self) -> dict[str, float]:
        """Runs and ns a run; empty if there was none. The switch is as it was before."""
        time, runs = self._read()
        _SWITCH.write_text(self._was)
        time, runs = time - self._before[0], runs - self._before[1]
        return {"xdp_runs": runs, "xdp_ns_a_run": time / runs} if runs else {}

    def _read(self) -> tuple[int, int]:
        """Run time (ns) and runs so far (fields of /proc/self/fdinfo)."""
        attributes = ctypes.create_string_buffer(struct.pack("=I124x", self._program), 128)
        number = ctypes.c_long(_NUMBERS[os.uname().machine])
        fd = ctypes.CDLL(None, use_errno=True).syscall(number, ctypes.c_int(_FD_BY_ID), attributes, ctypes.c_uint(128))
        if fd < 0:
            raise OSError(ctypes.get_errno(), f"eBPF program {self._program}")
        try:
            lines = Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines()
        finally:
            os.close(fd)
        told = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        return int(told["run_time_ns"]), int(told["run_cnt"])

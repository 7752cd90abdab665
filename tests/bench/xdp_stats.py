"""Run time of eBPF programs at XDP, as the kernel counts it while kernel.bpf_stats_enabled is set."""

import ctypes
import os
import struct
from pathlib import Path

__all__ = ["ProgramTimes"]

_SWITCH = Path("/proc/sys/kernel/bpf_stats_enabled")
_NUMBERS = {"x86_64": 321, "aarch64": 280}  # bpf(2)
_NEXT_ID, _FD_BY_ID, _XDP = 11, 13, 6  # BPF_PROG_GET_NEXT_ID, BPF_PROG_GET_FD_BY_ID, BPF_PROG_TYPE_XDP


class ProgramTimes:
    """From now on, until `since`."""

    def __init__(self) -> None:
        self._was = _SWITCH.read_text() if _SWITCH.exists() else None
        if self._was is not None:
            _SWITCH.write_text("1")
        self._before = _times()

    def since(self) -> dict[str, float]:
        """Runs of XDP programs and ns a run; empty if none ran. The switch is as it was before."""
        after = _times()
        if self._was is not None:
            _SWITCH.write_text(self._was)
        runs = ns = 0
        for number, (time, count) in after.items():
            old_time, old_count = self._before.get(number, (0, 0))
            ns, runs = ns + time - old_time, runs + count - old_count
        return {"xdp_runs": runs, "xdp_ns_a_run": ns / runs} if runs else {}


def _times() -> dict[int, tuple[int, int]]:
    """Run time (ns) and runs of each XDP program by its id (fields of /proc/self/fdinfo)."""
    found, number = {}, 0
    while (number := _next(number)) is not None:  # type: ignore[assignment]
        fd = _bpf(_FD_BY_ID, struct.pack("=I124x", number))[0]
        if fd < 0:
            continue
        try:
            lines = Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines()
        finally:
            os.close(fd)
        told = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        if told.get("prog_type") == str(_XDP):
            found[number] = (int(told["run_time_ns"]), int(told["run_cnt"]))
    return found


def _next(number: int) -> int | None:
    done, attributes = _bpf(_NEXT_ID, struct.pack("=II120x", number, 0))
    return None if done < 0 else int(struct.unpack_from("=I", attributes, 4)[0])


def _bpf(command: int, attributes: bytes) -> tuple[int, bytes]:
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.syscall(ctypes.c_long(_NUMBERS[os.uname().machine]), ctypes.c_int(command), buffer, ctypes.c_uint(len(attributes)))
    return int(done), buffer.raw

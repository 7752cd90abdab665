"""linux/ptp_clock.h: requests and structures of /dev/ptpN, as bytes. Pure; x86-64 and aarch64 encode them in the same way."""

import struct
from dataclasses import dataclass

from stratum1.timescale import NS

__all__ = [
    "CAPS_SIZE",
    "EXTENDED_SIZE",
    "OFFSET_SIZE",
    "PRECISE_SIZE",
    "PTP_CLOCK_GETCAPS",
    "PTP_SYS_OFFSET",
    "PTP_SYS_OFFSET_EXTENDED",
    "PTP_SYS_OFFSET_PRECISE",
    "PhcLayoutError",
    "PhcReading",
    "clock_id",
    "pack_sample_count",
    "parse_extended",
    "parse_max_adjustment",
    "parse_offset",
    "parse_precise",
]

_WRITE, _READ = 1, 2
_CAPS = struct.Struct("=8i48x")
_COUNT = struct.Struct("=I12x")
_TIME = struct.Struct("=qI4x")
_MOST_SAMPLES = 25
CAPS_SIZE = _CAPS.size
OFFSET_SIZE = _COUNT.size + (2 * _MOST_SAMPLES + 1) * _TIME.size
EXTENDED_SIZE = _COUNT.size + 3 * _MOST_SAMPLES * _TIME.size
PRECISE_SIZE = 3 * _TIME.size + 16
_FROM_DESCRIPTOR = 3
"""CLOCKFD: the low bits of a clock id that stands for a descriptor."""


def _request(direction: int, number: int, size: int) -> int:
    return direction << 30 | size << 16 | ord("=") << 8 | number


PTP_CLOCK_GETCAPS = _request(_READ, 1, CAPS_SIZE)
PTP_SYS_OFFSET = _request(_WRITE, 5, OFFSET_SIZE)
PTP_SYS_OFFSET_PRECISE = _request(_READ | _WRITE, 8, PRECISE_SIZE)
PTP_SYS_OFFSET_EXTENDED = _request(_READ | _WRITE, 9, EXTENDED_SIZE)


class PhcLayoutError(ValueError):
    """The kernel's answer is not what the header says; the message names the field."""


@dataclass(frozen=True, slots=True)
class PhcReading:
    """One instant on CLOCK_REALTIME and on the hardware clock, ns; window: how far apart the readings around it were, ns."""

    system_ns: int
    phc_ns: int
    window_ns: int


def clock_id(descriptor: int) -> int:
    """The dynamic POSIX clock of an open device (FD_TO_CLOCKID of the kernel's documentation)."""
    return (~descriptor << 3) | _FROM_DESCRIPTOR


def pack_sample_count(samples: int, size: int) -> bytes:
    """The argument of PTP_SYS_OFFSET or PTP_SYS_OFFSET_EXTENDED, of CLOCK_REALTIME. Raises ValueError outside 1 to 25."""
    if not 1 <= samples <= _MOST_SAMPLES:
        raise ValueError(f"1 to {_MOST_SAMPLES} samples can be had at once, not {samples}")
    return _COUNT.pack(samples).ljust(size, b"\0")


def parse_max_adjustment(data: bytes) -> float:
    """Largest frequency correction of PTP_CLOCK_GETCAPS, s/s. Raises PhcLayoutError."""
    _check("struct ptp_clock_caps", data, CAPS_SIZE)
    most: int = _CAPS.unpack(data)[0]
    if most < 0:
        raise PhcLayoutError(f"max_adj: {most} is no size of a correction")
    return most / NS


def parse_precise(data: bytes) -> PhcReading:
    """PTP_SYS_OFFSET_PRECISE: both clocks latched by hardware. Raises PhcLayoutError."""
    _check("struct ptp_sys_offset_precise", data, PRECISE_SIZE)
    return PhcReading(_instant("sys_realtime", data, _TIME.size), _instant("device", data, 0), 0)


def parse_extended(data: bytes) -> PhcReading:
    """PTP_SYS_OFFSET_EXTENDED: the tightest of its triples system, hardware, system. Raises PhcLayoutError."""
    _check("struct ptp_sys_offset_extended", data, EXTENDED_SIZE)
    times = _times(data, 3)
    return _tightest([(times[at], times[at + 1], times[at + 2]) for at in range(0, len(times), 3)])


def parse_offset(data: bytes) -> PhcReading:
    """PTP_SYS_OFFSET: the tightest of system, hardware, system, where each system reading serves two. Raises PhcLayoutError."""
    _check("struct ptp_sys_offset", data, OFFSET_SIZE)
    times = _times(data, 2, 1)
    return _tightest([(times[at], times[at + 1], times[at + 2]) for at in range(0, len(times) - 1, 2)])


def _times(data: bytes, each: int, more: int = 0) -> list[int]:
    count: int = _COUNT.unpack_from(data)[0]
    if not 1 <= count <= _MOST_SAMPLES:
        raise PhcLayoutError(f"n_samples: {count} is not from 1 to {_MOST_SAMPLES}")
    return [_instant(f"ts[{index}]", data, _COUNT.size + index * _TIME.size) for index in range(count * each + more)]


def _tightest(triples: list[tuple[int, int, int]]) -> PhcReading:
    usable = [PhcReading((before + after) // 2, phc, after - before) for before, phc, after in triples if after >= before]
    if not usable:
        raise PhcLayoutError("ts: the system clock ran backwards in every triple")
    return min(usable, key=lambda reading: reading.window_ns)


def _instant(field: str, data: bytes, at: int) -> int:
    seconds, nanoseconds = _TIME.unpack_from(data, at)
    if not 0 <= nanoseconds < NS:
        raise PhcLayoutError(f"{field}.nsec: {nanoseconds} is not from 0 to 999999999")
    return int(seconds) * NS + int(nanoseconds)


def _check(field: str, data: bytes, size: int) -> None:
    if len(data) != size:
        raise PhcLayoutError(f"{field}: {len(data)} bytes instead of {size}")

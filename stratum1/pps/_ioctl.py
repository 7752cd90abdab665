"""RFC 2783 on Linux: the structures and requests of linux/pps.h, and the four system calls made with them.

Packing and parsing are pure functions; only the functions that take a descriptor call the kernel. The layouts are those of
64-bit little- or big-endian machines, where a `struct pps_ktime` is 16 bytes without padding.
"""

import errno
import fcntl
import platform
import struct
from dataclasses import dataclass
from enum import IntFlag

from stratum1.timescale import NS

from ._errors import PpsParseError, PpsPlatformError

__all__ = [
    "FDATA_SIZE",
    "PARAMS_SIZE",
    "PPS_FETCH",
    "PPS_GETCAP",
    "PPS_GETPARAMS",
    "PPS_SETPARAMS",
    "PpsFetch",
    "PpsMode",
    "PpsParams",
    "check_platform",
    "fetch",
    "get_capabilities",
    "get_params",
    "pack_fetch",
    "pack_params",
    "parse_capabilities",
    "parse_fetch",
    "parse_params",
    "set_params",
]

# linux/pps.h encodes the size of a *pointer* into its requests (the macro is given "struct ... *"): 8 on 64-bit machines.
_POINTER = 8
_WRITE, _READ = 1, 2


def _request(direction: int, number: int) -> int:
    return direction << 30 | _POINTER << 16 | ord("p") << 8 | number


PPS_GETPARAMS = _request(_READ, 0xA1)
PPS_SETPARAMS = _request(_WRITE, 0xA2)
PPS_GETCAP = _request(_READ, 0xA3)
PPS_FETCH = _request(_READ | _WRITE, 0xA4)

_CAPABILITIES = struct.Struct("=I")
_PARAMS = struct.Struct("=iIqiIqiI")
_FDATA = struct.Struct("=IIqiIqiII4xqiI")
PARAMS_SIZE = _PARAMS.size
FDATA_SIZE = _FDATA.size

_API_VERSION = 1
_TIME_INVALID = 1
"""In the timeout: wait for ever."""
_MAX_SECONDS = 1 << 34
"""The year 2514: a stamp beyond it is rubbish and not a time."""


class PpsMode(IntFlag):
    """Mode bits (RFC 2783, section 3.3; linux/pps.h). Unknown bits are kept."""

    CAPTUREASSERT = 0x01
    CAPTURECLEAR = 0x02
    OFFSETASSERT = 0x10
    OFFSETCLEAR = 0x20
    ECHOASSERT = 0x40
    ECHOCLEAR = 0x80
    CANWAIT = 0x100
    CANPOLL = 0x200
    TSFMT_TSPEC = 0x1000
    TSFMT_NTPFP = 0x2000

    CAPTUREBOTH = 0x03


@dataclass(frozen=True, slots=True)
class PpsParams:
    """`struct pps_kparams`: what is captured, and what the kernel adds to each stamp (nanoseconds, where the OFFSET bit is set)."""

    mode: PpsMode
    assert_offset_ns: int = 0
    clear_offset_ns: int = 0


@dataclass(frozen=True, slots=True)
class PpsFetch:
    """`struct pps_kinfo`: the latest edge of each kind. Sequences count from 0 (none yet) in 32 bits; stamps are CLOCK_REALTIME in ns."""

    assert_sequence: int
    clear_sequence: int
    assert_ns: int
    clear_ns: int
    mode: PpsMode


def check_platform(machine: str | None = None, pointer_size: int | None = None) -> None:
    """Raise PpsPlatformError unless this is a 64-bit program on x86-64 or ARM; both arguments are by default those of the host."""
    machine = platform.machine() if machine is None else machine
    pointer_size = struct.calcsize("P") if pointer_size is None else pointer_size
    if machine not in ("x86_64", "aarch64") or pointer_size != _POINTER:
        raise PpsPlatformError(
            f"PPS devices are read on 64-bit x86-64 and aarch64 systems only; this is a {pointer_size * 8}-bit program on {machine!r}. "
            "Install a 64-bit operating system (32-bit ones also lose count of time in 2038)."
        )


def parse_capabilities(data: bytes) -> PpsMode:
    """The answer of PPS_GETCAP. Raises PpsParseError for a wrong length."""
    _check_length("int", data, _CAPABILITIES.size)
    return PpsMode(_CAPABILITIES.unpack(data)[0])


def pack_params(params: PpsParams) -> bytes:
    """The argument of PPS_SETPARAMS."""
    assert_s, assert_ns = divmod(params.assert_offset_ns, NS)
    clear_s, clear_ns = divmod(params.clear_offset_ns, NS)
    return _PARAMS.pack(_API_VERSION, params.mode, assert_s, assert_ns, 0, clear_s, clear_ns, 0)


def parse_params(data: bytes) -> PpsParams:
    """The answer of PPS_GETPARAMS. Raises PpsParseError for a wrong length, version or nanosecond field."""
    _check_length("struct pps_kparams", data, PARAMS_SIZE)
    version, mode, assert_s, assert_ns, _, clear_s, clear_ns, _ = _PARAMS.unpack(data)
    if version != _API_VERSION:
        raise PpsParseError("api_version", f"{version} instead of {_API_VERSION} (RFC 2783, section 3.2)")
    return PpsParams(PpsMode(mode), _offset("assert_off_tu", assert_s, assert_ns), _offset("clear_off_tu", clear_s, clear_ns))


def pack_fetch(timeout: float | None) -> bytes:
    """The argument of PPS_FETCH: wait for `timeout` seconds, not at all for 0, or for ever for None.

    The kernel counts in ticks: less than a tick (10 ms at most) is no wait. Raises ValueError for a negative or undefined timeout.
    """
    if timeout is None:
        return _FDATA.pack(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, _TIME_INVALID)
    if not 0 <= timeout < _MAX_SECONDS:
        raise ValueError(f"a timeout is 0 s or more, not {timeout}")
    seconds, nanoseconds = divmod(round(timeout * NS), NS)
    return _FDATA.pack(0, 0, 0, 0, 0, 0, 0, 0, 0, seconds, nanoseconds, 0)


def parse_fetch(data: bytes) -> PpsFetch:
    """The answer of PPS_FETCH. Raises PpsParseError for a wrong length or a stamp that is none."""
    _check_length("struct pps_fdata", data, FDATA_SIZE)
    assert_sequence, clear_sequence, a_s, a_ns, _, c_s, c_ns, _, mode, *_ = _FDATA.unpack(data)
    return PpsFetch(assert_sequence, clear_sequence, _stamp("info.assert_tu", a_s, a_ns), _stamp("info.clear_tu", c_s, c_ns), PpsMode(mode))


def get_capabilities(descriptor: int) -> PpsMode:
    """PPS_GETCAP. Raises OSError, PpsParseError."""
    buffer = bytearray(_CAPABILITIES.size)
    fcntl.ioctl(descriptor, PPS_GETCAP, buffer)
    return parse_capabilities(bytes(buffer))


def get_params(descriptor: int) -> PpsParams:
    """PPS_GETPARAMS. Raises OSError, PpsParseError."""
    buffer = bytearray(PARAMS_SIZE)
    fcntl.ioctl(descriptor, PPS_GETPARAMS, buffer)
    return parse_params(bytes(buffer))


def set_params(descriptor: int, params: PpsParams) -> None:
    """PPS_SETPARAMS. Raises OSError (EPERM without CAP_SYS_TIME, EINVAL for a bit that the device lacks)."""
    fcntl.ioctl(descriptor, PPS_SETPARAMS, bytearray(pack_params(params)))


def fetch(descriptor: int, timeout: float | None) -> PpsFetch | None:
    """PPS_FETCH: the state after the next edge of either kind, or None if `timeout` seconds (None: for ever) brought none.

    A timeout of 0 returns the present state. A signal ends the wait like a timeout. Raises OSError, PpsParseError.
    """
    buffer = bytearray(pack_fetch(timeout))
    try:
        fcntl.ioctl(descriptor, PPS_FETCH, buffer)
    except OSError as error:
        if error.errno in (errno.ETIMEDOUT, errno.EINTR):
            return None
        raise
    return parse_fetch(bytes(buffer))


def _check_length(field: str, data: bytes, length: int) -> None:
    if len(data) != length:
        raise PpsParseError(field, f"{len(data)} bytes instead of {length}")


def _stamp(field: str, seconds: int, nanoseconds: int) -> int:
    if not 0 <= nanoseconds < NS:
        raise PpsParseError(f"{field}.nsec", f"{nanoseconds} is not from 0 to 999999999")
    if not 0 <= seconds < _MAX_SECONDS:
        raise PpsParseError(f"{field}.sec", f"{seconds} is no second of this age")
    return seconds * NS + nanoseconds


def _offset(field: str, seconds: int, nanoseconds: int) -> int:
    if not -NS < nanoseconds < NS:
        raise PpsParseError(f"{field}.nsec", f"{nanoseconds} is not within a second")
    return seconds * NS + nanoseconds

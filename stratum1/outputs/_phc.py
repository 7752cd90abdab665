"""Steers a PTP hardware clock (/dev/ptpN) to our time in TAI, as ptp4l wants to find it: the device's calls and their errors in words."""

import ctypes
import errno
import os

from stratum1.clock import Adj, Timex, clock_adjtime
from stratum1.interchange import TimeState
from stratum1.timescale import NS

from ._ptp_clock import (
    CAPS_SIZE,
    EXTENDED_SIZE,
    OFFSET_SIZE,
    PRECISE_SIZE,
    PTP_CLOCK_GETCAPS,
    PTP_SYS_OFFSET,
    PTP_SYS_OFFSET_EXTENDED,
    PTP_SYS_OFFSET_PRECISE,
    PhcLayoutError,
    PhcReading,
    clock_id,
    pack_sample_count,
    parse_extended,
    parse_max_adjustment,
    parse_offset,
    parse_precise,
)
from ._servo import PhcServo, PhcSteering, ServoState
from .report import Moment, OutputState, Turn

__all__ = ["Phc", "PhcOutput"]

_LIBC = ctypes.CDLL(None, use_errno=True)
_SAMPLES = 5
_FREQUENCY_UNIT = 1e-6 / 65536
_SETTLED = 5
"""Readings after which a hardware clock that is tracked is believed."""
_OPEN_REMEDY = {
    errno.ENOENT: "is missing: the network card has no hardware clock, or its driver is not loaded (ethtool -T INTERFACE names the clock)",
    errno.EACCES: 'may not be opened: give it to the daemon\'s group by a udev rule (SUBSYSTEM=="ptp", GROUP="stratum1", MODE="0660") '
    "and let the unit reach it (DeviceAllow=char-ptp rw)",
}
_OPEN_REMEDY[errno.EPERM] = _OPEN_REMEDY[errno.EACCES]
_NOT_SUPPORTED = frozenset({errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL})


class Phc:
    """An open hardware clock. Every call raises OSError or PhcLayoutError."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            self.most = parse_max_adjustment(self._ioctl(PTP_CLOCK_GETCAPS, bytes(CAPS_SIZE)))
        except (OSError, PhcLayoutError):
            os.close(self._descriptor)
            raise
        self._ways = [self._precise, self._extended, self._plain]

    @property
    def frequency(self) -> float:
        """The correction in force, whoever made it, s/s."""
        return self._adjust(Timex()).freq * _FREQUENCY_UNIT

    def read(self) -> PhcReading:
        """Both clocks at one instant, by the best way that the driver has."""
        while True:
            try:
                return self._ways[0]()
            except OSError as error:
                if error.errno not in _NOT_SUPPORTED or len(self._ways) == 1:
                    raise
                del self._ways[0]

    def steer(self, steering: PhcSteering) -> None:
        """Step first, then run at the frequency."""
        if steering.step_ns:
            seconds, rest = divmod(steering.step_ns, NS)
            self._adjust(Timex(Adj.SETOFFSET | Adj.NANO, time_sec=seconds, time_frac=rest))
        self._adjust(Timex(Adj.FREQUENCY, freq=round(steering.frequency / _FREQUENCY_UNIT)))

    def close(self) -> None:
        """Let go; the clock runs on as it was told."""
        os.close(self._descriptor)

    def _adjust(self, timex: Timex) -> Timex:
        return clock_adjtime(clock_id(self._descriptor), timex)

    def _precise(self) -> PhcReading:
        return parse_precise(self._ioctl(PTP_SYS_OFFSET_PRECISE, bytes(PRECISE_SIZE)))

    def _extended(self) -> PhcReading:
        return parse_extended(self._ioctl(PTP_SYS_OFFSET_EXTENDED, pack_sample_count(_SAMPLES, EXTENDED_SIZE)))

    def _plain(self) -> PhcReading:
        return parse_offset(self._ioctl(PTP_SYS_OFFSET, pack_sample_count(_SAMPLES, OFFSET_SIZE)))

    def _ioctl(self, request: int, argument: bytes) -> bytes:
        """By ctypes: fcntl.ioctl holds Python's lock on arguments of more than 1024 bytes, and a slow device would hold everybody up."""
        buffer = ctypes.create_string_buffer(argument, len(argument))
        if _LIBC.ioctl(self._descriptor, ctypes.c_ulong(request), buffer) < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return buffer.raw


class PhcOutput:
    """One hardware clock, kept at our UTC plus TAI - UTC."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._phc: Phc | None = None
        self._servo: PhcServo
        self._told: float | None = None
        self._tracked = 0
        self._offset: float | None = None

    @property
    def error(self) -> float | None:
        """How far the clock is from our time, seconds, None while it is not known; may be asked from another thread."""
        return self._offset

    def turn(self, moment: Moment) -> Turn:
        """Measure and correct."""
        reason = _withheld(moment)
        if reason:
            self._offset = None
            return Turn(OutputState.WAITING, f"{reason}; the clock runs on as it was told")
        try:
            return self._steer(moment)
        except (OSError, PhcLayoutError) as error:
            self._let_go()
            return Turn(OutputState.PROBLEM, f"{self._path} {_explained(error)}")

    def close(self) -> None:
        """Let go; the clock keeps its last frequency."""
        self._let_go()

    def _steer(self, moment: Moment) -> Turn:
        phc = self._opened()
        rival = self._rival(phc)
        reading = phc.read()
        offset_ns = _offset_ns(moment.state, moment.tai_offset or 0, reading)
        steering = self._servo.sample(reading.system_ns, offset_ns, reading.window_ns)
        if steering is not None:
            phc.steer(steering)
            self._told = steering.frequency
        tracking = self._servo.state is ServoState.TRACKING and not (steering and steering.step_ns)
        self._tracked = self._tracked + 1 if tracking else 0
        self._offset = offset_ns / NS if self._tracked >= _SETTLED else None
        if rival:
            return Turn(OutputState.PROBLEM, rival, sent=steering is not None, offset=offset_ns / NS)
        text = "steered" if tracking else "measuring its frequency"
        return Turn(OutputState.SENDING, text, sent=steering is not None, offset=offset_ns / NS)

    def _opened(self) -> Phc:
        if self._phc is None:
            self._phc = Phc(self._path)
            self._servo = PhcServo(self._phc.most, self._phc.frequency)
            self._told = None
        return self._phc

    def _rival(self, phc: Phc) -> str:
        """Whether somebody has changed the frequency since we set it (the kernel keeps it as it was set)."""
        if self._told is None or abs(phc.frequency - self._told) <= 2 * _FREQUENCY_UNIT:
            return ""
        return f"{self._path}: another program steers it too: stop phc2sys or ts2phc, and have ptp4l be grandmaster only (serverOnly 1)"

    def _let_go(self) -> None:
        self._offset = None
        self._tracked = 0
        if self._phc is not None:
            self._phc.close()
            self._phc = None


def _withheld(moment: Moment) -> str:
    state = moment.state
    if moment.now > state.valid_until or not state.synchronised or state.realtime is None:
        return f"the time is not known ({state.state})"
    if moment.tai_offset is None:
        return "TAI - UTC is not known: no list of leap seconds is loaded"
    return "a leap second is near" if moment.near_leap else ""


def _offset_ns(state: TimeState, tai_offset: int, reading: PhcReading) -> int:
    """Our time in TAI minus the hardware clock, ns (integers: at first they are decades apart)."""
    mapping = state.realtime
    if mapping is None:
        raise PhcLayoutError("no mapping of CLOCK_REALTIME")
    return mapping.served(reading.system_ns) + tai_offset * NS - reading.phc_ns


def _explained(error: OSError | PhcLayoutError) -> str:
    if isinstance(error, PhcLayoutError):
        return f"gave an answer that is none: {error}"
    number = error.errno or 0
    if number == errno.ENOTTY:
        return "is no PTP hardware clock: name a /dev/ptpN"
    if number == errno.EBUSY:
        return "is not to be steered: it is the physical clock below virtual ones (/sys/class/ptp/ptpN/n_vclocks)"
    return _OPEN_REMEDY.get(number, f"can't be used: {error.strerror}")

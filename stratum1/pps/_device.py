"""A kernel PPS device, opened, checked and set up (RFC 2783, section 3.4)."""

import errno
import os

from ._errors import PpsError, PpsGoneError, PpsParseError
from ._ioctl import PpsMode, PpsParams, check_platform, fetch, get_capabilities, get_params, set_params
from ._tally import EdgeTracker
from .events import Edge, EdgeKind

__all__ = ["PpsDevice"]

_CAPTURE = {EdgeKind.ASSERT: PpsMode.CAPTUREASSERT, EdgeKind.CLEAR: PpsMode.CAPTURECLEAR}
_OPEN_REMEDY = {
    errno.ENOENT: "is missing: the kernel has no such pulse source. On a Raspberry Pi put "
    '"dtoverlay=pps-gpio,gpiopin=N" (N: the pin of the HAT, often 18) into config.txt and restart; '
    "elsewhere load its driver (pps-gpio, pps-ldisc)",
    errno.EACCES: "may not be opened for reading and writing: give it to the daemon's group by a udev rule "
    '(SUBSYSTEM=="pps", GROUP="stratum1", MODE="0660")',
    errno.EBUSY: "is in use by another program: stop that one (ntpd, gpsd and chronyd open pulse sources too)",
}
_OPEN_REMEDY[errno.EPERM] = _OPEN_REMEDY[errno.EACCES]
_OPEN_REMEDY[errno.ENXIO] = _OPEN_REMEDY[errno.ENODEV] = "has no driver behind it: unbound or unplugged"


class PpsDevice:
    """An open `/dev/ppsN` that captures `edge`, and the other edge too where it can.

    Raises PpsError from the constructor and from `read`, with the cause and the remedy in words.
    """

    def __init__(self, path: str, edge: EdgeKind = EdgeKind.ASSERT) -> None:
        check_platform()
        self._path = path
        self._descriptor = _open(path)
        try:
            self._mode = _capabilities(path, self._descriptor)
            notes, captured = self._set_up(edge)
            first = fetch(self._descriptor, 0)
            if first is None:
                raise PpsError(f"{path}: the kernel gives no state of the device (PPS_FETCH without waiting timed out)")
            self._tracker = EdgeTracker(captured, first)
            self._identity = _identity(path)
        except (OSError, PpsParseError) as error:
            self.close()
            raise PpsError(f"{path}: {error}") from error
        except PpsError:
            self.close()
            raise
        self.captures = captured
        self._notes = notes

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The capability bits by their names in RFC 2783."""
        return tuple(bit.name for bit in PpsMode if bit in self._mode and bit.name)

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be had, each with the remedy."""
        return self._notes

    def read(self, timeout: float) -> tuple[Edge, ...]:
        """Wait at most `timeout` seconds (0.01 or more) for the next edge. Raises PpsGoneError, PpsError."""
        try:
            fetched = fetch(self._descriptor, timeout)
        except PpsParseError as error:
            raise PpsError(f"{self._path}: the kernel's answer is malformed: {error}") from error
        except OSError as error:
            raise PpsGoneError(f"{self._path}: reading failed ({error.strerror}): unbound or unplugged") from error
        if fetched is not None:
            return self._tracker.edges(fetched)
        # A FETCH on a device that was unregistered just times out: the name tells whether it is still the one that we hold.
        if _identity(self._path) != self._identity:
            raise PpsGoneError(f"{self._path} has vanished: its driver was unbound or the hardware unplugged")
        return ()

    def close(self) -> None:
        """Close the descriptor; the kernel keeps the settings."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _set_up(self, edge: EdgeKind) -> tuple[tuple[str, ...], frozenset[EdgeKind]]:
        path, notes = self._path, []
        if not self._mode & PpsMode.TSFMT_TSPEC:
            raise PpsError(f"{path} stamps in NTP format only (no PPS_TSFMT_TSPEC): its driver is not supported")
        if not self._mode & _CAPTURE[edge]:
            raise PpsError(_lacks(path, edge))
        if not self._mode & PpsMode.CANWAIT:
            notes.append(f"{path} does not say that it can wait for an edge (no PPS_CANWAIT); Linux waits all the same")
        wanted = self._mode & PpsMode.CAPTUREBOTH
        if wanted != PpsMode.CAPTUREBOTH:
            notes.append(_lacks(path, EdgeKind.CLEAR if edge is EdgeKind.ASSERT else EdgeKind.ASSERT))
        mode, refusal = self._capture(wanted)
        if not mode & _CAPTURE[edge]:
            raise PpsError(f"{path} is not set to capture the {edge} edge, and setting it was refused: {refusal}")
        if refusal:
            notes.append(f"{path} keeps the settings that it had ({_names(mode)}): {refusal}")
        return tuple(notes), frozenset(kind for kind, bit in _CAPTURE.items() if mode & bit)

    def _capture(self, wanted: PpsMode) -> tuple[PpsMode, str]:
        """Set the edges to capture and clear all offsets, unless it is so already; the mode in force, and why it is not the wanted one."""
        present = get_params(self._descriptor)
        offsets = bool(present.mode & PpsMode.OFFSETASSERT and present.assert_offset_ns) or bool(
            present.mode & PpsMode.OFFSETCLEAR and present.clear_offset_ns
        )
        if present.mode & PpsMode.CAPTUREBOTH == wanted and not present.mode & PpsMode.TSFMT_NTPFP and not offsets:
            return present.mode, ""
        try:
            set_params(self._descriptor, PpsParams(wanted | PpsMode.TSFMT_TSPEC))
        except PermissionError:
            reason = "PPS_SETPARAMS needs the capability CAP_SYS_TIME (systemd: AmbientCapabilities=CAP_SYS_TIME)"
            if offsets:
                reason += "; another program has set an offset that falsifies every stamp"
            return present.mode, reason
        return get_params(self._descriptor).mode, ""


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_NOCTTY)
    except OSError as error:
        remedy = _OPEN_REMEDY.get(error.errno or 0, f"can't be opened: {error.strerror}")
        raise PpsError(f"{path} {remedy}.") from error


def _capabilities(path: str, descriptor: int) -> PpsMode:
    try:
        return get_capabilities(descriptor)
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.EINVAL):
            raise PpsError(f"{path} is not a PPS device (the kernel does not know PPS_GETCAP on it): name a /dev/ppsN.") from error
        raise


def _identity(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_rdev


def _names(mode: PpsMode) -> str:
    return " ".join(bit.name for bit in PpsMode if bit in mode and bit.name)


def _lacks(path: str, edge: EdgeKind) -> str:
    if edge is EdgeKind.ASSERT:
        return f"{path} can't capture assert edges (no PPS_CAPTUREASSERT): set pps-edge = \"clear\" or change the driver's polarity"
    return (
        f"{path} can't capture clear edges (no PPS_CAPTURECLEAR), so the pulse's width and polarity can't be checked: "
        'add "capture_clear" to the pps-gpio overlay, or stay with pps-edge = "assert"'
    )

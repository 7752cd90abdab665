"""A look at a PPS device that changes nothing: no settings, no thread, and other readers of the device notice nothing."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

from ._errors import PpsError, PpsParseError
from ._ioctl import PpsMode, check_platform, fetch, get_capabilities, get_params
from .events import EdgeKind

__all__ = ["PpsProbe", "probe_device"]

_CAPTURE = {EdgeKind.ASSERT: PpsMode.CAPTUREASSERT, EdgeKind.CLEAR: PpsMode.CAPTURECLEAR}


@dataclass(frozen=True, slots=True)
class PpsProbe:
    """What a PPS device says of itself.

    can_capture, captures: the edges that its driver knows, and those that are on. offset_ns: what the kernel adds to stamps (the
    larger of both edges'; 0 as a rule). pulses: edges counted while we looked, for `seconds`; total: since the driver was loaded.
    """

    can_capture: frozenset[EdgeKind]
    captures: frozenset[EdgeKind]
    offset_ns: int
    pulses: Mapping[EdgeKind, int]
    total: Mapping[EdgeKind, int]
    seconds: float


def probe_device(path: str, seconds: float = 2.2) -> PpsProbe:
    """Look at a PPS device (RFC 2783 requests GETCAP, GETPARAMS and FETCH) and count its edges for `seconds`.

    Raises PpsError where it can't be opened or is no PPS device.
    """
    check_platform()
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOCTTY)
    except OSError as error:
        raise PpsError(f"{path} can't be opened: {error.strerror}") from error
    try:
        return _probe(descriptor, seconds)
    except OSError as error:
        raise PpsError(f"{path} is not a PPS device: the kernel refuses the requests of RFC 2783 on it ({error.strerror})") from error
    except PpsParseError as error:
        raise PpsError(f"{path}: the kernel's answer is malformed: {error}") from error
    finally:
        os.close(descriptor)


def _probe(descriptor: int, seconds: float) -> PpsProbe:
    capabilities = get_capabilities(descriptor)
    present = get_params(descriptor)
    before = _counts(descriptor)
    time.sleep(seconds)  # the kernel counts by itself; waiting in FETCH would tell nothing more
    after = _counts(descriptor)
    offsets = (
        present.assert_offset_ns if present.mode & PpsMode.OFFSETASSERT else 0,
        present.clear_offset_ns if present.mode & PpsMode.OFFSETCLEAR else 0,
    )
    return PpsProbe(
        can_capture=_edges(capabilities),
        captures=_edges(present.mode),
        offset_ns=max(offsets, key=abs),
        pulses={kind: (after[kind] - before[kind]) % (1 << 32) for kind in EdgeKind},
        total=after,
        seconds=seconds,
    )


def _edges(mode: PpsMode) -> frozenset[EdgeKind]:
    return frozenset(kind for kind, bit in _CAPTURE.items() if mode & bit)


def _counts(descriptor: int) -> dict[EdgeKind, int]:
    fetched = fetch(descriptor, 0)
    if fetched is None:
        raise PpsParseError("struct pps_fdata", "no state without waiting (PPS_FETCH timed out)")
    return {EdgeKind.ASSERT: fetched.assert_sequence, EdgeKind.CLEAR: fetched.clear_sequence}

"""The planes that there are, by name."""

from collections.abc import Mapping, Sequence

from stratum1.dataplane import MISSING
from stratum1.interchange import TimeState
from stratum1.xdp import nothing_pinned

from ._listen import DataPlane, ListenAddress
from ._native_plane import NativePlane
from ._plane import Maker, Plane, candidates
from ._python_plane import PythonPlane
from ._xdp_plane import XdpPlane
from .service import ServiceSettings

__all__ = ["MAKERS", "plane_missing", "plane_outlook"]


def _native_missing() -> str:
    return f"there is no native module: {MISSING}" if MISSING else ""


def _xdp_missing() -> str:
    return nothing_pinned()


def _xdp(listeners: Sequence[ListenAddress], service: ServiceSettings, state: TimeState) -> Plane:
    return XdpPlane(listeners, service, state, behind=(MAKERS[DataPlane.NATIVE], MAKERS[DataPlane.PYTHON]))


MAKERS: Mapping[DataPlane, Maker] = {DataPlane.PYTHON: PythonPlane, DataPlane.NATIVE: NativePlane, DataPlane.XDP: _xdp}


def plane_missing(kind: DataPlane) -> str:
    """Why a plane can't be had on this host, as far as that is seen without trying; empty if it can."""
    match kind:
        case DataPlane.NATIVE:
            return _native_missing()
        case DataPlane.XDP:
            return _xdp_missing()
        case _:
            return ""


def plane_outlook(asked: DataPlane) -> tuple[DataPlane, tuple[tuple[DataPlane, str], ...]]:
    """The plane that a listener would get, and why not the better ones, without trying."""
    reasons: list[tuple[DataPlane, str]] = []
    for kind in candidates(asked):
        reason = plane_missing(kind)
        if not reason:
            return kind, tuple(reasons)
        reasons.append((kind, reason))
    return DataPlane.PYTHON, tuple(reasons)

"""The planes that there are, by name."""

from collections.abc import Mapping, Sequence

from stratum1.interchange import TimeState

from ._listen import DataPlane, ListenAddress
from ._plane import Maker, Plane, PlaneError
from ._python_plane import PythonPlane
from .service import ServiceSettings

__all__ = ["MAKERS"]


def _native(listeners: Sequence[ListenAddress], service: ServiceSettings, state: TimeState) -> Plane:
    raise PlaneError("this version has no native data plane")


def _xdp(listeners: Sequence[ListenAddress], service: ServiceSettings, state: TimeState) -> Plane:
    raise PlaneError("this version has no XDP data plane")


MAKERS: Mapping[DataPlane, Maker] = {DataPlane.PYTHON: PythonPlane, DataPlane.NATIVE: _native, DataPlane.XDP: _xdp}

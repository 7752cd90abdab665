"""Answers NTP: the pure reply function, the counters, and the threads that own the sockets."""

from ._cell import StateCell
from ._counters import Counters, Tally
from ._listen import DataPlane, ListenAddress, ListenError, apart, open_socket, parse_listen, udp_port_owner
from ._plane import Maker, Plane, PlaneError, PlaneReport, StampKind, TableUse
from ._planes import plane_missing, plane_outlook
from ._python_plane import PythonPlane
from ._reference_ids import REFERENCE_ID_LENGTH, reference_filter
from ._server import ListenerReport, Server
from ._smear import Smear, smear_ns
from ._worker import PythonWorker
from .reply import (
    MAX_HOLD_NS,
    MAX_REQUEST,
    Entropy,
    Outcome,
    Protection,
    Record,
    Responder,
    Sender,
    ServerReason,
    ServerResponse,
    check_state,
)

__all__ = [
    "MAX_HOLD_NS",
    "MAX_REQUEST",
    "REFERENCE_ID_LENGTH",
    "Counters",
    "DataPlane",
    "Entropy",
    "ListenAddress",
    "ListenError",
    "ListenerReport",
    "Maker",
    "Outcome",
    "Plane",
    "PlaneError",
    "PlaneReport",
    "Protection",
    "PythonPlane",
    "PythonWorker",
    "Record",
    "Responder",
    "Sender",
    "Server",
    "ServerReason",
    "ServerResponse",
    "Smear",
    "StampKind",
    "StateCell",
    "TableUse",
    "Tally",
    "apart",
    "check_state",
    "open_socket",
    "parse_listen",
    "plane_missing",
    "plane_outlook",
    "reference_filter",
    "smear_ns",
    "udp_port_owner",
]

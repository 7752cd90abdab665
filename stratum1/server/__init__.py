"""Answers NTP: the pure reply function, the counters, and the threads that own the sockets."""

from ._counters import Counters, Tally
from ._listen import ListenAddress, ListenError, open_socket, parse_listen, udp_port_owner
from ._server import Server
from ._smear import Smear, smear_ns
from ._worker import PythonWorker, StateCell
from .reply import MAX_HOLD_NS, MAX_REQUEST, Outcome, Record, Responder, ServerReason, ServerResponse, check_state, reply

__all__ = [
    "MAX_HOLD_NS",
    "MAX_REQUEST",
    "Counters",
    "ListenAddress",
    "ListenError",
    "Outcome",
    "PythonWorker",
    "Record",
    "Responder",
    "Server",
    "ServerReason",
    "ServerResponse",
    "Smear",
    "StateCell",
    "Tally",
    "check_state",
    "open_socket",
    "parse_listen",
    "reply",
    "smear_ns",
    "udp_port_owner",
]

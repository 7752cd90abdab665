"""The API over HTTP: on the Unix socket with its actions, and its reading half for the web's application."""

from ._api import ActionRefusedError, Actions, NetworkView, add_api, json_bytes, make_control_app
from ._hygiene import NETWORK_METHODS, guard_requests, harden_answers
from ._server import ControlServer
from ._sockets import ListenError
from ._stream import EventStream

__all__ = [
    "NETWORK_METHODS",
    "ActionRefusedError",
    "Actions",
    "ControlServer",
    "EventStream",
    "ListenError",
    "NetworkView",
    "add_api",
    "guard_requests",
    "harden_answers",
    "json_bytes",
    "make_control_app",
]

"""The XDP fast path's kernel side: bpf(2), the compiled program, its maps and pins. What goes into the maps: server/_xdp_words.py."""

from ._bpf import run_program
from ._host import ethernet_interfaces, switch_stamps_on
from ._layout import (
    ACCESS_RULES,
    FLAG_SMEAR,
    FLAG_USABLE,
    LISTENER_RULES4,
    LISTENER_RULES6,
    LISTENER_SMEAR,
    LISTENERS,
    PORTS,
    VALID_BITS,
    Count,
    ListenerKey,
    Word,
    access_key,
    listener_key,
)
from ._load import DEFAULT_SLOTS, OBJECT, Standing, attach, detach, load, run_times, standing
from ._maps import PINS, Attached, Maps, Mode, XdpError, nothing_pinned

__all__ = [
    "ACCESS_RULES",
    "DEFAULT_SLOTS",
    "FLAG_SMEAR",
    "FLAG_USABLE",
    "LISTENERS",
    "LISTENER_RULES4",
    "LISTENER_RULES6",
    "LISTENER_SMEAR",
    "OBJECT",
    "PINS",
    "PORTS",
    "VALID_BITS",
    "Attached",
    "Count",
    "ListenerKey",
    "Maps",
    "Mode",
    "Standing",
    "Word",
    "XdpError",
    "access_key",
    "attach",
    "detach",
    "ethernet_interfaces",
    "listener_key",
    "load",
    "nothing_pinned",
    "run_program",
    "run_times",
    "standing",
    "switch_stamps_on",
]

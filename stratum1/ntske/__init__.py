"""The shell of NTS key establishment (RFC 8915): TCP, TLS, certificates and key files. What is said and decided is in `stratum1.nts`."""

from ._backend import choose_backend
from ._connection import KeService
from ._establishment import KeReport, KeSettings, KeyEstablishment
from ._listener import KeLimits, KeListener, KeListenError, open_listener
from ._tally import KeCounters

__all__ = [
    "KeCounters",
    "KeLimits",
    "KeListenError",
    "KeListener",
    "KeReport",
    "KeService",
    "KeSettings",
    "KeyEstablishment",
    "choose_backend",
    "open_listener",
]

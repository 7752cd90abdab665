"""The shell of NTS key establishment (RFC 8915): TCP, TLS, certificates and key files. What is said and decided is in `stratum1.nts`."""

from ._backend import choose_backend
from ._client import Established, KeError, believed_authorities, establish_keys
from ._connection import KeService
from ._establishment import KeReport, KeSettings, KeyEstablishment
from ._identity import Identity, IdentityError, read_identity
from ._listener import KeLimits, KeListener, KeListenError, open_listener
from ._tally import KeCounters

__all__ = [
    "Established",
    "Identity",
    "IdentityError",
    "KeCounters",
    "KeError",
    "KeLimits",
    "KeListenError",
    "KeListener",
    "KeReport",
    "KeService",
    "KeSettings",
    "KeyEstablishment",
    "believed_authorities",
    "choose_backend",
    "establish_keys",
    "open_listener",
    "read_identity",
]

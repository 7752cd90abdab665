"""The settings of a service and of one listener, laid out for answering: made once, and kept while TimeStates come and go. Pure."""

from functools import partial

from stratum1.ntp import Mode
from stratum1.nts.cookies import CookieJar

from ._access import AccessList
from ._judge import verdicts
from ._smear import Smear
from ._tables import InterleavedTable, RateTable, Tables, address_hash, network_hash
from .service import ListenerSettings, RateLimit, ServiceSettings

__all__ = ["Rules"]


class Rules:
    """What a Responder goes by. Its members are read only."""

    __slots__ = (
        *("access", "address_hash", "interleaved", "jar", "keys", "least_poll", "limit", "network_hash", "ntpv5"),
        *("odd_ports", "own", "prefixes", "rate", "reference_ids", "seed", "silent", "smear", "verdicts"),
    )

    def __init__(self, service: ServiceSettings, listener: ListenerSettings, tables: Tables, smear: Smear) -> None:
        """Raises ValueError, naming the field, for settings that can't be."""
        service.check()
        self.access = AccessList(listener)
        self.interleaved: InterleavedTable | None = tables.interleaved if service.interleaved_slots else None
        self.jar = CookieJar(service.nts) if service.nts is not None else None
        self.keys = dict(service.keys)
        self.limit = service.rate_limit or RateLimit()
        self.rate: RateTable | None = tables.rate if service.rate_limit is not None else None
        self.least_poll = _poll_of(self.limit.interval_ns)
        self.ntpv5 = service.ntpv5
        self.own = listener.own
        self.odd_ports = frozenset({0} | {port for _, port in listener.own})
        self.reference_ids = service.reference_ids
        self.seed = service.hash_seed
        self.silent = listener.nts_only_silence
        self.smear = smear
        self.verdicts = verdicts(service.ntpv5)
        self.network_hash = partial(network_hash, service.hash_seed)
        self.address_hash = partial(address_hash, service.hash_seed)
        self.prefixes = tuple(self._prefix(first) for first in range(256))

    def _prefix(self, first: int) -> int | None:
        """Version and mode bits of the reply to a request of versions 1 to 4 in mode 3, by its first octet; None for others."""
        bits, refusal = self.verdicts[first]
        return bits if refusal is None and bits >> 3 < 5 and first & 7 == Mode.CLIENT else None


def _poll_of(interval_ns: int) -> int:
    """The smallest log2 of seconds that is no shorter than an interval."""
    poll = -64
    while interval_ns << 64 > 1_000_000_000 << (poll + 64):
        poll += 1
    return poll

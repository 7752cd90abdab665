"""The settings of a service and of its listeners, handed to the native data plane.

`stratum1._dataplane` may be missing: whoever calls this has asked `stratum1.dataplane.native` for it.
"""

from typing import Any

from stratum1.dataplane import MISSING, native
from stratum1.nts.keyring import KeyRing, MasterKey

from .service import ListenerSettings, RateLimit, ServiceSettings

__all__ = ["native_listener", "native_service"]


def native_service(service: ServiceSettings) -> Any:
    """What all listeners share, as the native data plane takes it. Raises ValueError, naming the field, for what can't be."""
    service.check()
    return _module().Service(
        keys=[(key_id, key.kind.value, key.secret) for key_id, key in service.keys.items()],
        rate_limit=_limit(service.rate_limit) if service.rate_limit is not None else None,
        interleaved_slots=service.interleaved_slots,
        ntpv5=service.ntpv5,
        nts=_ring(service.nts) if service.nts is not None else None,
        hash_seed=service.hash_seed,
        reference_ids=service.reference_ids,
    )


def native_listener(listener: ListenerSettings) -> Any:
    """What is one listener's own; how it smears stands in its states (`state_words`)."""
    rules = [(rule.network.network_address.packed, rule.network.prefixlen, rule.action.value) for rule in listener.access]
    return _module().Listener(
        access=rules,
        require_nts=listener.require_nts,
        nts_only_silence=listener.nts_only_silence,
        own=sorted(listener.own),
    )


def _module() -> Any:
    module = native()
    if module is None:
        raise RuntimeError(f"there is no native data plane: {MISSING}")
    return module


def _limit(limit: RateLimit) -> tuple[int, int, int, int, int]:
    return limit.interval_ns, limit.burst, limit.leak, limit.kiss, limit.slots


def _ring(ring: KeyRing) -> tuple[tuple[int, bytes], list[tuple[int, bytes]], list[int]]:
    return _key(ring.current), [_key(key) for key in ring.accepted], sorted(ring.expired)


def _key(key: MasterKey) -> tuple[int, bytes]:
    return key.key_id, key.secret

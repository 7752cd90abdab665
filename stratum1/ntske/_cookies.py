"""Who seals cookies for key establishment: the native module where there is one (a microsecond each), else Python."""

from stratum1.dataplane import native
from stratum1.nts.aead import Aead
from stratum1.nts.cookies import CookieJar, Session
from stratum1.nts.keyring import KeyRing
from stratum1.nts.records import NTPV5_DRAFT

from ._connection import Seal

__all__ = ["cookie_sealer"]


def cookie_sealer(ring: KeyRing) -> Seal:
    """What makes cookies under a ring's current key."""
    module = native()
    if module is None:
        return _python_sealer(ring)
    sealed, key_id, secret = module.seal_cookie, ring.current.key_id, ring.current.secret

    def seal(protocol: int, aead: int, c2s: bytes, s2c: bytes, nonce: bytes) -> bytes:
        cookie: bytes = sealed(secret, key_id, aead, c2s, s2c, nonce, protocol == NTPV5_DRAFT)
        return cookie

    return seal


def _python_sealer(ring: KeyRing) -> Seal:
    jar = CookieJar(ring)

    def seal(protocol: int, aead: int, c2s: bytes, s2c: bytes, nonce: bytes) -> bytes:
        return jar.seal(Session(Aead(aead), c2s, s2c, protocol == NTPV5_DRAFT), nonce)

    return seal

"""The NTS half of `stratum1 query`: keys are established first, and the answer is authenticated."""

from pathlib import Path

from stratum1.nts.aead import Aead
from stratum1.ntske import KeError, believed_authorities
from stratum1.sources import Answer, QueryError
from stratum1.sources.nts import NtsAnswer, query_nts
from stratum1.sources.protocol import Target

from .query import Secured

__all__ = ["ask_with_nts"]


def ask_with_nts(target: Target, timeout: float, ca: Path | None) -> tuple[Answer, Secured]:
    """The authentic answer, and what is told of its keys. ca: PEM of the authority, None for the system's. Raises QueryError."""
    try:
        authorities = believed_authorities(ca)
    except KeError as error:
        raise QueryError(f"{error} (--ca)") from None
    found = query_nts(target, authorities, timeout)
    return found.answer, Secured(_as_dict(found), _rows(found))


def _as_dict(found: NtsAnswer) -> dict[str, object]:
    keys = found.established
    return {
        "ke_address": keys.address,
        "ke_port": keys.port,
        "ke_seconds": keys.seconds,
        "aead": keys.keys.aead.value,
        "aead_name": _name(keys.keys.aead),
        "compliant_export": keys.result.compliant,
        "cookies": len(keys.result.cookies),
        "cookie_octets": len(keys.result.cookies[0]),
        "new_cookies": found.new_cookies,
        "server": keys.result.server,
        "port": keys.result.port,
        "tls": keys.backend,
    }


def _rows(found: NtsAnswer) -> tuple[tuple[str, str], ...]:
    keys, cookies = found.established, found.established.result.cookies
    aead = f"AEAD {keys.keys.aead.value} ({_name(keys.keys.aead)})"
    return (
        ("NTS keys", f"from {keys.address} port {keys.port} in {keys.seconds * 1e3:.1f} ms, {aead}"),
        ("NTS cookies", f"{len(cookies)} of {len(cookies[0])} octets; {found.new_cookies} new in the authentic answer"),
    )


def _name(aead: Aead) -> str:
    return aead.name.replace("AES_SIV_CMAC_", "AES-SIV-CMAC-").replace("AES_128_GCM_SIV", "AES-128-GCM-SIV")

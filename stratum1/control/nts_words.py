"""NTS key establishment in words, for page and command line: made from the API's JSON."""

from collections.abc import Mapping
from typing import Any

from stratum1.timescale import rfc3339

from .words import count

__all__ = ["nts_words", "outcome_words"]

_AEADS = {"15": "AES-SIV-CMAC-256", "16": "AES-SIV-CMAC-384", "17": "AES-SIV-CMAC-512", "30": "AES-128-GCM-SIV"}
_OUTCOMES = {
    "issued": "got their cookies",
    "pool-list": "pools that were told what there is",
    "no-common-protocol": "no protocol in common",
    "no-common-aead": "no AEAD in common",
    "unknown-critical": "demanded a record that is not known",
    "bad-request": "malformed requests",
    "timeout": "requests not finished in time",
    "internal-error": "errors of ours",
    "no-tls": "no TLS 1.3, or no TLS at all",
    "no-alpn": "TLS for something else",
    "not-admitted": "certificate not allowed",
    "handshake-timeout": "handshakes not finished in time",
    "lost": "gone before they had asked",
    "no-certificate": "refused: no certificate yet",
    "too-many": "refused: too many at a time",
}


def nts_words(nts: Mapping[str, Any]) -> dict[str, str]:
    """Texts by name of the page's element."""
    certificate, key = nts["certificate"], nts["key"]
    failed = sum(nts["outcomes"].values()) - nts["outcomes"].get("issued", 0) - nts["outcomes"].get("pool-list", 0)
    drawn = ", drawn from the fleet's secret" if key["fleet"] else ""
    turn = f", the next on {_day(key['next_rotation'])}" if key["next_rotation"] else ", which does not change before the time is known"
    return {
        "nts-state": f"{nts['state']}: {nts['reason']}" if nts["reason"] else nts["state"],
        "nts-listen": nts["listen_address"],
        "nts-tls": nts["tls"],
        "nts-names": ", ".join(certificate["names"]) if certificate else "",
        "nts-expiry": f"{_day(certificate['not_after'])} ({certificate['kind']})" if certificate else "",
        "nts-fingerprint": certificate["fingerprint"] if certificate else "",
        "nts-authority": nts["authority_fingerprint"],
        "nts-key": f"{key['current']} seals, {key['accepted']} open{drawn}{turn}",
        "nts-issued": f"{count(nts['outcomes'].get('issued', 0))} clients, {count(nts['cookies'])} cookies, {count(failed)} failed",
        "nts-aeads": ", ".join(f"{_AEADS.get(aead, aead)} {count(number)}" for aead, number in sorted(nts["aeads"].items())),
    }


def outcome_words(nts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What became of connections, most frequent first: words and count of each that has happened."""
    happened = sorted(((number, name) for name, number in nts["outcomes"].items() if number), reverse=True)
    return [(_OUTCOMES.get(name, name), count(number)) for number, name in happened]


def _day(instant: Any) -> str:
    """An instant to the minute; text in the JSON, nanoseconds in the model."""
    text = instant if isinstance(instant, str) else rfc3339(instant, 0)
    return f"{text[:16].replace('T', ' ')} UTC"

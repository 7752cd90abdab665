"""NTS key establishment on the page: its state, its certificate, lines for clients."""

from collections.abc import Mapping
from dataclasses import asdict

from stratum1.control import NtsKeStatus
from stratum1.control.nts_words import nts_words, outcome_words

__all__ = ["nts_rows", "nts_shown", "nts_texts"]

_NAMES = ("state", "listen", "tls", "names", "expiry", "fingerprint", "authority", "key", "issued", "aeads", "chrony", "ntpd-rs")


def nts_texts(nts: NtsKeStatus | None) -> dict[str, str]:
    """Texts by element; a dash for what there is not."""
    texts = {f"nts-{name}": "–" for name in _NAMES}
    if nts is None:
        return texts
    lines = {f"nts-{program}": text for program, text in nts.clients.items()}
    return {**texts, **{name: text or "–" for name, text in nts_words(asdict(nts)).items()}, **lines}


def nts_rows(nts: NtsKeStatus | None) -> list[list[str]]:
    """What became of connections."""
    return [] if nts is None else [list(each) for each in outcome_words(asdict(nts))]


def nts_shown(nts: NtsKeStatus | None) -> Mapping[str, bool]:
    """Which parts there are."""
    return {
        "nts": nts is not None,
        "nts-own": nts is not None and nts.own_authority,
        "nts-clients": nts is not None and bool(nts.clients),
        "nts-outcomes": nts is not None and any(nts.outcomes.values()),
    }

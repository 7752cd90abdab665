"""What speaks against the receivers, in words."""

from stratum1.control import IntegrityStatus, Status
from stratum1.control.words import count, duration
from stratum1.timescale import NS

__all__ = ["integrity_rows", "integrity_texts"]


def integrity_texts(status: Status) -> dict[str, str]:
    """Of the receiver that is worst off."""
    worst = max(status.integrity, key=lambda each: (each.refused_since is not None, each.score), default=None)
    if worst is None:
        return {"belief": "–", "belief-score": "–", "belief-watch": "–"}
    return {
        "belief": _verdict(worst, status),
        "belief-score": f"{worst.score:.2f} of {worst.limit:g}",
        "belief-watch": _watch(worst),
    }


def _verdict(each: IntegrityStatus, status: Status) -> str:
    if not each.enabled:
        return "not watched: [integrity] enabled = false"
    if each.refused_since is not None:
        return f"refused for {duration((status.time.utc - each.refused_since) / NS)}: {each.reason}"
    return "believed" if each.learned else "believed; its pulses are still being learned"


def _watch(each: IntegrityStatus) -> str:
    return f"{count(each.watched)} pulses watched, {count(each.withheld)} withheld, refused {count(each.refusals)} times"


def integrity_rows(status: Status) -> list[list[str]]:
    """A row for each piece of evidence."""
    several = len(status.integrity) > 1
    return [
        [f"{e.kind}, {each.source}" if several else e.kind, f"{e.strength:.0%}", e.sentence, duration((status.time.utc - e.since) / NS)]
        for each in status.integrity
        for e in each.evidence
    ]

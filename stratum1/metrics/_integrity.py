"""What speaks against each receiver."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from stratum1.control import IntegrityStatus
from stratum1.timescale import NS

from ._families import NAN, flag

__all__ = ["integrity_families"]

_GROUPS = ("pulse", "time", "position", "receiver", "radio", "sources")


def integrity_families(integrity: tuple[IntegrityStatus, ...]) -> Iterator[Metric]:
    """Every group of evidence has a series from the start, with 0."""
    score = GaugeMetricFamily("stratum1_integrity_score", "Score of the evidence against the receiver", labels=["source"])
    limit = GaugeMetricFamily("stratum1_integrity_limit", "Score from which the receiver is refused", labels=["source"])
    refused = GaugeMetricFamily("stratum1_integrity_refused", "1 while the receiver is refused, else 0", labels=["source"])
    since = GaugeMetricFamily(
        "stratum1_integrity_refused_since_timestamp_seconds",
        "Unix time at which it was refused; NaN while it is believed",
        labels=["source"],
    )
    strength = GaugeMetricFamily(
        "stratum1_integrity_evidence_ratio", "Strength of the evidence of a group, 0 to 1, before its weight", labels=["source", "kind"]
    )
    refusals = CounterMetricFamily("stratum1_integrity_refusals", "Times that the receiver was refused since the start", labels=["source"])
    withheld = CounterMetricFamily(
        "stratum1_integrity_withheld_pulses", "Single pulses kept from the clock because they were far from their place", labels=["source"]
    )
    for each in integrity:
        name = [each.source]
        score.add_metric(name, each.score)
        limit.add_metric(name, each.limit)
        refused.add_metric(name, flag(each.refused_since is not None))
        since.add_metric(name, NAN if each.refused_since is None else each.refused_since / NS)
        refusals.add_metric(name, each.refusals)
        withheld.add_metric(name, each.withheld)
        for kind in _GROUPS:
            strength.add_metric([*name, kind], min(1.0, sum(e.strength for e in each.evidence if e.kind == kind)))
    yield from (score, limit, refused, since, strength, refusals, withheld)

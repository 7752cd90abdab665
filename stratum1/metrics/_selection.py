"""The sources of time: a gauge a number, by source."""

from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from stratum1.control import SelectionStatus, SourceChoice

from ._families import known

__all__ = ["selection_families"]

_NUMBERS: tuple[tuple[str, str, Callable[[SourceChoice], float | None]], ...] = (
    ("offset_seconds", "Source minus our clock, seconds: positive means that ours is behind", lambda each: each.offset),
    ("sigma_seconds", "Standard uncertainty of the source's offset, seconds", lambda each: each.sigma),
    ("root_distance_seconds", "What the error of the source stays below, seconds", lambda each: each.distance),
    ("jitter_seconds", "Standard deviation of a single sample of the source, seconds", lambda each: each.jitter),
    ("delay_seconds", "Least round trip to the source, seconds; 0 for a receiver", lambda each: each.delay),
    ("weight_ratio", "Share that the source has in the mean which steers, 0 to 1", lambda each: each.weight),
    ("reachability_ratio", "Share of the last 8 polls that were answered", lambda each: each.reach.bit_count() / 8),
)


def selection_families(selection: SelectionStatus | None) -> Iterator[Metric]:
    """Every source, receivers too."""
    sources = selection.sources if selection else ()
    letters = GaugeMetricFamily(
        "stratum1_source_state", "1 for the letter (as of chrony's selectdata) that the source has now", labels=["source", "kind", "letter"]
    )
    for each in sources:
        letters.add_metric([each.name, each.kind, each.state], 1)
    yield letters
    for name, text, number in _NUMBERS:
        family = GaugeMetricFamily(f"stratum1_source_{name}", text, labels=["source", "kind"])
        for each in sources:
            family.add_metric([each.name, each.kind], known(number(each)))
        yield family

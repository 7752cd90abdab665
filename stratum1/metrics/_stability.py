"""How stable pulses and clock are: a gauge a figure, by span."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from stratum1.control import StabilityStatus

__all__ = ["stability_families"]

_KINDS = (
    ("adev", "stratum1_stability_deviation_ratio", "Allan deviation (kind adev) over tau seconds, a ratio"),
    (
        "tdev",
        "stratum1_stability_deviation_seconds",
        "Time deviation (kind tdev) and maximum time interval error (kind mtie) over tau seconds, seconds",
    ),
    ("mtie", "stratum1_stability_deviation_seconds", ""),
)


def stability_families(stability: tuple[StabilityStatus, ...]) -> Iterator[Metric]:
    """clock: "pulses" is the reference against the crystal as it runs by itself, "steered" our clock against the reference.

    A span over which nothing could be measured yet has no series.
    """
    labels = ["source", "clock", "kind", "tau"]
    families: dict[str, GaugeMetricFamily] = {}
    samples = GaugeMetricFamily("stratum1_stability_samples", "Overlapping values behind a figure of stability", labels=labels)
    for kind, name, text in _KINDS:
        family = families.setdefault(name, GaugeMetricFamily(name, text, labels=labels))
        for each in stability:
            for clock, figures in (("pulses", each.pulses), ("steered", each.clock)):
                for figure in figures:
                    value = getattr(figure, kind)
                    if value is not None:
                        place = [each.source, clock, kind, str(figure.tau)]
                        family.add_metric(place, value)
                        samples.add_metric(place, getattr(figure, f"{kind}_samples"))
    yield from families.values()
    yield samples

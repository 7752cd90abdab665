"""Small helpers to write metric families down, one a line."""

from collections.abc import Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

__all__ = ["NAN", "counter", "counters", "flag", "gauge", "gauges", "known"]

NAN = float("nan")
"""A value that is not known (yet): the series is there all the same."""


def known(value: float | None) -> float:
    """The value, NaN where there is none."""
    return NAN if value is None else float(value)


def flag(value: bool) -> float:
    """1 for yes, 0 for no."""
    return 1.0 if value else 0.0


def gauge(name: str, text: str, value: float | None) -> Metric:
    """A gauge without labels."""
    return GaugeMetricFamily(name, text, value=known(value))


def counter(name: str, text: str, value: float) -> Metric:
    """A counter without labels; `name` without its _total."""
    return CounterMetricFamily(name, text, value=value)


def gauges(name: str, text: str, label: str, values: Iterable[tuple[str, float | None]]) -> Metric:
    """A gauge for each value of one label."""
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values:
        family.add_metric([key], known(value))
    return family


def counters(name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    """A counter for each value of one label; `name` without its _total."""
    family = CounterMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family

"""The stratum1_output_* families: one series an [[output]] table."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from stratum1.control import OutputStatus
from stratum1.timescale import NS

from ._families import flag, known

__all__ = ["output_families"]

_LABELS = ["mode", "target"]


def output_families(outputs: tuple[OutputStatus, ...]) -> Iterator[Metric]:
    """All outputs; the families are there without series where none is configured."""
    sending = GaugeMetricFamily("stratum1_output_sending", "1 while the output's consumer is told, else 0", labels=_LABELS)
    problem = GaugeMetricFamily("stratum1_output_problem", "1 while the output can't do its work, else 0", labels=_LABELS)
    sent = CounterMetricFamily("stratum1_output_sent", "Samples, corrections or messages since the start", labels=_LABELS)
    last = GaugeMetricFamily("stratum1_output_last_sent_timestamp_seconds", "Unix time of the last of them; NaN for none", labels=_LABELS)
    offset = GaugeMetricFamily(
        "stratum1_output_offset_seconds",
        "Our time minus the other clock, seconds: positive means that the other is behind; NaN where none is measured",
        labels=_LABELS,
    )
    clock_class = GaugeMetricFamily(
        "stratum1_output_clock_class", "PTP clock class that ptp4l was told: 6 locked, 7 holdover, 248 else; NaN for others", labels=_LABELS
    )
    for each in outputs:
        labels = [each.mode, each.target]
        sending.add_metric(labels, flag(each.state == "sending"))
        problem.add_metric(labels, flag(each.state == "problem"))
        sent.add_metric(labels, each.sent)
        last.add_metric(labels, known(None if each.last_sent is None else each.last_sent / NS))
        offset.add_metric(labels, known(each.offset))
        clock_class.add_metric(labels, known(each.clock_class))
    yield from (sending, problem, sent, last, offset, clock_class)

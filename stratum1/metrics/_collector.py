"""The bridge to prometheus-client: a collector over `Status` in a registry of our own."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from stratum1.control import StatusSource

from ._ntp import ntp_families
from ._stratum1 import stratum1_families

__all__ = ["StatusCollector", "make_registry", "render"]


class StatusCollector(Collector):
    """Makes every family anew from one snapshot, so that the values of one scrape belong together."""

    def __init__(self, source: StatusSource) -> None:
        self._source = source

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not ask for a snapshot."""
        return []

    def collect(self) -> Iterable[Metric]:
        """The families of one scrape."""
        status = self._source.snapshot()
        yield from ntp_families(status)
        yield from stratum1_families(status)


def make_registry(source: StatusSource) -> CollectorRegistry:
    """A registry with our families and process_* (CPU, memory, descriptors)."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(StatusCollector(source))
    ProcessCollector(registry=registry)
    return registry


def render(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """The exposition for an Accept header (Prometheus text, or OpenMetrics where asked for) and its content type."""
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type

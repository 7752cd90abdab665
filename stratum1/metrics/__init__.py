"""Prometheus metrics, made from the same `Status` as everything else that is shown."""

from ._collector import StatusCollector, make_registry, render

__all__ = ["StatusCollector", "make_registry", "render"]

"""stratum1: a stratum 1 NTP and NTS server on a small board with a GNSS receiver."""

__all__ = ["__version__"]

__version__ = "0.1.0"

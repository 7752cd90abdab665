"""Numbers as people read them in the sentences of the selection."""

__all__ = ["interval_words", "signed", "span"]

_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


def span(seconds: float) -> str:
    """A length of time with three digits, as "1.23 ms"."""
    return _with_unit(seconds, abs(seconds), "")


def signed(seconds: float) -> str:
    """An offset, always with its sign."""
    return _with_unit(seconds, abs(seconds), "+")


def interval_words(low: float, high: float) -> str:
    """An interval of offsets, in one unit, as "-0.31 .. +0.42 ms"."""
    scale, unit = _unit(max(abs(low), abs(high)))
    return f"{low / scale:+.3g} .. {high / scale:+.3g} {unit}"


def _with_unit(seconds: float, size: float, sign: str) -> str:
    scale, unit = _unit(size)
    return f"{seconds / scale:{sign}.3g} {unit}"


def _unit(size: float) -> tuple[float, str]:
    return next(((scale, unit) for scale, unit in _UNITS if size >= 0.9995 * scale), (1e-9, "ns"))

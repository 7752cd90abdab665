"""The figures of stability as rows of a table and as curves of a plot."""

from stratum1.control import StabilityFigure, Status
from stratum1.control.words import count, duration, time_span

__all__ = ["stability_curves", "stability_rows"]

_NONE = "–"


def stability_rows(status: Status) -> list[list[str]]:
    """A row for each reference, clock and span."""
    several = len(status.stability) > 1
    rows = []
    for each in status.stability:
        for name, figures in (("pulses", each.pulses), ("our clock", each.clock)):
            title = f"{name}, {each.source}" if several else name
            rows += [[title, duration(figure.tau), *_cells(figure)] for figure in figures]
    return rows


def _cells(figure: StabilityFigure) -> list[str]:
    adev = _NONE if figure.adev is None else f"{figure.adev:.2e}"
    return [adev, time_span(figure.tdev), time_span(figure.mtie), count(figure.mtie_samples)]


def stability_curves(status: Status) -> dict[str, list[list[float]]]:
    """Of the first reference, by curve: pairs of tau and value; zeros have no place on logarithmic axes."""
    first = status.stability[0] if status.stability else None
    sources = {"pulses": first.pulses, "clock": first.clock} if first else {}

    def curve(clock: str, kind: str) -> list[list[float]]:
        pairs = [(figure.tau, getattr(figure, kind)) for figure in sources.get(clock, ())]
        return [[tau, value] for tau, value in pairs if value]

    wanted: tuple[tuple[str, str, str], ...] = (
        ("adev_pulses", "pulses", "adev"),
        ("adev_clock", "clock", "adev"),
        ("tdev_clock", "clock", "tdev"),
        ("mtie_clock", "clock", "mtie"),
    )
    return {name: curve(clock, kind) for name, clock, kind in wanted}

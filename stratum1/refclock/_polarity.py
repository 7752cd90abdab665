"""Which edge of the pulse marks the second: its width tells.

Receivers raise a short pulse (1 us to 200 ms) whose leading edge is on time. If the chosen edge is followed by its opposite only
after more than half of the second, the level is inverted on its way and the other edge is the one on time.
"""

from stratum1.pps.events import EdgeKind
from stratum1.timescale import NS

__all__ = ["PulseWidth"]


class PulseWidth:
    """Follows the width of the pulse as seen from the chosen edge."""

    def __init__(self, chosen: EdgeKind) -> None:
        self._chosen = chosen
        self._last_chosen: int | None = None
        self._widths: list[float] = []

    @property
    def seconds(self) -> float | None:
        """Time from the chosen edge to the opposite one, median of the last five, seconds in (0, 1); None while unknown."""
        return sorted(self._widths)[len(self._widths) // 2] if len(self._widths) >= 3 else None

    def edge(self, kind: EdgeKind, at_ns: int) -> None:
        """One edge of either kind at a raw time."""
        if kind is self._chosen:
            self._last_chosen = at_ns
        elif self._last_chosen is not None and 0 < at_ns - self._last_chosen < NS:
            self._widths = [*self._widths[-4:], (at_ns - self._last_chosen) / NS]

    @property
    def inverted(self) -> str | None:
        """The sentence with the remedy if the chosen edge is most likely the wrong one, else None."""
        width = self.seconds
        if width is None or width <= 0.6:
            return None
        other = "clear" if self._chosen is EdgeKind.ASSERT else "assert"
        return (
            f"the pulse lasts {width:.3f} s after its {self._chosen} edge, so the {other} edge seems to be the one on time: "
            f'set pps-edge = "{other}" in [receiver] (or pps-polarity-check = "warn" if the receiver really pulses so)'
        )

    @property
    def symmetric(self) -> bool:
        """Whether the pulse is seen to last about half a second, so that its width can't tell."""
        width = self.seconds
        return width is not None and 0.4 <= width <= 0.6

"""What the selection is told and what it answers: frozen values, no behaviour beyond checking them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from stratum1.timescale import MonoNs

__all__ = ["Own", "SelectionReport", "SelectionSettings", "SourceOptions", "SourceReport", "SourceState"]


class SourceState(StrEnum):
    """What became of a source, in the letters of chrony's `selectdata`; "-" is what its `sources` shows for one left out of the mean."""

    SELECTED = "*"
    """The best one: stratum and reference ID that we serve are made from it."""
    COMBINED = "+"
    """Part of the mean."""
    OUTLIER = "-"
    """Agrees, but further from the others than they scatter (RFC 5905, section 11.2.2)."""
    FALSETICKER = "x"
    """Disagrees with the majority."""
    VARIABLE = "~"
    """Its samples scatter too much."""
    NOSELECT = "N"
    """Watched only, as configured."""
    FEW_SAMPLES = "M"
    """Not measured often enough yet."""
    UNSYNCHRONISED = "s"
    """Says of itself that it does not know the time."""
    STRATUM = "r"
    """Its stratum is out of range."""
    DISTANT = "d"
    """Its root distance is too large."""
    UNREACHABLE = "S"
    """Does not answer, or can't be used."""
    MISTRUSTED = "T"
    """Disagrees with the sources that are trusted."""
    WAITING = "W"
    """Agrees, and nothing steers yet: more sources are needed, or our own clock is better."""
    OTHER_PREFERRED = "P"
    """Agrees, but another one is preferred."""
    NO_NEW_SAMPLE = "U"
    """Agrees, but has no new sample for the mean."""
    TOO_FAR_TO_COMBINE = "D"
    """Agrees, but its root distance is too large beside the best one's."""

    @property
    def symbol(self) -> str:
        """The one of six that chrony's `sources` shows: * + - x ~ ?."""
        if self in _SHOWN:
            return self.value
        return "-" if self in _AGREEING else "?"


_SHOWN = frozenset(
    {SourceState.SELECTED, SourceState.COMBINED, SourceState.OUTLIER, SourceState.FALSETICKER, SourceState.VARIABLE}
)  # fmt: skip
_AGREEING = frozenset({SourceState.WAITING, SourceState.OTHER_PREFERRED, SourceState.NO_NEW_SAMPLE, SourceState.TOO_FAR_TO_COMBINE})


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What the owner chose for one source, named as chrony names it.

    prefer: as long as it agrees, only sources with this option steer. trust: where sources with it are there, only they decide who
    lies. require: nothing steers unless a source with it agrees. noselect: watched, never used.
    """

    prefer: bool = False
    trust: bool = False
    require: bool = False
    noselect: bool = False


@dataclass(frozen=True, slots=True)
class SelectionSettings:
    """minimum: so many sources must agree before they steer. options: by name of the source; none is the default.

    Raises ValueError for a minimum below 1.
    """

    minimum: int = 1
    options: Mapping[str, SourceOptions] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.minimum, int) or not 1 <= self.minimum <= 64:
            raise ValueError(f"minimum-agreeing-sources = {self.minimum}: must be a whole number from 1 to 64")

    def trusts(self, source: str) -> bool:
        """Whether the owner trusts a source by its name."""
        return source in self.options and self.options[source].trust


@dataclass(frozen=True, slots=True)
class Own:
    """Our own clock as a witness. bound: what its error stays below, seconds; None while it claims nothing.

    holdover: it runs on what a reference clock has taught it, which may be better than what a server far away says.
    """

    bound: float | None = None
    holdover: bool = False


@dataclass(frozen=True, slots=True)
class SourceReport:
    """One source for people.

    state, text: the letter, and the sentence with the number that decided it. offset: source minus our clock now; sigma: its standard
    uncertainty; distance: root distance, what the source's error stays below; jitter: standard deviation of a single sample; delay: least
    round trip; all in seconds, None while unknown. weight: share of the mean, 0 to 1. reach: RFC 5905's register, ageing while nothing
    comes. poll: log2 of seconds. last_ns: time of the last sample.
    """

    name: str
    is_reference: bool
    state: SourceState
    text: str
    options: SourceOptions
    offset: float | None = None
    sigma: float | None = None
    distance: float | None = None
    jitter: float | None = None
    delay: float | None = None
    weight: float = 0.0
    stratum: int | None = None
    refid: bytes = b"\0\0\0\0"
    reach: int = 0
    poll: int = 0
    samples: int = 0
    last_ns: MonoNs | None = None


@dataclass(frozen=True, slots=True)
class SelectionReport:
    """All sources, references first. selected: name of the best one, None for none. text: the outcome as a sentence."""

    selected: str | None
    sources: tuple[SourceReport, ...]
    text: str

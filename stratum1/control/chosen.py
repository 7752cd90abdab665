"""What is shown of the selection: every source of time, its letter, and the sentence with the number that decided it."""

from dataclasses import dataclass

__all__ = ["SelectionStatus", "SourceChoice"]


@dataclass(frozen=True, slots=True)
class SourceChoice:
    """One source. kind: "receiver" or "server". state: chrony's letter (`selectdata`); symbol: the one of * + - x ~ ? (`sources`).

    text: why. options: those that are set. offset: source minus our clock; sigma: its standard uncertainty; distance: root distance, which
    the source's error stays below; jitter: standard deviation of a single sample; delay: least round trip; age: of the last sample;
    all in seconds, None while unknown. weight: share of the mean. reach: RFC 5905's register as a number; poll: log2 of seconds.
    """

    name: str
    kind: str
    state: str
    symbol: str
    text: str
    options: tuple[str, ...]
    offset: float | None
    sigma: float | None
    distance: float | None
    jitter: float | None
    delay: float | None
    age: float | None
    weight: float
    stratum: int | None
    refid: str
    reach: int
    poll: int
    samples: int


@dataclass(frozen=True, slots=True)
class SelectionStatus:
    """selected: name of the leading source, None for none. text: the outcome. sources: receivers first."""

    selected: str | None
    text: str
    sources: tuple[SourceChoice, ...]

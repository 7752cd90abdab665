"""Whether servers that are trusted agree with the reference.

Both are measured against our clock. A server speaks against the reference where the two differ by more than the sum of what each may be
wrong by; three times in a row, so that one queue on the way is no evidence. Where servers disagree with each other, the majority counts.
"""

from dataclasses import dataclass

from stratum1.timescale import NS, MonoNs

from ._radio import Hint

__all__ = ["SourceWatch"]

_IN_A_ROW = 3
_FRESH = 4200 * NS  # four polls of 1024 s
_SAME_TIME = 30 * NS
_SOURCES = 64


@dataclass(slots=True)
class _Source:
    at_ns: MonoNs
    difference: float = 0.0
    allowed: float = 0.0
    against: int = 0
    with_it: int = 0
    vouches: int = 0


class SourceWatch:
    """Fed with the reference's offsets and with those of servers, refused or not; seconds, reference minus our clock."""

    def __init__(self) -> None:
        self._sources: dict[str, _Source] = {}
        self._reference: tuple[MonoNs, float, float] | None = None

    def clock_stepped(self) -> None:
        """Offsets of before mean nothing any more."""
        self._reference = None

    def forget(self) -> None:
        """Begin anew."""
        self._sources.clear()

    def reference(self, at_ns: MonoNs, offset: float, uncertainty: float) -> None:
        """What the reference says of our clock."""
        self._reference = (at_ns, offset, uncertainty)

    def compare(self, source: str, at_ns: MonoNs, offset: float, uncertainty: float) -> None:
        """What a trusted server says of our clock. uncertainty: what it may be wrong by, path included."""
        if self._reference is None or abs(at_ns - self._reference[0]) > _SAME_TIME:
            return
        if source not in self._sources and len(self._sources) >= _SOURCES:
            return
        found = self._sources.setdefault(source, _Source(at_ns))
        _, reference, own = self._reference
        found.at_ns = at_ns
        found.difference, found.allowed = reference - offset, uncertainty + own
        agrees = abs(found.difference) <= found.allowed
        found.against = 0 if agrees else found.against + 1
        found.with_it = found.with_it + 1 if agrees else 0
        # it vouches where it can tell the reference from our clock, and says that the reference is right
        found.vouches = found.vouches + 1 if agrees and abs(offset) > uncertainty else 0

    def hint(self, at_ns: MonoNs) -> Hint | None:
        """What the servers say against the reference."""
        fresh = self._fresh(at_ns)
        against = [(name, each) for name, each in fresh if each.against >= _IN_A_ROW]
        agree = sum(each.with_it > 0 for _, each in fresh)
        if not against or agree >= len(against):
            return None
        name, worst = max(against, key=lambda pair: abs(pair[1].difference))
        others = f" and {len(against) - 1} more" if len(against) > 1 else ""
        text = (
            f"{name}{others}, which we trust, differ{'' if others else 's'} from the reference by {worst.difference:+.6f} s, "
            f"where {worst.allowed:.6f} s could be explained"
        )
        return Hint("disagreement", 1.0, worst.difference, text)

    def voucher(self, at_ns: MonoNs) -> str:
        """The name of a server that says that the reference is right where our clock is not; empty for none, or if any contradicts."""
        fresh = self._fresh(at_ns)
        if any(each.against for _, each in fresh):
            return ""
        return next((name for name, each in fresh if each.vouches >= _IN_A_ROW), "")

    def _fresh(self, at_ns: MonoNs) -> list[tuple[str, _Source]]:
        return [(name, each) for name, each in self._sources.items() if at_ns - each.at_ns <= _FRESH]

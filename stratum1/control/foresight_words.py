"""Holdover and crystal in words, for page and command line."""

from .foresight import HoldoverStatus, LearnedLaw
from .words import duration, parts_per, time_span

__all__ = ["holdover_text", "law_text"]


def holdover_text(holdover: HoldoverStatus | None) -> str:
    """How long the time stays good without the reference."""
    if holdover is None or holdover.age is None:
        return "not known yet"
    limit = time_span(holdover.limit)
    if holdover.remaining is None:
        rest = f"stays within {limit} for a week or more" if holdover.active else f"would stay within {limit} for a week or more"
    elif holdover.remaining <= 0.0:
        return f"out of specification: the error may exceed {limit}"
    else:
        rest = f"{'stays' if holdover.active else 'would stay'} within {limit} for {duration(holdover.remaining)}"
    return f"in holdover for {duration(holdover.age)}; {rest} more" if holdover.active else rest


def law_text(law: LearnedLaw | None, per: str) -> str:
    """A learned coefficient in parts, with its uncertainty."""
    if law is None or law.sigma is None:
        return "not learned yet"
    text = f"{parts_per(law.value)} ± {parts_per(law.sigma).removeprefix('+')} {per}"
    return text if law.used else f"{text} (not certain enough to be used)"

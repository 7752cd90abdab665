"""What a receiver says of itself in words, for page and command line alike; both take the values as the JSON has them."""

from collections.abc import Mapping
from typing import Any

from .words import SETUP_WORDS, count, signed_time, time_span

__all__ = ["RECEIVER_TITLES", "receiver_words", "sawtooth_words", "setup_words"]

_NONE = "–"

RECEIVER_TITLES = {
    "accuracy": "Its accuracy",
    "leap-seconds": "GPS − UTC",
    "survey": "Survey",
    "radio": "Antenna and radio",
    "authenticity": "Authenticity",
    "version": "Model",
}
"""Titles of the fields of `receiver_words`."""


def receiver_words(receiver: Mapping[str, Any] | None) -> dict[str, str]:
    """By name of the field, a dash for what is not told."""
    if receiver is None:
        return dict.fromkeys(RECEIVER_TITLES, _NONE)
    leap_seconds = receiver["leap_seconds"]
    return {
        "accuracy": _accuracy(receiver),
        "leap-seconds": _NONE if leap_seconds is None else f"{leap_seconds} s",
        "survey": _survey(receiver["survey"]),
        "radio": "; ".join(map(_radio, receiver["radio"])) or _NONE,
        "authenticity": _authenticity(receiver["spoofing"], receiver["jamming"]),
        "version": receiver["version"] or _NONE,
    }


def _accuracy(receiver: Mapping[str, Any]) -> str:
    told = []
    if receiver["time_accuracy"] is not None:
        told.append(f"time ± {time_span(receiver['time_accuracy'], 2)}")
    if receiver["position_accuracy"] is not None:
        told.append(f"position ± {receiver['position_accuracy']:.2f} m")
    if receiver["fixed_position"]:
        told.append("position held")
    return ", ".join(told) or _NONE


def _authenticity(spoofing: str, jamming: str) -> str:
    return _NONE if spoofing == jamming == "unknown" else f"spoofing {spoofing}, jamming {jamming}"


def _survey(survey: Mapping[str, Any] | None) -> str:
    if survey is None:
        return _NONE
    state = "running" if survey["active"] else "done" if survey["valid"] else "not running"
    return f"{state}, {survey['duration']:.0f} s, ± {survey['accuracy']:.2f} m, {count(survey['observations'])} positions"


def _radio(block: Mapping[str, Any]) -> str:
    jamming = f"interference {block['jamming']} ({block['jamming_indicator']} of 255)"
    return f"antenna {block['antenna']}, {jamming}, gain {block['agc']:.0%}, noise {block['noise']}"


def sawtooth_words(sawtooth: Mapping[str, Any] | None) -> str:
    """Whether the pulses are corrected, and by how much."""
    if sawtooth is None or sawtooth["last"] is None:
        return "none announced by the receiver"
    state = "taken off each pulse" if sawtooth["in_use"] else "announced, not used"
    missing = f", {count(sawtooth['uncorrected'])} pulses without" if sawtooth["uncorrected"] else ""
    return f"{state}: {signed_time(sawtooth['last'])} now, {time_span(sawtooth['spread'], 2)} on average{missing}"


def setup_words(setup: Mapping[str, Any] | None) -> str:
    """How the set-up of the receiver stands, of which receiver, and what it refuses."""
    if setup is None:
        return "the receiver is left as it is"
    words = SETUP_WORDS.get(setup["state"], setup["state"])
    if setup["generation"] is not None:
        mode = "" if setup["timing"] is None else ", with a timing mode" if setup["timing"] else ", without a timing mode"
        protocol = f", protocol {setup['protocol']}" if setup["protocol"] else ""
        words += f" ({setup['model'] or 'u-blox'}, firmware {setup['firmware']}{protocol}, generation {setup['generation']}{mode})"
    return "; ".join([words, *setup["refused"]])

"""Attacks on the whole pipeline: how long until the reference is refused, what was done to the clock meanwhile, and what was claimed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import pytest

from stratum1.clock import ClockLimits
from stratum1.interchange import LockState
from stratum1.pipeline import Note
from stratum1.simulation import SCENARIOS, Attack, PipelineLoop, Row, parse_attack, series, simulate
from stratum1.timescale import MonoNs

START = 1500


@dataclass(frozen=True)
class Outcome:
    """told: what the guard said, with the seconds since the attack began; rows: from a minute before the attack on."""

    told: tuple[tuple[float, Note], ...]
    rows: Sequence[Row]
    reason: str

    @property
    def found(self) -> float | None:
        return next((second for second, note in self.told if note.alarm), None)

    @property
    def believed(self) -> float | None:
        return next((second for second, note in self.told if not note.alarm), None)

    def worst(self, until: int) -> float:
        """Largest error of our clock until so many seconds after the beginning."""
        return max(abs(row.true_error) for row in self.rows if row.second <= START + until)


def run(text: str, length: int = 300, end: int | None = None, scenario: str = "S1") -> Outcome:
    attack = parse_attack(text, START)
    return _run(attack if end is None else replace(attack, end=START + end), length, scenario)


@cache
def _run(attack: Attack, length: int, scenario: str) -> Outcome:
    noise = series(replace(SCENARIOS[scenario], seconds=START + length), 1)
    loops: list[PipelineLoop] = []

    def make(limits: ClockLimits) -> PipelineLoop:
        loops.append(PipelineLoop(limits))
        return loops[0]

    result = simulate(noise.frequency, noise.pulses, make_loop=make, seed=1, attack=attack)
    (loop,) = loops
    end = loop.last
    assert end is not None
    told = tuple(((note.at_ns - end) / 1e9 + length, note) for note in loop.notes if note.kind == "integrity")
    reason = loop.pipeline.report(MonoNs(end)).reason
    return Outcome(told, result.rows[START - 60 :], reason)


@pytest.mark.parametrize(
    ("attack", "within", "done", "said"),
    [
        ("drag:1e-6", 15, 15e-6, "too late"),
        ("drag:-1e-6", 15, 15e-6, "too early"),
        ("drag:1e-7", 70, 8e-6, "too late"),
        ("delay:3e-6", 20, 5e-6, "too late"),
        ("delay:1e-4", 15, 2e-6, "too late"),
        ("delay:1e-3", 15, 2e-6, "too late"),
        ("time-jump:3", 8, 2e-6, "jumped forward by 3 s"),
        ("time-jump:-1", 8, 2e-6, "jumped back by 1 s"),
        ("replayed-week", 8, 6e-6, "jumped back by 1 weeks"),
        ("jam-then-spoof", 68, 4e-6, "too late"),
        ("moved", 14, 2e-6, "moved by 1000 m"),
        ("affirmed", 3, 2e-6, "spoofing is affirmed"),
    ],
)
def test_an_attack_is_found_and_what_is_claimed_stays_true(attack: str, within: int, done: float, said: str) -> None:
    outcome = run(attack)
    assert outcome.found is not None
    assert 0 < outcome.found <= within
    assert said in outcome.told[0][1].text
    assert outcome.worst(int(outcome.found)) < done
    assert outcome.rows[-1].state is LockState.HOLDOVER
    assert said in outcome.reason  # the page says why
    lies = [row for row in outcome.rows if abs(row.true_error) > row.error_bound]
    assert lies == []


@pytest.mark.parametrize("attack", ["none", "flat", "jamming:60", "drag:1e-9"])
def test_what_is_no_attack_or_can_not_be_seen_is_not_refused(attack: str) -> None:
    outcome = run(attack)
    assert outcome.told == ()
    assert outcome.rows[-1].state is LockState.LOCKED
    assert outcome.worst(300) < 3e-6


def test_when_the_attack_ends_the_reference_is_believed_again() -> None:
    outcome = run("delay:1e-4", length=660, end=120)
    assert outcome.found is not None
    assert outcome.believed is not None
    assert 120 + 300 <= outcome.believed <= 600
    assert outcome.rows[-1].state in (LockState.HOLDOVER, LockState.LOCKED)
    assert [row for row in outcome.rows if abs(row.true_error) > row.error_bound] == []


def test_a_constant_difference_is_believed_once_our_own_bound_covers_it_and_stays_in_the_bound() -> None:
    """As of a receiver exchanged for another: who was right is not known, so both are allowed for."""
    outcome = run("delay:1e-5", length=700)
    assert outcome.believed is not None
    assert 300 <= outcome.believed <= 650
    assert [row for row in outcome.rows if abs(row.true_error) > row.error_bound] == []
    assert outcome.rows[-1].error_bound > 10e-6


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_no_scenario_is_ever_refused(name: str, seed: int) -> None:
    noise = series(SCENARIOS[name], seed)
    loops: list[PipelineLoop] = []

    def make(limits: ClockLimits) -> PipelineLoop:
        loops.append(PipelineLoop(limits))
        return loops[0]

    simulate(noise.frequency, noise.pulses, offset=SCENARIOS[name].offset, make_loop=make, seed=seed)
    assert [note for note in loops[0].notes if note.kind == "integrity"] == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("dragg", "known attacks are none, drag"),
        ("moved:far", "must be a number within 1e"),
        ("drag:1", "must be a number within 0.4"),
        ("replayed-week:3", "takes no size"),
        ("jamming:-5", "must be a number"),
        ("delay:nan", "must be a number"),
    ],
)
def test_a_wrong_attack_says_what_is_allowed(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told.replace("+", "\\+")):
        parse_attack(text, 0)

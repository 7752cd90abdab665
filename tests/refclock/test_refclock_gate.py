"""The gate of pulses: what continues the grid is used, what doesn't is refused, and a grid that is gone is replaced."""

import random
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum1.refclock._gate import EdgeVerdict, Judgement, PulseGate
from stratum1.timescale import NS

USED, SPACING, OUTLIER, BACKWARD = EdgeVerdict.USED, EdgeVerdict.SPACING, EdgeVerdict.OUTLIER, EdgeVerdict.BACKWARD


def grid(seconds: Iterable[float], jitter: float = 1e-6, ppm: float = 50.0, seed: int = 1) -> list[int]:
    draw = random.Random(seed)
    return [1_000 * NS + round((s * (1 + ppm * 1e-6) + draw.gauss(0, jitter)) * NS) for s in seconds]


def judge(gate: PulseGate, stamps: Iterable[int]) -> list[Judgement]:
    return [gate.judge(stamp) for stamp in stamps]


def tally(judgements: list[Judgement]) -> Counter[EdgeVerdict]:
    return Counter(each.verdict for each in judgements)


@pytest.fixture
def settled() -> PulseGate:
    gate = PulseGate()
    judge(gate, grid(range(40)))
    return gate


def test_two_edges_a_second_apart_found_a_grid() -> None:
    first, second, third = judge(PulseGate(), grid(range(3)))
    assert first == Judgement(SPACING)
    assert second == Judgement(USED, None), "nothing to count from"
    assert third == Judgement(USED, 1)


@pytest.mark.parametrize("ppm", [-100.0, -20.0, 0.0, 20.0, 100.0])
@pytest.mark.parametrize("jitter", [0.0, 50e-9, 1e-6, 20e-6])
def test_clean_pulses_are_all_used_and_their_jitter_is_learned(ppm: float, jitter: float) -> None:
    gate = PulseGate()
    assert gate.sigma == 1e-3
    counts = tally(judge(gate, grid(range(300), jitter, ppm)))
    assert counts[USED] >= 298
    assert max(jitter, 1e-9) * 0.7 <= gate.sigma <= max(1.5 * jitter, 2e-9)


def test_late_pulses_are_outvoted_and_teach_nothing(settled: PulseGate) -> None:
    before = settled.sigma
    stamps = grid(range(40, 240), seed=2)
    late = set(range(5, 200, 20))
    judgements = judge(settled, [stamp + (50_000 if k in late else 0) for k, stamp in enumerate(stamps)])
    assert {k for k, each in enumerate(judgements) if each.verdict is OUTLIER} >= late
    assert tally(judgements)[USED] >= 188
    assert settled.sigma < 1.5 * before + 1e-6


def test_noise_between_pulses_is_refused_and_the_pulses_are_not(settled: PulseGate) -> None:
    draw = random.Random(3)
    pulses = grid(range(40, 140), seed=2)
    noise = [pulse + draw.randrange(2_000_000, 998_000_000) for pulse in pulses for _ in range(3)]
    judged = {stamp: settled.judge(stamp).verdict for stamp in sorted([*pulses, *noise])}
    assert all(judged[stamp] is SPACING for stamp in noise)
    assert sum(judged[stamp] is USED for stamp in pulses) >= 99


@pytest.mark.parametrize("after", [0.0001, 0.005, 0.1, 0.29])
@pytest.mark.parametrize("ghost_first", [False, True])
def test_of_a_pulse_that_rings_the_first_edge_counts(after: float, ghost_first: bool) -> None:
    pulses = grid(range(60))
    both = sorted([*pulses, *(pulse + round(after * NS) for pulse in pulses)])[ghost_first:]
    gate = PulseGate()
    used = [stamp for stamp in both if gate.judge(stamp).verdict is USED]
    assert set(used) <= set(pulses)
    assert len(used) >= 55


@pytest.mark.parametrize("rate", [2, 5, 10])
def test_more_than_one_pulse_a_second_is_never_used(rate: int) -> None:
    counts = tally(judge(PulseGate(), grid(k / rate for k in range(60 * rate))))
    assert counts[USED] == 0


@pytest.mark.parametrize("gap", [2, 10, 100, 599])
def test_a_gap_is_counted_over(settled: PulseGate, gap: int) -> None:
    judgement = settled.judge(grid([39 + gap], seed=5)[0])
    assert judgement == Judgement(USED, gap)


def test_a_gap_that_is_too_long_loses_the_count(settled: PulseGate) -> None:
    judgements = judge(settled, grid(range(739, 745), seed=5))
    assert [each.verdict for each in judgements] == [SPACING, *[USED] * 5]
    assert [each.seconds for each in judgements[1:]] == [None, 1, 1, 1, 1]
    assert not judgements[1].jumped


def test_after_a_gap_an_edge_elsewhere_in_the_second_is_not_taken_for_a_pulse(settled: PulseGate) -> None:
    assert settled.judge(grid([339.3])[0]).verdict is SPACING
    assert settled.judge(grid([340])[0]) == Judgement(USED, 301)


@pytest.mark.parametrize(("moved", "seconds"), [(0.005, 8), (-0.015, 8), (0.3, None), (-0.3, None), (0.5, None)])
def test_pulses_that_move_for_good_found_a_new_grid(settled: PulseGate, moved: float, seconds: int | None) -> None:
    judgements = judge(settled, grid((40 + k + moved for k in range(30)), seed=2))
    assert [each.verdict for each in judgements[:7]] == [SPACING] * 7
    assert judgements[7] == Judgement(USED, seconds, jumped=seconds is None)
    assert tally(judgements[8:])[USED] == 22


def test_random_edges_never_found_a_grid_where_one_was(settled: PulseGate) -> None:
    draw = random.Random(4)
    stamp = grid([39])[0]
    used = 0
    for _ in range(400):
        stamp += draw.randrange(50_000_000, 900_000_000)
        used += settled.judge(stamp).verdict is USED
    assert used <= 4, "only what falls on the old grid by chance"


def test_more_jitter_is_learned(settled: PulseGate) -> None:
    judgements = judge(settled, grid(range(40, 340), jitter=20e-6, seed=2))
    assert tally(judgements[60:])[USED] >= 230
    assert settled.sigma == pytest.approx(20e-6, rel=0.5)


def test_duplicate_and_backward_edges_are_told_and_change_nothing(settled: PulseGate) -> None:
    last = grid(range(40))[-1]
    assert settled.judge(last) == Judgement(BACKWARD)
    assert settled.judge(last - 5 * NS) == Judgement(BACKWARD)
    assert settled.judge(grid([40], seed=9)[0]) == Judgement(USED, 1)


def test_a_wild_stamp_from_the_future_does_not_silence_the_pulses(settled: PulseGate) -> None:
    assert settled.judge(grid([10**9])[0]).verdict is SPACING
    assert settled.judge(grid([40], seed=9)[0]) == Judgement(USED, 1)


def test_a_clock_that_went_back_is_followed_after_a_while(settled: PulseGate) -> None:
    judgements = judge(settled, grid(range(-500, -480), seed=2))
    assert tally(judgements)[USED] == 13
    assert judgements[7] == Judgement(USED, None, jumped=True)


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 30), st.lists(st.one_of(st.integers(-(2**62), 2**62), st.integers(0, 3 * NS)), max_size=60), st.booleans())
def test_any_stamps_are_judged(warm: int, stamps: list[int], relative: bool) -> None:
    gate = PulseGate()
    judge(gate, grid(range(warm)))
    at = 1_000 * NS
    for stamp in stamps:
        at = at + stamp if relative else stamp
        judgement = gate.judge(at)
        assert judgement.verdict in (USED, SPACING, OUTLIER, BACKWARD)
        assert judgement.seconds is None or (judgement.verdict is USED and 0 < judgement.seconds <= 600)
        assert 1e-9 <= gate.sigma <= 1e-2

"""Who is chosen and why: letters, options, and the sentence with the number that decided."""

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from selection_world import Bench, answer, pulse, reading

from stratum1.interchange import Leap, ReferenceHealth
from stratum1.selection import Own, Selection, SelectionSettings, SourceOptions, SourceState

TWO = ("a", "b")


def test_a_lone_reference_s_samples_go_straight_through() -> None:
    bench = Bench(references=("only",))
    for second in range(20):
        sample = pulse("only", second, 0.3 * (second % 3))
        assert bench.feed(sample, second) is sample
    bench.second = 19
    assert bench.states() == {"only": "*"}
    assert "the only source" in bench.source("only").text
    assert bench.report().selected == "only"
    assert bench.source("only").weight == 1.0


def test_a_lone_reference_that_can_t_be_used_says_why() -> None:
    bench = Bench(references=("only",))
    bench.feed(pulse("only", 1), 1)
    bench.selection.tell_health("only", ReferenceHealth(True, False, "no pulse for 4 s"))
    assert (bench.states(), bench.source("only").text) == ({"only": "S"}, "no pulse for 4 s")
    assert bench.report().selected is None


def test_three_of_four_outvote_the_fourth() -> None:
    bench = Bench().polls(20, a=0.0, b=1e-4, c=-1e-4, d=0.05)
    assert {name: state for name, state in bench.states().items() if name == "d"} == {"d": "x"}
    text = bench.source("d").text
    assert text.startswith("offset +50")
    assert "is outside the interval of the majority: " in text
    assert text.endswith("s")
    assert bench.report().text == "3 of 4 usable sources agree"
    assert all(abs(each.offset) < 1e-3 for each in bench.steered)


def test_a_reference_that_the_servers_contradict_is_a_falseticker() -> None:
    bench = Bench(references=("gps",)).polls(10, a=0.0, b=0.0, c=0.0)
    bench.pulses(10, gps=0.05)
    assert bench.states()["gps"] == "x"
    before = len(bench.steered)
    bench.pulses(5, gps=0.05)
    assert len(bench.steered) == before
    bench.polls(1, a=0.0)
    assert bench.steered[-1].stratum == 1


def test_a_reference_that_agrees_leads_and_servers_are_too_far_for_its_mean() -> None:
    bench = Bench(references=("gps",)).polls(10, a=1e-5, b=-1e-5, c=0.0)
    bench.pulses(10, gps=0.0)
    assert bench.states() == {"gps": "*", "a": "D", "b": "D", "c": "D"}
    assert "is more than 3 times that of gps" in bench.source("a").text
    last = bench.steered[-1]
    assert (last.source, last.sigma) == ("gps", 1e-7)
    before = len(bench.steered)
    bench.polls(1, a=0.0)
    assert len(bench.steered) == before, "a server's answer is no occasion to steer"


def test_two_references_that_agree_are_averaged_by_their_variances() -> None:
    bench = Bench(references=TWO)
    for second in range(40):
        bench.feed(pulse("a", second, 2e-7, sigma=1e-6), second)
        bench.feed(pulse("b", second + 1e-6, -2e-7, sigma=2e-6), second + 1e-6)
    bench.second = 39.1
    assert bench.states() == {"a": "*", "b": "+"}
    assert bench.source("a").weight == pytest.approx(0.8, abs=0.01)
    assert bench.steered[-1].offset == pytest.approx(0.8 * 2e-7 - 0.2 * 2e-7, abs=3e-8)
    assert bench.steered[-1].sigma == pytest.approx(1e-6 * math.sqrt(0.8), rel=0.05)
    assert sum(each.at_ns > reading(20).at_ns for each in bench.steered) == pytest.approx(19, abs=1), "one a second"
    assert "% of the mean" in bench.source("b").text


def test_a_missing_pulse_is_not_waited_for() -> None:
    bench = Bench(references=TWO)
    for second in range(60):
        bench.feed(pulse("a", second), second)
        if second < 30 or second % 2:
            bench.feed(pulse("b", second + 1e-6), second + 1e-6)
    steered = [each.at_ns for each in bench.steered]
    assert sum(at > reading(29.5).at_ns for at in steered) == 30
    bench.second = 59.1
    bench.selection.tell_health("a", ReferenceHealth(True, False, "no pulse for 4 s"))
    bench.feed(pulse("b", 63), 63)
    bench.second = 63
    assert bench.steered[-1].source == "b"
    assert bench.states() == {"a": "S", "b": "*"}


def test_the_lead_s_lost_pulse_is_stood_in_for() -> None:
    bench = Bench(references=TWO)
    for second in range(40):
        bench.feed(pulse("b", second), second)
        if second != 35:
            bench.feed(pulse("a", second + 1e-6), second + 1e-6)
    lead = bench.report().selected
    gaps = [(b.at_ns - a.at_ns) / 1e9 for a, b in pairwise(bench.steered)]
    assert lead is not None
    assert max(gaps[10:]) < 2.1


@pytest.mark.parametrize(
    ("options", "states"),
    [
        ({"b": SourceOptions(prefer=True)}, {"a": "P", "b": "*"}),
        ({"a": SourceOptions(noselect=True)}, {"a": "N", "b": "*"}),
        ({"a": SourceOptions(noselect=True), "b": SourceOptions(noselect=True)}, {"a": "N", "b": "N"}),
        ({"a": SourceOptions(require=True)}, {"a": "*", "b": "+"}),
        ({"zzz": SourceOptions(require=True)}, {"a": "W", "b": "W"}),
    ],
)
def test_options(options: dict[str, SourceOptions], states: dict[str, str]) -> None:
    bench = Bench(options, references=TWO).pulses(20, a=0.0, b=1e-7)
    assert bench.states() == states
    assert bool(bench.steered[5:]) == ("*" in states.values())


def test_the_sentences_of_those_that_wait() -> None:
    bench = Bench(references=TWO, minimum=3).pulses(20, a=0.0, b=0.0)
    assert bench.source("a").text == "2 of the 3 sources that must agree do so"
    assert bench.steered == []
    bench = Bench({"ntp": SourceOptions(require=True)}, references=TWO).pulses(20, a=0.0, b=0.0)
    assert bench.source("a").text == "none of those that are required agrees: ntp"
    bench = Bench({"b": SourceOptions(prefer=True)}, references=TWO).pulses(20, a=0.0, b=0.0)
    assert bench.source("a").text == "b is preferred, and agrees"
    bench = Bench({"b": SourceOptions(noselect=True)}, references=TWO).pulses(20, a=0.0, b=0.25)
    assert bench.source("b").text.startswith("watched only, as configured; its offset is +250 ms ±")


def test_a_lone_reference_with_noselect_or_too_few_others_does_not_steer() -> None:
    bench = Bench({"a": SourceOptions(noselect=True)}, references=("a",)).pulses(20, a=0.0)
    assert (bench.steered, bench.states()) == ([], {"a": "N"})
    bench = Bench(references=("a",), minimum=2).pulses(20, a=0.0)
    assert (bench.steered, bench.states()) == ([], {"a": "W"})


def test_trusted_sources_decide_alone() -> None:
    trusting = {"gps": SourceOptions(trust=True)}
    bench = Bench(trusting, references=("gps",)).polls(10, a=0.05, b=0.05, c=0.05)
    bench.pulses(10, gps=0.0)
    assert bench.states() == {"gps": "*", "a": "T", "b": "T", "c": "T"}
    assert "is outside the interval of the trusted sources" in bench.source("a").text
    assert abs(bench.steered[-1].offset) < 1e-6
    two = {"a": SourceOptions(trust=True), "b": SourceOptions(trust=True)}
    bench = Bench(two).polls(10, a=0.0, b=0.1, c=0.0)
    assert bench.states() == {"a": "x", "b": "x", "c": "T"}


def test_two_that_contradict_each_other_leave_nobody_unless_our_clock_knows() -> None:
    bench = Bench(references=TWO)
    bench.selection.tell_health("b", ReferenceHealth(True, False, "the pulses are being numbered"))
    bench.pulses(20, a=0.0, b=1e-3)
    assert bench.states() == {"a": "x", "b": "x"}
    assert "no majority: offset" in bench.source("a").text
    assert "agrees with 0 of 1 others; more than half of 2 must agree" in bench.source("a").text
    assert bench.report().text.startswith("no majority")
    assert bench.steered == []
    bench.own = Own(5e-6)
    bench.pulses(2, a=0.0, b=1e-3)
    assert bench.states() == {"a": "*", "b": "x"}
    assert {each.source for each in bench.steered} == {"a"}


def test_the_first_choice_waits_for_those_about_to_speak() -> None:
    numbering = ReferenceHealth(True, False, "the pulses are being numbered")
    bench = Bench(references=TWO)
    bench.selection.tell_health("b", numbering)
    for second in range(25):
        bench.feed(pulse("a", second), second)
        bench.second = second
        if second == 10:
            assert bench.states() == {"a": "W", "b": "S"}
            assert bench.source("a").text == "at the start, b is waited for, at most 20 s"
    assert [each.at_ns for each in bench.steered] == [reading(second).at_ns for second in range(20, 25)]
    bench = Bench(references=TWO)
    bench.selection.tell_health("b", ReferenceHealth(False, False, "nothing has been heard of the receiver yet"))
    assert bench.feed(pulse("a", 1), 1) is not None, "one that is not plugged in is not waited for"


def test_a_liar_that_comes_first_is_not_believed() -> None:
    bench = Bench()
    for poll in range(6):
        for number, (name, error) in enumerate((("liar", 0.05), ("a", 0.0), ("b", 0.0))):
            at = 2.0 * poll + 0.5 * number
            bench.feed(answer(name, at, error, late=(1e-5 * poll, 2e-5)), at, poll=4)
            bench.second = at
    assert bench.states()["liar"] == "x"
    assert bench.steered
    assert all(abs(each.offset) < 1e-3 for each in bench.steered)


def test_servers_wait_while_holdover_is_better() -> None:
    bench = Bench(own=Own(3e-6, holdover=True)).polls(10, a=0.0, b=0.0)
    assert bench.states() == {"a": "W", "b": "W"}
    assert bench.source("a").text.startswith("in holdover our own bound of 3 µs is below the nearest server's distance of 1.")
    assert bench.steered == []
    bench.own = Own(5e-3, holdover=True)
    bench.polls(1, a=0.0, b=0.0)
    assert "*" in bench.states().values()
    assert len(bench.steered) == 2


def test_of_many_the_odd_one_is_left_out() -> None:
    bench = Bench().polls(30, late=1e-5, a=0.0, b=2e-6, c=-2e-6, d=3e-4, e=1e-6)
    states = bench.states()
    assert states["d"] == "-"
    assert "from the others (RMS), which is more than the" in bench.source("d").text
    assert sorted(state for name, state in states.items() if name != "d") == ["*", "+", "+", "+"]


@pytest.mark.parametrize(
    ("changes", "letter", "words"),
    [
        ({"leap": Leap.UNKNOWN}, "s", "does not know the time"),
        ({"stratum": 16}, "r", "its stratum is 16; 0 to 15 are allowed"),
        ({"root_dispersion": 4.0}, "d", "its root distance is 4 s; 3 s is allowed"),
        ({"root_delay": 9.0}, "d", "its root distance is 4.5 s; 3 s is allowed"),
    ],
)
def test_a_server_that_can_t_be_used(changes: dict[str, Any], letter: str, words: str) -> None:
    bench = Bench().polls(8, good=0.0)
    for poll in range(8):
        at = bench.second + 16 * poll
        bench.feed(answer("bad", at, **changes), at, poll=4)
        bench.feed(answer("good", at + 0.1), at + 0.1, poll=4)
    bench.second += 113
    assert bench.states() == {"good": "*", "bad": letter}
    assert words in bench.source("bad").text


def test_a_server_with_wild_delays_is_too_variable() -> None:
    bench = Bench().polls(12, late=8.0, a=0.0)
    assert bench.states() == {"a": "~"}
    assert "its samples scatter by" in bench.source("a").text


def test_few_samples_and_silence() -> None:
    bench = Bench().polls(3, a=0.0)
    assert bench.states() == {"a": "M"}
    assert bench.source("a").text == "3 samples so far; 4 are needed"
    bench.polls(6, a=0.0)
    assert bench.states() == {"a": "*"}
    assert bench.source("a").reach == 0xFF
    bench.second += 40
    assert bench.source("a").reach == 0xFF << 3 & 0xFF
    bench.second += 120
    assert bench.states() == {"a": "S"}
    assert "no answer to the last 8 polls" in bench.source("a").text
    health = bench.selection.server_health(reading(bench.second))
    assert (health.usable, health.reason) == (False, "no server answers")
    assert Selection(SelectionSettings()).server_health(reading(0)).heard is False


def test_stale_sources_grow_uncertain_before_they_are_dropped() -> None:
    bench = Bench().polls(30, a=0.0)
    young = bench.source("a")
    bench.second += 100
    old = bench.source("a")
    assert young.distance is not None
    assert old.distance is not None
    assert old.distance > young.distance


def test_what_is_shown_of_a_source() -> None:
    bench = Bench().polls(60, a=1e-3)
    shown = bench.source("a")
    assert shown.offset == pytest.approx(1e-3, abs=2e-5)
    assert shown.delay == pytest.approx(2e-3, abs=5e-5)
    assert shown.jitter == pytest.approx(1e-4 / math.sqrt(2), rel=0.4)
    assert shown.sigma is not None
    assert 0 < shown.sigma < 2e-5
    assert (shown.samples, shown.stratum, shown.poll, shown.is_reference) == (60, 1, 4, False)
    last = bench.steered[-1]
    assert last.delay == pytest.approx(2e-3, abs=5e-5)
    assert last.root_dispersion == pytest.approx(1e-5 + 3 * last.sigma), "the estimate's own error does not average out"
    assert (last.stratum, last.refid, last.leap) == (1, b"\x0a\0\0\x01", Leap.NONE)


def test_symbols_are_those_of_chrony() -> None:
    assert {state.value: state.symbol for state in SourceState} == {
        **{letter: letter for letter in "*+-x~"},
        **dict.fromkeys("NMsrdST", "?"),
        **dict.fromkeys("WPUD", "-"),
    }


def test_too_many_sources_forget_the_one_that_was_silent_longest() -> None:
    bench = Bench(references=("gps",))
    bench.selection.observe(pulse("gps", 0), reading(0).clock_ns, Own())
    for number in range(100):
        bench.feed(answer(f"s{number}", 1 + number), 1 + number, poll=4)
    names = [each.name for each in bench.report().sources]
    assert len(names) == 64
    assert names[0] == "gps"
    assert "s99" in names
    assert "s0" not in names


def test_old_and_repeated_samples_change_nothing() -> None:
    bench = Bench(references=TWO).pulses(10, a=0.0, b=0.0)
    before = bench.report()
    assert bench.feed(pulse("a", 3, 5.0), 3) is None
    assert bench.feed(pulse("a", 9, 5.0), 9) is None
    assert bench.report() == before


def test_the_mean_s_bound_is_the_mean_of_the_bounds() -> None:
    bench = Bench(references=TWO)
    for second in range(30):
        bench.feed(pulse("a", second, sigma=1e-6, accuracy=1e-6), second)
        bench.feed(pulse("b", second + 1e-6, sigma=1e-6, accuracy=2e-6), second + 1e-6)
    assert bench.steered[-1].root_dispersion == pytest.approx(1.5e-6, rel=0.02)


def test_settings_are_checked() -> None:
    for wrong in (0, 65, 1.5, "2"):
        with pytest.raises(ValueError, match="minimum-agreeing-sources"):
            SelectionSettings(wrong)  # type: ignore[arg-type] # on purpose
    assert replace(SelectionSettings(), minimum=64).minimum == 64

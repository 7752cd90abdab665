"""Numbering of pulses: agreed between sentences, counted on, confirmed after gaps, and given up where it can't be known."""

from collections.abc import Callable, Iterator

import pytest

from stratum1.gnss.events import TimeMark
from stratum1.refclock._numbering import Numbering
from stratum1.timescale import NS, MonoNs, UtcNs

SECOND = 1_800_000_000
BOOT = 77 * NS


class Bench:
    """A pulse a second and its sentences, without noise."""

    def __init__(self, expected: dict[str, float] | None = None, fixed: float | None = None) -> None:
        self.numbering = Numbering(expected or {}, fixed)
        self.k = 0

    def pulse(self, seconds: int | None = 1, jumped: bool = False, phase: float = 0.0) -> None:
        self.k += seconds if seconds is not None else 1
        self.numbering.pulse(BOOT + round((self.k + phase) * NS), seconds, jumped)

    def say(self, delay: float, kind: str = "GNRMC", *, named: float = 0.0, valid: bool = True, trusted: bool = True) -> None:
        utc = (SECOND + self.k) * NS + round(named * NS)
        at = BOOT + self.k * NS + round((delay + named % 1) * NS)
        self.numbering.mark(TimeMark(MonoNs(at), UtcNs(utc), kind, valid, trusted, 0), utc)

    def run(self, seconds: int, delay: float = 0.4, **said: float) -> int | None:
        for _ in range(seconds):
            self.pulse()
            self.say(delay, **said)  # type: ignore[arg-type]
        return self.numbering.second

    @property
    def right(self) -> bool:
        return self.numbering.second == SECOND + self.k


@pytest.fixture
def numbered() -> Bench:
    bench = Bench()
    bench.pulse(None)
    bench.run(20)
    assert bench.right
    assert bench.numbering.certain
    return bench


def until_numbered(bench: Bench, limit: int, delay: float) -> int | None:
    bench.pulse(None)
    for count in range(1, limit + 1):
        bench.say(delay)
        if bench.numbering.second is not None:
            assert bench.right
            return count
        bench.pulse()
    return None


@pytest.mark.parametrize(("delay", "sentences"), [(0.02, 18), (0.06, 10), (0.3, 6), (0.5, 6), (0.97, 6)])
def test_so_many_sentences_make_the_first_number(delay: float, sentences: int) -> None:
    assert until_numbered(Bench(), 60, delay) == sentences


@pytest.mark.parametrize(
    ("before", "now", "sentences"), [(0.03, 0.03, 6), (0.4, 0.55, 6), (0.98, 1.02, 6), (0.9, 0.5, 125), (0.4, 0.06, 125)]
)
def test_a_delay_from_an_earlier_run_decides(before: float, now: float, sentences: int) -> None:
    """A change that leaves no doubt is believed after two minutes, the others at once."""
    count = until_numbered(Bench({"GNRMC": before}), 150, now)
    assert count == pytest.approx(sentences, abs=2)


@pytest.mark.parametrize(("before", "now"), [(0.9, 1.2), (0.9, 0.14), (0.9, 0.35)])
def test_a_delay_that_could_mean_two_seconds_never_numbers(before: float, now: float) -> None:
    bench = Bench({"GNRMC": before})
    assert until_numbered(bench, 600, now) is None
    problem = bench.numbering.problem
    assert problem is not None
    assert "was known before" in problem
    assert 'set "serial-delay"' in problem
    assert bench.numbering.alarms(0) == [problem]


@pytest.mark.parametrize(("fixed", "now", "right"), [(1.2, 1.2, True), (0.01, 0.01, True), (0.9, 0.99, True), (0.5, 0.9, False)])
def test_the_owner_s_word_outweighs_everything(fixed: float, now: float, right: bool) -> None:
    assert (until_numbered(Bench({"GNRMC": 0.3}, fixed), 300, now) is not None) is right


def test_nonsense_from_an_earlier_run_is_ignored() -> None:
    assert until_numbered(Bench({"GNRMC": 1e300, "GNGGA": -4.0, "GNZDA": float("nan")}), 60, 0.4) == 6


def test_untrusted_sentences_teach_the_delay_but_name_nothing() -> None:
    bench = Bench()
    bench.pulse(None)
    for _ in range(20):
        bench.pulse()
        bench.say(0.4, trusted=False)
    assert bench.numbering.second is None
    assert bench.numbering.delays()[0].samples == 20
    bench.run(2)
    assert bench.numbering.second is None
    bench.run(1)
    assert bench.right


def test_invalid_sentences_do_nothing() -> None:
    bench = Bench()
    bench.pulse(None)
    for _ in range(20):
        bench.pulse()
        bench.say(0.4, valid=False)
    assert bench.numbering.delays() == ()


def test_a_receiver_that_speaks_ten_times_a_second_is_heard_about_once() -> None:
    bench = Bench()
    bench.pulse(None)
    counts = 0
    while bench.numbering.second is None:
        bench.pulse()
        counts += 1
        for tenth in range(10):
            bench.say(0.3, named=tenth / 10)
    assert counts >= 4
    assert bench.right
    bench.pulse()
    for tenth in range(10):  # a burst of wrong times within one second is no lasting contradiction
        bench.say(0.3, named=7 + tenth / 10)
    assert bench.numbering.problem is None
    assert not bench.numbering.certain


def test_the_count_goes_on_while_sentences_are_lost(numbered: Bench) -> None:
    for _ in range(100):
        numbered.pulse()
    assert numbered.right
    assert numbered.numbering.certain


def test_after_a_gap_a_sentence_must_confirm_the_count(numbered: Bench) -> None:
    numbered.pulse(5)
    assert numbered.numbering.certain
    numbered.pulse(6)
    assert numbered.right
    assert not numbered.numbering.certain
    assert numbered.numbering.problem is not None
    assert "confirmed anew" in numbered.numbering.problem
    numbered.say(0.4)
    assert numbered.numbering.certain
    assert numbered.numbering.problem is None


def test_a_gap_that_was_miscounted_is_noticed_before_any_number_is_used(numbered: Bench) -> None:
    """A machine that slept: the crystal stood still meanwhile."""
    numbered.k += 100
    numbered.pulse(10)
    for _ in range(4):
        assert not numbered.numbering.certain
        numbered.say(0.4)
        numbered.pulse()
    assert numbered.numbering.second is None
    numbered.run(12)
    assert numbered.right
    assert numbered.numbering.certain


def test_a_stumbling_receiver_stops_the_numbers_at_once_and_its_recovery_brings_them_back(numbered: Bench) -> None:
    numbered.pulse()
    numbered.say(0.4, named=1.0)
    assert not numbered.numbering.certain
    assert numbered.numbering.problem is None, "one sentence is no alarm"
    numbered.pulse()
    numbered.say(0.4)
    assert numbered.numbering.certain
    assert numbered.right


@pytest.mark.parametrize(("shift", "words"), [(1, "+1 s"), (-18, "-18 s")])
def test_sentences_that_contradict_for_long_win(numbered: Bench, shift: int, words: str) -> None:
    for count in range(1, 121):
        numbered.pulse()
        numbered.say(0.4, named=shift)
        if 4 <= count < 120:
            problem = numbered.numbering.problem
            assert problem is not None
            assert f"differs by {words} from the count of pulses" in problem
            assert "believed when it has said so for 120 s" in problem
            assert numbered.numbering.alarms(0) == [problem]
            assert numbered.right
    assert numbered.numbering.second == SECOND + numbered.k + shift
    assert numbered.numbering.certain


def test_an_old_count_is_given_up_later(numbered: Bench) -> None:
    numbered.run(1300)
    for _ in range(899):
        numbered.pulse()
        numbered.say(0.4, named=1.0)
    assert numbered.right
    assert not numbered.numbering.certain
    numbered.pulse()
    numbered.say(0.4, named=1.0)
    assert not numbered.right


@pytest.mark.parametrize("shift", [-1024 * 604_800, 3600, 61])
def test_a_jump_that_is_no_correction_never_wins(numbered: Bench, shift: int) -> None:
    for _ in range(2000):
        numbered.pulse()
        numbered.say(0.4, named=shift)
        assert numbered.right
    assert not numbered.numbering.certain
    assert "restart stratum1" in (numbered.numbering.problem or "")
    numbered.run(1)
    assert numbered.numbering.certain


@pytest.mark.parametrize(("before", "after"), [(0.4, 0.75), (0.4, 0.04), (0.9, 0.25), (0.9, 1.25), (0.05, 0.93)])
def test_a_delay_that_jumps_changes_no_number(before: float, after: float) -> None:
    bench = Bench()
    bench.pulse(None)
    bench.run(30, before)
    assert bench.right
    bench.run(1, after)
    for count in range(1, 300):
        bench.pulse()
        assert bench.right
        assert bench.numbering.certain
        bench.say(after)
        alarms = bench.numbering.alarms(BOOT + bench.k * NS)
        assert len(alarms) == (4 <= count < 119) or count in (3, 119)
        for text in alarms:
            assert f"GNRMC used to come {before:.2f} s after its pulse" in text
            assert "check the serial line" in text
    assert bench.numbering.delays()[0].delay == pytest.approx(after, abs=1e-6)
    assert bench.numbering.alarms(BOOT + bench.k * NS) == []


def test_the_alarm_of_a_kind_that_is_sent_no_more_goes_away(numbered: Bench) -> None:
    for _ in range(20):
        numbered.run(1)
        numbered.say(0.5, "GNGGA")
    for _ in range(5):
        numbered.run(1)
        numbered.say(0.95, "GNGGA")
    assert len(numbered.numbering.alarms(BOOT + numbered.k * NS)) == 1
    numbered.run(12)
    assert numbered.numbering.alarms(BOOT + numbered.k * NS) == []


def test_a_replugged_line_with_another_delay_does_not_confirm_and_the_number_is_found_anew(numbered: Bench) -> None:
    numbered.numbering.reset_line()
    for _ in range(4):
        numbered.pulse()
        assert not numbered.numbering.certain
        numbered.say(0.9)
    assert numbered.numbering.second is None
    for _ in range(140):
        numbered.pulse()
        assert numbered.numbering.second is None or numbered.right
        numbered.say(0.9)
    assert numbered.right


def test_a_lost_number_is_found_again_with_the_delays_that_were_known() -> None:
    bench = Bench()
    bench.pulse(None)
    bench.run(30, 0.9)
    bench.k += 800
    bench.pulse(None)
    for _ in range(300):
        bench.say(0.2)
        bench.pulse()
    assert bench.numbering.second is None, "0.2 or 1.2, who knows"
    for _ in range(80):
        bench.say(0.95)
        bench.pulse()
    assert bench.right


def test_pulses_that_jumped_against_the_sentences_are_not_numbered() -> None:
    bench = Bench()
    bench.pulse(None)
    bench.run(30)
    bench.pulse(None, jumped=True, phase=0.3)
    for _ in range(400):
        bench.say(0.4)
        bench.pulse(phase=0.3)
        assert bench.numbering.second is None
    assert "the pulses themselves have jumped" in (bench.numbering.problem or "")
    bench.pulse(None, jumped=True)
    for _ in range(80):
        bench.say(0.4)
        bench.pulse()
    assert bench.right


def test_the_delays_of_all_kinds_are_measured_by_the_number(numbered: Bench) -> None:
    for _ in range(40):
        numbered.pulse()
        numbered.say(0.4)
        numbered.say(0.9, "GNGGA")
        numbered.say(1.3, "GNZDA")
    delays = {e.sentence: e.delay for e in numbered.numbering.delays()}
    assert delays == pytest.approx({"GNRMC": 0.4, "GNGGA": 0.9, "GNZDA": 1.3})
    assert numbered.numbering.memory() == pytest.approx(delays)
    lead = numbered.numbering.lead_delay()
    assert lead is not None
    assert lead.sentence == "GNRMC"


def test_the_last_sentence_that_once_came_alone_does_not_spoil_its_delay() -> None:
    """Until a number is known the other sentences of an epoch are not taken at their face value."""
    bench = Bench()
    bench.pulse(None)
    for count in range(60):
        bench.pulse()
        if count % 5:
            bench.say(0.5)
        bench.say(1.08, "GNZDA")
    assert bench.right
    assert {e.sentence: e.delay for e in bench.numbering.delays()} == pytest.approx({"GNRMC": 0.5, "GNZDA": 1.08})


def test_nothing_is_remembered_of_a_run_without_numbers_and_nothing_old_is_lost() -> None:
    bench = Bench({"GPRMC": 0.7})
    bench.pulse(None)
    bench.run(30, 0.003)
    assert bench.numbering.second is None
    assert bench.numbering.memory() == {"GPRMC": 0.7}


def test_sentences_all_over_the_second_say_so() -> None:
    bench = Bench()
    bench.pulse(None)
    for count in range(40):
        bench.pulse()
        bench.say((count * 0.618) % 1.0)
    assert bench.numbering.second is None
    assert "at any time of the second" in (bench.numbering.problem or "")


def test_a_flood_of_kinds_is_bounded(numbered: Bench) -> None:
    for number in range(500):
        numbered.say(0.4, f"G{number}RMC")
    assert len(numbered.numbering.delays()) <= 32


def test_a_sentence_far_from_any_pulse_is_not_measured(numbered: Bench) -> None:
    before = numbered.numbering.delays()
    numbered.k += 6
    numbered.say(0.4)
    assert numbered.numbering.delays() == before


def sentences() -> Iterator[Callable[[Bench], None]]:
    yield lambda bench: bench.say(0.4)
    yield lambda bench: bench.say(0.4, named=3.0)
    yield lambda bench: bench.say(0.9)


@pytest.mark.parametrize("stuck", list(sentences()))
def test_there_is_always_a_way_back(numbered: Bench, stuck: Callable[[Bench], None]) -> None:
    """A gap in the middle of any trouble ends in right numbers again once the receiver is well."""
    for _ in range(118):
        numbered.pulse()
        stuck(numbered)
    numbered.pulse(30)
    for _ in range(20):
        stuck(numbered)
        numbered.pulse()
    for _ in range(200):
        numbered.say(0.4)
        numbered.pulse()
    assert numbered.right
    assert numbered.numbering.certain

"""The width of the pulse tells which edge is on time; where it can't, words do."""

import pytest
from refclock_world import Pulse, Talk, World

from stratum1.pps.events import EdgeKind
from stratum1.refclock import EdgeVerdict, RefClock, RefClockSettings
from stratum1.refclock._polarity import PulseWidth
from stratum1.timescale import NS


def seen(chosen: EdgeKind, width: float, count: int = 5) -> PulseWidth:
    result = PulseWidth(chosen)
    for second in range(count):
        result.edge(EdgeKind.ASSERT, second * NS)
        result.edge(EdgeKind.CLEAR, second * NS + round(width * NS))
    return result


def test_the_width_is_measured_from_the_chosen_edge() -> None:
    assert seen(EdgeKind.ASSERT, 0.1).seconds == pytest.approx(0.1)
    assert seen(EdgeKind.CLEAR, 0.1).seconds == pytest.approx(0.9)
    assert seen(EdgeKind.ASSERT, 0.1, 2).seconds is None


def test_one_glitch_changes_nothing() -> None:
    width = seen(EdgeKind.ASSERT, 0.1)
    width.edge(EdgeKind.ASSERT, 5 * NS)
    width.edge(EdgeKind.CLEAR, 5 * NS + 900_000_000)
    assert width.seconds == pytest.approx(0.1)
    assert width.inverted is None


def test_edges_out_of_order_are_no_width() -> None:
    width = PulseWidth(EdgeKind.ASSERT)
    for at in (5, -3, 4 * NS):
        width.edge(EdgeKind.CLEAR, at)
        width.edge(EdgeKind.ASSERT, 5)
    assert width.seconds is None


@pytest.mark.parametrize(
    ("width", "inverted", "symmetric"), [(0.001, False, False), (0.2, False, False), (0.5, False, True), (0.9, True, False)]
)
def test_verdicts(width: float, inverted: bool, symmetric: bool) -> None:
    result = seen(EdgeKind.ASSERT, width)
    assert (result.inverted is not None) is inverted
    assert result.symmetric is symmetric


@pytest.mark.parametrize(("chosen", "other"), [(EdgeKind.ASSERT, "clear"), (EdgeKind.CLEAR, "assert")])
def test_the_remedy_names_the_other_edge(chosen: EdgeKind, other: str) -> None:
    text = seen(chosen, 0.9 if chosen is EdgeKind.ASSERT else 0.1).inverted
    assert text is not None
    assert f'set pps-edge = "{other}"' in text


@pytest.mark.parametrize("delay", [0.05, 0.15, 0.4, 0.6, 0.95])
def test_an_inverted_short_pulse_is_refused_with_the_remedy(delay: float) -> None:
    clock = RefClock(RefClockSettings())
    run = World(Talk(delay=delay), Pulse(inverted=True)).run(clock, 60)
    assert run.samples == []
    assert clock.report(World().raw(0)).verdicts[EdgeVerdict.POLARITY] > 40
    assert not run.healths[-1][1].usable
    assert run.healths[-1][1].reason in run.alarm_text
    assert 'set pps-edge = "clear"' in run.alarm_text


def test_the_other_edge_of_an_inverted_pulse_is_right() -> None:
    run = World(Talk(), Pulse(inverted=True)).run(RefClock(RefClockSettings(edge=EdgeKind.CLEAR)), 60)
    assert len(run.samples) > 45
    assert run.worst < 1e-5
    assert run.alarm_text == ""


def test_a_long_pulse_may_be_accepted_by_the_owner() -> None:
    run = World(Talk(), Pulse(width=0.9)).run(RefClock(RefClockSettings(refuse_polarity=False)), 60)
    assert len(run.samples) > 45
    assert run.worst < 1e-5
    assert "pps-polarity-check" in run.alarm_text, "it is still told"


@pytest.mark.parametrize("delay", [0.05, 0.2, 0.45])
def test_an_inverted_pulse_of_half_a_second_is_refused_since_it_could_be_either(delay: float) -> None:
    run = World(Talk(delay=delay), Pulse(inverted=True, width=0.5)).run(RefClock(RefClockSettings()), 60)
    assert run.samples == []
    assert "can't be told from an inverted pulse" in run.healths[-1][1].reason
    assert "Give the receiver a pulse of 100 ms" in run.alarm_text


def test_half_a_second_is_no_matter_where_sentences_come_early() -> None:
    run = World(Talk(delay=0.3), Pulse(width=0.5)).run(RefClock(RefClockSettings()), 60)
    assert len(run.samples) > 45
    assert run.worst < 1e-5
    assert run.alarm_text == ""


@pytest.mark.parametrize("accepted", [RefClockSettings(serial_delay=0.6), RefClockSettings(refuse_polarity=False)])
def test_the_owner_can_vouch_for_half_a_second(accepted: RefClockSettings) -> None:
    run = World(Talk(delay=0.6), Pulse(width=0.5)).run(RefClock(accepted), 60)
    assert len(run.samples) > 45
    assert run.worst < 1e-5


def test_a_delay_of_half_a_second_is_no_ambiguity_of_a_short_pulse() -> None:
    run = World(Talk(delay=0.5, jitter=0.1), Pulse()).run(RefClock(RefClockSettings()), 60)
    assert len(run.samples) > 45
    assert run.worst < 1e-5
    assert run.alarm_text == ""


def test_where_one_edge_is_seen_late_sentences_are_told() -> None:
    early = World(Talk(delay=0.3), Pulse(width=None)).run(RefClock(RefClockSettings()), 60)
    assert early.alarm_text == ""
    late = World(Talk(delay=0.9), Pulse(width=None)).run(RefClock(RefClockSettings()), 60)
    assert late.worst < 1e-5
    assert "only the assert edge is seen" in late.alarm_text
    assert "capture_clear" in late.alarm_text
    vouched = World(Talk(delay=0.9), Pulse(width=None)).run(RefClock(RefClockSettings(serial_delay=0.9)), 60)
    assert vouched.alarm_text == ""

"""Leap seconds rehearsed with the whole pipeline: served time against the truth every half second, bits, TAI, alarms, lock."""

import pytest

from stratum1.interchange import Leap, LockState
from stratum1.simulation import LeapScenario, Moment, Rehearsal, leap_label, rehearse
from stratum1.timescale import NS, UtcNs, from_rfc3339

END = from_rfc3339("2027-07-01")
_SERVING = (LockState.LOCKED, LockState.NETWORK, LockState.HOLDOVER)  # a receiver whose time jumps is not believed for some seconds
STEADY = 1700
"""Seconds in which a receiver has said the same for long enough."""


def close(done: Rehearsal) -> list[Moment]:
    return [moment for moment in done.moments if abs(moment.seconds) <= 10]


def assert_served_right(done: Rehearsal, *states: LockState) -> None:
    assert done.locked_at is not None
    assert done.worst < 20e-6
    assert done.steps == 0
    assert len(close(done)) == 41
    for moment in close(done):
        assert moment.error is None or abs(moment.error) <= moment.bound, moment
        assert moment.told.state in states


def assert_made(done: Rehearsal, sign: int) -> None:
    """The timeline of bits and of TAI - UTC."""
    assert_served_right(done, LockState.LOCKED, LockState.NETWORK)
    bits = Leap.INSERT if sign > 0 else Leap.DELETE
    for moment in close(done):
        if moment.seconds < 0:
            assert (moment.leap, moment.tai_offset) == (bits, 37), moment
        elif 0 < moment.seconds <= (1.0 if sign > 0 else 0.0):
            assert (moment.leap, moment.tai_offset) == (Leap.UNKNOWN, 37 + sign), moment
        elif moment.seconds > 0:
            assert (moment.leap, moment.tai_offset) == (Leap.NONE, 37 + sign), moment
    assert done.report.tai_offset == 37 + sign
    assert [note.text for _, note in done.notes if "moved" in note.text] == [
        f"leap second: the clock was moved by {-sign:+d} s, as announced"
    ]


def assert_not_made(done: Rehearsal, *words: str) -> None:
    assert_served_right(done, *_SERVING)
    assert {(moment.leap, moment.tai_offset) for moment in close(done)} == {(Leap.NONE, 37)}
    assert any(all(word in text for word in words) for text in done.alarms), done.alarms


@pytest.mark.parametrize("sign", [1, -1])
def test_by_the_list(sign: int) -> None:
    done = rehearse(LeapScenario(sign, before=120, after=60))
    assert_made(done, sign)
    assert done.alarms == ()


@pytest.mark.parametrize("label", ["59", "00"])
def test_a_receiver_that_names_the_second_in_another_way(label: str) -> None:
    done = rehearse(LeapScenario(label=label, before=120, after=60))
    assert_made(done, 1)
    assert done.alarms == ()


@pytest.mark.parametrize(("sign", "kind"), [(1, "expired"), (-1, "missing")])
def test_by_the_receiver_alone(sign: int, kind: str) -> None:
    done = rehearse(LeapScenario(sign, list=kind, receiver=sign, before=STEADY, after=60))
    assert_made(done, sign)
    assert len(done.alarms) == 1, "of the list"
    plan = close(done)[0].plan
    assert plan is not None
    assert plan.witnesses == ("receiver",)
    assert plan.tai_offset == 37 + sign


def test_by_the_sources_alone() -> None:
    done = rehearse(LeapScenario(list="expired", sources=(1, 1, 0), before=240, after=60))
    assert_made(done, 1)
    plan = close(done)[0].plan
    assert plan is not None
    assert plan.witnesses == ("server-1", "server-2")


def test_one_source_announces_what_does_not_happen() -> None:
    assert_not_made(rehearse(LeapScenario(0, list="none", sources=(1, 0, 0), before=240, after=60)), "server-1", "leap bits")
    assert_not_made(rehearse(LeapScenario(0, list="expired", sources=(1, 0, 0), before=240, after=60)), "server-1", "leap bits")


@pytest.mark.parametrize(("sign", "after"), [(1, 960), (-1, 60)])
def test_a_receiver_makes_what_the_list_does_not_have(sign: int, after: int) -> None:
    """It insists for longer than a receiver has to that is right after all."""
    scenario = LeapScenario(0, list="none", receiver=sign, receiver_makes=sign, before=STEADY, after=after)
    done = rehearse(scenario)
    assert_not_made(done, "The receiver announces", "the list of leap seconds says none")
    assert any("the count is followed" in text for text in done.alarms)
    assert done.moments[-1].state is LockState.LOCKED


def test_a_receiver_lies_and_the_sources_do_not_with_an_expired_list() -> None:
    scenario = LeapScenario(0, list="expired", receiver=1, receiver_makes=0, sources=(0, 0, 0), before=STEADY, after=60)
    assert_not_made(rehearse(scenario), "The receiver announces", "most of the sources (3)")


@pytest.mark.parametrize("sign", [1, -1])
def test_a_receiver_misses_what_the_list_has(sign: int) -> None:
    done = rehearse(LeapScenario(sign, receiver_makes=0, before=120, after=240))
    assert_made(done, sign)
    assert any("the count is followed" in text for text in done.alarms)
    assert done.moments[-1].state is LockState.LOCKED


def test_a_receiver_that_knows_of_none_does_not_take_a_listed_one_away() -> None:
    done = rehearse(LeapScenario(1, receiver=0, sources=(0, 0), before=STEADY, after=60))
    assert_made(done, 1)
    assert any("says that no leap second is to come" in text for text in done.alarms)


def test_the_bits_begin_with_the_last_day() -> None:
    done = rehearse(LeapScenario(before=86_400 + 120, after=-86_400 + 20))
    began = [moment for moment in done.moments if moment.leap is not Leap.UNKNOWN]
    assert {moment.leap for moment in began if moment.label < "2027-06-30T00:00:00.0"} == {Leap.NONE}
    assert {moment.leap for moment in began if moment.label > "2027-06-30T00:00:00.0Z"} == {Leap.INSERT}
    assert done.worst < 20e-6


def test_seconds_are_labelled_as_people_write_them() -> None:
    inserted = [leap_label(END, 1, END + k * NS // 2)[11:21] for k in range(-2, 4)]
    assert inserted == ["23:59:59.0", "23:59:59.5", "23:59:60.0", "23:59:60.5", "00:00:00.0", "00:00:00.5"]
    deleted = [leap_label(END, -1, END - NS + k * NS // 2)[11:21] for k in range(-2, 2)]
    assert deleted == ["23:59:58.0", "23:59:58.5", "00:00:00.0", "00:00:00.5"]


@pytest.mark.parametrize(
    "wrong", [{"sign": 2}, {"sources": (3,)}, {"list": "old"}, {"label": "61"}, {"before": 3}, {"after": 10**6}, {"at": UtcNs(END + 1)}]
)
def test_what_can_not_be_rehearsed_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"sign|list|before"):
        LeapScenario(**wrong)  # type: ignore[arg-type]

from dataclasses import replace

from testkit.shown import make_bare_status, make_status

from stratum1.control import ReceiverStatus, alarms, without_exact_position
from stratum1.web._view import make_view


def test_sources_become_rows_with_letter_and_sentence() -> None:
    view = make_view(make_status(), {})
    assert view.shown["selection"]
    assert view.texts["selection"] == "2 of 2 usable sources agree"
    receiver, server = view.rows["selection"]
    assert receiver[:2] == ["*", "refclock (prefer, trust)"]
    assert receiver[5:7] == ["100 %", "11111111"]
    assert server[0] == "D"
    assert server[5:7] == ["–", "11111101"]
    assert server[-1] == "its root distance of 4.1 ms is more than 3 times that of refclock, 1.2 µs"


def test_a_server_without_sources_shows_none() -> None:
    view = make_view(make_bare_status(), {})
    assert not view.shown["selection"]
    assert (view.rows["selection"], view.texts["selection"]) == ([], "–")


def test_a_liar_is_an_alarm() -> None:
    status = make_status()
    assert status.selection is not None
    liar = replace(status.selection.sources[1], state="x", text="offset +50 ms ± 1 ms is outside")
    lying = replace(status, selection=replace(status.selection, sources=(status.selection.sources[0], liar)))
    assert "ntp11.metas.ch is taken for a falseticker: offset +50 ms ± 1 ms is outside" in alarms(lying)
    assert not any("falseticker" in alarm for alarm in alarms(status))


def test_of_several_receivers_each_alarm_says_which_and_no_position_is_exact() -> None:
    status = make_status()
    assert status.gnss is not None
    assert status.refclock is not None
    cut = replace(status.gnss, line=replace(status.gnss.line, open=False, error="unplugged"))
    two = replace(
        status,
        receivers=(
            ReceiverStatus("roof", status.gnss, status.pps, status.refclock),
            ReceiverStatus("window", cut, None, status.refclock),
        ),
    )
    assert "window: Receiver /dev/ttyAMA0: unplugged" in alarms(two)
    assert not any(alarm.startswith("roof: Receiver") for alarm in alarms(two))
    coarse = without_exact_position(two)
    assert {each.gnss.position.latitude for each in coarse.receivers if each.gnss.position} == {47.2}

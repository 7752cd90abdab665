from dataclasses import replace

from testkit.shown import NOW, make_bare_status, make_status

from stratum1.control import Status
from stratum1.timescale import NS, UtcNs
from stratum1.web._view import make_view


def refused() -> Status:
    status = make_status()
    (each,) = status.integrity
    away = replace(each, refused_since=UtcNs(NOW - 75 * NS), reason="the reference is not believed: the pulses have moved", score=1.0)
    return replace(status, integrity=(each, replace(away, source="second")))


def test_evidence_is_shown_with_what_it_says() -> None:
    view = make_view(make_status(), {})
    assert view.shown["integrity"]
    assert view.shown["evidence"]
    assert view.texts["belief"] == "believed"
    assert view.texts["belief-score"] == "0.42 of 1"
    assert view.rows["evidence"] == [["radio", "60%", "all 9 satellites are about equally strong", "1 min 30 s"]]


def test_the_receiver_that_is_refused_comes_first() -> None:
    view = make_view(refused(), {})
    assert view.texts["belief"] == "refused for 1 min 15 s: the reference is not believed: the pulses have moved"
    assert [row[0] for row in view.rows["evidence"]] == ["radio, refclock", "radio, second"]


def test_without_a_receiver_there_is_nothing_to_believe() -> None:
    view = make_view(make_bare_status(), {})
    assert not view.shown["integrity"]
    assert view.texts["belief"] == "–"

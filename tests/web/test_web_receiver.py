"""What a receiver says of itself on the page: only where it says anything."""

from dataclasses import replace

from testkit.shown import make_status

from stratum1.control import ReceiverTold, SawtoothStatus
from stratum1.web._view import make_view


def test_what_it_says_is_shown() -> None:
    view = make_view(make_status(), {})
    assert view.shown["told"]
    assert view.shown["sawtooth"]
    assert view.texts["accuracy"] == "time ± 14 ns, position ± 0.87 m, position held"
    assert view.texts["sawtooth"].startswith("taken off each pulse")


def test_a_receiver_that_says_nothing_has_no_rows_of_dashes() -> None:
    status = make_status()
    assert status.gnss is not None
    assert status.refclock is not None
    plain = replace(
        status,
        gnss=replace(status.gnss, receiver=ReceiverTold()),
        refclock=replace(status.refclock, sawtooth=SawtoothStatus()),
    )
    view = make_view(plain, {})
    assert not view.shown["told"]
    assert not view.shown["sawtooth"]

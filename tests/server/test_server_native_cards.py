"""Whose stamps are taken: cards that are set to stamp and have a clock; each other one is told of, and none is assumed."""

import socket

from stratum1.dataplane import native
from stratum1.server._cards import Card, find_cards

CARDS = {
    "lo": (None, False, False, False),
    "eth0": (0, True, True, True),
    "eth1": (3, True, True, False),
    "eth2": (1, True, False, False),
    "eth3": (None, True, True, True),
}


def ask(name: str) -> tuple[int | None, bool, bool, bool]:
    if name == "gone":
        raise OSError
    return CARDS[name]


def test_cards_that_stamp_are_used_and_those_that_could_are_named() -> None:
    names = [*CARDS, "gone"]
    cards, notes = find_cards(ask, list(enumerate(names, 1)))
    assert cards == (Card("eth0", 2, "/dev/ptp0", sends=True), Card("eth1", 3, "/dev/ptp3", sends=False))
    (note,) = notes
    assert note == "eth2 could stamp packets itself and is not set to: `hwstamp_ctl -i eth2 -t 1 -r 1` (linuxptp) does"


def test_loopback_has_no_card() -> None:
    assert native().card_stamps("lo") == (None, False, False, False)
    assert find_cards(native().card_stamps, [(socket.if_nametoindex("lo"), "lo")]) == ((), ())

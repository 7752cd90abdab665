"""What a receiver says of itself, in words."""

from dataclasses import asdict, replace

import pytest
from testkit.shown import make_bare_status, make_status

from stratum1.control import ReceiverTold, SawtoothStatus, status_json
from stratum1.control.receiver_words import RECEIVER_TITLES, receiver_words, sawtooth_words


def test_everything_told() -> None:
    gnss = make_status().gnss
    assert gnss is not None
    assert receiver_words(asdict(gnss.receiver)) == {
        "accuracy": "time ± 14 ns, position ± 0.87 m, position held",
        "leap-seconds": "18 s",
        "survey": "done, 7200 s, ± 0.63 m, 7\u202f180 positions",
        "radio": "antenna ok, interference ok (12 of 255), gain 62%, noise 91; "
        "antenna ok, interference warning (140 of 255), gain 35%, noise 120",
        "authenticity": "spoofing none, jamming warning",
        "version": "u-blox: EXT CORE 4.04 (7f89f7), hardware 00190000, MOD=ZED-F9T",
    }


def test_the_json_gives_the_same_words_as_the_values() -> None:
    status = make_status()
    assert status.gnss is not None
    assert status.refclock is not None
    told = status_json(status)
    assert receiver_words(told["gnss"]["receiver"]) == receiver_words(asdict(status.gnss.receiver))
    assert sawtooth_words(told["refclock"]["sawtooth"]) == sawtooth_words(asdict(status.refclock.sawtooth))


def test_nothing_told_is_dashes() -> None:
    assert set(receiver_words(asdict(ReceiverTold())).values()) == {"–"}
    assert receiver_words(None) == dict.fromkeys(RECEIVER_TITLES, "–")
    assert make_bare_status().gnss is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "taken off each pulse: −3.21 ns now, 2.3 ns on average, 3 pulses without"),
        ({"in_use": False, "uncorrected": 0}, "announced, not used: −3.21 ns now, 2.3 ns on average"),
        ({"last": None}, "none announced by the receiver"),
    ],
)
def test_the_sawtooth(change: dict[str, object], said: str) -> None:
    refclock = make_status().refclock
    assert refclock is not None
    assert sawtooth_words(asdict(replace(refclock.sawtooth, **change))) == said  # type: ignore[arg-type]
    assert sawtooth_words(asdict(SawtoothStatus())) == "none announced by the receiver"

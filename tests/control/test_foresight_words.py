"""Holdover and crystal in words."""

import pytest

from stratum1.control.foresight import HoldoverStatus, LearnedLaw
from stratum1.control.foresight_words import holdover_text, law_text


@pytest.mark.parametrize(
    ("holdover", "text"),
    [
        (None, "not known yet"),
        (HoldoverStatus(False, None, 1e-3, None), "not known yet"),
        (HoldoverStatus(False, 0.5, 1e-3, 4321.0), "would stay within 1.00 ms for 1 h 12 min"),
        (HoldoverStatus(True, 60.0, 1e-3, 300.0), "in holdover for 1 min 0 s; stays within 1.00 ms for 5 min 0 s more"),
        (HoldoverStatus(False, 0.5, 1e-3, None), "would stay within 1.00 ms for a week or more"),
        (HoldoverStatus(True, 9000.0, 1e-3, 0.0), "out of specification: the error may exceed 1.00 ms"),
    ],
)
def test_holdover(holdover: HoldoverStatus | None, text: str) -> None:
    assert holdover_text(holdover) == text


def test_a_law_says_whether_it_is_used() -> None:
    assert law_text(None, "a day") == "not learned yet"
    assert law_text(LearnedLaw(0.0, None, used=False), "a day") == "not learned yet"
    assert "(not certain enough to be used)" in law_text(LearnedLaw(0.1, 0.2, used=False), "a degree")
    assert law_text(LearnedLaw(-0.1, 0.002, used=True), "a degree").startswith("\N{MINUS SIGN}")

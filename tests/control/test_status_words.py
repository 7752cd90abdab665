import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum1.control.words import count, duration, parts_per, signed_time, time_span


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (1.0, "1.00 s"),
        (0.9999, "1.00 s"),
        (0.137, "137 ms"),
        (1.26e-6, "1.26 µs"),
        (61e-9, "61.0 ns"),
        (-37.2e-9, "-37.2 ns"),
        (2e-10, "0.2 ns"),
        (1234.5, "1234 s"),
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "–"),
    ],
)
def test_time_span(seconds: float | None, text: str) -> None:
    assert time_span(seconds) == text


def test_signs_are_always_told() -> None:
    assert signed_time(5e-9) == "+5.00 ns"
    assert signed_time(-5e-9) == "−5.00 ns"
    assert signed_time(None) == "–"
    assert parts_per(-19.87654) == "−19.877 ppm"
    assert parts_per(0.0123) == "+12.30 ppb"
    assert parts_per(math.nan) == "–"


@settings(deadline=None)
@given(st.floats(allow_nan=True, allow_infinity=True))
def test_any_number_has_words(value: float) -> None:
    assert time_span(value)
    assert signed_time(value)
    assert parts_per(value)


@settings(deadline=None)
@given(st.floats(min_value=1e-8, max_value=1e5))
def test_time_span_keeps_the_value(value: float) -> None:
    number, unit = time_span(value).split()
    assert float(number) * {"s": 1, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}[unit] == pytest.approx(value, rel=0.006)


def test_durations_and_counts() -> None:
    assert [duration(s) for s in (-3, 0, 59.9, 60, 3661, 90061)] == ["0 s", "0 s", "59 s", "1 min 0 s", "1 h 1 min", "1 d 1 h"]
    assert count(1234567) == "1\u202f234\u202f567"

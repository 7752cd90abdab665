"""What `make bench` makes of its rounds: medians, ratios, goals, the page."""

from pathlib import Path

import pytest

from bench.service_table import GOALS, goals_table, medians, tables, write_into


def _round(chrony: float, native: float) -> dict[str, object]:
    return {
        "chrony": {"plain": {"cpu_ns_a_request": chrony, "answered_per_second": 200_000.0, "kisses": {}}},
        "native": {"plain": {"cpu_ns_a_request": native, "answered_per_second": 300_000.0}, "served": {"basic": {"offset_median": -3e-7}}},
    }


ROUNDS = [_round(4000.0, 2000.0), _round(4100.0, 2600.0), _round(9000.0, 2500.0)]


def test_medians_number_by_number() -> None:
    middle = medians(ROUNDS)
    assert middle["chrony"]["plain"]["cpu_ns_a_request"] == 4100.0
    assert middle["native"]["plain"]["cpu_ns_a_request"] == 2500.0


def test_a_server_that_some_rounds_left_out_keeps_the_others_figures() -> None:
    middle = medians([ROUNDS[0], {"chrony": {"plain": {"cpu_ns_a_request": 6000.0}}}])
    assert middle["chrony"]["plain"]["cpu_ns_a_request"] == 5000.0
    assert middle["native"]["plain"]["cpu_ns_a_request"] == 2000.0


def test_goal_and_reached_stand_beside_each_other() -> None:
    text = goals_table(medians(ROUNDS))
    assert "| plain NTP, native, CPU a request, chrony = 1 | <= 0.65 | 0.61 | yes |" in text
    assert "| served time, native, median | <= 1.00 us | 0.30 us | yes |" in text
    assert text.count("not measured") == len(GOALS) - 2
    assert "| <= 0.65 | 0.98 | **no** |" in goals_table(medians([_round(2000.0, 1960.0)]))


def test_the_tables_show_ratios_and_leave_out_what_was_not_measured() -> None:
    result = {
        "taken": "2026-01-01",
        "machine": {"cpu": "a CPU", "cores": 2, "kernel": "6.1"},
        "versions": {"chrony": "4.6.1-3", "native": "this tree"},
        "options": {"chrony": "x", "native": "y"},
        "rounds": ROUNDS,
        "medians": medians(ROUNDS),
    }
    text = tables(result)
    assert "| native | 300,000 (1.50) | - | 2.50 (0.61) |" in text
    assert "Key establishment" not in text
    assert "medians of 3 rounds" in text


def test_the_page_is_filled_between_its_marks_only(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- figures -->\nold\n<!-- end of figures -->\nafter\n")
    write_into(page, "new")
    assert page.read_text() == "before\n<!-- figures -->\n\nnew\n\n<!-- end of figures -->\nafter\n"
    page.write_text("no marks")
    with pytest.raises(SystemExit, match="marks"):
        write_into(page, "new")
    assert page.read_text() == "no marks"

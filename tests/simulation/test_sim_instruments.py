"""The instruments of the timing tables: the noise is bit for bit what peers were run on, optimal filters are optimal, pages are filled."""

from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from bench.figures import Figures, Subject, figures, of_scenario, rms
from bench.mishaps import MISHAPS, good_again
from bench.noise import draw, series
from bench.optimum import Filter, best_assumption, drift_model, knowing, knowing_the_period, rms_of, steered, two_state
from bench.report import amount, over, replaced, table
from bench.timing import Measured, holdover_row, in_lock_row, parsed

from stratum1.interchange import LockState
from stratum1.simulation import SCENARIOS, SETTLING, Row, Scenario

PAGE = Path(__file__).resolve().parents[2] / "docs" / "timing.md"


def reached(scenario: Scenario, filter_: Filter, seed: int) -> float:
    return rms(steered(*draw(scenario, seed), filter_)[SETTLING:].tolist())


@pytest.mark.parametrize(("name", "frequency"), [("S1", "2.00828519e-05"), ("S2", "2.05752558e-05"), ("S4", "2.00828519e-05")])
def test_the_noise_is_the_one_that_others_were_run_on(name: str, frequency: str) -> None:
    assert f"{series(name, 3)[0][1000]:.8e}" == frequency


def test_the_pulses_are_those_that_others_were_run_on() -> None:
    assert f"{series('S1', 3)[1][1000]:.8e}" == "-5.86131504e-07"
    late = series("S3", 3)[1]
    assert (int(late.argmax()), f"{late.max():.8e}") == (13461, "3.73939082e-04")
    missing = np.flatnonzero(np.isnan(series("S5", 3)[1]))
    assert (len(missing), missing[0]) == (1748, 3)
    assert np.isnan(series("S4T", 3)[1]).tolist() == [False] * 21_601 + [True] * 3600


@pytest.mark.parametrize(("name", "least"), [("S1", 0.2141), ("S3", 0.2148), ("S5", 0.2212)])
def test_the_filter_that_knows_the_noise_is_the_published_limit(name: str, least: float) -> None:
    assert median(reached(SCENARIOS[name], knowing(SCENARIOS[name]), seed) for seed in range(1, 6)) == pytest.approx(
        least * 1e-6, abs=2e-10
    )


def test_a_cycle_s_yardstick_is_the_best_of_its_kind_and_as_good_as_computed() -> None:
    scenario = SCENARIOS["S2"]
    q, q3 = best_assumption(scenario)
    least = rms_of(scenario, q, q3)
    assert all(rms_of(scenario, q * a, q3 * b) >= least * 0.9999 for a in (0.7, 1.0, 1.4) for b in (0.7, 1.0, 1.4))
    assert median(reached(scenario, knowing(scenario), seed) for seed in (2, 4, 5)) == pytest.approx(least, rel=0.03)
    published = Filter(drift_model(1e-6, 1e-9, 2e-11))
    assert reached(scenario, published, 4) == pytest.approx(0.2442e-6, abs=1e-10)


def test_no_filter_that_knows_less_is_better() -> None:
    """The two-state filter is optimal without a cycle; with one, who knows the period is better than who does not."""
    plain, cycle = SCENARIOS["S1"], SCENARIOS["S2"]
    best = reached(plain, knowing(plain), 2)
    for r, q in ((0.5e-6, 1e-9), (2e-6, 1e-9), (1e-6, 0.3e-9), (1e-6, 3e-9)):
        assert reached(plain, Filter(two_state(r, q)), 2) > best
    assert reached(plain, knowing(plain, tau=4.0), 2) > best
    assert reached(cycle, knowing_the_period(cycle), 2) < 0.93 * reached(cycle, knowing(cycle), 2)


def test_a_run_is_judged_over_the_right_seconds() -> None:
    scenario = replace(SCENARIOS["S4"], seconds=4300, outage=4200)
    found = figures(of_scenario(scenario, 1), Subject(alone=True), keep_rows=True)
    errors = np.array([row.true_error for row in found.rows])
    assert len(found.rows) == found.seconds == 4300
    assert found.rms == pytest.approx(float(np.sqrt(np.mean(errors[3600:4200] ** 2))))
    assert found.last_error == errors[-1]
    assert found.coverage == 1 - found.uncovered / 4300
    assert found.frequency == pytest.approx(float(np.sqrt(np.mean(np.diff(errors[3600:4200]) ** 2))))
    assert 0 < found.bound <= found.widest


def test_a_row_tells_what_it_misses() -> None:
    found = Measured(Figures(0.22e-6, 0.6e-6, 0.7e-6, 0.8e-6, 20e-9, 7.0, 11.0, 18_001, 0, 1e-6, 2e-6, 1e-7, 1e-6), 0.214e-6)
    assert in_lock_row("S1", [found])[1] == []
    bad = found._replace(ours=replace(found.ours, rms=0.3e-6, t1=float("nan")))
    cells, missed = in_lock_row("S1", [bad])
    assert cells[0] == "S1"
    assert cells[1] == "**0.300**"
    assert any(words.startswith("RMS 0.3 > 0.245") for words in missed)
    assert any(words.startswith("t1 nan > 20") for words in missed)
    assert cells[-1].startswith("**FAIL**")
    lost = found._replace(ours=replace(found.ours, uncovered=1, last_bound=2e-3))
    assert holdover_row("S4", [found])[1] == []
    assert holdover_row("S4", [lost])[1] == ["bound 2000 us", "outside the bound for 1 s"]


def test_recovery_is_timed_from_the_mishap() -> None:
    rows = [Row(k, 2e-6 if 100 <= k < 130 else 0.0, 1.0, LockState.LOCKED) for k in range(300)]
    assert good_again(rows, 100) == 30
    assert np.isnan(good_again(rows, 280))


@pytest.mark.parametrize("number", range(len(MISHAPS)))
def test_mishaps_have_series_that_fit_together(number: int) -> None:
    trial = MISHAPS[number].make(1)
    assert len(trial.frequency) == len(trial.pulses) > SETTLING
    assert trial.temperature is None or len(trial.temperature) == len(trial.frequency)


def test_pages_are_filled_between_their_marks() -> None:
    page = "a\n<!-- measured: cpu -->\nold\n<!-- /measured -->\nb\n<!-- measured: kernel -->\n<!-- /measured -->\n"
    assert replaced(page, {"cpu": "new"}) == page.replace("old", "\nnew\n")
    with pytest.raises(LookupError, match="grid"):
        replaced(page, {"grid": "new"})
    parts = dict.fromkeys(("scenarios", "other-noise", "network", "mishaps", "cpu", "kernel"), "x")
    assert replaced(PAGE.read_text(encoding="utf-8"), parts).count("\nx\n") == 6


def test_tables_and_numbers() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n|---|---|\n| 1 | 2 |"
    assert (amount(None), amount(float("nan")), amount(1.5e-6, 1e-6, 1)) == ("–", "–", "1.5")
    assert over([3, 1, 2], str, 2) == ["3", "1", "2"]


def test_a_wrong_word_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert parsed(["S1", "7"]).what == ["S1", "7"]
    with pytest.raises(SystemExit):
        parsed(["S99"])
    assert "S99: neither a scenario" in capsys.readouterr().err

"""The dashboard, checked without Grafana: against its JSON schema, and each metric against our own registry."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from testkit.shown import FakeSource, make_status

from stratum1.metrics import make_registry

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = ROOT / "deploy" / "grafana" / "stratum1.json"
SCHEMA = ROOT / "tests" / "data" / "grafana" / "dashboard.jsonschema.json"
# PromQL without its strings, label matchers, ranges and words of its own: what is left are metrics.
_NOT_METRICS = re.compile(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(sum|by|rate|increase|time|instance|max|min|avg)\b')


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return loaded


def faults(dashboard: dict[str, Any]) -> list[str]:
    return [error.message for error in jsonschema.Draft7Validator(json.loads(SCHEMA.read_text())).iter_errors(dashboard)]


def expressions(dashboard: dict[str, Any]) -> Iterator[str]:
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"].removeprefix("label_values(").rpartition(",")[0]


def metrics_of(expression: str) -> set[str]:
    return set(re.findall(r"[a-z_][a-z0-9_]{4,}", _NOT_METRICS.sub(" ", expression)))


def test_it_fits_grafanas_schema(dashboard: dict[str, Any]) -> None:
    assert faults(dashboard) == []


def test_the_schema_finds_a_misspelt_key(dashboard: dict[str, Any]) -> None:
    broken = copy.deepcopy(dashboard)
    broken["panels"][0]["gridPosition"] = broken["panels"][0].pop("gridPos")
    assert faults(broken) != []


def test_every_metric_is_one_that_we_export(dashboard: dict[str, Any]) -> None:
    ours = {sample.name for family in make_registry(FakeSource(make_status())).collect() for sample in family.samples}
    asked = set().union(*(metrics_of(expression) for expression in expressions(dashboard)))
    assert len(asked) > 15
    assert asked - ours == set()


@pytest.mark.parametrize(
    ("title", "metric"),
    [
        ("NTP Server Received Packets Total", "ntp_server_received_packets_total"),
        ("NTS Server Received Packets Total", "ntp_server_nts_received_packets_total"),
    ],
)
def test_the_panels_people_have_elsewhere_are_there(dashboard: dict[str, Any], title: str, metric: str) -> None:
    (panel,) = [panel for panel in dashboard["panels"] if panel["title"] == title]
    assert metrics_of(panel["targets"][0]["expr"]) == {metric}


def test_it_can_be_provisioned_and_is_explained(dashboard: dict[str, Any]) -> None:
    assert dashboard["id"] is None
    assert dashboard["uid"]
    assert not {"__inputs", "__requires"} & set(dashboard)
    source = {"type": "prometheus", "uid": "${datasource}"}
    for panel in dashboard["panels"]:
        assert panel["description"].endswith("."), panel["title"]
        assert [panel["datasource"], *(target["datasource"] for target in panel["targets"])] == [source] * (len(panel["targets"]) + 1)
        assert all('job="$job"' in target["expr"] for target in panel["targets"])


def test_no_panel_lies_on_another(dashboard: dict[str, Any]) -> None:
    cells: list[tuple[int, int]] = []
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells += [(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23

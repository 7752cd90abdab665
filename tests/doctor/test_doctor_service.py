"""What is said of the data planes and of the file of symmetric keys."""

from pathlib import Path

import pytest
from host_tree import Tree, config, only

from stratum1.doctor._service import check_data_plane, check_symmetric_keys
from stratum1.server import DataPlane


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "root")


def _missing(monkeypatch: pytest.MonkeyPatch, *kinds: str) -> None:
    reasons = {DataPlane(kind): "not here" for kind in kinds}
    monkeypatch.setattr("stratum1.server._planes.plane_missing", lambda kind: reasons.get(kind, ""))
    monkeypatch.setattr("stratum1.doctor._service.plane_missing", lambda kind: reasons.get(kind, ""))


@pytest.mark.parametrize(
    ("asked", "missing", "level", "text"),
    [
        ("auto", (), "ok", "the native data plane answers"),
        ("auto", ("native",), "ok", "the python data plane answers (native: not here)"),
        ("native", ("native",), "warning", 'data-plane = "native" can\'t be had, the python plane answers (native: not here)'),
        ("xdp", ("xdp",), "warning", 'data-plane = "xdp" can\'t be had, the native plane answers (xdp: not here)'),
        ("xdp", (), "ok", "the xdp data plane answers"),
        ("python", ("native", "xdp"), "ok", "the python data plane answers"),
    ],
)
def test_who_would_answer_and_why_nobody_better(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, asked: str, missing: tuple[str, ...], level: str, text: str
) -> None:
    _missing(monkeypatch, *missing)
    findings = list(check_data_plane(config(f'[[server]]\ndata-plane = "{asked}"'), tree.host()))
    assert (findings[0].level, findings[0].text) == (level, text)
    assert bool(findings[0].remedy) == (level == "warning" or "(" in text)


@pytest.mark.parametrize(("missing", "says"), [((), "could be answered in the network driver"), (("xdp",), "can't be had here (not here)")])
def test_xdp_is_mentioned_where_nobody_asks_for_it(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...], says: str
) -> None:
    _missing(monkeypatch, *missing)
    hints = [each for each in check_data_plane(config(), tree.host()) if each.name == "software.xdp"]
    assert says in only(hints).text
    asked = check_data_plane(config('[[server]]\ndata-plane = "xdp"'), tree.host())
    assert not [each for each in asked if each.name == "software.xdp"]


def test_symmetric_keys(tree: Tree, tmp_path: Path) -> None:
    path = tmp_path / "ntp.keys"
    asked = config(f'[service]\nkeys = "{path}"')
    assert list(check_symmetric_keys(config(), tree.host())) == []
    assert only(check_symmetric_keys(asked, tree.host())).level == "warning"
    path.write_text("1 SHA1 secret\n2 MD5 other\n")
    path.chmod(0o644)
    assert "chmod 0640" in only(check_symmetric_keys(asked, tree.host())).remedy
    path.chmod(0o640)
    found = only(check_symmetric_keys(asked, tree.host()))
    assert (found.level, found.text) == ("ok", f"2 symmetric keys in {path}")
    path.write_text("0 SHA1 secret\n")
    assert "line 1: the key's number must be from 1" in only(check_symmetric_keys(asked, tree.host())).text

"""What is said of the program, the board and the service."""

import dataclasses
from pathlib import Path

import pytest
from host_tree import PI5, Tree, config, only

from stratum1.config import parse_config
from stratum1.doctor._host import package_versions
from stratum1.doctor._software import (
    check_board,
    check_packages,
    check_python,
    check_service,
    check_sources,
)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "root")


@pytest.mark.parametrize(
    ("python", "machine", "level"),
    [
        ((3, 11, 2), "x86_64", "ok"),
        ((3, 13, 5), "aarch64", "ok"),
        ((3, 9, 2), "aarch64", "failure"),
        ((3, 11, 2), "armv7l", "failure"),
    ],
)
def test_python_and_machine(tree: Tree, python: tuple[int, int, int], machine: str, level: str) -> None:
    host = dataclasses.replace(tree.host(), python=python, machine=machine)
    assert only(check_python(config(), host)).level == level


@pytest.mark.parametrize(
    ("wanted", "version", "level"),
    [
        (">=3.11", "3.11.16", "ok"),
        (">=3.11", "3.9.1", "failure"),
        (">=2.4.1", "2.4.1", "ok"),
        (">=2.4.1", "2.4", "failure"),
        (">=0.21", "0.21.1+ds", "ok"),
        (">=25", None, "failure"),
        ("", "1", "ok"),
        ("!=1.0", "1.0", "ok"),
    ],
)
def test_libraries(tree: Tree, wanted: str, version: str | None, level: str) -> None:
    host = dataclasses.replace(tree.host(), packages=lambda: (("structlog", wanted, version),))
    finding = only(check_packages(config(), host))
    assert (finding.level, "structlog" in finding.text) == (level, level == "failure")


def test_a_tree_that_is_not_installed_is_not_judged(tree: Tree) -> None:
    host = dataclasses.replace(tree.host(), packages=lambda: package_versions("no-such-distribution-x"))
    assert only(check_packages(config(), host)).level == "skipped"


def test_versions_come_from_the_installed_metadata() -> None:
    found = {name: (wanted, version) for name, wanted, version in package_versions("pytest")}
    assert found["pluggy"][0].startswith("<2")
    assert found["pluggy"][1] is not None


def test_the_board_tells_its_model(tree: Tree) -> None:
    assert only(check_board(config(), tree.host())).level == "skipped"
    tree.file("/sys/class/dmi/id/product_name", "NUC7i5\n")
    assert "NUC7i5" in only(check_board(config(), tree.host())).text
    tree.pi(PI5)
    assert only(check_board(config(), tree.host())).text == f"the board is a {PI5}"


def test_the_service_is_installed_has_its_user_and_starts(tree: Tree) -> None:
    def level() -> str:
        return only(check_service(config(), tree.host())).level.value

    assert level() == "skipped"
    tree.unit()
    assert level() == "warning"
    tree.enable("stratum1.service")
    assert level() == "ok"
    tree.file("/etc/passwd", "root:x:0:0::/root:/bin/sh\n")
    assert level() == "failure"


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("", "failure"),
        ('[[source]]\nmode = "server"\naddress = "192.0.2.1"\n', "failure"),
        ('[receiver]\ndevice = "/dev/ttyAMA0"\n', "ok"),
        ('[receiver]\ndevice = "/dev/ttyAMA0"\n[[source]]\nmode = "server"\naddress = "192.0.2.1"\n', "ok"),
    ],
)
def test_something_must_give_the_time(tree: Tree, text: str, level: str) -> None:
    assert only(check_sources(parse_config(text, "x.toml"), tree.host())).level == level

"""These tests take minutes or set this machine's clock: nobody gets them by accident, only `make test-long` does (`pytest -m long`)."""

from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return None if config.getoption("markexpr").strip() == "long" else True

"""The pipeline on the real kernel's clock, against a truth that only CLOCK_MONOTONIC_RAW knows: five minutes of `make bench-kernel`."""

import json

import pytest
from bench.kernel import main

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


def test_the_pipeline_keeps_the_kernels_clock_and_its_bound(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seconds", "300", "--settle", "120", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    print(found)
    assert found["t1"] < 30
    assert found["locked"] < 30
    assert found["rms"] < 0.5e-6
    assert found["largest"] < 3e-6
    assert found["coverage"] == 1.0
    assert abs(found["left"]) < 1e-3

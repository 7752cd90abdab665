"""What is kept between runs: whole or not at all, never believed when damaged, and nothing lost when it can't be written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stratum1.build_date import RELEASE_DATE, build_date
from stratum1.clock import Drift, DriftFile, StateError, StateFile, floor_instant, save_floor
from stratum1.timescale import NS, ROLLOVER_NS, UtcNs, from_rfc3339

NOW = UtcNs(1_795_490_038_123_456_789)
DRIFT = Drift(-1.2345678901234568e-05, 3e-09, NOW)
same_directory = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def test_nothing_saved_is_nothing(tmp_path: Path) -> None:
    assert DriftFile(tmp_path / "drift").load() is None
    assert StateFile(tmp_path / "learned").load() is None


@same_directory
@given(st.floats(-0.1, 0.1), st.floats(0, 1), st.integers(0, 2**62))
def test_the_drift_comes_back_to_the_last_bit(tmp_path: Path, frequency: float, uncertainty: float, saved: int) -> None:
    drift = Drift(frequency, uncertainty, UtcNs(saved))
    DriftFile(tmp_path / "drift").save(drift)
    assert DriftFile(tmp_path / "drift").load() == drift
    assert [path.name for path in tmp_path.iterdir()] == ["drift"]


@same_directory
@given(st.dictionaries(st.text(max_size=8), plain, max_size=5))
def test_an_object_comes_back(tmp_path: Path, content: dict[str, object]) -> None:
    StateFile(tmp_path / "learned").save(content)
    assert StateFile(tmp_path / "learned").load() == content


def test_people_can_read_the_drift_file(tmp_path: Path) -> None:
    DriftFile(tmp_path / "new" / "drift").save(DRIFT)
    lines = (tmp_path / "new" / "drift").read_text().splitlines()
    assert lines[0].startswith("# stratum1 drift 1 ")
    assert lines[1:] == ["frequency -1.2345678901234568e-05", "uncertainty 3e-09", "saved 2026-11-24T03:13:58.123456789Z"]


@same_directory
@given(st.binary(max_size=200))
def test_any_other_bytes_are_refused_with_the_name_of_the_file(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "drift"
    path.write_bytes(data)
    with pytest.raises(StateError, match=str(path)):
        DriftFile(path).load()
    with pytest.raises(StateError, match=str(path)):
        StateFile(path).load()


@same_directory
@given(st.data())
def test_one_changed_byte_is_noticed(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "drift"
    DriftFile(path).save(DRIFT)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with pytest.raises(StateError, match="not a sound state file"):
        DriftFile(path).load()


@pytest.mark.parametrize(
    ("frequency", "uncertainty"), [(float("nan"), 0.0), (0.2, 0.0), (0.0, -1e-9), (0.0, float("inf")), (0.0, float("nan"))]
)
def test_a_drift_that_no_clock_has_is_refused(tmp_path: Path, frequency: float, uncertainty: float) -> None:
    DriftFile(tmp_path / "drift").save(Drift(frequency, uncertainty, NOW))
    with pytest.raises(StateError, match="out of range"):
        DriftFile(tmp_path / "drift").load()


def test_one_kind_of_file_is_not_taken_for_another(tmp_path: Path) -> None:
    StateFile(tmp_path / "x").save({"frequency": 1})
    with pytest.raises(StateError, match="kind, version or checksum"):
        DriftFile(tmp_path / "x").load()


def test_what_json_cannot_hold_is_the_fault_of_the_caller_and_keeps_the_old(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "learned")
    file.save({"delay": 0.1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        file.save({"delay": float("nan")})
    with pytest.raises(TypeError):
        file.save({"delay": object()})
    assert file.load() == {"delay": 0.1}


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "learned").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(StateError, match="longer than"):
        StateFile(tmp_path / "learned").load()


def test_a_directory_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "learned").mkdir()
    with pytest.raises(StateError, match="can't be read"):
        StateFile(tmp_path / "learned").load()
    with pytest.raises(StateError, match="can't be saved"):
        StateFile(tmp_path / "learned").save({})
    assert [path.name for path in tmp_path.iterdir()] == ["learned"]


FULL_THEN_READ_ONLY = """
import subprocess, sys
from pathlib import Path
from stratum1.clock import StateError, StateFile
place = Path(sys.argv[1])
subprocess.run(["mount", "--make-rprivate", "/"], check=False, capture_output=True)  # refused in a chroot, whose mounts are private
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", place], check=True)
file = StateFile(place / "learned")
file.save({"delay": 0.1})
for content in ({"text": "x" * 100_000}, {"delay": 0.2}):
    if content == {"delay": 0.2}:
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
    try:
        file.save(content)
    except StateError as error:
        print(error, file.load(), [path.name for path in place.iterdir()])
subprocess.run(["umount", place], check=True)
"""


def test_a_full_and_a_read_only_medium_lose_nothing_and_name_the_remedy(tmp_path: Path) -> None:
    namespace = (
        ["unshare", "--mount", "--propagation=unchanged"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    )
    command = [*namespace, sys.executable, "-c", FULL_THEN_READ_ONLY, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    full, read_only = done.stdout.splitlines()
    assert "free some space" in full
    assert "state-directory in [clock]" in read_only
    for line in (full, read_only):
        assert line.endswith("{'delay': 0.1} ['learned']")


def test_the_floor_is_the_later_of_what_is_saved_and_the_build_date(tmp_path: Path) -> None:
    built = from_rfc3339("2026-11-23")
    assert floor_instant(tmp_path, built) == built
    save_floor(tmp_path, NOW)
    assert floor_instant(tmp_path, built) == NOW
    assert floor_instant(tmp_path, UtcNs(NOW + NS)) == NOW + NS


def test_a_floor_that_is_damaged_or_absurd_is_not_believed(tmp_path: Path) -> None:
    built = from_rfc3339("2026-11-23")
    save_floor(tmp_path, UtcNs(built + ROLLOVER_NS))
    assert floor_instant(tmp_path, built) == built
    save_floor(tmp_path, NOW)
    (tmp_path / "last-time").write_bytes((tmp_path / "last-time").read_bytes()[:-3])
    assert floor_instant(tmp_path, built) == built


def test_a_checkout_has_the_release_date_as_its_build_date() -> None:
    assert build_date() >= from_rfc3339(RELEASE_DATE)


@pytest.mark.parametrize(("epoch", "expected"), [("1893456000", "2029-12-31"), ("0", "1969-12-31")])
def test_a_build_writes_the_day_before_its_date_into_the_package(tmp_path: Path, epoch: str, expected: str) -> None:
    root = Path(__file__).parents[2]
    build = [sys.executable, "setup.py", "-q", "egg_info", f"--egg-base={tmp_path}", "build_py", f"--build-lib={tmp_path}/lib"]
    environment = os.environ | {"SOURCE_DATE_EPOCH": epoch}
    subprocess.run(build, cwd=root, env=environment, capture_output=True, timeout=50, check=True)
    code = (
        "from stratum1 import build_date as b; from stratum1._build_info import BUILD_DATE; print(b.__file__, BUILD_DATE, b.build_date())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "lib",
        env={"PYTHONPATH": f"{tmp_path}/lib"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    file, day, built = done.stdout.split()
    assert file.startswith(str(tmp_path))
    assert day == expected
    assert int(built) == max(from_rfc3339(expected), from_rfc3339(RELEASE_DATE))

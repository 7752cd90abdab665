"""The files of master keys: private, whole or not at all, and never in the way of the server when they are damaged."""

import os
import stat
from pathlib import Path

import pytest

from stratum1.nts.keyring import Rotation, fleet_ring
from stratum1.ntske._files import PrivateFileError, read_private, write_private
from stratum1.ntske._keys import FleetKeys, KeptKeys
from stratum1.timescale import NS, UtcNs, from_rfc3339

NOW = from_rfc3339("2026-11-25T12:00:00Z")
DAY = 86_400 * NS


class Told:
    """What was told."""

    def __init__(self) -> None:
        self.alarms: list[str] = []
        self.notes: list[str] = []

    def __call__(self, alarm: bool, text: str) -> None:
        (self.alarms if alarm else self.notes).append(text)


@pytest.fixture
def told() -> Told:
    return Told()


def at(days: float) -> UtcNs:
    return UtcNs(NOW + round(days * DAY))


def test_keys_outlive_a_restart_and_are_for_nobody_else(tmp_path: Path, told: Told) -> None:
    path = tmp_path / "state" / "nts-keys"
    keys = KeptKeys(path, Rotation(), told)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KeptKeys(path, Rotation(), told).ring == keys.ring
    assert told.alarms == []
    assert list(path.parent.iterdir()) == [path]  # no temporary file stays


def test_they_rotate_by_the_day_once_the_time_is_known(tmp_path: Path, told: Told) -> None:
    keys = KeptKeys(tmp_path / "nts-keys", Rotation(), told)
    first = keys.ring.current
    assert keys.look(None, at(1000)) is None
    assert keys.next_rotation is None
    assert keys.look(at(0), at(0)) is None
    assert keys.next_rotation == at(1)
    again = KeptKeys(tmp_path / "nts-keys", Rotation(), told)
    ring = again.look(at(1.1), at(1.1))
    assert ring is not None
    assert ring.current != first
    assert first in ring.accepted
    assert KeptKeys(tmp_path / "nts-keys", Rotation(), told).ring == ring
    assert again.look(at(1.2), at(1.2)) is None


def test_a_forced_rotation_is_kept(tmp_path: Path, told: Told) -> None:
    keys = KeptKeys(tmp_path / "nts-keys", Rotation(), told)
    before = keys.ring
    ring = keys.rotate(None)
    assert ring is not None
    assert before.current in ring.accepted
    assert KeptKeys(tmp_path / "nts-keys", Rotation(), told).ring == ring


@pytest.mark.parametrize("damage", [b"", b"rubbish", b"\xff" * 100, b'{"version": 1}', b"half"])
def test_a_damaged_file_is_told_and_replaced(tmp_path: Path, told: Told, damage: bytes) -> None:
    path = tmp_path / "nts-keys"
    keys = KeptKeys(path, Rotation(), told)
    path.write_bytes(path.read_bytes()[:200] if damage == b"half" else damage)
    fresh = KeptKeys(path, Rotation(), told)
    assert fresh.ring.current != keys.ring.current
    assert len(told.alarms) == 1
    assert str(path) in told.alarms[0]
    assert "new keys are made" in told.alarms[0]
    assert KeptKeys(path, Rotation(), told).ring == fresh.ring
    assert len(told.alarms) == 1


def test_a_file_that_others_could_read_is_private_again_and_told(tmp_path: Path, told: Told) -> None:
    path = tmp_path / "nts-keys"
    ring = KeptKeys(path, Rotation(), told).ring
    path.chmod(0o644)
    assert KeptKeys(path, Rotation(), told).ring == ring
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "stratum1 nts rotate" in told.alarms[0]


def test_what_can_t_be_read_is_left_alone(tmp_path: Path, told: Told) -> None:
    path = tmp_path / "nts-keys"
    path.mkdir()  # unreadable as a file, for root too
    keys = KeptKeys(path, Rotation(), told)
    assert keys.rotate(None) is not None
    assert path.is_dir()
    assert "memory" in told.alarms[0]
    assert keys.problem


def test_what_can_t_be_written_is_told_once_and_served_all_the_same(tmp_path: Path, told: Told) -> None:
    (tmp_path / "file").write_text("in the way")
    keys = KeptKeys(tmp_path / "file" / "nts-keys", Rotation(), told)
    assert keys.rotate(None) is not None
    assert keys.rotate(None) is not None
    assert len(told.alarms) == 1


def test_a_loss_of_power_leaves_the_old_or_the_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret"
    write_private(path, b"old")
    (tmp_path / f".secret.{os.getpid()}.new").write_bytes(b"half of it")  # what an earlier loss left

    def fails(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fails)
        with pytest.raises(PrivateFileError, match=r"No space left on device.*state-directory"):
            write_private(path, b"new")
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["secret"]
    write_private(path, b"new", 0o644)
    assert read_private(path) == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"untouched")
    (tmp_path / f".secret.{os.getpid()}.new").symlink_to(elsewhere)
    write_private(tmp_path / "secret", b"mine")
    assert elsewhere.read_bytes() == b"untouched"


class TestFleet:
    """Keys drawn from a shared secret."""

    def test_the_ring_follows_the_time_known_or_thought(self, tmp_path: Path, told: Told) -> None:
        path = tmp_path / "secret"
        path.write_bytes(b"x" * 40 + b"\n")
        path.chmod(0o600)
        keys = FleetKeys(path, Rotation(), told, at(0))
        assert keys.ring == fleet_ring(b"x" * 40, at(0), Rotation())
        assert keys.look(None, at(0.1)) is None
        assert keys.look(at(1), at(0)) == fleet_ring(b"x" * 40, at(1), Rotation())
        assert keys.look(None, at(2)) == fleet_ring(b"x" * 40, at(2), Rotation())
        assert keys.rotated_at == UtcNs(at(2) // DAY * DAY)
        assert keys.next_rotation == UtcNs((at(2) // DAY + 1) * DAY)
        assert keys.rotate(at(2)) is None
        assert told.alarms == []

    @pytest.mark.parametrize(("content", "reason"), [(None, "openssl rand"), (b"short", "5 octets are too few")])
    def test_a_secret_that_is_none_is_told(self, tmp_path: Path, told: Told, content: bytes | None, reason: str) -> None:
        path = tmp_path / "secret"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(PrivateFileError, match=reason):
            FleetKeys(path, Rotation(), told, at(0))

"""The key ring: rotation by the calendar, ids that are never used twice, the file's text, keys that a fleet shares."""

import json
import random
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from stratum1.nts.keyring import KeyFileError, KeyHistory, Rotation, due, fit, fleet_ring, history_from_text, history_text, rotated
from stratum1.timescale import NS, UtcNs, from_rfc3339

DAY = 86_400 * NS
NOW = from_rfc3339("2026-11-25T00:00:00Z")
DAILY = Rotation()


def at(days: float) -> UtcNs:
    return UtcNs(NOW + round(days * DAY))


def fresh(seed: int = 1, rotation: Rotation = DAILY) -> KeyHistory:
    return fit(None, rotation, random.Random(seed).randbytes)


def aged(days: int, rotation: Rotation = DAILY) -> KeyHistory:
    entropy = random.Random(2).randbytes
    history = due(fresh(rotation=rotation), NOW, rotation, entropy)
    for day in range(1, days + 1):
        history = due(history, at(day), rotation, entropy)
    return history


def test_a_new_ring_has_a_key_and_one_to_come() -> None:
    history = fresh()
    assert len(history.keys) == 2
    assert history.ring.current == history.keys[0]
    assert len(history.ring.accepted) == 2
    assert all(len(each.secret) == 32 and 0 <= each.key_id < 1 << 24 for each in history.keys)
    assert history.ring.expired == frozenset()


def test_nothing_rotates_while_the_time_is_not_known() -> None:
    history = fresh()
    assert due(history, None, DAILY, random.Random(3).randbytes) is history


def test_the_first_rotation_is_a_day_after_the_time_was_known() -> None:
    entropy = random.Random(3).randbytes
    history = due(fresh(), NOW, DAILY, entropy)
    assert history.ring == fresh().ring
    assert due(history, at(0.99), DAILY, entropy) is history
    assert due(history, at(1), DAILY, entropy).ring.current == history.keys[1]


def test_seven_old_keys_and_one_to_come_are_kept() -> None:
    history = aged(30)
    assert len(history.keys) == 9
    assert history.place == 7
    assert history.ring.accepted[0] == history.ring.current
    assert len(history.expired) == 23
    assert not {each.key_id for each in history.keys} & history.ring.expired
    assert history.rotated_at == at(30)


def test_the_key_to_come_was_there_a_day_before_it_seals() -> None:
    entropy = random.Random(3).randbytes
    history = aged(3)
    assert due(history, at(4), DAILY, entropy).ring.current == history.keys[-1]


def test_after_a_month_off_nothing_old_opens() -> None:
    history = aged(3)
    after = due(history, at(40.5), DAILY, random.Random(4).randbytes)
    assert not {each.key_id for each in after.keys} & {each.key_id for each in history.keys}
    assert {each.key_id for each in history.keys} <= after.ring.expired
    assert after.rotated_at == at(40)  # the beat goes on
    assert due(after, at(40.9), DAILY, random.Random(4).randbytes) is after


def test_two_days_off_are_two_rotations() -> None:
    history = aged(3)
    after = due(history, at(5.2), DAILY, random.Random(4).randbytes)
    assert after.place == history.place + 2
    assert history.ring.current in after.ring.accepted


def test_a_rotation_that_lies_ahead_is_dated_anew_and_rotates_nothing() -> None:
    history = replace(aged(3), rotated_at=at(4000))
    after = due(history, at(4), DAILY, random.Random(4).randbytes)
    assert (after.ring, after.rotated_at) == (history.ring, at(4))


def test_ids_are_never_used_twice() -> None:
    def stuck(octets: int) -> bytes:
        return bytes(octets)

    history = fit(None, DAILY, stuck)
    for _ in range(30):
        history = rotated(history, DAILY, stuck, NOW)
    ids = [*(each.key_id for each in history.keys), *history.expired]
    assert len(set(ids)) == len(ids) == 32


def test_a_forced_rotation_needs_no_time() -> None:
    history = rotated(aged(3), DAILY, random.Random(5).randbytes, None)
    assert history.ring.current == aged(3).keys[-1]
    assert history.rotated_at == at(3)


def test_what_is_remembered_of_expired_keys_is_bounded() -> None:
    history, entropy = fresh(), random.Random(6).randbytes
    for _ in range(600):
        history = rotated(history, DAILY, entropy, NOW)
    assert len(history.expired) == 512


@pytest.mark.parametrize("wanted", [Rotation(old=2), Rotation(future=3), Rotation(old=0, future=0), Rotation(old=30)])
def test_other_settings_keep_the_current_key(wanted: Rotation) -> None:
    history = aged(10)
    after = fit(history, wanted, random.Random(7).randbytes)
    assert after.ring.current == history.ring.current
    assert after.place == min(7, wanted.old)
    assert len(after.keys) == after.place + 1 + wanted.future
    dropped = {each.key_id for each in history.keys} - {each.key_id for each in after.keys}
    assert dropped <= after.ring.expired


@given(st.integers(0, 20), st.integers(0, 3), st.integers(0, 40))
def test_the_text_comes_back(old: int, future: int, days: int) -> None:
    history = aged(days, Rotation(old=old, future=future))
    assert history_from_text(history_text(history)) == history


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no JSON"),
        ("{}", "version 1"),
        ("[1]", "version 1"),
        ('{"version": 1}', "checksum"),
        (history_text(aged(3)).replace('"current": ', '"current": 1'), "checksum"),
        (history_text(aged(3))[:-40], "no JSON"),
        ("\0\ufffd", "no JSON"),
    ],
)
def test_a_damaged_text_is_told(text: str, reason: str) -> None:
    with pytest.raises(KeyFileError, match=reason):
        history_from_text(text)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"current": 5}, "contradict"),
        ({"current": "x"}, "malformed"),
        ({"current": 1 << 24}, "malformed"),
        ({"keys": [{"id": 1, "secret": "00"}]}, "malformed"),
        ({"keys": [{"id": 1}]}, "malformed"),
        ({"keys": 7}, "malformed"),
        ({"rotated": "yesterday"}, "malformed"),
    ],
)
def test_a_text_with_a_right_checksum_is_judged_all_the_same(change: dict[str, object], reason: str) -> None:
    from stratum1.nts.keyring import _checksum  # noqa: PLC0415 - a forged file with a right checksum needs it

    content = json.loads(history_text(fresh()))
    del content["checksum"]
    content |= change
    with pytest.raises(KeyFileError, match=reason):
        history_from_text(json.dumps({**content, "checksum": _checksum(content)}))


class TestFleet:
    """Keys drawn from a shared secret."""

    def test_all_servers_agree_and_so_does_the_next_year(self) -> None:
        ring = fleet_ring(b"s" * 32, NOW, DAILY)
        assert ring == fleet_ring(b"s" * 32, UtcNs(NOW + DAY - 1), DAILY)
        assert ring.current.key_id == 20782  # days since 1970
        # no later version may part from an earlier one of the same fleet
        info = b"master key" + (20782).to_bytes(8) + DAY.to_bytes(8)
        assert ring.current.secret == HKDF(SHA256(), 32, b"stratum1 NTS fleet", info).derive(b"s" * 32)
        assert ring.current.secret.hex()[:16] == "85bdc1244fa90f23"

    def test_the_period_before_and_after_are_accepted(self) -> None:
        before, now, after = (fleet_ring(b"s" * 32, at(each), DAILY) for each in (-1, 0, 1))
        assert {before.current, now.current, after.current} <= set(now.accepted)
        assert now.accepted[0] == now.current
        assert len(now.accepted) == 9
        assert len({each.key_id for each in now.accepted}) == 9
        assert min(each.key_id for each in now.accepted) - 1 in now.expired
        least = fleet_ring(b"s" * 32, NOW, Rotation(old=0, future=0))
        assert {before.current.key_id, after.current.key_id} <= {each.key_id for each in least.accepted}

    def test_another_secret_or_interval_gives_other_keys(self) -> None:
        keys = {
            fleet_ring(b"s" * 32, NOW, DAILY).current.secret,
            fleet_ring(b"t" * 32, NOW, DAILY).current.secret,
            fleet_ring(b"s" * 32, NOW, Rotation(interval_ns=DAY // 2)).current.secret,
        }
        assert len(keys) == 3

    def test_the_first_periods_and_far_ones_have_keys(self) -> None:
        assert fleet_ring(b"s" * 32, UtcNs(0), DAILY).current.key_id == 0
        far = fleet_ring(b"s" * 32, from_rfc3339("2099-01-01"), Rotation(interval_ns=60 * NS))
        assert far.current in far.accepted

"""The master keys of NTS cookies as values. Pure; where they are kept and when they are looked at is the shell's.

A key is made long before it seals (a key to come, so that a server that restarts from an older file still opens what was sealed),
seals for one interval, and opens for some more, so that a client may sleep for that long.
"""

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from stratum1.timescale import NS, UtcNs, from_rfc3339, rfc3339

__all__ = [
    "KeyFileError",
    "KeyHistory",
    "KeyRing",
    "MasterKey",
    "Rotation",
    "due",
    "fit",
    "fleet_ring",
    "history_from_text",
    "history_text",
    "rotated",
]

_REMEMBERED = 512  # ids of expired keys: more than a year of days
_MOST_IDS = 1 << 24
_SECRET = 32

Entropy = Callable[[int], bytes]
"""Gives so many random octets."""


@dataclass(frozen=True, slots=True)
class MasterKey:
    """One master key. key_id: 24 bits, the first octets of every cookie that it seals; secret: 32 octets, AES-SIV-CMAC-256."""

    key_id: int
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """current seals new cookies; accepted (current, older ones, the one to come) open them; expired: ids of keys that were ours."""

    current: MasterKey
    accepted: tuple[MasterKey, ...]
    expired: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Rotation:
    """How long a key seals (ns), for how many intervals after it opens, and how many keys to come are kept ready."""

    interval_ns: int = 86_400 * NS
    old: int = 7
    future: int = 1


@dataclass(frozen=True, slots=True)
class KeyHistory:
    """What is kept between runs: keys, oldest first, ready ones after the current; expired ids, oldest first.

    rotated_at: served time of the last rotation, None while the time has never been known since the first key.
    """

    keys: tuple[MasterKey, ...]
    current: int
    expired: tuple[int, ...] = ()
    rotated_at: UtcNs | None = None

    @property
    def ring(self) -> KeyRing:
        """The ring for those who seal and open. Most clients bring cookies of the current key, so it comes first."""
        now = next(each for each in self.keys if each.key_id == self.current)
        return KeyRing(now, (now, *(each for each in reversed(self.keys) if each is not now)), frozenset(self.expired))

    @property
    def place(self) -> int:
        """The place of the current key."""
        return next(place for place, each in enumerate(self.keys) if each.key_id == self.current)


class KeyFileError(ValueError):
    """The text of a key file is not one of ours, or damaged; the message says in what way."""


def fit(history: KeyHistory | None, rotation: Rotation, entropy: Entropy) -> KeyHistory:
    """The history with as many keys as the settings want; None: a new one, whose first rotation is an interval after the time is known."""
    if history is None:
        first = MasterKey(int.from_bytes(entropy(3)), entropy(_SECRET))
        history = KeyHistory((first,), first.key_id)
    at = history.place
    gone, kept = history.keys[: max(0, at - rotation.old)], history.keys[max(0, at - rotation.old) : at + 1 + rotation.future]
    unborn = history.keys[at + 1 + rotation.future :]
    expired = (*history.expired, *(each.key_id for each in (*gone, *unborn)))[-_REMEMBERED:]
    history = replace(history, keys=kept, expired=expired)
    while len(history.keys) < history.place + 1 + rotation.future:
        history = replace(history, keys=(*history.keys, _fresh(history, entropy)))
    return history


def rotated(history: KeyHistory, rotation: Rotation, entropy: Entropy, now: UtcNs | None) -> KeyHistory:
    """The history one key further: the next one seals from now on. now: served time, None while it is not known."""
    at = history.place + 1
    keys = history.keys if at < len(history.keys) else (*history.keys, _fresh(history, entropy))
    return fit(replace(history, keys=keys, current=keys[at].key_id, rotated_at=now or history.rotated_at), rotation, entropy)


def due(history: KeyHistory, now: UtcNs | None, rotation: Rotation, entropy: Entropy) -> KeyHistory:
    """The history as it should be at served time `now`; the same object where nothing is to be done.

    None: the time is not known, and nothing rotates. A box that was off for long rotates as often as it would have: what was sealed
    so long ago must not open any more. A last rotation that lies ahead of now was dated by a wrong clock, and is dated anew.
    """
    if now is None:
        return history
    if history.rotated_at is None or history.rotated_at > now:
        return replace(history, rotated_at=now)
    missed = (now - history.rotated_at) // rotation.interval_ns
    if missed < 1:
        return history
    turn = UtcNs(history.rotated_at + missed * rotation.interval_ns)
    for _ in range(min(missed, rotation.old + rotation.future + 1)):
        history = rotated(history, rotation, entropy, turn)
    return history


def _fresh(history: KeyHistory, entropy: Entropy) -> MasterKey:
    """A key whose id is none that we ever remember to have had."""
    taken = {*history.expired, *(each.key_id for each in history.keys)}
    key_id = int.from_bytes(entropy(3))
    while key_id in taken:
        key_id = (key_id + 1) % _MOST_IDS
    return MasterKey(key_id, entropy(_SECRET))


def history_text(history: KeyHistory) -> str:
    """The text of the key file: JSON with a checksum."""
    content = {
        "version": 1,
        "current": history.current,
        "rotated": None if history.rotated_at is None else rfc3339(history.rotated_at),
        "keys": [{"id": each.key_id, "secret": each.secret.hex()} for each in history.keys],
        "expired": list(history.expired),
    }
    return json.dumps({**content, "checksum": _checksum(content)}, indent=1) + "\n"


def history_from_text(text: str) -> KeyHistory:
    """Read `history_text` back. Raises KeyFileError."""
    try:
        content = json.loads(text)
    except ValueError:
        raise KeyFileError("it is no JSON") from None
    if not isinstance(content, dict) or content.get("version") != 1:
        raise KeyFileError("it is not of version 1")
    if content.pop("checksum", None) != _checksum(content):
        raise KeyFileError("its checksum is wrong")
    try:
        history = _read(content)
    except (KeyError, TypeError, ValueError) as error:
        raise KeyFileError(f"a key is malformed ({error})") from None
    ids = [*(each.key_id for each in history.keys), *history.expired]
    if len(set(ids)) != len(ids) or history.current not in [each.key_id for each in history.keys]:
        raise KeyFileError("its keys contradict each other")
    return history


def _read(content: dict[str, Any]) -> KeyHistory:
    keys = tuple(MasterKey(_key_id(each["id"]), bytes.fromhex(each["secret"])) for each in content["keys"])
    if any(len(each.secret) != _SECRET for each in keys):
        raise ValueError(f"a secret has not {_SECRET} octets")
    expired = tuple(_key_id(each) for each in content["expired"])
    when = content["rotated"]
    return KeyHistory(keys, _key_id(content["current"]), expired, None if when is None else from_rfc3339(when))


def _key_id(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value < _MOST_IDS:
        raise ValueError(f"the id {value!r} is not within 24 bits")
    return value


def _checksum(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def fleet_ring(secret: bytes, now: UtcNs, rotation: Rotation) -> KeyRing:
    """The ring that every server with this secret (32 octets or more) has at this time, without a word between them.

    Time is cut into periods of one interval since 1970; a period's key is drawn from the secret and the period's number by HKDF
    (RFC 5869, SHA-256), its id is the number's low 24 bits. The keys of later periods are accepted, so that a server whose clock is
    a little behind opens what the others seal.
    """
    period = now // rotation.interval_ns
    drawn = hmac.digest(b"stratum1 NTS fleet", secret, "sha256")
    last = period + max(1, rotation.future)
    keys = [_period_key(drawn, each, rotation) for each in range(max(0, period - max(1, rotation.old)), last + 1)]
    current = next(each for each in keys if each.key_id == period % _MOST_IDS)
    oldest = max(0, period - max(1, rotation.old))
    expired = frozenset(each % _MOST_IDS for each in range(max(0, oldest - _REMEMBERED), oldest))
    return KeyRing(current, (current, *(each for each in reversed(keys) if each is not current)), expired)


def _period_key(drawn: bytes, period: int, rotation: Rotation) -> MasterKey:
    """HKDF-Expand to one block; the interval is part of it, so that servers that disagree on it never open wrongly dated cookies."""
    info = b"master key" + period.to_bytes(8) + rotation.interval_ns.to_bytes(8)
    return MasterKey(period % _MOST_IDS, hmac.digest(drawn, info + b"\x01", "sha256"))

"""Servers for differential tests: settings and states of every kind, from one seed."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_network

from served_states import LOCKED, NOW

from stratum1.interchange import KernelClockId, Leap, LeapPlan, TimeState
from stratum1.interchange import Mapping as ClockMapping
from stratum1.ntp import KeyKind, SymmetricKey
from stratum1.nts.aead import Aead, Sealer
from stratum1.nts.cookies import Session
from stratum1.nts.keyring import KeyRing, MasterKey
from stratum1.server import Smear
from stratum1.server.service import AccessAction, AccessRule, ListenerSettings, RateLimit, ServiceSettings
from stratum1.timescale import NS, UtcNs, from_rfc3339

__all__ = ["Scene", "edges_of", "make_scene", "make_state"]

_LEAP = from_rfc3339("2027-01-01T00:00:00Z")
_ERA = from_rfc3339("2036-02-07T06:28:16Z")
_V4 = (b"\x0a\0\0\1", b"\x0a\0\0\2", b"\x0a\1\0\1", b"\xc0\0\2\7", bytes(4))
_V6 = (bytes.fromhex("20010db8000000010000000000000001"), bytes.fromhex("20010db8000000010000000000000002"), bytes(15) + b"\1")


@dataclass(frozen=True)
class Scene:
    """One server: what it is set to, whom it meets, and the sessions of NTS clients. expired: the id of a master key that is gone."""

    service: ServiceSettings
    listener: ListenerSettings
    smear: Smear
    start: UtcNs
    addresses: tuple[bytes, ...]
    sessions: tuple[Session, ...]
    expired: int
    sealers: dict[Session, Sealer] = field(default_factory=dict)

    def sealer(self, session: Session) -> Sealer:
        """The client's cipher of a session."""
        if session not in self.sealers:
            self.sealers[session] = Sealer(session.aead, session.c2s)
        return self.sealers[session]


def make_scene(chance: random.Random) -> Scene:
    """A server, with each thing that it can have in about half of all cases."""
    ring, expired = _ring(chance)
    service = ServiceSettings(
        keys=_keys(chance) if chance.random() < 0.8 else {},
        rate_limit=_rate_limit(chance) if chance.random() < 0.5 else None,
        interleaved_slots=chance.choice((0, 256, 1024)),
        ntpv5=chance.random() < 0.6,
        nts=ring if chance.random() < 0.85 else None,
        hash_seed=chance.getrandbits(64),
        reference_ids=chance.randbytes(512),
    )
    plain = chance.random() < 0.6
    listener = ListenerSettings(
        access=() if plain else _access(chance),
        require_nts=chance.random() < 0.06,
        nts_only_silence=chance.random() < 0.5,
        own=frozenset({(_V4[4], 123), (_V6[2], 40_003)}) if chance.random() < 0.5 else frozenset(),
    )
    smear = chance.choice((Smear.NONE, Smear.NONE, Smear.LINEAR, Smear.COSINE))
    start = chance.choice((NOW, NOW, _LEAP - NS, _LEAP - 43_200 * NS, _LEAP + 43_200 * NS, _LEAP + 5 * NS, _ERA - NS))
    sessions = tuple(_session(chance, aead, version5) for aead in Aead for version5 in (False, True))
    return Scene(service, listener, smear, UtcNs(start - chance.randrange(2 * NS)), (*_V4, *_V6), sessions, expired)


def _keys(chance: random.Random) -> Mapping[int, SymmetricKey]:
    sizes = {KeyKind.AES128: 16, KeyKind.AES256: 32}
    ids = chance.sample(range(1, 1 << 32), len(KeyKind))
    return {
        key_id: SymmetricKey(key_id, kind, chance.randbytes(sizes.get(kind, chance.randrange(1, 200))))
        for key_id, kind in zip(ids, KeyKind, strict=True)
    }


def _rate_limit(chance: random.Random) -> RateLimit:
    return RateLimit(
        interval_ns=chance.choice((1 << 20, 1 << 25, NS, 1 << 36)),
        burst=chance.choice((1, 2, 8, 255)),
        leak=chance.choice((0, 64, 128)),
        kiss=chance.choice((0, 32, 128)),
        slots=256,
    )


def _access(chance: random.Random) -> tuple[AccessRule, ...]:
    networks = ("10.0.0.0/8", "10.0.0.0/24", "10.0.0.2/32", "0.0.0.0/0", "192.0.2.0/28", "2001:db8::/32", "2001:db8:0:1::1/128", "::/0")
    actions = (AccessAction.ALLOW, *AccessAction)
    return tuple(AccessRule(ip_network(chance.choice(networks)), chance.choice(actions)) for _ in range(chance.randrange(1, 7)))


def _ring(chance: random.Random) -> tuple[KeyRing, int]:
    current, older, coming, expired = (MasterKey(chance.randrange(1 << 24), chance.randbytes(32)) for _ in range(4))
    accepted = chance.choice(((current, older), (older, current, coming), (older,), ()))
    return KeyRing(current, accepted, frozenset({expired.key_id, 7})), expired.key_id


def _session(chance: random.Random, aead: Aead, version5: bool) -> Session:
    return Session(aead, chance.randbytes(aead.key_length), chance.randbytes(aead.key_length), version5)


def make_state(chance: random.Random, now: int) -> TimeState:
    """A state as it may be published shortly before `now` (served time, ns)."""
    published = UtcNs(now - chance.choice((0, 1, 125_000_000, NS)))
    leap = LeapPlan(_LEAP, chance.choice((1, -1)), 38, ()) if chance.random() < 0.5 else None
    rate = chance.choice((0.0, 1e-6, -3.7e-5))
    realtime = ClockMapping(chance.randrange(9), KernelClockId.REALTIME, published - 1234, published, rate)
    monotonic = ClockMapping(chance.randrange(9), KernelClockId.MONOTONIC, chance.randrange(1 << 55), published, rate)
    return replace(
        LOCKED,
        leap=Leap.UNKNOWN if chance.random() < 0.05 else chance.choice((Leap.NONE, Leap.NONE, Leap.INSERT, Leap.DELETE)),
        leap_plan=leap if chance.random() < 0.5 else None,
        smeared_leap=leap,
        stratum=chance.choice((16, 0)) if chance.random() < 0.05 else chance.choice((1, 1, 1, 2, 15)),
        refid=chance.choice((b"GPS\0", b"PPS\0", chance.randbytes(4))),
        precision=chance.choice((-25, -23, -20, -32, -40, -5, 0, 3, -128, -200)),
        root_delay=chance.choice((0.0, 1e-4, chance.random() * 3, 70_000.0)),
        error_bound=chance.choice((2e-6, chance.random() * 1e-3, chance.random(), 70_000.0)),
        bound_at=published,
        bound_rate=chance.choice((0.0, 15e-6, chance.random() * 1e-3)),
        reference_time=UtcNs(published + chance.choice((-NS, -16 * NS, -86_400 * NS, 0, 10_000, NS))),
        valid_until=UtcNs(published + chance.choice((600, 600, 600, 600, 600, 60, 2, 0)) * NS),
        realtime=realtime if chance.random() < 0.95 else None,
        monotonic=monotonic if chance.random() < 0.7 else None,
        tai_offset=chance.choice((37, 38, 0)),
    )


def edges_of(state: TimeState) -> tuple[int, ...]:
    """The served times at which replies from a state change."""
    leaps = {plan.at for plan in (state.leap_plan, state.smeared_leap) if plan is not None}
    around = {at + distance for at in leaps for distance in (0, -NS, -43_200 * NS, 43_200 * NS)}
    return tuple(sorted({state.valid_until, state.reference_time, state.bound_at, _ERA, *around}))

"""What the eBPF program is told: the TimeState and the settings as the integers that it works with. Pure.

The program has no floating point and no division worth its time, so everything is scaled here (ntp.c says how it is used):
served time is BASE + elapsed * MULTIPLIER in units of 2^-32 s, elapsed ns of CLOCK_MONOTONIC since SOURCE; that is within 1 ns of
`Mapping.served` for as long as a state holds. The root dispersion is BOUND + elapsed * growth in 2^-44 s, rounded up. SOURCE is the
later one of the mapping's instant and the bound's, so that both grow from there.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from stratum1.interchange import LeapPlan, TimeState
from stratum1.interchange import Mapping as ClockMapping
from stratum1.timescale import NS, UtcNs, ntp_short, ntp_timestamp
from stratum1.xdp import (
    ACCESS_RULES,
    FLAG_SMEAR,
    FLAG_USABLE,
    LISTENER_RULES4,
    LISTENER_RULES6,
    LISTENER_SMEAR,
    LISTENERS,
    PORTS,
    VALID_BITS,
    ListenerKey,
    Word,
    access_key,
    listener_key,
)

from ._listen import ListenAddress
from ._smear import Smear
from .service import AccessAction, RateLimit

__all__ = ["Addresses", "Entries", "UnfitError", "entries", "limit_words", "state_words"]

_LONGEST = (1 << 33) - 1
"""ns that a state may hold: the program's products stay within 64 bits."""
_LIMIT_SHIFT = 10  # buckets count in units of 1024 ns
_MOST_RATE = 0.1
_MOST_BOUND = 16.0
_MOST_BOUND_RATE = 1e-3
_BEFORE_LEAP, _AFTER_LEAP = 1 * NS, 3 * NS
"""Around a leap second CLOCK_MONOTONIC shows nothing of it, so the sockets alone answer until its mapping is surely new."""
_ACTIONS = {AccessAction.ALLOW: 0, AccessAction.DENY: 1, AccessAction.IGNORE: 2, AccessAction.REQUIRE_NTS: 3}

_Address = IPv4Address | IPv6Address
Addresses = Mapping[int, tuple[_Address, ...]]
"""Our own addresses by the index of the interface that takes packets for them."""


class UnfitError(Exception):
    """The program can't answer from this state, so that all goes up to the sockets; the message says why."""


@dataclass(frozen=True, slots=True)
class Entries:
    """What stands in the maps about listeners. ports: WORD_PORTS; left_out: sentences about listeners that the sockets serve alone."""

    listeners: Mapping[ListenerKey, int]
    access4: Mapping[bytes, int]
    access6: Mapping[bytes, int]
    ports: int
    left_out: tuple[str, ...]


def state_words(state: TimeState, leap: LeapPlan | None) -> dict[Word, int]:
    """The words that depend on the time. leap: the leap second that is to come or has just been. Raises UnfitError."""
    mapping = _fit(state)
    start = max(state.bound_at, mapping.served_ns)
    source = _monotonic(mapping, start)
    holds = _monotonic(mapping, min(state.valid_until, _leap_limit(state, leap))) + 1 - source
    bound = state.error_bound_at(UtcNs(start)) - state.root_delay / 2
    precision = min(0, max(-128, state.precision))
    flags = FLAG_USABLE | (FLAG_SMEAR if state.smeared_leap is not None else 0)
    random_bits = min(31, max(0, 32 + precision))
    return {
        Word.HEADER: flags | state.leap << 6 | state.stratum << 8 | random_bits << 16 | (precision & 0xFF) << 24,
        Word.REFID: int.from_bytes(state.refid, "little") | _swapped(ntp_short(state.root_delay)) << 32,
        Word.REFERENCE: ntp_timestamp(state.reference_time),
        Word.SOURCE: source,
        Word.BASE: ntp_timestamp(mapping.served(source)),
        Word.MULTIPLIER: round((1 + mapping.rate) * 2.0**76 / NS),
        Word.BOUND: math.ceil(bound * 2.0**44),
        Word.GROWTH: min(max(0, holds), _LONGEST) | math.ceil(state.bound_rate * (1 + mapping.rate) * 2.0**69 / NS) << VALID_BITS,
    }


def limit_words(limit: RateLimit | None, seed: int, most_slots: int) -> dict[Word, int]:
    """The words of the rate limit. most_slots: what the map has room for, a power of two."""
    if limit is None:
        return {}
    mask = min(limit.slots, most_slots) - 1
    return {
        Word.INTERVAL: limit.interval_ns >> _LIMIT_SHIFT,
        Word.BURST: (limit.burst - 1) * limit.interval_ns >> _LIMIT_SHIFT,
        Word.ODDS: limit.leak | (limit.leak + limit.kiss) << 16 | mask << 32,
        Word.SEED: seed,
        Word.KISS_POLL: _poll_of(limit.interval_ns) & 0xFF,
    }


def entries(listeners: Sequence[ListenAddress], addresses: Addresses, own: Iterable[_Address]) -> Entries:
    """The entries of the maps. addresses: at the interfaces that the program stands in; own: all of this host.

    A listener of one address goes before a wildcard of the same port, as in the kernel. Raises UnfitError where the rules do not fit.
    """
    chosen, left_out = _choose(listeners)
    found: dict[ListenerKey, int] = {}
    for place, listen in sorted(chosen.items(), key=lambda item: (not item[1].is_wildcard, item[0])):
        value = place | _flags(listen)
        for interface, here in addresses.items():
            found.update({listener_key(interface, listen.port, each): value for each in here if _takes(listen, each)})
    own = tuple(own)
    for place, listen in chosen.items():
        found.update({listener_key(0, listen.port, each): place for each in own if _takes(listen, each)})
    rules = {4: _rules(chosen, 4), 6: _rules(chosen, 6)}
    if max(map(len, rules.values())) > ACCESS_RULES:
        raise UnfitError(f"{max(map(len, rules.values()))} access rules are more than the program's {ACCESS_RULES}")
    ports = sum(_network_order(port) << 16 * place for place, port in enumerate(sorted({each.port for each in chosen.values()})))
    return Entries(found, rules[4], rules[6], ports, left_out)


def _fit(state: TimeState) -> ClockMapping:
    """The mapping that the program can work with."""
    if not (state.synchronised and state.stratum > 0):
        raise UnfitError("the time is not known")
    mapping = state.monotonic
    if mapping is None:
        raise UnfitError("there is no mapping of CLOCK_MONOTONIC")
    if abs(mapping.rate) > _MOST_RATE or state.error_bound + state.root_delay > _MOST_BOUND or state.bound_rate > _MOST_BOUND_RATE:
        raise UnfitError(
            f"rate {mapping.rate:g}, error bound {state.error_bound:g} s or its growth {state.bound_rate:g} is beyond its numbers"
        )
    return mapping


def _leap_limit(state: TimeState, leap: LeapPlan | None) -> int:
    """The served time until which a state holds for the sake of a leap second."""
    if leap is None or state.bound_at >= leap.at + _AFTER_LEAP:
        return state.valid_until
    if state.bound_at >= leap.at - _BEFORE_LEAP:
        raise UnfitError("a leap second is at hand")
    return leap.at - _BEFORE_LEAP


def _monotonic(mapping: ClockMapping, served: int) -> int:
    """CLOCK_MONOTONIC at a served time, rounded down; never before the mapping was made."""
    ahead = max(0, served - mapping.served_ns)
    return mapping.source_ns + ahead - math.ceil(ahead * mapping.rate / (1 + mapping.rate))


def _choose(listeners: Sequence[ListenAddress]) -> tuple[dict[int, ListenAddress], tuple[str, ...]]:
    """The listeners that the program serves, by number, and why not the others."""
    chosen: dict[int, ListenAddress] = {}
    left_out: list[str] = []
    ports: set[int] = set()
    for place, listen in enumerate(listeners):
        if listen.settings.require_nts:
            left_out.append(f"{listen}: NTS is required, which the sockets serve")
        elif place >= LISTENERS or len(ports | {listen.port}) > PORTS:
            left_out.append(f"{listen}: one too many for the program, which serves {LISTENERS} listeners at {PORTS} ports")
        else:
            ports.add(listen.port)
            chosen[place] = listen
    return chosen, tuple(left_out)


def _takes(listen: ListenAddress, address: _Address) -> bool:
    if not listen.is_wildcard:
        return listen.host == address
    return address.version == listen.host.version or (listen.host.version == 6 and not listen.v6_only)


def _flags(listen: ListenAddress) -> int:
    versions = {rule.network.version for rule in listen.settings.access}
    smear = LISTENER_SMEAR if listen.smear is not Smear.NONE else 0
    return smear | (LISTENER_RULES4 if 4 in versions else 0) | (LISTENER_RULES6 if 6 in versions else 0)


def _rules(chosen: Mapping[int, ListenAddress], version: int) -> dict[bytes, int]:
    return {
        access_key(place, rule.network): _ACTIONS[rule.action]
        for place, listen in chosen.items()
        for rule in listen.settings.access
        if rule.network.version == version
    }


def _poll_of(interval_ns: int) -> int:
    """The smallest poll, log2 of seconds, at which a client stays within the limit."""
    poll = -30
    while interval_ns << 30 > NS << (poll + 30):
        poll += 1
    return poll


def _swapped(value: int) -> int:
    """32 bits as they lie in memory in network order."""
    return int.from_bytes(value.to_bytes(4, "big"), "little")


def _network_order(port: int) -> int:
    return int.from_bytes(port.to_bytes(2, "big"), "little")

"""TimeStates to serve from, for the tests of this room."""

from testkit.served import locked_at

from stratum1.interchange import TimeState
from stratum1.server import Outcome, Responder, Sender, Smear, check_state
from stratum1.timescale import NS, UtcNs, from_rfc3339

NOW = from_rfc3339("2026-11-24T12:00:00Z")

LOCKED = locked_at(NOW, lasting_ns=60 * NS)
"""Locked to GPS at NOW, and good for a minute."""


CLIENT = Sender(bytes((192, 0, 2, 7)), 40_000)


def no_chance(octets: int) -> bytes:
    """Random octets that are all zero."""
    return bytes(octets)


def plain_reply(request: bytes, received: UtcNs, sent: UtcNs, state: TimeState, port: int, *, smear: Smear = Smear.NONE) -> Outcome:
    """The outcome by a service without any settings, with random octets of zero."""
    check_state(state)
    return Responder(state, smear=smear).reply(request, Sender(CLIENT.address, port), received, sent, no_chance)

"""Asks one server for the time with NTS: keys are established, one request is sent and its answer authenticated."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from stratum1.nts.client import NtsFault, NtsReply, NtsReplyError, build_nts_request, open_nts_reply
from stratum1.ntske import Established, KeError, establish_keys
from stratum1.timescale import NtpTimestamp, UtcNs

from ._query import Address, Answer, QueryError, exchange, plain, resolve
from .protocol import Measurement, ReplyError, Target, build_request, measure

__all__ = ["NtsAnswer", "query_nts"]

_IDENTIFIER = 32


class _StrayReplyError(Exception):
    """A reply that anybody could have sent: the answer may still come."""


@dataclass(frozen=True, slots=True)
class NtsAnswer:
    """An authenticated measurement, how the keys came about, and how many new cookies the answer brought."""

    answer: Answer
    established: Established
    new_cookies: int


def query_nts(
    target: Target, authorities: bytes, timeout: float = 2.0, attempts: int = 3, aeads: tuple[int, ...] = (15, 30, 17, 16)
) -> NtsAnswer:
    """Ask with NTS. target: the key establishment's host and TCP port; authorities: PEM of those that are believed.

    timeout: seconds for the keys, and for each of at most `attempts` requests, each with a cookie of its own. Raises QueryError.
    """
    try:
        established = establish_keys(target.host, target.port, authorities, timeout, aeads=aeads)
    except KeError as error:
        raise QueryError(f"{target}: no keys were established: {error}") from error
    result = established.result
    asked = Target(result.server or established.address, result.port)
    addresses = resolve(asked)
    reasons: dict[str, None] = {}
    for attempt, cookie in zip(range(attempts), result.cookies, strict=False):
        address = addresses[attempt % len(addresses)]
        host, port = str(address[1][0]), int(address[1][1])
        try:
            told, reply = _ask(address, established, cookie, timeout)
            return NtsAnswer(Answer(host, port, told), established, len(reply.cookies))
        except (ReplyError, NtsReplyError) as error:
            raise QueryError(f"{asked} ({host}): {error}") from error
        except TimeoutError as error:
            reasons[f"{host}: {error}"] = None
        except OSError as error:
            reasons[f"{host}: {plain(error)}"] = None
    raise QueryError(f"{target} gave keys, but {asked} does not answer. {'; '.join(reasons)}")


def _ask(address: Address, established: Established, cookie: bytes, timeout: float) -> tuple[Measurement, NtsReply]:
    stamp = NtpTimestamp(secrets.randbits(64))
    identifier, nonce = secrets.token_bytes(_IDENTIFIER), secrets.token_bytes(established.keys.aead.nonce_length)
    request = build_nts_request(build_request(stamp), established.keys, cookie, identifier, nonce)
    return exchange(address, request, _reader(established, identifier, stamp), timeout, (_StrayReplyError,))


def _reader(
    established: Established, identifier: bytes, stamp: NtpTimestamp
) -> Callable[[bytes, UtcNs, UtcNs], tuple[Measurement, NtsReply]]:
    def read(reply: bytes, sent: UtcNs, returned: UtcNs) -> tuple[Measurement, NtsReply]:
        try:
            authentic = open_nts_reply(reply, established.keys, identifier)
        except NtsReplyError as error:
            if error.fault is NtsFault.NAK:
                raise
            raise _StrayReplyError(str(error)) from None
        return measure(reply, stamp, sent, returned), authentic

    return read

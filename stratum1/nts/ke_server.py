"""The server's side of NTS key establishment (RFC 8915, section 4) as a pure state machine: plaintext in, decisions out.

| what comes | what is answered | outcome |
|---|---|---|
| nothing or half a request until the time is up | error 1 | timeout |
| a record that is critical and unknown | error 0 | unknown-critical |
| a record that is malformed, missing, repeated or not a client's to send; octets after the end; too long | error 1 | bad-request |
| no protocol that we speak | an empty Next Protocol record | no-common-protocol |
| no AEAD that we have | the protocol and an empty AEAD record | no-common-aead |
| everything else | protocol, AEAD, cookies | issued |

Which AEAD: ours decides, the first in `KePolicy.aeads` that the client offers. 15 (AES-SIV-CMAC-256) comes first by default: every
implementation must have it, all of them export its keys alike, and it forgives a repeated nonce wholly. 30 (AES-128-GCM-SIV) makes
packets shorter and is quicker, but chrony 4.4 to 4.6 export its keys with 15 in the context; a client that wants 30's own number
there says so by record 1024, which is then echoed. Without that record the keys are exported as those versions do.
"""

import hmac
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from .records import (
    KEY_LENGTHS,
    NTPV4,
    NTPV5_DRAFT,
    ErrorCode,
    MessageReader,
    MessageTooLongError,
    Record,
    RecordKind,
    encode,
    numbers,
    pack_numbers,
)

__all__ = ["NTPV5_DRAFT_NAME", "Decision", "Grant", "KeOutcome", "KePolicy", "KeServer", "Reply", "export_context"]

NTPV5_DRAFT_NAME = b"draft-ietf-ntp-ntpv5-09"
_END = Record(RecordKind.END, critical=True)
_CONTEXT = struct.Struct("!HHB")
_POOL = frozenset((RecordKind.KEEP_ALIVE, RecordKind.PROTOCOL_LIST, RecordKind.AEAD_LIST, RecordKind.FIXED_KEYS, RecordKind.TOKEN))
_EMPTY_BODY = frozenset((RecordKind.KEEP_ALIVE, RecordKind.PROTOCOL_LIST, RecordKind.AEAD_LIST, RecordKind.COMPLIANT_EXPORT))


class KeOutcome(StrEnum):
    """What became of a connection; every one has exactly one (a kept one has one a request)."""

    ISSUED = "issued"
    LISTED = "pool-list"
    """A pool was told what we have."""
    NO_PROTOCOL = "no-common-protocol"
    NO_AEAD = "no-common-aead"
    UNKNOWN_CRITICAL = "unknown-critical"
    BAD_REQUEST = "bad-request"
    TIMEOUT = "timeout"
    """The handshake was done, the request was not complete in time."""
    INTERNAL = "internal-error"
    NO_TLS = "no-tls"
    """No TLS 1.3 with a cipher and curve of ours, or no TLS at all."""
    NO_ALPN = "no-alpn"
    """TLS, and not for ntske/1."""
    NOT_ADMITTED = "not-admitted"
    """No client certificate, or one that the access rules do not name."""
    HANDSHAKE_TIMEOUT = "handshake-timeout"
    LOST = "lost"
    """The peer was gone before it had asked."""
    NO_CERTIFICATE = "no-certificate"
    """Refused at once: we have no certificate that is good now."""
    TOO_MANY = "too-many"
    """Refused at once: too many connections, in all or from this address."""


@dataclass(frozen=True, slots=True)
class KePolicy:
    """What is offered. aeads: in order of preference; protocols: that are spoken; cookies: 1 to 64 a request, RFC 8915 wants 8.

    server, port: told to clients (records 6 and 7) where they are not None: a name or address, and a UDP port other than 123.
    max_request: octets, at least 1024. tokens: those of pools that may use the records of the pool draft; empty: these are unknown.
    """

    aeads: tuple[int, ...] = (15, 30, 17, 16)
    protocols: tuple[int, ...] = (NTPV4,)
    cookies: int = 8
    server: str | None = None
    port: int | None = None
    max_request: int = 4096
    tokens: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that needs no keys. keep: whether the connection stays for another request."""

    octets: bytes
    outcome: KeOutcome
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """Cookies are to be made for keys of this AEAD and protocol, and put into the answer.

    exported_as: the AEAD's number in the context of the key export. fixed_keys: client-to-server and server-to-client key that a pool
    brought along instead of an export.
    """

    protocol: int
    aead: int
    cookies: int
    exported_as: int
    head: bytes
    tail: bytes
    fixed_keys: tuple[bytes, bytes] | None = field(default=None, repr=False)
    keep: bool = False

    @property
    def contexts(self) -> tuple[bytes, bytes]:
        """The contexts of the export: client to server, server to client."""
        return export_context(self.protocol, self.exported_as, 0), export_context(self.protocol, self.exported_as, 1)

    def answer(self, cookies: Sequence[bytes]) -> bytes:
        """The whole answer with these cookies."""
        return self.head + encode(*(Record(RecordKind.COOKIE, each) for each in cookies)) + self.tail


Decision = Reply | Grant


def export_context(protocol: int, aead: int, direction: int) -> bytes:
    """The exporter's context (RFC 8915, section 5.1). direction: 0 client to server, 1 server to client."""
    return _CONTEXT.pack(protocol, aead, direction)


class _RefusedError(Exception):
    """The request is answered with an error."""

    def __init__(self, code: ErrorCode) -> None:
        super().__init__(code)
        self.code = code


class KeServer:
    """One connection's requests."""

    __slots__ = ("_kept", "_policy", "_reader")

    def __init__(self, policy: KePolicy) -> None:
        self._policy = policy
        self._reader = MessageReader(policy.max_request)
        self._kept = False

    def feed(self, octets: bytes) -> Decision | None:
        """Take what the client said. None: more is needed. On a kept connection more requests may follow (feed it b"" for those)."""
        try:
            records = self._reader.feed(octets)
            if records is None:
                return None
            decision = _decide(records, self._policy, self._kept)
        except MessageTooLongError:
            return _error(ErrorCode.BAD_REQUEST, KeOutcome.BAD_REQUEST)
        except _RefusedError as refused:
            unknown = refused.code is ErrorCode.UNRECOGNISED_CRITICAL
            return _error(refused.code, KeOutcome.UNKNOWN_CRITICAL if unknown else KeOutcome.BAD_REQUEST)
        if self._reader.trailing and not decision.keep:
            return _error(ErrorCode.BAD_REQUEST, KeOutcome.BAD_REQUEST)
        self._kept = decision.keep
        return decision

    @property
    def idle(self) -> bool:
        """Whether the connection was kept after a request and nothing of another one has come: nobody owes anything."""
        return self._kept and not self._reader.octets

    def time_out(self) -> Reply | None:
        """The answer to a client that did not finish its request in time; None for a kept connection that is merely idle."""
        return None if self.idle else _error(ErrorCode.BAD_REQUEST, KeOutcome.TIMEOUT)

    @staticmethod
    def failed() -> Reply:
        """The answer where we can't do our part."""
        return _error(ErrorCode.INTERNAL, KeOutcome.INTERNAL)


def _error(code: ErrorCode, outcome: KeOutcome) -> Reply:
    return Reply(encode(Record(RecordKind.ERROR, pack_numbers((code,)), critical=True), _END), outcome)


def _decide(records: tuple[Record, ...], policy: KePolicy, kept: bool) -> Decision:
    asked = _collect(records, policy)
    pooled = [kind for kind in asked if kind in _POOL]
    if pooled and not _admits(asked.get(RecordKind.TOKEN), policy):
        raise _RefusedError(ErrorCode.BAD_REQUEST)
    keep = RecordKind.KEEP_ALIVE in asked
    if RecordKind.PROTOCOL_LIST in asked or RecordKind.AEAD_LIST in asked:
        return _lists(asked, policy, keep)
    fixed = asked.get(RecordKind.FIXED_KEYS)
    if (keep or kept) and fixed is None:  # what such a connection exports would be shared by several associations
        raise _RefusedError(ErrorCode.BAD_REQUEST)
    return _negotiate(asked, policy, keep)


def _collect(records: tuple[Record, ...], policy: KePolicy) -> dict[int, bytes]:
    """The bodies by kind of record, each well-formed and there at most once."""
    asked: dict[int, bytes] = {}
    for each in records:
        known = _known(each.kind, policy)
        if not known and each.critical and each.kind not in _NOT_A_CLIENT_S:
            raise _RefusedError(ErrorCode.UNRECOGNISED_CRITICAL)
        if each.kind in asked or not _is_sound(each):
            raise _RefusedError(ErrorCode.BAD_REQUEST)
        if known:
            asked[each.kind] = each.body
    return asked


_NOT_A_CLIENT_S = frozenset((RecordKind.END, RecordKind.ERROR, RecordKind.WARNING, RecordKind.COOKIE))
"""A client that sends one of these, or an End of Message with a body or without its critical bit, is wrong."""
_ALWAYS = frozenset((RecordKind.NEXT_PROTOCOL, RecordKind.AEAD, RecordKind.SERVER, RecordKind.PORT, RecordKind.COMPLIANT_EXPORT))


def _known(kind: int, policy: KePolicy) -> bool:
    if kind in _ALWAYS:
        return True
    if kind in _POOL or kind == RecordKind.SERVER_DENY:
        return bool(policy.tokens)
    return kind == RecordKind.DRAFT_NAME and NTPV5_DRAFT in policy.protocols


def _is_sound(record: Record) -> bool:
    kind, length = record.kind, len(record.body)
    if kind == RecordKind.NEXT_PROTOCOL:
        return record.critical and length > 0 and length % 2 == 0
    if kind == RecordKind.AEAD:
        return length > 0 and length % 2 == 0
    if kind == RecordKind.SERVER:
        return 0 < length < 256 and all(0x21 <= octet < 0x7F for octet in record.body)
    if kind == RecordKind.PORT:
        return length == 2 and record.body != b"\0\0"
    if kind in _EMPTY_BODY:
        return length == 0
    return kind not in _NOT_A_CLIENT_S


def _admits(token: bytes | None, policy: KePolicy) -> bool:
    """Whether the token is one of ours; all are compared, in constant time."""
    return token is not None and sum(hmac.compare_digest(token, each) for each in policy.tokens) > 0


def _lists(asked: dict[int, bytes], policy: KePolicy, keep: bool) -> Reply:
    """What we have, for a pool that asks before it gives us clients."""
    if any(kind in asked for kind in (RecordKind.NEXT_PROTOCOL, RecordKind.AEAD, RecordKind.FIXED_KEYS)):
        raise _RefusedError(ErrorCode.BAD_REQUEST)
    records = [_keep_alive()] if keep else []
    if RecordKind.PROTOCOL_LIST in asked:
        records.append(Record(RecordKind.PROTOCOL_LIST, pack_numbers(policy.protocols), critical=True))
    if RecordKind.AEAD_LIST in asked:
        pairs = tuple(number for aead in policy.aeads for number in (aead, KEY_LENGTHS[aead]))
        records.append(Record(RecordKind.AEAD_LIST, pack_numbers(pairs), critical=True))
    return Reply(encode(*records, _END), KeOutcome.LISTED, keep)


def _negotiate(asked: dict[int, bytes], policy: KePolicy, keep: bool) -> Decision:
    wanted = numbers(asked.get(RecordKind.NEXT_PROTOCOL, b""))
    if not wanted:
        raise _RefusedError(ErrorCode.BAD_REQUEST)
    draft = asked.get(RecordKind.DRAFT_NAME, NTPV5_DRAFT_NAME)
    spoken = [each for each in policy.protocols if each != NTPV5_DRAFT or draft == NTPV5_DRAFT_NAME]
    protocol = next((each for each in wanted if each in spoken), None)
    head = [_keep_alive()] if keep else []
    if protocol is None:
        return Reply(encode(*head, Record(RecordKind.NEXT_PROTOCOL, critical=True), _END), KeOutcome.NO_PROTOCOL, keep)
    head.append(Record(RecordKind.NEXT_PROTOCOL, pack_numbers((protocol,)), critical=True))
    if protocol == NTPV5_DRAFT and RecordKind.DRAFT_NAME in asked:
        head.append(Record(RecordKind.DRAFT_NAME, NTPV5_DRAFT_NAME))
    offered = numbers(asked.get(RecordKind.AEAD, b""))
    if not offered:
        raise _RefusedError(ErrorCode.BAD_REQUEST)
    aead = next((each for each in policy.aeads if each in offered), None)
    if aead is None:
        return Reply(encode(*head, Record(RecordKind.AEAD), _END), KeOutcome.NO_AEAD, keep)
    compliant = RecordKind.COMPLIANT_EXPORT in asked
    head.append(Record(RecordKind.AEAD, pack_numbers((aead,))))
    if compliant and aead == 30:
        head.append(Record(RecordKind.COMPLIANT_EXPORT))
    return Grant(
        protocol=protocol,
        aead=aead,
        cookies=policy.cookies,
        exported_as=15 if aead == 30 and not compliant else aead,
        head=encode(*head),
        tail=_tail(policy),
        fixed_keys=_fixed_keys(asked.get(RecordKind.FIXED_KEYS), wanted, offered, KEY_LENGTHS[aead]),
        keep=keep,
    )


def _fixed_keys(body: bytes | None, wanted: tuple[int, ...], offered: tuple[int, ...], length: int) -> tuple[bytes, bytes] | None:
    """A pool's keys, which fit only where it leaves no choice."""
    if body is None:
        return None
    if len(wanted) != 1 or len(offered) != 1 or len(body) != 2 * length:
        raise _RefusedError(ErrorCode.BAD_REQUEST)
    return body[:length], body[length:]


def _keep_alive() -> Record:
    return Record(RecordKind.KEEP_ALIVE)


def _tail(policy: KePolicy) -> bytes:
    records = [] if policy.server is None else [Record(RecordKind.SERVER, policy.server.encode("ascii"), critical=True)]
    if policy.port is not None:
        records.append(Record(RecordKind.PORT, pack_numbers((policy.port,)), critical=True))
    return encode(*records, _END)

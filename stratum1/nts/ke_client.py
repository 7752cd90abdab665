"""The client's side of NTS key establishment (RFC 8915, section 4) as a pure state machine: the request, and what the answer means."""

from dataclasses import dataclass, field
from enum import StrEnum

from .ke_server import export_context
from .records import (
    NTPV4,
    ErrorCode,
    MessageReader,
    MessageTooLongError,
    Record,
    RecordKind,
    encode,
    numbers,
    pack_numbers,
)

__all__ = ["KeClient", "KeClientError", "KeFailure", "KeResult", "request", "retry_after"]

_LONGEST = 65536  # octets of an answer (RFC 8915, section 4: a client should accept as much)
_FIRST_RETRY, _GROWTH, _LAST_RETRY = 10.0, 1.5, 5 * 86400.0  # s, section 4.2
_ERRORS: dict[int, str] = {
    ErrorCode.UNRECOGNISED_CRITICAL: "it does not know a critical record of our request",
    ErrorCode.BAD_REQUEST: "it calls our request malformed",
    ErrorCode.INTERNAL: "it has an internal error",
}
_IGNORED = frozenset((RecordKind.KEEP_ALIVE, RecordKind.COMPLIANT_EXPORT))


class KeFailure(StrEnum):
    """Why there are no keys, in one word."""

    ERROR = "error"
    """The server answers with an Error record."""
    WARNING = "warning"
    """With a Warning, of which no code is known."""
    UNKNOWN_CRITICAL = "unknown-critical"
    MALFORMED = "malformed"
    NO_PROTOCOL = "no-common-protocol"
    NO_AEAD = "no-common-aead"
    NO_COOKIES = "no-cookies"
    TOO_LONG = "too-long"


class KeClientError(ValueError):
    """The answer gives no keys; the message says why, `failure` in one word."""

    def __init__(self, failure: KeFailure, text: str) -> None:
        super().__init__(text)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class KeResult:
    """What was agreed upon. compliant: whether AEAD 30's keys are exported with its own number in the context.

    server: name or address to ask, None for the one that was spoken to; port: 123 where none is named.
    """

    protocol: int
    aead: int
    cookies: tuple[bytes, ...] = field(repr=False)
    server: str | None = None
    port: int = 123
    compliant: bool = False

    @property
    def contexts(self) -> tuple[bytes, bytes]:
        """The contexts of the key export: client to server, server to client."""
        named = 15 if self.aead == 30 and not self.compliant else self.aead
        return export_context(self.protocol, named, 0), export_context(self.protocol, named, 1)


def request(
    aeads: tuple[int, ...] = (15, 30, 17, 16),
    protocols: tuple[int, ...] = (NTPV4,),
    *,
    server: str | None = None,
    port: int | None = None,
) -> bytes:
    """What to send, AEADs in order of preference. server, port: whom we would like to be sent to."""
    records = [
        Record(RecordKind.NEXT_PROTOCOL, pack_numbers(protocols), critical=True),
        Record(RecordKind.AEAD, pack_numbers(aeads), critical=True),
    ]
    if 30 in aeads:
        records.append(Record(RecordKind.COMPLIANT_EXPORT))
    if server is not None:
        records.append(Record(RecordKind.SERVER, server.encode("ascii")))
    if port is not None:
        records.append(Record(RecordKind.PORT, pack_numbers((port,))))
    return encode(*records, Record(RecordKind.END, critical=True))


def retry_after(failures: int) -> float:
    """Seconds to wait after so many failures in a row (at least 1); back to none only after keys and an answer with them."""
    return min(_LAST_RETRY, _FIRST_RETRY * _GROWTH ** min(failures - 1, 64))


class KeClient:
    """Reads one answer."""

    __slots__ = ("_aeads", "_protocols", "_reader")

    def __init__(self, aeads: tuple[int, ...] = (15, 30, 17, 16), protocols: tuple[int, ...] = (NTPV4,)) -> None:
        """aeads, protocols: what the request offered."""
        self._aeads = aeads
        self._protocols = protocols
        self._reader = MessageReader(_LONGEST)

    def feed(self, octets: bytes) -> KeResult | None:
        """Take what the server said; None: more is needed. Raises KeClientError."""
        try:
            records = self._reader.feed(octets)
        except MessageTooLongError as error:
            raise KeClientError(KeFailure.TOO_LONG, str(error)) from None
        return None if records is None else self._judge(records)

    def _judge(self, records: tuple[Record, ...]) -> KeResult:
        found: dict[int, bytes] = {}
        cookies = []
        for each in records:
            if each.kind == RecordKind.COOKIE:
                cookies.append(each.body)
            elif each.kind in _TAKEN:
                if each.kind in found:
                    raise _malformed(f"record {each.kind} comes twice")
                found[each.kind] = each.body
            elif each.kind == RecordKind.END:
                raise _malformed("its last record has a body or is not critical")
            elif each.kind not in _IGNORED and each.critical:
                raise KeClientError(KeFailure.UNKNOWN_CRITICAL, f"the server demands that record {each.kind} is understood")
        self._refuse_failures(found)
        protocol = self._choice(found, RecordKind.NEXT_PROTOCOL, self._protocols, KeFailure.NO_PROTOCOL, "next protocol")
        aead = self._choice(found, RecordKind.AEAD, self._aeads, KeFailure.NO_AEAD, "AEAD")
        if not cookies or not all(cookies):
            raise KeClientError(KeFailure.NO_COOKIES, "the server gives no cookie")
        return KeResult(
            protocol=protocol,
            aead=aead,
            cookies=tuple(cookies),
            server=_server(found.get(RecordKind.SERVER)),
            port=_port(found.get(RecordKind.PORT)),
            compliant=any(each.kind == RecordKind.COMPLIANT_EXPORT for each in records),
        )

    @staticmethod
    def _refuse_failures(found: dict[int, bytes]) -> None:
        for kind, failure, says, known in (
            (RecordKind.ERROR, KeFailure.ERROR, "answers with an error", _ERRORS),
            (RecordKind.WARNING, KeFailure.WARNING, "warns", {}),
        ):
            if kind not in found:
                continue
            code = numbers(found[kind])
            if code is None or len(code) != 1:
                raise _malformed(f"its {failure} record has {len(found[kind])} octets, not 2")
            raise KeClientError(failure, f"the server {says}: {known.get(code[0], f'code {code[0]}')}")

    @staticmethod
    def _choice(found: dict[int, bytes], kind: RecordKind, offered: tuple[int, ...], none: KeFailure, name: str) -> int:
        """The one number that the server chose."""
        if kind not in found:
            raise _malformed(f"it names no {name}")
        chosen = numbers(found[kind])
        if chosen == ():
            raise KeClientError(none, f"the server has no {name} that we have")
        if chosen is None or len(chosen) != 1 or chosen[0] not in offered:
            raise _malformed(f"its {name} is none that we offered")
        return chosen[0]


_TAKEN = frozenset((RecordKind.NEXT_PROTOCOL, RecordKind.ERROR, RecordKind.WARNING, RecordKind.AEAD, RecordKind.SERVER, RecordKind.PORT))


def _malformed(text: str) -> KeClientError:
    return KeClientError(KeFailure.MALFORMED, f"the server's answer is malformed: {text}")


def _server(body: bytes | None) -> str | None:
    """A name, taken as absolute, or an address (section 4.1.7)."""
    if body is None:
        return None
    if not 0 < len(body) < 256 or not all(0x21 <= octet < 0x7F for octet in body):
        raise _malformed("the server that it names is no name")
    return body.decode("ascii")


def _port(body: bytes | None) -> int:
    port = (123,) if body is None else numbers(body)
    if port is None or len(port) != 1 or port[0] == 0:
        raise _malformed("the port that it names is none")
    return port[0]

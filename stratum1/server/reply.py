"""The answer to a request: a pure function, and the specification that every data plane must equal octet for octet.

What is answered: versions 1 to 4, in mode 3 (client; the reply is mode 4) and mode 1 (symmetric active; the reply is mode 2,
for we never let a stranger steer us); version 5 where it is switched on (`_v5`). A version 1 request carries mode 0 and counts as a
client's unless it comes from port 123, where it would be another server's answer (RFC 1059 has no mode field). Everything else
meets silence: replies and broadcasts (answering one would start an endless ping-pong), modes 6 and 7, malformed packets.

The first of these that applies decides: first octet, length and port (`_judge`); a sender that is ourselves; the access rules; the
rate limit, before any cryptography; MS-SNTP and Autokey, which are recognised and not answered; NTS (`_nts`); a listener that wants
NTS; the MAC (`_mac`); times that do not fit together; then the time (`_shown`).

Unknown extension fields are skipped (RFC 7822). A lone unique identifier is echoed (RFC 8915, section 5.3), NTS or not. Kisses say
what is refused: RATE, DENY, RSTR and (NTS) NTSN; mode 1 gets silence instead. A MAC that can't be verified gets a crypto-NAK in
version 4 (RFC 5905, section 9.2: the header and four zero octets) and silence in older ones, which know none. No reply is ever longer
than its request.

Random octets are asked of `entropy` in this order and only where needed: 1 for a packet over the rate limit (below `leak`: answered
all the same; below `leak + kiss`: RATE; else silence); 8 for the timestamps (`_stamps`); 16 for each new cookie; the nonce of an NTS
reply (16, or 12 for AEAD 30).
"""

import math
from collections.abc import Callable, Sequence
from struct import Struct

from stratum1.interchange import TimeState
from stratum1.ntp import (
    HEADER_SIZE,
    ExtensionOverrunError,
    ExtensionTooShortError,
    ExtensionUnalignedError,
    FieldKind,
    FieldPlace,
    Mode,
    TrailingOctetsError,
    WireError,
    request_fields_v4,
)
from stratum1.timescale import NS, NTP_UNIX_OFFSET, UtcNs

from ._ask import MAX_HOLD_NS, Ask, Entropy, silence
from ._judge import MAX_REQUEST, judge
from ._mac import Signature, judge_mac
from ._nts import NtsRefusalError, claims_nts, lone_identifier, open_request, seal_reply, uses_nts
from ._reasons import Outcome, Protection, Record, Sender, ServerReason, ServerResponse
from ._rules import Rules
from ._shown import Shown
from ._smear import Smear
from ._stamps import MASK64
from ._tables import Tables
from ._v5 import Version5
from ._v5_fields import DRAFT, draft_of
from .service import AccessAction, ListenerSettings, ServiceSettings

__all__ = [
    "MAX_HOLD_NS",
    "MAX_REQUEST",
    "Entropy",
    "Outcome",
    "Protection",
    "Record",
    "Responder",
    "Sender",
    "ServerReason",
    "ServerResponse",
    "check_state",
]

_CRYPTO_NAK = b"\0\0\0\0"
_AUTOKEY = 0x02
_MS_SNTP, _MS_SNTP_EXTENDED = 20, 72
_KISSES = {ServerResponse.KISS_RATE: b"RATE", ServerResponse.KISS_DENY: b"DENY", ServerResponse.KISS_RSTR: b"RSTR"}
_REFUSALS: dict[type[WireError], ServerReason] = {
    ExtensionTooShortError: ServerReason.BAD_EXTENSION,
    ExtensionUnalignedError: ServerReason.BAD_EXTENSION,
    ExtensionOverrunError: ServerReason.BAD_EXTENSION,
    TrailingOctetsError: ServerReason.TRAILING_OCTETS,
}
_OFFSET_NS = NTP_UNIX_OFFSET * NS
_HEADER = Struct("!2sc21s8sQQ").pack
_ALLOW = AccessAction.ALLOW
_NEVER = 1 << 200
_YEARS = 1 << 60  # ns, 36 years: a reference time further back is told from one to come with more care than `plain` takes
_UPGRADE = b"NTP5DRFT"
"""In the reference timestamp of a version 4 request: its sender also speaks a draft of version 5, and asks whether we do."""


def check_state(state: TimeState) -> None:
    """Raise ValueError, naming the field, for a state that no reply could be made from: our own mistake, caught where it is made."""
    if len(state.refid) != 4:
        raise ValueError(f"refid: {len(state.refid)} octets, not 4")
    if not 0 <= state.stratum <= 16:
        raise ValueError(f"stratum: {state.stratum} is not within 0 to 16")
    for name in ("root_delay", "error_bound", "bound_rate"):
        if not 0 <= getattr(state, name) < math.inf:
            raise ValueError(f"{name}: {getattr(state, name)} is not a finite number of at least 0")
    for mapping in (state.realtime, state.monotonic):
        if mapping is not None and not math.isfinite(mapping.rate):
            raise ValueError(f"mapping of {mapping.source}: its rate is {mapping.rate}")


class Responder:
    """Answers while one TimeState stands, by rules that outlive it.

    Any thread may use it: what changes is in the tables, and in one tuple that is replaced whole.
    """

    __slots__ = ("_heads", "_keep", "_noise", "_rules", "_shown", "_steady")

    def __init__(
        self,
        state: TimeState,
        service: ServiceSettings | None = None,
        listener: ListenerSettings | None = None,
        tables: Tables | None = None,
        smear: Smear = Smear.NONE,
    ) -> None:
        """`state` has passed `check_state`. Left out: a service without keys and NTS, open to all, without tables.

        smear: how this listener shows a leap second; one that smears announces none. Raises ValueError for settings that can't be.
        """
        self._stand(state, Rules(service or ServiceSettings(), listener or ListenerSettings(), tables or Tables(), smear))

    def renewed(self, state: TimeState) -> "Responder":
        """One for another TimeState, by the same rules and tables; much cheaper than a new one."""
        other = object.__new__(Responder)
        other._stand(state, self._rules)
        return other

    def _stand(self, state: TimeState, rules: Rules) -> None:
        """Make what all replies share: everything between the first three octets and the origin timestamp, while it stands."""
        self._rules = rules
        self._shown = shown = Shown(state, rules.smear)
        self._noise, self._keep = shown.grain.noise, shown.grain.keep
        self._steady: tuple[int, int, bytes] = (_NEVER, -_NEVER, b"")
        if shown.valid_until is not None and shown.smeared_leap is None:
            # from here on the reference time is before any transmit timestamp, whatever its random bits
            first = state.reference_time + (shown.grain.noise * NS >> 32) + 2
            self._steady = (first, self._steady_until(state.bound_at), shown.middle(state.bound_at))
        leap, stratum = shown.leap_bits, state.stratum
        self._heads = tuple(None if bits is None else bytes((leap | bits, stratum)) for bits in rules.prefixes)

    def _steady_until(self, start: UtcNs) -> int:
        """The last served time for which a header made at `start` is right, `valid_until` and all."""
        state = self._shown.state
        return min(state.valid_until, self._shown.steady_until(start), state.reference_time + _YEARS)

    def _advance(self, sent: UtcNs) -> bool:
        """Whether the steady part of the header could be made anew for a time after it: the dispersion has grown by a step."""
        first, until, _ = self._steady
        if sent <= until or sent < first or not self._shown.known(sent) or sent > self._shown.state.reference_time + _YEARS:
            return False
        self._steady = (sent, self._steady_until(sent), self._shown.middle(sent))
        return True

    def plain(  # noqa: PLR0917 - called for every packet: no names and no tuples
        self, request: bytes, address: bytes, port: int, receive_time: UtcNs, transmit_time: UtcNs, draw: Callable[[], int]
    ) -> bytes | None:
        """The reply to a bare request that gets the time in the basic mode, which nearly all of them do; None for all others.

        The same octets as `reply` gives, with the record (version, synchronised, time, none), and the same effect on the tables;
        after None nothing has happened yet and `reply` is to be asked. draw: gives 64 random bits.
        """
        if len(request) != HEADER_SIZE or request[31] & 1:
            return None
        first, until, middle = self._steady
        if not first <= transmit_time <= until:
            if not self._advance(transmit_time):
                return None
            middle = self._steady[2]
        head, rules = self._heads[request[0]], self._rules
        if head is None or port in rules.odd_ports or not 0 <= transmit_time - receive_time <= MAX_HOLD_NS:
            return None
        if rules.access.action(address) is not _ALLOW or (rules.ntpv5 and request[16:24] == _UPGRADE):
            return None
        if rules.rate is not None and not rules.rate.allowed(rules.network_hash(address), receive_time):
            return None
        random, noise, keep = draw(), self._noise, self._keep
        receive = ((receive_time + _OFFSET_NS << 32) // NS & keep) | (random >> 32 & noise) | 1
        transmit = ((transmit_time + _OFFSET_NS << 32) // NS & keep) | (random & noise)
        if transmit < receive and receive - transmit < 1 << 63:
            transmit = receive + 1 & MASK64
        return _HEADER(head, request[2:3], middle, request[40:48], receive, transmit)

    def reply(self, request: bytes, sender: Sender, receive_time: UtcNs, transmit_time: UtcNs, entropy: Entropy) -> Outcome:
        """What to do about a datagram: exactly one record, and the reply unless the record says silence.

        receive_time and transmit_time are served times: when the request came in and when the reply will leave. A state that is
        past its `valid_until` at transmit_time, or without a mapping, is unsynchronised whatever else it says. Nothing that a
        request can hold raises an exception.
        """
        octets = self.plain(request, *sender, receive_time, transmit_time, lambda: int.from_bytes(entropy(8)))
        if octets is not None:
            return Outcome(_PLAIN[request[0] >> 3 & 7], octets)
        bits, refusal = judge(self._rules.verdicts, request, sender.port)
        if refusal is None and sender in self._rules.own:
            refusal = ServerReason.OWN_ADDRESS
        if refusal is not None:
            return Outcome(Record(request[0] >> 3 & 7 if request else 0, refusal, ServerResponse.IGNORE), None)
        ask = Ask(request, sender, bits, receive_time, transmit_time, entropy)
        action = self._rules.access.action(sender.address)
        refused = self._refused(ask, action)
        if ask.version == 5:
            return Version5(self._rules, self._shown).reply(ask, refused, action is AccessAction.REQUIRE_NTS)
        if refused is not None:
            return self._refuse(ask, *refused)
        return self._read(ask, action is AccessAction.REQUIRE_NTS)

    def _refused(self, ask: Ask, action: AccessAction) -> tuple[ServerReason, ServerResponse] | None:
        """What access rules and rate limit have against a packet, before it is read."""
        if action is AccessAction.IGNORE:
            return ServerReason.ACCESS_IGNORED, ServerResponse.IGNORE
        if action is AccessAction.DENY:
            return ServerReason.ACCESS_DENIED, ServerResponse.KISS_DENY
        limited = self._limited(ask)
        return (ServerReason.RATE_LIMITED, limited) if limited else None

    def _limited(self, ask: Ask) -> ServerResponse | None:
        """What the rate limit makes of a packet; None if it is to be read on."""
        rules = self._rules
        if rules.rate is None or rules.rate.allowed(rules.network_hash(ask.sender.address), ask.received):
            return None
        drawn = ask.entropy(1)[0]
        if drawn < rules.limit.leak:
            return None
        return ServerResponse.KISS_RATE if drawn < rules.limit.leak + rules.limit.kiss else ServerResponse.IGNORE

    def _read(self, ask: Ask, nts_only: bool) -> Outcome:
        """What follows the header, judged, and the answer to it."""
        places, at = list[FieldPlace](), HEADER_SIZE
        if len(ask.request) > HEADER_SIZE:
            if _is_ms_sntp(ask.request, ask.version):
                return silence(ask, ServerReason.MS_SNTP)
            if ask.version == 4:
                try:
                    places, at = request_fields_v4(ask.request, FieldKind.NTS_AUTHENTICATOR)
                except WireError as error:
                    return silence(ask, _REFUSALS[type(error)])
        if any(place.kind & 0xFF == _AUTOKEY for place in places):
            return silence(ask, ServerReason.AUTOKEY)
        if uses_nts(places):
            return self._nts(ask, places)
        if nts_only:
            return self._refuse(ask, ServerReason.NTS_REQUIRED, ServerResponse.IGNORE if self._rules.silent else ServerResponse.KISS_RSTR)
        return self._answer(ask, places, at)

    def _answer(self, ask: Ask, places: Sequence[FieldPlace], at: int) -> Outcome:
        """The answer to a request without NTS, whose MAC (if any) begins at an octet."""
        echoed = lone_identifier(places)
        fields = ask.request[echoed.start : echoed.end] if echoed else b""
        finish = lambda header: header + fields  # noqa: E731 - one of two
        if self._rules.ntpv5 and ask.version == 4 and ask.request[16:24] == _UPGRADE:
            finish = _upgrade(ask.request, places, fields) or finish
        if at < len(ask.request):
            return self._with_mac(ask, at, finish)
        return self._time(ask, Protection.NONE, finish)

    def _with_mac(self, ask: Ask, at: int, finish: Callable[[bytes], bytes]) -> Outcome:
        """The answer to a request whose MAC begins at an octet."""
        mac = ask.request[at:]
        if mac == _CRYPTO_NAK:
            return silence(ask, ServerReason.PEER_CRYPTO_NAK, Protection.MAC)
        signature = judge_mac(self._rules.keys, ask.request[:at], mac, ask.version)
        if isinstance(signature, Signature):
            sign = signature.sign
            return self._time(ask, Protection.MAC, lambda header: sign(finish(header)))
        if ask.version < 4:
            return silence(ask, signature, Protection.MAC)
        header, _ = self._shown.time_header(ask.exchange(), self._shown.known(ask.sent))
        return Outcome(Record(ask.version, signature, ServerResponse.CRYPTO_NAK, Protection.MAC), header + _CRYPTO_NAK)

    def _nts(self, ask: Ask, places: Sequence[FieldPlace]) -> Outcome:
        """The answer to a version 4 request that is to be read as NTS."""
        identifier = lone_identifier(places)
        fields = ask.request[identifier.start : identifier.end] if identifier else b""
        try:
            if ask.request[0] & 7 != Mode.CLIENT:  # NTS is for clients and servers only (RFC 8915, section 1.1)
                raise NtsRefusalError(ServerReason.NTS_MALFORMED)
            jar, opened = open_request(self._rules.jar, ask.request, places)
        except NtsRefusalError as refusal:
            if refusal.response is ServerResponse.IGNORE:
                return silence(ask, refusal.reason, Protection.NTS)
            header, _ = self._shown.refusal(ask.exchange(), b"NTSN", self._shown.known(ask.sent))
            return Outcome(Record(ask.version, refusal.reason, refusal.response, Protection.NTS), header + fields)
        return self._time(ask, Protection.NTS, lambda header: seal_reply(header + fields, opened, jar, ask.entropy))

    def _time(self, ask: Ask, protection: Protection, finish: Callable[[bytes], bytes]) -> Outcome:
        """The time, in the interleaved mode where the client wants it and it can be had. finish: makes the reply of its header."""
        if ask.is_stale:
            return silence(ask, ServerReason.STALE, protection)
        known, table, saved = self._shown.known(ask.sent), self._rules.interleaved, None
        departed: int | None = None
        hashed = self._rules.address_hash(ask.sender.address) if table is not None and known and _is_interleaved(ask.request) else None
        if table is not None and hashed is not None:
            departed = table.take(table.key(int.from_bytes(ask.request[24:32], "big"), hashed))
        header, receive = self._shown.time_header(ask.exchange(departed), known)
        if table is not None and hashed is not None:
            saved = table.key(receive, hashed)
            table.save(saved, ask.sent)
        reason = ServerReason.SYNCHRONISED if known else ServerReason.UNSYNCHRONISED
        response = ServerResponse.TIME if departed is None else ServerResponse.INTERLEAVED
        return Outcome(Record(ask.version, reason, response, protection), finish(header), saved)

    def _refuse(self, ask: Ask, reason: ServerReason, response: ServerResponse) -> Outcome:
        """Silence, or a kiss with its code, which mode 1 does not get."""
        limited = reason is ServerReason.RATE_LIMITED and ask.version == 4
        protection = Protection.NTS if limited and claims_nts(ask.request) else Protection.NONE
        if response is ServerResponse.IGNORE or ask.request[0] & 7 == Mode.SYMMETRIC_ACTIVE:
            return silence(ask, reason, protection)
        least = self._rules.least_poll if response is ServerResponse.KISS_RATE else -128
        header, _ = self._shown.refusal(ask.exchange(), _KISSES[response], self._shown.known(ask.sent), least)
        return Outcome(Record(ask.version, reason, response, protection), header)


_PLAIN = tuple(Record(version, ServerReason.SYNCHRONISED, ServerResponse.TIME) for version in range(8))


def _is_interleaved(request: bytes) -> bool:
    """Whether a request sends a receive timestamp of ours back as RFC 9769, section 2, has it (see `_stamps`)."""
    return request[0] & 7 == Mode.CLIENT and request[31] & 1 == 1 and request[32:40] != request[40:48]


def _is_ms_sntp(request: bytes, version: int) -> bool:
    """Whether what follows the header is the authenticator of [MS-SNTP] (section 2.2.1 or, in version 3, 2.2.2)."""
    rest = len(request) - HEADER_SIZE
    if rest == _MS_SNTP:
        return version in (3, 4) and not any(request[HEADER_SIZE + 4 :])
    return rest == _MS_SNTP_EXTENDED and version == 3


def _upgrade(request: bytes, places: Sequence[FieldPlace], fields: bytes) -> Callable[[bytes], bytes] | None:
    """How a reply says to a client that asks for it that we speak its draft of version 5; None if it names another draft."""
    draft = next((place for place in places if place.kind == FieldKind.V5_DRAFT), None)
    if draft is not None:
        if (draft_of(request, places) or b"").rstrip(b"\0") != DRAFT:
            return None
        fields += request[draft.start : draft.end]
    return lambda header: header[:16] + _UPGRADE + header[24:] + fields

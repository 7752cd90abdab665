"""Version 5 of NTP as its draft 09 has it. Pure.

    0                   1                   2                   3
    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |LI | VN  |Mode |    Stratum    |     Poll      |   Precision   |
   |                    Root Delay (4.28 seconds)                  |
   |                 Root Dispersion (4.28 seconds)                |
   |   Timescale   |      Era      |             Flags             |
   |                     Server Cookie (64 bits)                   |
   |                     Client Cookie (64 bits)                   |
   |               Receive Timestamp (32.32 seconds)               |
   |              Transmit Timestamp (32.32 seconds)               |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

Only mode 3 is answered, and only where the request names this draft. Every reply is as long as its request (with NTS: as what is
authenticated of it). There are no kiss codes: a refusal has stratum 0 and no "synchronised" flag; a longer poll says that it is the
rate, poll 127 that the client is to go away, the flag auth-NAK that it needs new keys.

UTC (0) is always served, TAI (1) where TAI - UTC is known, smeared UTC (3) where the listener smears. Who asks for another gets what
the listener shows to older versions. The server cookie is the reply's receive timestamp, so that interleaved mode uses the same table.
"""

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from stratum1.interchange import Leap
from stratum1.ntp import FieldKind, FieldPlace
from stratum1.timescale import NS, NtpTimestamp, UtcNs, ntp_timestamp

from ._ask import Ask, Exchange, silence
from ._mac import Signature, judge_mac
from ._nts import NtsRefusalError, lone_identifier, open_request, seal_reply, uses_nts
from ._reasons import Outcome, Protection, Record, ServerReason, ServerResponse
from ._rules import Rules
from ._shown import Shown
from ._smear import Smear, ambiguous
from ._stamps import later
from ._tables import mix64
from ._v5_fields import DRAFT, Moment, answers, draft_of, era_of, padded, walk

__all__ = ["Version5"]

_HEADER = struct.Struct("!BBbbIIBBHQQQQ")
_SYNCHRONISED, _INTERLEAVED, _AUTH_NAK = 1, 2, 4
_UTC, _TAI, _SMEARED = 0, 1, 3
_ONE_SECOND = 1 << 28
_LONGEST_POLL, _GO_AWAY = 126, 127
_Refusal = tuple[ServerReason, ServerResponse]


class _Scale(NamedTuple):
    """A timescale. known: whether its time may be believed; shift: from served time (UTC) to it."""

    code: int
    known: bool
    shift: Callable[[UtcNs], UtcNs]


@dataclass(frozen=True, slots=True)
class _Read:
    """A request of which the fields are found, and what makes the whole reply, with NTS or a MAC, of its header and answers."""

    ask: Ask
    fields: Sequence[FieldPlace]
    protection: Protection
    finish: Callable[[bytes], bytes]


class Version5:
    """Answers requests of version 5 while one TimeState stands."""

    __slots__ = ("_rules", "_shown")

    def __init__(self, rules: Rules, shown: Shown) -> None:
        self._rules = rules
        self._shown = shown

    def reply(self, ask: Ask, refused: _Refusal | None, nts_only: bool) -> Outcome:
        """The outcome of a request. refused: what access rules and rate limit have against it; a kiss needs a request that is right."""
        if refused and refused[1] is ServerResponse.IGNORE:
            return silence(ask, refused[0])
        places = walk(ask.request)
        if places is None or draft_of(ask.request, places) != DRAFT:
            return silence(ask, ServerReason.V5_MALFORMED if places is None else ServerReason.V5_DRAFT)
        if refused:
            return self._refuse(ask, *refused)
        if uses_nts(places):
            return self._nts(ask, places)
        if nts_only:
            response = ServerResponse.IGNORE if self._rules.silent else ServerResponse.KISS_RSTR
            return self._refuse(ask, ServerReason.NTS_REQUIRED, response)
        return self._answer(ask, places)

    def _answer(self, ask: Ask, places: Sequence[FieldPlace]) -> Outcome:
        """The answer to a request without NTS."""
        request, size = ask.request, len(ask.request)
        last = places[-1]
        if last.kind != FieldKind.V5_MAC:
            return self._time(_Read(ask, places, Protection.NONE, lambda octets: padded(octets, size)))
        signature = judge_mac(self._rules.keys, request[: last.start], request[last.start + 4 : last.start + last.length], 5)
        if not isinstance(signature, Signature):
            return silence(ask, signature, Protection.MAC)
        signed = signature
        return self._time(_Read(ask, places, Protection.MAC, lambda octets: signed.sign_field(padded(octets, last.start))))

    def _nts(self, ask: Ask, places: Sequence[FieldPlace]) -> Outcome:
        """The answer to a request that is to be read as NTS."""
        try:
            jar, opened = open_request(self._rules.jar, ask.request, places)
        except NtsRefusalError as refusal:
            if refusal.response is ServerResponse.IGNORE:
                return silence(ask, refusal.reason, Protection.NTS)
            octets = self._refusal(ask.exchange(), ask.request[2], _AUTH_NAK) + _draft()
            identifier = lone_identifier(places)
            if identifier:
                octets += ask.request[identifier.start : identifier.end]
            record = Record(5, refusal.reason, refusal.response, Protection.NTS)
            return Outcome(record, padded(octets, len(ask.request)))
        return self._time(_Read(ask, places, Protection.NTS, lambda octets: seal_reply(octets, opened, jar, ask.entropy)))

    def _refuse(self, ask: Ask, reason: ServerReason, response: ServerResponse) -> Outcome:
        """A refusal, which says by its poll what is wrong, or silence."""
        if response is ServerResponse.IGNORE:
            return silence(ask, reason)
        poll = _GO_AWAY
        if response is ServerResponse.KISS_RATE:
            asked = ask.request[2] - (ask.request[2] >> 7 << 8)
            poll = min(_LONGEST_POLL, max(asked + 1, self._rules.least_poll))
        octets = self._refusal(ask.exchange(), poll & 0xFF, 0) + _draft()
        return Outcome(Record(5, reason, response), padded(octets, len(ask.request)))

    def _time(self, read: _Read) -> Outcome:
        """The time, in the interleaved mode where the client wants it and it can be had."""
        ask = read.ask
        if ask.is_stale:
            return silence(ask, ServerReason.STALE, read.protection)
        asked = ask.request[12]
        scale = self._scale(asked, ask.sent) or self._scale(self._usual, ask.sent)
        if scale is None:
            raise AssertionError("UTC is always there")
        if not scale.known:
            scale = _Scale(self._usual, False, _as_it_is)
        wants = bool(ask.request[15] & _INTERLEAVED)
        table = self._rules.interleaved if scale.known and wants else None
        hashed = self._rules.address_hash(ask.sender.address) if table is not None else 0
        cookie = int.from_bytes(ask.request[16:24], "big")
        departed = table.take(table.key(cookie, hashed)) if table is not None and cookie else None
        exchange = ask.exchange(departed)
        header, receive = self._header(exchange, scale, table is not None)
        saved = None
        if table is not None:
            saved = table.key(receive, hashed)
            table.save(saved, ask.sent)
        octets = header + _draft() + answers(ask.request, _answered(read.fields), self._moment(exchange, scale, header))
        return Outcome(self._record(read, scale, asked, departed), read.finish(octets), saved)

    def _record(self, read: _Read, scale: _Scale, asked: int, departed: int | None) -> Record:
        reason = ServerReason.SYNCHRONISED if scale.code == asked else ServerReason.V5_TIMESCALE
        if not scale.known:
            reason = ServerReason.UNSYNCHRONISED
        return Record(5, reason, ServerResponse.TIME if departed is None else ServerResponse.INTERLEAVED, read.protection)

    def _header(self, exchange: Exchange, scale: _Scale, remembered: bool) -> tuple[bytes, int]:
        """The 48 octets of a time reply and the receive timestamp. remembered: whether its cookie may be asked for later."""
        if not scale.known:
            octets = self._refusal(exchange, exchange.request[2], 0, scale.code)
            return octets, int.from_bytes(octets[32:40], "big")
        shown, state = self._shown, self._shown.state
        receive, transmit = shown.grain.pair(scale.shift(exchange.received), scale.shift(exchange.sent), exchange.random)
        flags = _SYNCHRONISED
        if exchange.departed is not None:
            transmit = NtpTimestamp(shown.grain.transmit(scale.shift(exchange.departed), exchange.random))
            flags |= _INTERLEAVED
        octets = _HEADER.pack(
            (0 if scale.code == _SMEARED else state.leap << 6) | exchange.bits,
            state.stratum,
            _signed(exchange.request[2]),
            shown.precision,
            _time32(state.root_delay),
            _time32(state.root_dispersion_at(exchange.sent)) or 1,
            scale.code,
            era_of(scale.shift(exchange.received)),
            flags,
            receive if remembered else 0,
            int.from_bytes(exchange.request[24:32], "big"),
            receive,
            transmit,
        )
        return octets, receive

    def _refusal(self, exchange: Exchange, poll: int, flags: int, scale: int = _UTC) -> bytes:
        """The 48 octets of a reply that does not tell the time; its timestamps are UTC."""
        receive, transmit = self._shown.grain.pair(exchange.received, exchange.sent, exchange.random)
        return _HEADER.pack(
            Leap.UNKNOWN << 6 | exchange.bits,
            0,
            _signed(poll),
            self._shown.precision,
            _ONE_SECOND,
            _ONE_SECOND,
            scale,
            era_of(exchange.received),
            flags,
            0,
            int.from_bytes(exchange.request[24:32], "big"),
            receive,
            transmit,
        )

    def _moment(self, exchange: Exchange, scale: _Scale, header: bytes) -> Moment:
        """What the fields may tell of."""
        state = self._shown.state
        mapping = state.monotonic
        epoch_id = mix64(self._rules.seed ^ (mapping.epoch if mapping else 0)) >> 32

        def secondary(code: int) -> tuple[int, int] | None:
            other = self._scale(code, exchange.sent)
            if other is None or not other.known:
                return other and (0, 0)
            told = other.shift(exchange.received)
            return era_of(told), self._shown.grain.receive(told, exchange.random)

        return Moment(exchange.received, self._reference(exchange, scale, header), secondary, mapping, epoch_id, self._rules.reference_ids)

    def _reference(self, exchange: Exchange, scale: _Scale, header: bytes) -> int:
        """The reference timestamp, which is never after the transmit timestamp of the reply."""
        if not scale.known:
            return 0
        told, transmit = scale.shift(self._shown.state.reference_time), int.from_bytes(header[40:48], "big")
        left = scale.shift(exchange.sent if exchange.departed is None else exchange.departed)
        reference = ntp_timestamp(told)
        return transmit if told > left or later(reference, transmit) else reference

    @property
    def _usual(self) -> int:
        """The timescale that older versions are shown."""
        return _UTC if self._rules.smear is Smear.NONE else _SMEARED

    def _scale(self, code: int, sent: UtcNs) -> _Scale | None:
        """A timescale at the time of a reply; None if it is not served."""
        shown, plan = self._shown, self._shown.state.leap_plan
        believed = shown.valid_until is not None and sent <= shown.valid_until
        if code == _UTC:
            return _Scale(_UTC, believed, _as_it_is)
        if code == _TAI and shown.state.tai_offset:
            return _Scale(_TAI, believed and not (plan is not None and ambiguous(plan, sent)), self._tai)
        if code == _SMEARED and self._rules.smear is not Smear.NONE:
            return _Scale(_SMEARED, shown.known(sent), shown.smeared)
        return None

    def _tai(self, served: UtcNs) -> UtcNs:
        plan, offset = self._shown.state.leap_plan, self._shown.state.tai_offset
        if plan is not None and served >= plan.at:
            offset += plan.sign
        return UtcNs(served + offset * NS)


def _as_it_is(served: UtcNs) -> UtcNs:
    return served


def _draft() -> bytes:
    """The field that names our draft: 27 octets and one of padding."""
    return struct.pack("!HH", FieldKind.V5_DRAFT, 4 + len(DRAFT)) + DRAFT + b"\0"


def _answered(places: Sequence[FieldPlace]) -> list[FieldPlace]:
    """Those that may be answered: no unique identifier but a lone one."""
    lone = lone_identifier(places)
    return [place for place in places if place.kind != FieldKind.UNIQUE_IDENTIFIER or place is lone]


def _signed(octet: int) -> int:
    return octet - (octet >> 7 << 8)


def _time32(value: float) -> int:
    """Seconds in 4.28 fixed point, rounded up so that a bound stays a bound; saturates."""
    return min(0xFFFFFFFF, math.ceil(value * (1 << 28))) if value < 16 else 0xFFFFFFFF

"""The answer to a request: a pure function, and the specification that every data plane must equal octet for octet.

What is answered: versions 1 to 4, in mode 3 (client; the reply is mode 4) and mode 1 (symmetric active; the reply is mode 2,
for we never let a stranger steer us). A version 1 request carries mode 0 and counts as a client's unless it comes from port
123, where it would be another server's answer (RFC 1059 has no mode field). Everything else meets silence: replies and
broadcasts (answering one would start an endless ping-pong), modes 6 and 7, other versions, malformed packets.

Unknown extension fields are skipped and the request is answered without any (RFC 7822). There are no keys yet, so a MAC can't
be checked: version 4 gets a crypto-NAK (RFC 5905, section 9.2: the header and four zero octets), older versions know none and
get silence. No reply is ever longer than its request.
"""

import math
from enum import StrEnum
from typing import NamedTuple

from stratum1.interchange import Leap, TimeState
from stratum1.ntp import (
    HEADER_SIZE,
    NO_REFID,
    ExtensionOverrunError,
    ExtensionTooShortError,
    ExtensionUnalignedError,
    Mode,
    TrailingOctetsError,
    UnalignedLengthError,
    WireError,
    pack_header,
    parse,
    request_fields,
)
from stratum1.timescale import NS, NtpShort, NtpTimestamp, UtcNs, ntp_short, ntp_timestamp

from ._smear import Smear, ambiguous, smear_ns, smear_refid

__all__ = ["MAX_HOLD_NS", "MAX_REQUEST", "Outcome", "Record", "Responder", "ServerReason", "ServerResponse", "check_state", "reply"]

MAX_REQUEST = 2048
"""Octets of the longest request that is read; more than an Ethernet frame carries, and chrony stops at about 1,200."""

MAX_HOLD_NS = NS
"""A request that waited longer is dropped: its sender has given up, and a step of the clock would look the same."""

_CRYPTO_NAK = b"\0\0\0\0"
_NTP_PORT = 123


class ServerResponse(StrEnum):
    """What was done about a packet."""

    TIME = "time"
    """Answered; whether the time may be believed is in the reply."""
    CRYPTO_NAK = "crypto-nak"
    """Answered that its MAC could not be verified."""
    IGNORE = "ignore"
    """Silence."""


class ServerReason(StrEnum):
    """Why it was done; one for every packet."""

    SYNCHRONISED = "synchronised"
    UNSYNCHRONISED = "unsynchronised"
    """A valid request while the time is not known: answered with leap 3 and stratum 0."""
    UNKNOWN_KEY = "unknown-key"
    """A MAC whose key is not ours."""
    PEER_CRYPTO_NAK = "peer-crypto-nak"
    """The packet itself is a crypto-NAK."""
    SOURCE_PORT = "source-port"
    """Sent from port 0, to which nothing can be sent back."""
    TOO_SHORT = "too-short"
    TOO_LONG = "too-long"
    UNALIGNED = "unaligned"
    """No whole number of 32-bit words."""
    BAD_EXTENSION = "bad-extension"
    """An extension field with a length that cannot be."""
    TRAILING_OCTETS = "trailing-octets"
    """The end is neither an extension field nor a MAC."""
    VERSION = "version"
    """Version 0, 5, 6 or 7."""
    NOT_A_REQUEST = "not-a-request"
    """A reply, a broadcast, or the reserved mode 0."""
    CONTROL = "control"
    """Mode 6."""
    PRIVATE = "private"
    """Mode 7."""
    STALE = "stale"
    """Its times do not fit together: the clock was stepped while we held it, or it waited for more than a second."""


class Record(NamedTuple):
    """What became of one packet; all counters derive from these. version: 0 to 7 as it stood in the packet, 0 if it was empty."""

    version: int
    reason: ServerReason
    response: ServerResponse


class Outcome(NamedTuple):
    """The record of a packet and the octets to send back, or None for silence."""

    record: Record
    reply: bytes | None


class _Verdict(NamedTuple):
    """What a request's first octet alone decides: the reply's version and mode bits, or the reason for silence."""

    bits: int
    refusal: ServerReason | None


class _Header(NamedTuple):
    """The part of a reply's header that is the same for all requests while one TimeState stands."""

    leap_bits: int
    stratum: int
    precision: int
    root_delay: NtpShort
    refid: bytes
    reference: NtpTimestamp


_ONE_SECOND = ntp_short(1.0)
_REFUSALS: dict[type[WireError], ServerReason] = {
    UnalignedLengthError: ServerReason.UNALIGNED,
    ExtensionTooShortError: ServerReason.BAD_EXTENSION,
    ExtensionUnalignedError: ServerReason.BAD_EXTENSION,
    ExtensionOverrunError: ServerReason.BAD_EXTENSION,
    TrailingOctetsError: ServerReason.TRAILING_OCTETS,
}


def _verdict(first: int) -> _Verdict:
    version, mode = first >> 3 & 7, first & 7
    if mode == Mode.CONTROL:
        return _Verdict(0, ServerReason.CONTROL)
    if mode == Mode.PRIVATE:
        return _Verdict(0, ServerReason.PRIVATE)
    if not 1 <= version <= 4:
        return _Verdict(0, ServerReason.VERSION)
    if mode == Mode.SYMMETRIC_ACTIVE:
        return _Verdict(version << 3 | Mode.SYMMETRIC_PASSIVE, None)
    if mode == Mode.CLIENT or (version == 1 and mode == Mode.RESERVED):
        return _Verdict(version << 3 | Mode.SERVER, None)
    return _Verdict(0, ServerReason.NOT_A_REQUEST)


_VERDICTS = tuple(_verdict(first) for first in range(256))


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
    """Answers while one TimeState stands; makes what all replies share only once. Holds no other state: any thread may use it."""

    __slots__ = ("_leap", "_smear", "_state", "_synchronised", "_unsynchronised", "_valid_until")

    def __init__(self, state: TimeState, smear: Smear = Smear.NONE) -> None:
        """`state` has passed `check_state`. smear: how this listener shows a leap second; one that smears announces none."""
        precision = min(0, max(-128, state.precision))
        usable = state.synchronised and state.stratum > 0 and state.realtime is not None
        self._state = state
        self._smear = smear
        self._leap = state.smeared_leap if smear is not Smear.NONE else None
        self._valid_until = state.valid_until if usable else None
        self._synchronised = _Header(
            state.leap << 6 if smear is Smear.NONE else 0,
            state.stratum,
            precision,
            ntp_short(state.root_delay),
            state.refid,
            ntp_timestamp(state.reference_time),
        )
        # Stratum 16 is 0 on the wire (RFC 5905, figure 11); root delay and dispersion of 1 s each, as chrony sends them,
        # keep us out of a selection even where somebody overlooks leap and stratum (RFC 5905: MAXDIST is 1 s).
        self._unsynchronised = _Header(Leap.UNKNOWN << 6, 0, precision, _ONE_SECOND, NO_REFID, NtpTimestamp(0))

    def reply(self, request: bytes, receive_time: UtcNs, transmit_time: UtcNs, source_port: int) -> Outcome:
        """The outcome of one datagram, see `reply`."""
        bits, refusal = _judge(request, source_port)
        wants_nak = refusal is ServerReason.UNKNOWN_KEY and bits >> 3 == 4
        if refusal is not None and not wants_nak:
            return _silence(request, refusal)
        if not 0 <= transmit_time - receive_time <= MAX_HOLD_NS:
            return _silence(request, ServerReason.STALE)
        known = self._valid_until is not None and transmit_time <= self._valid_until
        if self._leap is not None and ambiguous(self._leap, transmit_time):
            known = False  # the second that is counted twice: which of the two it is can't be seen
        octets = self._header(request, bits, receive_time, transmit_time, known)
        if wants_nak:
            return Outcome(Record(4, ServerReason.UNKNOWN_KEY, ServerResponse.CRYPTO_NAK), octets + _CRYPTO_NAK)
        reason = ServerReason.SYNCHRONISED if known else ServerReason.UNSYNCHRONISED
        return Outcome(Record(bits >> 3, reason, ServerResponse.TIME), octets)

    def _header(self, request: bytes, bits: int, receive_time: UtcNs, transmit_time: UtcNs, known: bool) -> bytes:
        dispersion = _ONE_SECOND
        if known:  # rounded up and never 0: the bound is a promise
            dispersion = ntp_short(self._state.root_dispersion_at(transmit_time)) or NtpShort(1)
        leap_bits, stratum, precision, root_delay, refid, reference = self._synchronised if known else self._unsynchronised
        reference_time = self._state.reference_time
        if known and self._leap is not None:
            receive_time, transmit_time, reference_time, refid = self._shown(receive_time, transmit_time, refid)
            reference = ntp_timestamp(reference_time)
        transmit = ntp_timestamp(transmit_time)
        if known and reference_time > transmit_time:  # clients refuse a reference from the future (RFC 5905, A.5.1.1)
            reference = transmit
        _, poll, origin = request_fields(request)
        return pack_header(
            (
                leap_bits | bits,
                stratum,
                poll,
                precision,
                root_delay,
                dispersion,
                refid,
                reference,
                origin,
                ntp_timestamp(receive_time),
                transmit,
            )
        )

    def _shown(self, receive_time: UtcNs, transmit_time: UtcNs, refid: bytes) -> tuple[UtcNs, UtcNs, UtcNs, bytes]:
        """The three times and the reference ID as they are shown near a leap second that is smeared."""
        offset = smear_ns(self._smear, self._leap, transmit_time)
        received = receive_time + smear_ns(self._smear, self._leap, receive_time)
        reference = self._state.reference_time
        reference = UtcNs(reference + smear_ns(self._smear, self._leap, reference))
        return UtcNs(received), UtcNs(transmit_time + offset), reference, smear_refid(offset) if offset else refid


def reply(
    request: bytes, receive_time: UtcNs, transmit_time: UtcNs, state: TimeState, source_port: int, *, smear: Smear = Smear.NONE
) -> Outcome:
    """What to do about a datagram from `source_port`: exactly one record, and the reply unless the record says silence.

    receive_time and transmit_time are served times: when the request came in and when the reply will leave. A state that is
    past its `valid_until` at transmit_time, or without a mapping, is unsynchronised whatever else it says. Raises ValueError
    for a state that `check_state` refuses, and for nothing that a request can hold.
    """
    check_state(state)
    return Responder(state, smear).reply(request, receive_time, transmit_time, source_port)


def _silence(request: bytes, reason: ServerReason) -> Outcome:
    return Outcome(Record(request[0] >> 3 & 7 if request else 0, reason, ServerResponse.IGNORE), None)


def _judge(request: bytes, source_port: int) -> tuple[int, ServerReason | None]:
    """Version and mode bits of the reply that a datagram deserves, and why it is not simply to be answered (None if it is)."""
    size = len(request)
    if not HEADER_SIZE <= size <= MAX_REQUEST or source_port == 0:
        return 0, _misfit(request, source_port)
    bits, refusal = _VERDICTS[request[0]]
    if refusal is None:
        if source_port == _NTP_PORT and request[0] & 7 == Mode.RESERVED:
            refusal = ServerReason.NOT_A_REQUEST
        elif size > HEADER_SIZE:
            refusal = _read_rest(request)
    return bits, refusal


def _misfit(request: bytes, source_port: int) -> ServerReason:
    """Why a datagram is not even looked into; its first octet speaks first, so that short mode 6 packets are called that."""
    refusal = _VERDICTS[request[0]].refusal if request else None
    if refusal is not None:
        return refusal
    if source_port == 0:
        return ServerReason.SOURCE_PORT
    return ServerReason.TOO_SHORT if len(request) < HEADER_SIZE else ServerReason.TOO_LONG


def _read_rest(request: bytes) -> ServerReason | None:
    """What follows the header, judged: None if the request may be answered."""
    try:
        mac = parse(request).mac
    except WireError as error:
        return _REFUSALS[type(error)]
    if mac is None:
        return None
    return ServerReason.PEER_CRYPTO_NAK if mac.is_crypto_nak else ServerReason.UNKNOWN_KEY

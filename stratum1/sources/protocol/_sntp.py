"""One question and its answer, without memory: SNTP (RFC 5905, section 14).

Times are named as in RFC 5905, section 8: T1 the request left us, T2 it reached the server, T3 the reply left the server,
T4 it reached us. offset = ((T2 - T1) + (T3 - T4)) / 2 and delay = (T4 - T1) - (T3 - T2), in seconds; the offset is the
server's time minus ours, so that a positive one means that ours is behind.
"""

from dataclasses import dataclass

from stratum1.interchange import Leap
from stratum1.ntp import Mode, Packet, WireError, parse, refid_text
from stratum1.timescale import NtpTimestamp, UtcNs, ntp_short_seconds, seconds, utc_from_ntp

__all__ = [
    "BadReplyTimesError",
    "BadStratumError",
    "KissOfDeathError",
    "MalformedReplyError",
    "Measurement",
    "NotAReplyError",
    "OriginMismatchError",
    "RefusedKeyError",
    "ReplyError",
    "build_request",
    "measure",
]

_KISSES = {
    "DENY": "it denies us access",
    "RSTR": "it restricts access to its service",
    "RATE": "we asked too often; wait before the next try",
}
"""The kiss codes that tell a client to stop or slow down (RFC 5905, section 7.4); the others only describe the server."""


class ReplyError(ValueError):
    """What came back is no measurement; the message says why."""


class MalformedReplyError(ReplyError):
    """It is no NTP packet."""


class NotAReplyError(ReplyError):
    """It is an NTP packet of another mode than 4 (server)."""


class OriginMismatchError(ReplyError):
    """It answers another request than ours: late, duplicated or forged."""


class KissOfDeathError(ReplyError):
    """The server asks us to stop or to slow down; `code` says which."""

    def __init__(self, code: str) -> None:
        super().__init__(f"the server refuses with {code}: {_KISSES[code]}")
        self.code = code


class RefusedKeyError(ReplyError):
    """A crypto-NAK, although we sent nothing to verify."""


class BadStratumError(ReplyError):
    """A stratum above 16, which does not exist."""


class BadReplyTimesError(ReplyError):
    """Timestamps that are missing or in an impossible order."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one exchange told. Times in UTC; root_delay, root_dispersion, offset, delay and error_bound in seconds.

    sent (T1) and returned (T4) are by our clock, received (T2) and answered (T3) by the server's. reference_time is None
    where the server gives none. error_bound: the server's time is within it of ours plus offset, if the server is right about
    itself: delay / 2 + root_delay / 2 + root_dispersion.
    """

    version: int
    leap: Leap
    stratum: int
    refid: bytes
    poll: int
    precision: int
    root_delay: float
    root_dispersion: float
    reference_time: UtcNs | None
    sent: UtcNs
    received: UtcNs
    answered: UtcNs
    returned: UtcNs

    @property
    def synchronised(self) -> bool:
        """Whether the server says that it knows the time."""
        return self.leap is not Leap.UNKNOWN and 1 <= self.stratum <= 15

    @property
    def offset(self) -> float:
        """The server's time minus ours: positive means that ours is behind."""
        return seconds((self.received - self.sent) + (self.answered - self.returned)) / 2

    @property
    def delay(self) -> float:
        """Time on the way there and back; slightly negative where clocks are too coarse for the distance."""
        return seconds((self.returned - self.sent) - (self.answered - self.received))

    @property
    def error_bound(self) -> float:
        """How far `offset` can be from the truth."""
        return max(self.delay, 0.0) / 2 + self.root_delay / 2 + self.root_dispersion

    @property
    def refid_text(self) -> str:
        """The reference identifier for people: a name at stratum 0 and 1, an address else."""
        return refid_text(self.refid, self.stratum)


def build_request(transmit: NtpTimestamp) -> bytes:
    """A request that tells nothing about us: 64 random bits as transmit timestamp, precision 32, all else blank.

    The server sends `transmit` back as origin, which is all that it is good for: nobody who can't see it can forge a reply.
    """
    return Packet(4, Mode.CLIENT, precision=32, transmit=transmit).to_bytes()


def measure(reply: bytes, asked: NtpTimestamp, sent: UtcNs, returned: UtcNs) -> Measurement:
    """Read a reply to the request that was built with `asked`, left at `sent` and was answered at `returned` (our clock, UTC).

    Raises the ReplyError that says what is wrong. A server that says it does not know the time gives a Measurement with
    `synchronised` false.
    """
    packet = _checked(reply, asked)
    received, answered = (utc_from_ntp(stamp, near=returned) for stamp in (packet.receive, packet.transmit))
    if answered < received:
        raise BadReplyTimesError("the reply left the server before the request came in")
    if returned < sent:
        raise BadReplyTimesError("our own clock was set back between request and reply")
    return Measurement(
        packet.version,
        Leap(packet.leap),
        packet.stratum,
        packet.refid,
        packet.poll,
        packet.precision,
        ntp_short_seconds(packet.root_delay),
        ntp_short_seconds(packet.root_dispersion),
        utc_from_ntp(packet.reference, near=returned) if packet.reference else None,
        sent,
        received,
        answered,
        returned,
    )


def _checked(reply: bytes, asked: NtpTimestamp) -> Packet:
    try:
        packet = parse(reply)
    except WireError as error:
        raise MalformedReplyError(f"the reply is no NTP packet: {error}") from error
    if packet.mode != Mode.SERVER:
        raise NotAReplyError(f"the reply has mode {packet.mode}, not 4 (server)")
    if packet.origin != asked:
        raise OriginMismatchError("the reply answers another request than ours")
    # only now can the rest be the server's word: a stranger could not know the origin
    if packet.mac is not None and packet.mac.is_crypto_nak:
        raise RefusedKeyError("the server answers with a crypto-NAK")
    if packet.stratum > 16:
        raise BadStratumError(f"the reply has stratum {packet.stratum}, which does not exist")
    code = refid_text(packet.refid, 0)
    if packet.stratum == 0 and code in _KISSES:
        raise KissOfDeathError(code)
    if packet.receive == 0 or packet.transmit == 0:
        raise BadReplyTimesError("the reply has no receive or transmit timestamp")
    return packet

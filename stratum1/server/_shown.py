"""What one TimeState lets one listener say: the header of every reply of versions 1 to 4. Pure."""

from stratum1.interchange import Leap, TimeState
from stratum1.ntp import NO_REFID, pack_header, request_fields
from stratum1.timescale import NtpShort, NtpTimestamp, UtcNs, ntp_short, ntp_timestamp

from ._ask import Exchange
from ._smear import Smear, ambiguous, smear_ns, smear_refid
from ._stamps import Grain, later

__all__ = ["Shown"]

_ONE_SECOND = ntp_short(1.0)
_PROBED_NS = 2_000_000_000


class Shown:
    """Makes headers while one TimeState stands."""

    __slots__ = ("_root_delay", "grain", "leap_bits", "precision", "smear", "smeared_leap", "state", "valid_until")

    def __init__(self, state: TimeState, smear: Smear) -> None:
        """`state` has passed `check_state`. smear: how the listener shows a leap second; one that smears announces none."""
        usable = state.synchronised and state.stratum > 0 and state.realtime is not None
        self.state = state
        self.smear = smear
        self.smeared_leap = state.smeared_leap if smear is not Smear.NONE else None
        self.leap_bits = state.leap << 6 if smear is Smear.NONE else 0
        self.valid_until = state.valid_until if usable else None
        self.precision = min(0, max(-128, state.precision))
        self.grain = Grain(self.precision)
        self._root_delay = ntp_short(state.root_delay)

    def known(self, sent: UtcNs) -> bool:
        """Whether the time of a reply that leaves then may be believed."""
        if self.valid_until is None or sent > self.valid_until:
            return False
        # the second that is counted twice can't be smeared: which of the two it is can't be seen
        return self.smeared_leap is None or not ambiguous(self.smeared_leap, sent)

    def dispersion(self, sent: UtcNs) -> NtpShort:
        """Root dispersion of a synchronised reply: rounded up and never 0, for the bound is a promise."""
        return ntp_short(self.state.root_dispersion_at(sent)) or NtpShort(1)

    def steady_until(self, start: UtcNs) -> UtcNs:
        """The served time up to which `dispersion` is what it is at `start`, for it never shrinks; within two seconds."""
        now, same, other = self.dispersion(start), 0, _PROBED_NS
        if self.dispersion(UtcNs(start + other)) == now:
            return UtcNs(start + other)
        while other - same > _PROBED_NS >> 11:
            middle = (same + other) // 2
            if self.dispersion(UtcNs(start + middle)) == now:
                same = middle
            else:
                other = middle
        return UtcNs(start + same)

    def time_header(self, exchange: Exchange, known: bool) -> tuple[bytes, NtpTimestamp]:
        """The 48 octets of a time reply, and the receive timestamp in them."""
        if not known:
            return self.refusal(exchange, NO_REFID, known)
        state, departed = self.state, exchange.departed
        offset = smear_ns(self.smear, self.smeared_leap, exchange.sent)
        reference_ns = self.smeared(state.reference_time)
        receive, transmit = self.stamps(exchange, known)
        left = UtcNs(exchange.sent + offset)
        if departed is not None:
            left = self.smeared(departed)
            transmit = NtpTimestamp(self.grain.transmit(left, exchange.random))
        reference = ntp_timestamp(reference_ns)
        if reference_ns > left or later(reference, transmit):  # clients refuse a reference from the future (RFC 5905, A.5.1.1)
            reference = transmit
        _, poll, origin = request_fields(exchange.request)
        if departed is not None:
            origin = NtpTimestamp(int.from_bytes(exchange.request[32:40], "big"))
        header = pack_header(
            (
                self.leap_bits | exchange.bits,
                state.stratum,
                poll,
                self.precision,
                self._root_delay,
                self.dispersion(exchange.sent),
                smear_refid(offset) if offset else state.refid,
                reference,
                origin,
                receive,
                transmit,
            )
        )
        return header, receive

    def refusal(self, exchange: Exchange, code: bytes, known: bool, least_poll: int = -128) -> tuple[bytes, NtpTimestamp]:
        """The 48 octets of a kiss with its code, or (NO_REFID) of a reply that does not know the time.

        Stratum 16 is 0 on the wire (RFC 5905, figure 11); root delay and dispersion of 1 s each, as chrony sends them, keep us out
        of a selection even where somebody overlooks leap and stratum (RFC 5905: MAXDIST is 1 s).
        """
        receive, transmit = self.stamps(exchange, known)
        _, poll, origin = request_fields(exchange.request)
        header = pack_header(
            (
                Leap.UNKNOWN << 6 | exchange.bits,
                0,
                max(poll, least_poll),
                self.precision,
                _ONE_SECOND,
                _ONE_SECOND,
                code,
                NtpTimestamp(0),
                origin,
                receive,
                transmit,
            )
        )
        return header, receive

    def stamps(self, exchange: Exchange, known: bool) -> tuple[NtpTimestamp, NtpTimestamp]:
        """Receive and transmit timestamp of the basic mode; smeared only where the time is known."""
        if known and self.smeared_leap is not None:
            return self.grain.pair(self.smeared(exchange.received), self.smeared(exchange.sent), exchange.random)
        return self.grain.pair(exchange.received, exchange.sent, exchange.random)

    def smeared(self, served: UtcNs) -> UtcNs:
        """A served time as this listener shows it."""
        return UtcNs(served + smear_ns(self.smear, self.smeared_leap, served))

    def middle(self, sent: UtcNs) -> bytes:
        """Octets 3 to 23 of a synchronised reply while nothing is smeared: precision to reference time."""
        state = self.state
        whole = (0, 0, 0, self.precision, self._root_delay, self.dispersion(sent), state.refid)
        stamps = (ntp_timestamp(state.reference_time), NtpTimestamp(0), NtpTimestamp(0), NtpTimestamp(0))
        return pack_header((*whole, *stamps))[3:24]

//! The 48 octets of replies of versions 1 to 4, and their timestamps.
//!
//! The random bits make every receive timestamp unique and hide the grain of the clock. The lowest bit says which timestamp it is: 1
//! for receive, 0 for transmit, so that a client that sends one of them back is told from one that sends the other.

use crate::smear::smear_refid;
use crate::state::State;
use crate::wire::{ReplyBuffer, ntp_timestamp, u64_at};

const ONE_SECOND: u64 = 0x10000;

/// One request that is answered.
pub struct Exchange<'a> {
    /// The request.
    pub request: &'a [u8],
    /// Version and mode bits of the reply.
    pub bits: u8,
    /// Served time, ns.
    pub received: i64,
    /// Served time, ns.
    pub sent: i64,
    /// 64 random bits.
    pub random: u64,
    /// When the earlier reply left that an interleaved client asks about; None in the basic mode.
    pub departed: Option<i64>,
}

/// Whether a timestamp is after another, when they are less than 68 years apart in whatever eras.
#[inline]
pub fn later(one: u64, other: u64) -> bool {
    (one.wrapping_sub(other) as i64) > 0
}

/// The receive timestamp of an instant, its bits below the precision replaced by the upper half of the random ones.
#[inline]
pub fn receive_stamp(state: &State, instant: i64, random: u64) -> u64 {
    (ntp_timestamp(instant) & !state.noise & !1) | ((random >> 32) & state.noise) | 1
}

/// The transmit timestamp of an instant, its bits below the precision replaced by the lower half of the random ones.
#[inline]
pub fn transmit_stamp(state: &State, instant: i64, random: u64) -> u64 {
    (ntp_timestamp(instant) & !state.noise & !1) | (random & state.noise)
}

/// Both, where the reply is seen to leave after the request came, whatever the random bits are.
#[inline]
pub fn stamps(state: &State, received: i64, sent: i64, random: u64) -> (u64, u64) {
    let (receive, transmit) = (receive_stamp(state, received, random), transmit_stamp(state, sent, random));
    if later(receive, transmit) { (receive, receive.wrapping_add(1)) } else { (receive, transmit) }
}

/// Writes the header of a time reply, and gives the receive timestamp in it. Octets 3 to 15 of one that is not known are a refusal's.
#[inline]
pub fn write_time(state: &State, exchange: &Exchange, known: bool, out: &mut ReplyBuffer) -> u64 {
    if !known {
        return write_refusal(state, exchange, [0; 4], known, i8::MIN, out);
    }
    let (mut refid, mut reference_ns, mut reference) = (state.refid, state.reference_time, state.reference);
    let (mut received, mut left) = (exchange.received, exchange.departed.unwrap_or(exchange.sent));
    if let Some(leap) = &state.leap {
        received = received.wrapping_add(leap.offset_ns(received));
        left = left.wrapping_add(leap.offset_ns(left));
        reference_ns = reference_ns.wrapping_add(leap.offset_ns(reference_ns));
        reference = ntp_timestamp(reference_ns);
        let offset = leap.offset_ns(exchange.sent);
        if offset != 0 {
            refid = smear_refid(offset);
        }
    }
    let (receive, transmit, origin) = match exchange.departed {
        None => {
            let (receive, transmit) = stamps(state, received, left, exchange.random);
            (receive, transmit, u64_at(exchange.request, 40))
        }
        Some(_) => {
            let transmit = transmit_stamp(state, left, exchange.random);
            (receive_stamp(state, received, exchange.random), transmit, u64_at(exchange.request, 32))
        }
    };
    if reference_ns > left || later(reference, transmit) {
        reference = transmit; // clients refuse a reference from the future (RFC 5905, A.5.1.1)
    }
    let poll = u64_at(exchange.request, 0) & 0x0000_FF00_0000_0000;
    let first = u64::from(state.leap_bits | exchange.bits) << 56 | poll | state.first_word;
    let second = u64::from(state.root_dispersion(exchange.sent)) << 32 | u64::from(u32::from_be_bytes(refid));
    write_words(out, [first, second, reference, origin, receive, transmit]);
    receive
}

/// Writes the header of a kiss with its code, or (zeros) of a reply that does not know the time; gives its receive timestamp.
///
/// Stratum 16 is 0 on the wire (RFC 5905, figure 11); root delay and dispersion of 1 s each keep us out of a selection even where
/// somebody overlooks leap and stratum (RFC 5905: MAXDIST is 1 s).
#[inline(never)]
pub fn write_refusal(state: &State, exchange: &Exchange, code: [u8; 4], known: bool, least_poll: i8, out: &mut ReplyBuffer) -> u64 {
    let (mut received, mut sent) = (exchange.received, exchange.sent);
    if let Some(leap) = state.leap.filter(|_| known) {
        received = received.wrapping_add(leap.offset_ns(received));
        sent = sent.wrapping_add(leap.offset_ns(sent));
    }
    let (receive, transmit) = stamps(state, received, sent, exchange.random);
    let poll = exchange.request.get(2).map_or(0, |poll| *poll as i8).max(least_poll);
    let first = u64::from(3 << 6 | exchange.bits) << 56 | u64::from(poll as u8) << 40 | u64::from(state.precision as u8) << 32 | ONE_SECOND;
    let second = ONE_SECOND << 32 | u64::from(u32::from_be_bytes(code));
    write_words(out, [first, second, 0, u64_at(exchange.request, 40), receive, transmit]);
    receive
}

#[inline]
fn write_words(out: &mut ReplyBuffer, words: [u64; 6]) {
    for (place, word) in out.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_be_bytes());
    }
}

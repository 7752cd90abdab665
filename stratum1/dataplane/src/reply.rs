//! The answer to a request, octet for octet as `stratum1/server/reply.py` specifies it.

use crate::access::{Action, Sender};
use crate::interleave;
use crate::judge::{self, Asked, CLIENT, SYMMETRIC_ACTIVE};
use crate::reasons::{Protection, Reason, Record, Response};
use crate::service::{Entropy, Listener, Service, Tables};
use crate::smear::smear_refid;
use crate::state::{Fixed, State, UNKNOWN_DISPERSION, UNSYNCHRONISED};
use crate::wire::{HEADER, NS, ReplyBuffer, ntp_timestamp, u64_at};

/// A request that waited longer is dropped: its sender has given up, and a step of the clock would look the same.
pub const MAX_HOLD_NS: i64 = NS;

/// What is done about a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// For the counters.
    pub record: Record,
    /// Octets of the reply, 0 for silence.
    pub len: usize,
    /// The key under which the table waits for the transmit stamp of this reply.
    pub saved: Option<u64>,
}

/// What a datagram is answered from.
#[derive(Clone, Copy)]
pub struct Responder<'a> {
    /// What all listeners share.
    pub service: &'a Service,
    /// Where it came in.
    pub listener: &'a Listener,
    /// What is remembered of senders.
    pub tables: &'a Tables,
    /// The time.
    pub state: &'a State,
}

/// Whence and when a datagram came, and when its reply will leave.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Whom it came from.
    pub sender: Sender,
    /// Served time, ns since 1970.
    pub receive_ns: i64,
    /// Served time, ns since 1970.
    pub transmit_ns: i64,
}

impl Responder<'_> {
    /// What to do about a datagram: exactly one record, and a reply in `out` unless the outcome's length is 0.
    ///
    /// `request` may be longer than any request that is answered.
    #[inline]
    pub fn reply<E: Entropy>(&self, request: &[u8], arrival: &Arrival, entropy: &mut E, out: &mut ReplyBuffer) -> Outcome {
        match judge::judge(request, arrival.sender.port) {
            Ok(asked) => Call { with: self, request, arrival, asked, entropy, out }.answer(),
            Err(reason) => silence(judge::version(request), reason, Protection::None),
        }
    }
}

/// Silence, and why.
pub(crate) fn silence(version: u8, reason: Reason, protection: Protection) -> Outcome {
    Outcome { record: Record { version, reason, response: Response::Ignore, protection }, len: 0, saved: None }
}

/// One request and all that is known about it.
pub(crate) struct Call<'a, E> {
    pub with: &'a Responder<'a>,
    pub request: &'a [u8],
    pub arrival: &'a Arrival,
    pub asked: Asked,
    pub entropy: &'a mut E,
    pub out: &'a mut ReplyBuffer,
}

impl<E: Entropy> Call<'_, E> {
    fn answer(&mut self) -> Outcome {
        if self.with.listener.own.contains(&self.arrival.sender) {
            return self.silence(Reason::OwnAddress, Protection::None);
        }
        let mut nts_only = self.with.listener.require_nts;
        match self.with.listener.access.action(self.arrival.sender.address) {
            Action::Allow => {}
            Action::Deny => return self.kiss(Reason::AccessDenied, Response::KissDeny, Protection::None),
            Action::Ignore => return self.silence(Reason::AccessIgnored, Protection::None),
            Action::RequireNts => nts_only = true,
        }
        if let Some(over) = self.rate_limit() {
            return over;
        }
        if nts_only {
            if self.with.listener.nts_only_silence {
                return self.silence(Reason::NtsRequired, Protection::None);
            }
            return self.kiss(Reason::NtsRequired, Response::KissRstr, Protection::None);
        }
        if self.request.len() > HEADER {
            return self.silence(Reason::TrailingOctets, Protection::None);
        }
        self.time(Protection::None)
    }

    fn silence(&self, reason: Reason, protection: Protection) -> Outcome {
        silence(self.asked.version, reason, protection)
    }

    fn record(&self, reason: Reason, response: Response, protection: Protection) -> Record {
        Record { version: self.asked.version, reason, response, protection }
    }

    /// What is done about a packet over the limit; None for one within it, and for those that are let through all the same.
    #[inline]
    fn rate_limit(&mut self) -> Option<Outcome> {
        let limit = self.with.service.rate_limit.as_ref()?;
        if self.with.tables.rate.allow(limit, self.with.service.hash_seed, &self.arrival.sender, self.arrival.receive_ns) {
            return None;
        }
        let mut drawn = [0];
        self.entropy.fill(&mut drawn);
        let drawn = u16::from(drawn[0]);
        if drawn < limit.leak {
            return None;
        }
        if drawn < limit.leak + limit.kiss {
            return Some(self.kiss(Reason::RateLimited, Response::KissRate, Protection::None));
        }
        Some(self.silence(Reason::RateLimited, Protection::None))
    }

    /// A time reply, if its times fit together.
    #[inline]
    fn time(&mut self, protection: Protection) -> Outcome {
        if !self.arrival.transmit_ns.checked_sub(self.arrival.receive_ns).is_some_and(|held| (0..=MAX_HOLD_NS).contains(&held)) {
            return self.silence(Reason::Stale, protection);
        }
        let known = self.with.state.known(self.arrival.transmit_ns);
        if !known {
            self.header(false, None);
            return Outcome { record: self.record(Reason::Unsynchronised, Response::Time, protection), len: HEADER, saved: None };
        }
        let interleaved = self.with.service.interleaved_slots > 0 && self.asked.mode == CLIENT;
        let origin = u64_at(self.request, 24);
        let waits = interleaved && origin & 1 == 1 && u64_at(self.request, 32) != u64_at(self.request, 40);
        if !waits {
            self.header(true, None);
            return Outcome { record: self.record(Reason::Synchronised, Response::Time, protection), len: HEADER, saved: None };
        }
        let hash = self.arrival.sender.address.hash(self.with.service.hash_seed);
        let earlier = self.with.tables.interleaved.take(interleave::key(origin, hash));
        let receive = self.header(true, earlier);
        let key = interleave::key(receive, hash);
        let saved = self.with.tables.interleaved.save(key, self.arrival.transmit_ns).then_some(key);
        let response = if earlier.is_some() { Response::Interleaved } else { Response::Time };
        Outcome { record: self.record(Reason::Synchronised, response, protection), len: HEADER, saved }
    }

    /// A refusal that names its cause in the reference identifier; silence towards mode 1, which would answer it.
    #[cold]
    fn kiss(&mut self, reason: Reason, response: Response, protection: Protection) -> Outcome {
        if self.asked.mode == SYMMETRIC_ACTIVE {
            return self.silence(reason, protection);
        }
        self.header(false, None);
        let code = match response {
            Response::KissRate => b"RATE",
            Response::KissDeny => b"DENY",
            Response::KissRstr => b"RSTR",
            _ => b"NTSN",
        };
        self.out[12..16].copy_from_slice(code);
        if response == Response::KissRate {
            self.out[2] = self.slower_poll() as u8;
        }
        Outcome { record: self.record(reason, response, protection), len: HEADER, saved: None }
    }

    /// The poll exponent at which a client stays within the limit.
    fn slower_poll(&self) -> i8 {
        let interval = self.with.service.rate_limit.map_or(1, |limit| limit.interval_ns);
        let needed = (interval as f64 / 1e9).log2().ceil() as i8;
        needed.max(self.out[2] as i8)
    }

    /// Writes the header; gives the receive timestamp in it. earlier: the transmit instant of an interleaved reply.
    #[inline]
    fn header(&mut self, known: bool, earlier: Option<i64>) -> u64 {
        let state = self.with.state;
        let (fixed, dispersion) =
            if known { (&state.fixed, state.root_dispersion(self.arrival.transmit_ns)) } else { (&UNSYNCHRONISED, UNKNOWN_DISPERSION) };
        let mut shown = Shown::plain(fixed, self.arrival.receive_ns, earlier.unwrap_or(self.arrival.transmit_ns));
        if known && state.leap.is_some() {
            shown.smear(state, self.arrival.transmit_ns);
        }
        let mut random = [0; 8];
        self.entropy.fill(&mut random);
        let random = u64::from_be_bytes(random);
        let mask = state.random_mask;
        let receive = (ntp_timestamp(shown.receive_ns) & !mask) | ((random >> 32) & mask) | 1;
        let mut transmit = ((ntp_timestamp(shown.transmit_ns) & !mask) | (random & mask)) & !1;
        if earlier.is_none() && (transmit.wrapping_sub(receive) as i64) < 0 {
            transmit = receive.wrapping_add(1);
        }
        let mut reference = shown.reference;
        if known && (transmit.wrapping_sub(reference) as i64) < 0 {
            reference = transmit; // clients refuse a reference from the future (RFC 5905, A.5.1.1)
        }
        let first = u64::from(fixed.leap_bits | self.asked.bits) << 56
            | u64::from(fixed.stratum) << 48
            | (u64_at(self.request, 0) & 0x0000_FF00_0000_0000)
            | u64::from(state.precision as u8) << 32
            | u64::from(fixed.root_delay);
        let second = u64::from(dispersion) << 32 | u64::from(u32::from_be_bytes(shown.refid));
        let origin = u64_at(self.request, if earlier.is_some() { 32 } else { 40 });
        for (place, word) in self.out.chunks_exact_mut(8).zip([first, second, reference, origin, receive, transmit]) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        receive
    }
}

/// The times and the reference identifier as they are shown.
struct Shown {
    receive_ns: i64,
    transmit_ns: i64,
    reference: u64,
    refid: [u8; 4],
}

impl Shown {
    #[inline]
    fn plain(fixed: &Fixed, receive_ns: i64, transmit_ns: i64) -> Self {
        Self { receive_ns, transmit_ns, reference: fixed.reference, refid: fixed.refid }
    }

    /// Moves them near a leap second that is smeared.
    #[cold]
    fn smear(&mut self, state: &State, now: i64) {
        let Some(leap) = state.leap else { return };
        self.receive_ns = self.receive_ns.wrapping_add(leap.offset_ns(self.receive_ns));
        self.transmit_ns = self.transmit_ns.wrapping_add(leap.offset_ns(self.transmit_ns));
        let reference = state.reference_time.wrapping_add(leap.offset_ns(state.reference_time));
        self.reference = ntp_timestamp(reference);
        let offset = leap.offset_ns(now);
        if offset != 0 {
            self.refid = smear_refid(offset);
        }
    }
}

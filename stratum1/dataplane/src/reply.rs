//! The answer to a request, octet for octet as `stratum1/server/reply.py` specifies it.

use std::ops::Range;

use crate::access::{Action, Sender};
use crate::fields::holds_cookie;
use crate::header::{Exchange, write_refusal, write_time};
use crate::interleave;
use crate::judge::{self, Asked, CLIENT, SYMMETRIC_ACTIVE};
use crate::reasons::{Protection, Reason, Record, Response};
use crate::service::{Entropy, Listener, Service, Tables};
use crate::state::State;
use crate::v5_fields::DRAFT;
use crate::wire::{Field, HEADER, NS, ReplyBuffer, u64_at};

/// A request that waited longer is dropped: its sender has given up, and a step of the clock would look the same.
pub const MAX_HOLD_NS: i64 = NS;

const UPGRADE: &[u8] = b"NTP5DRFT";
const UPGRADE_PLACE: Range<usize> = 16..24; // the reference timestamp

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
        match judge::judge(request, arrival.sender.port, self.service.ntpv5) {
            Ok(asked) => Call { with: self, request, arrival, asked, entropy, out }.answer(),
            Err(reason) => silence(judge::version(request), reason, Protection::None),
        }
    }
}

/// Silence, and why.
pub(crate) fn silence(version: u8, reason: Reason, protection: Protection) -> Outcome {
    Outcome { record: Record { version, reason, response: Response::Ignore, protection }, len: 0, saved: None }
}

/// One request that has passed `judge`.
pub(crate) struct Call<'a, E> {
    pub with: &'a Responder<'a>,
    pub request: &'a [u8],
    pub arrival: &'a Arrival,
    pub asked: Asked,
    pub entropy: &'a mut E,
    pub out: &'a mut ReplyBuffer,
}

/// A header of a time reply that was written.
pub(crate) struct Timed {
    pub reason: Reason,
    pub response: Response,
    pub saved: Option<u64>,
}

impl<'a, E: Entropy> Call<'a, E> {
    #[inline]
    fn answer(&mut self) -> Outcome {
        let (listener, sender) = (self.with.listener, &self.arrival.sender);
        if listener.own.contains(sender) {
            return self.silence(Reason::OwnAddress, Protection::None);
        }
        let action = listener.access.action(sender.address);
        let refused = match action {
            Action::Deny => Some((Reason::AccessDenied, Response::KissDeny)),
            Action::Ignore => Some((Reason::AccessIgnored, Response::Ignore)),
            Action::Allow | Action::RequireNts => self.limited().map(|response| (Reason::RateLimited, response)),
        };
        let nts_only = listener.require_nts || action == Action::RequireNts;
        if self.asked.version == 5 {
            return self.answer_v5(refused, nts_only);
        }
        if let Some((reason, response)) = refused {
            return self.refuse(reason, response);
        }
        if self.request.len() > HEADER {
            return self.answer_rest(nts_only);
        }
        if nts_only {
            return self.refuse_plain();
        }
        let Some(timed) = self.time() else { return self.silence(Reason::Stale, Protection::None) };
        if self.with.service.ntpv5 {
            self.tell_of_version_5(None);
        }
        self.answered(&timed, Protection::None, HEADER)
    }

    pub(crate) fn silence(&self, reason: Reason, protection: Protection) -> Outcome {
        silence(self.asked.version, reason, protection)
    }

    /// A reply of so many octets that is ready in `out`.
    #[inline]
    pub(crate) fn answered(&self, timed: &Timed, protection: Protection, len: usize) -> Outcome {
        let Timed { reason, response, saved } = *timed;
        Outcome { record: Record { version: self.asked.version, reason, response, protection }, len, saved }
    }

    /// What the rate limit makes of a packet; None if it is to be read on.
    #[inline]
    fn limited(&mut self) -> Option<Response> {
        let service = self.with.service;
        let limit = service.rate_limit.as_ref()?;
        if self.with.tables.rate.allow(limit, service.hash_seed, &self.arrival.sender, self.arrival.receive_ns) {
            return None;
        }
        let mut drawn = [0];
        self.entropy.fill(&mut drawn);
        match u16::from(drawn[0]) {
            leaked if leaked < limit.leak => None,
            kissed if kissed < limit.leak + limit.kiss => Some(Response::KissRate),
            _ => Some(Response::Ignore),
        }
    }

    /// Silence or a kiss, for a packet that is not read on.
    #[cold]
    fn refuse(&mut self, reason: Reason, response: Response) -> Outcome {
        let nts = reason == Reason::RateLimited && self.asked.version == 4 && holds_cookie(self.request);
        let protection = if nts { Protection::Nts } else { Protection::None };
        match response {
            Response::Ignore => self.silence(reason, protection),
            _ => self.kiss(reason, response, protection),
        }
    }

    /// A plain request where only NTS is served.
    #[cold]
    pub(crate) fn refuse_plain(&mut self) -> Outcome {
        if self.with.listener.nts_only_silence {
            return self.silence(Reason::NtsRequired, Protection::None);
        }
        self.kiss(Reason::NtsRequired, Response::KissRstr, Protection::None)
    }

    /// A refusal that names its cause in the reference identifier; silence towards mode 1, which would answer it.
    #[cold]
    pub(crate) fn kiss(&mut self, reason: Reason, response: Response, protection: Protection) -> Outcome {
        if self.asked.mode == SYMMETRIC_ACTIVE {
            return self.silence(reason, protection);
        }
        let (code, least_poll) = match response {
            Response::KissRate => (*b"RATE", self.with.service.least_poll()),
            Response::KissDeny => (*b"DENY", i8::MIN),
            Response::KissRstr => (*b"RSTR", i8::MIN),
            _ => (*b"NTSN", i8::MIN),
        };
        let exchange = self.exchange(None);
        write_refusal(self.with.state, &exchange, code, self.known(), least_poll, self.out);
        self.answered(&Timed { reason, response, saved: None }, protection, HEADER)
    }

    /// 64 random bits.
    #[inline]
    pub(crate) fn random(&mut self) -> u64 {
        let mut random = [0; 8];
        self.entropy.fill(&mut random);
        u64::from_be_bytes(random)
    }

    /// The exchange with its random bits, which are drawn here.
    #[inline]
    pub(crate) fn exchange(&mut self, departed: Option<i64>) -> Exchange<'a> {
        Exchange {
            request: self.request,
            bits: self.asked.bits,
            received: self.arrival.receive_ns,
            sent: self.arrival.transmit_ns,
            random: self.random(),
            departed,
        }
    }

    /// Whether the request's times do not fit together.
    #[inline]
    pub(crate) fn is_stale(&self) -> bool {
        let held = self.arrival.transmit_ns.checked_sub(self.arrival.receive_ns);
        !held.is_some_and(|held| (0..=MAX_HOLD_NS).contains(&held))
    }

    /// Says in a version 4 reply that we speak a draft of version 5, if the request asks that and names no other one.
    pub(crate) fn tell_of_version_5(&mut self, draft: Option<Field>) -> bool {
        if self.asked.version != 4 || self.request.get(UPGRADE_PLACE) != Some(UPGRADE) {
            return false;
        }
        if draft.is_some_and(|draft| without_zeros(draft.value()) != DRAFT) {
            return false;
        }
        self.out[UPGRADE_PLACE].copy_from_slice(UPGRADE);
        true
    }

    #[inline]
    pub(crate) fn known(&self) -> bool {
        self.with.state.known(self.arrival.transmit_ns)
    }

    /// Writes the header of a time reply; None if the request's times do not fit together.
    #[inline]
    pub(crate) fn time(&mut self) -> Option<Timed> {
        if self.is_stale() {
            return None;
        }
        let known = self.known();
        if known && self.waits() {
            return Some(self.interleaved_time());
        }
        self.write_time(known, None);
        let reason = if known { Reason::Synchronised } else { Reason::Unsynchronised };
        Some(Timed { reason, response: Response::Time, saved: None })
    }

    /// Writes the header of a time reply whatever its times; gives the receive timestamp in it.
    #[inline]
    pub(crate) fn write_time(&mut self, known: bool, departed: Option<i64>) -> u64 {
        let exchange = self.exchange(departed);
        write_time(self.with.state, &exchange, known, self.out)
    }

    /// Whether the request is one of the interleaved mode (RFC 9769): it sends a receive timestamp of ours back.
    #[inline]
    fn waits(&self) -> bool {
        let origin = u64_at(self.request, 24);
        origin & 1 == 1
            && self.asked.mode == CLIENT
            && self.with.service.interleaved_slots > 0
            && u64_at(self.request, 32) != u64_at(self.request, 40)
    }

    fn interleaved_time(&mut self) -> Timed {
        let hash = self.arrival.sender.address.hash(self.with.service.hash_seed);
        let table = &self.with.tables.interleaved;
        let departed = table.take(interleave::key(u64_at(self.request, 24), hash));
        let receive = self.write_time(true, departed);
        let key = interleave::key(receive, hash);
        let saved = table.save(key, self.arrival.transmit_ns).then_some(key);
        let response = if departed.is_some() { Response::Interleaved } else { Response::Time };
        Timed { reason: Reason::Synchronised, response, saved }
    }
}

fn without_zeros(mut octets: &[u8]) -> &[u8] {
    while let [front @ .., 0] = octets {
        octets = front;
    }
    octets
}

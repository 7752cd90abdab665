//! One batch: its requests answered, its replies queued, and what is to be remembered of those that are stamped.

use crate::calibrate::{Departure, Kind, SendDelay};
use crate::counters::{Count, Counters};
use crate::net::{self, BATCH, Batch, Destination, Received, Request};
use crate::reply::{Arrival, Outcome, Responder};
use crate::service::Entropy;
use crate::stamps::{Awaited, Ring};
use crate::stamps_card::{Card, system_ns};
use crate::state::Mapping;

/// Requests of a batch between two readings of the clock: their replies leave together, after the last is made, and what that takes is
/// foretold from the reading on.
const CLOCK_EVERY: usize = 8;

/// What is noted while the replies of a batch are made.
pub struct Notes {
    /// Bit n: the n-th reply asks for its transmit stamp.
    pub asked: u64,
    /// The first reading of the clock, ns, and the kind of the last request.
    pub first_ns: i64,
    kind: Kind,
    /// Keys of the interleaved table by place, 0 for none.
    keys: [u64; BATCH],
    stamps: [u64; 3],
}

impl Default for Notes {
    fn default() -> Self {
        Self { asked: 0, first_ns: 0, kind: Kind::Plain, keys: [0; BATCH], stamps: [0; 3] }
    }
}

/// With what a batch is answered.
pub struct Answering<'a, E> {
    /// The rules and the time.
    pub responder: Responder<'a>,
    /// Where it is counted.
    pub counters: &'a Counters,
    /// The flags that make a transmit stamp.
    pub transmit_flags: u32,
    /// The cards whose stamps can be converted.
    pub cards: &'a [Card],
    /// How far ahead transmit times are.
    pub delay: &'a mut SendDelay,
    /// Where random octets come from.
    pub random: &'a mut E,
}

impl<E: Entropy> Answering<'_, E> {
    /// Make the replies to `total` requests and queue them.
    pub fn make(&mut self, batch: &mut Batch, total: usize, notes: &mut Notes) {
        let mut now_ns = net::realtime_ns();
        (notes.asked, notes.first_ns, notes.stamps) = (0, now_ns, [0; 3]);
        let chosen = self.delay.choose(total, now_ns);
        self.touch_buckets(batch, total);
        let mut read_at = 0;
        for index in 0..total {
            if index - read_at == CLOCK_EVERY {
                (now_ns, read_at) = (net::realtime_ns(), index);
            }
            let place = batch.queued();
            let (request, out) = batch.request(index);
            notes.kind = Kind::of(request.octets.len());
            let destination = request.told.destination;
            let ahead_ns = self.delay.ahead(notes.kind, place, total - read_at, total);
            let arrival = self.arrival(&request, now_ns, ahead_ns, &mut notes.stamps);
            let outcome = self.responder.reply(request.octets, &arrival, self.random, out);
            self.counters.record(outcome.record);
            if outcome.len > 0 {
                self.queue(batch, index, &outcome, destination, chosen == Some(place), notes);
            }
        }
        for (what, number) in [Count::ReceiveDaemon, Count::ReceiveKernel, Count::ReceiveHardware].into_iter().zip(notes.stamps) {
            if number > 0 {
                self.counters.add(what, number);
            }
        }
    }

    /// Large tables are not in the cache: waiting for each bucket in turn would cost 5 % of a request.
    fn touch_buckets(&self, batch: &Batch, total: usize) {
        if total > 1 && self.responder.service.rate_limit.is_some() {
            let (tables, seed) = (self.responder.tables, self.responder.service.hash_seed);
            let sum = (0..total).fold(0, |sum: i64, index| sum.wrapping_add(tables.rate.touch(seed, &batch.sender(index))));
            std::hint::black_box(sum);
        }
    }

    fn arrival(&self, request: &Request<'_>, now_ns: i64, ahead_ns: i64, stamps: &mut [u64; 3]) -> Arrival {
        let mapping = self.responder.state.realtime;
        let (stamp_ns, kind) = stamp(&request.told, self.cards, now_ns);
        stamps[kind] += 1;
        Arrival {
            sender: request.sender,
            receive_ns: served(mapping, stamp_ns),
            transmit_ns: served(mapping, now_ns.wrapping_add(ahead_ns)),
        }
    }

    fn queue(&self, batch: &mut Batch, index: usize, outcome: &Outcome, leave_from: Option<Destination>, chosen: bool, notes: &mut Notes) {
        let stamped = chosen || outcome.saved.is_some();
        let place = batch.queue(index, outcome.len, leave_from, if stamped { self.transmit_flags } else { 0 });
        if stamped {
            notes.asked |= 1 << place;
            notes.keys[place] = outcome.saved.unwrap_or(0);
        }
    }

    /// The replies are about to be handed over at `called_ns`.
    pub fn called(&mut self, total: usize, notes: &Notes, called_ns: i64) {
        self.delay.made(notes.kind, total, called_ns.wrapping_sub(notes.first_ns));
    }
}

/// The receive stamp (CLOCK_REALTIME) and who took it: 0 we did, 1 the kernel, 2 the card.
#[inline]
fn stamp(told: &Received, cards: &[Card], now_ns: i64) -> (i64, usize) {
    match system_ns(cards, told.interface, told.hardware_ns, told.software_ns) {
        Some(stamp_ns) if stamp_ns <= now_ns => (stamp_ns, 2),
        _ if told.software_ns != 0 => (told.software_ns, 1),
        _ => (now_ns, 0),
    }
}

impl Notes {
    /// Await the stamps of the replies that asked.
    pub fn await_stamps(&self, ring: &mut Ring, queued: usize, called_ns: i64, class: u8) {
        for place in (0..queued).filter(|place| self.asked >> place & 1 != 0) {
            let departure = Departure { called_ns, place: place as u8, class };
            let key = (self.keys[place] != 0).then_some(self.keys[place]);
            ring.push(Awaited { key, departure });
        }
    }
}

/// Served time from a stamp of CLOCK_REALTIME; the stamp itself while there is no mapping (the reply says that the time is unknown).
#[inline]
pub fn served(mapping: Option<Mapping>, stamp_ns: i64) -> i64 {
    mapping.map_or(stamp_ns, |mapping| mapping.served(stamp_ns))
}

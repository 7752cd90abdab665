//! What a server does beyond the time itself, as the packet path reads it; `stratum1/server/service.py` says what the values mean.

use crate::access::{Access, Sender};
use crate::interleave::InterleavedTable;
use crate::limit::{RateLimit, RateTable};
use crate::mac::Keys;
use crate::nts::Ring;
use crate::wire::NS;

/// Octets of the Bloom filter of version 5.
pub const REFERENCE_IDS: usize = 512;

/// What all listeners share; replaced whole when it changes.
pub struct Service {
    /// Symmetric keys.
    pub keys: Keys,
    /// None for no limit.
    pub rate_limit: Option<RateLimit>,
    /// Stamps kept for interleaved clients: a power of two, 0 for no interleaved mode.
    pub interleaved_slots: usize,
    /// Whether version 5 is answered.
    pub ntpv5: bool,
    /// The master keys of NTS cookies, None where NTS is not served.
    pub nts: Option<Ring>,
    /// Decides the places in the tables.
    pub hash_seed: u64,
    /// The Bloom filter of version 5: the reference IDs of this server and of those that steer it.
    pub reference_ids: [u8; REFERENCE_IDS],
}

impl Default for Service {
    fn default() -> Self {
        Self {
            keys: Keys::default(),
            rate_limit: None,
            interleaved_slots: 0,
            ntpv5: false,
            nts: None,
            hash_seed: 0,
            reference_ids: [0; REFERENCE_IDS],
        }
    }
}

impl Service {
    /// The smallest log2 of seconds that is no shorter than the interval of the rate limit.
    pub fn least_poll(&self) -> i8 {
        let interval = self.rate_limit.map_or(1, |limit| limit.interval_ns.max(1));
        let mut poll = -64_i8;
        while i128::from(interval) << 64 > i128::from(NS) << (i32::from(poll) + 64) {
            poll += 1;
        }
        poll
    }
}

/// What is one listener's own; how it smears stands in its states.
#[derive(Default)]
pub struct Listener {
    /// Who may ask.
    pub access: Access,
    /// Whether only NTS is served.
    pub require_nts: bool,
    /// Whether a refused plain request is met with silence instead of the kiss RSTR.
    pub nts_only_silence: bool,
    /// The addresses and ports that this server itself listens at.
    pub own: Vec<Sender>,
}

/// All that answering changes; of fixed size, shared by all listeners and workers.
pub struct Tables {
    /// The buckets of the rate limit.
    pub rate: RateTable,
    /// The stamps of interleaved mode.
    pub interleaved: InterleavedTable,
}

impl Tables {
    /// Empty tables of the sizes that a service asks for.
    pub fn new(service: &Service) -> Self {
        Self {
            rate: RateTable::new(service.rate_limit.map_or(0, |limit| limit.slots)),
            interleaved: InterleavedTable::new(service.interleaved_slots),
        }
    }
}

/// Where random octets come from, drawn in a fixed order and only when they are needed.
pub trait Entropy {
    /// Fills a buffer with random octets.
    fn fill(&mut self, out: &mut [u8]);
}

//! What a server does beyond the time itself, as the packet path reads it; `stratum1/server/service.py` says what the values mean.

use crate::access::{Access, Sender};
use crate::interleave::InterleavedTable;
use crate::limit::{RateLimit, RateTable};

/// What all listeners share; replaced whole when it changes.
#[derive(Default)]
pub struct Service {
    /// None for no limit.
    pub rate_limit: Option<RateLimit>,
    /// Stamps kept for interleaved clients: a power of two, 0 for no interleaved mode.
    pub interleaved_slots: usize,
    /// Whether version 5 is answered.
    pub ntpv5: bool,
    /// Decides the places in the tables.
    pub hash_seed: u64,
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

//! The rate limit: a token bucket for each client address in a table of fixed size, shared by all workers without locks.
//!
//! A slot keeps the instant at which its bucket would be full again (the generic cell rate algorithm), so that no timer has to run.
//! Two workers that change one slot at the same instant may lose one of the two counts; nothing worse.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering::Relaxed};

use crate::access::{Address, Sender};

const WAYS: usize = 4;
const EMPTY: i64 = 0;
/// A slot that lies so much further ahead than any burst can put it says that the clock was set back.
const STEPPED_NS: i64 = 1 << 30;

/// What a limit allows, see `RateLimit` in `stratum1/server/service.py`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Between tokens, ns.
    pub interval_ns: i64,
    /// Tokens that a bucket holds.
    pub burst: i64,
    /// Of 256 packets over the limit so many are answered all the same.
    pub leak: u16,
    /// So many more get the kiss RATE.
    pub kiss: u16,
    /// Places in the table, a power of two.
    pub slots: usize,
}

#[derive(Default)]
struct Slot {
    tag: AtomicU32,
    full_at: AtomicI64,
}

/// Four slots, which share a cache line.
#[derive(Default)]
#[repr(align(64))]
struct Group([Slot; WAYS]);

/// The sum over all groups, from the first of them if there are many: the hash spreads senders evenly.
pub(crate) fn estimate<G>(groups: &[G], count: impl Fn(&G) -> usize) -> usize {
    const ENOUGH: usize = 1024;
    let seen = groups.len().min(ENOUGH);
    let sum: usize = groups[..seen].iter().map(count).sum();
    sum * groups.len() / seen.max(1)
}

/// The buckets.
pub struct RateTable {
    groups: Vec<Group>,
}

impl RateTable {
    /// An empty table of so many slots, a power of two of at least 4.
    pub fn new(slots: usize) -> Self {
        Self { groups: (0..slots / WAYS).map(|_| Group::default()).collect() }
    }

    /// About how many buckets are not full at `now`, counted in a part of a large table.
    pub fn used(&self, now: i64) -> usize {
        estimate(&self.groups, |group| group.0.iter().filter(|slot| slot.full_at.load(Relaxed) > now).count())
    }

    /// Whether a packet of this sender at `now` (served ns) is within the limit; takes a token if so.
    #[inline]
    pub fn allow(&self, limit: &RateLimit, seed: u64, sender: &Sender, now: i64) -> bool {
        let hash = Address::subnet_hash(sender.address, seed);
        let Some(group) = self.groups.get((hash as usize / WAYS) & (self.groups.len().wrapping_sub(1))) else { return true };
        let tag = (hash >> 32) as u32;
        let (slot, full_at) = find(&group.0, tag);
        let ahead = full_at.saturating_sub(now);
        let full = if ahead <= 0 || ahead > limit.burst * limit.interval_ns + STEPPED_NS {
            now
        } else if ahead > (limit.burst - 1) * limit.interval_ns {
            return false;
        } else {
            full_at
        };
        slot.tag.store(tag, Relaxed);
        slot.full_at.store(full.wrapping_add(limit.interval_ns), Relaxed);
        true
    }

    /// Read what `allow` will read for this sender, so that the memory of a whole batch is fetched at once. The value means nothing.
    #[inline]
    pub fn touch(&self, seed: u64, sender: &Sender) -> i64 {
        let hash = Address::subnet_hash(sender.address, seed);
        let group = self.groups.get((hash as usize / WAYS) & (self.groups.len().wrapping_sub(1)));
        group.map_or(0, |group| group.0[0].full_at.load(Relaxed))
    }

    /// Everybody's bucket is full.
    pub fn clear(&self) {
        for slot in self.groups.iter().flat_map(|group| &group.0) {
            slot.full_at.store(EMPTY, Relaxed);
        }
    }
}

/// The slot with this tag and when it is full; else the one that is full first (an empty one, if there is one), as new.
#[inline]
fn find(group: &[Slot; WAYS], tag: u32) -> (&Slot, i64) {
    let mut oldest = (&group[0], group[0].full_at.load(Relaxed));
    for slot in group {
        let full_at = slot.full_at.load(Relaxed);
        if full_at != EMPTY && slot.tag.load(Relaxed) == tag {
            return (slot, full_at);
        }
        if full_at < oldest.1 {
            oldest = (slot, full_at);
        }
    }
    (oldest.0, i64::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: RateLimit = RateLimit { interval_ns: 1 << 25, burst: 3, leak: 0, kiss: 0, slots: 256 };
    const NOW: i64 = 1_800_000_000_000_000_000;

    fn sender(last: u8) -> Sender {
        Sender { address: Address::V4([10, 0, 0, last]), port: 1 }
    }

    #[test]
    fn a_burst_then_one_an_interval() {
        let table = RateTable::new(LIMIT.slots);
        let allow = |now| table.allow(&LIMIT, 7, &sender(1), now);
        assert_eq!([allow(NOW), allow(NOW), allow(NOW), allow(NOW)], [true, true, true, false]);
        assert_eq!([allow(NOW + LIMIT.interval_ns), allow(NOW + LIMIT.interval_ns)], [true, false]);
        assert!(table.allow(&LIMIT, 7, &sender(2), NOW));
        table.clear();
        assert!(allow(NOW));
    }

    #[test]
    fn a_clock_that_was_set_back_mutes_nobody() {
        let table = RateTable::new(LIMIT.slots);
        for _ in 0..3 {
            table.allow(&LIMIT, 7, &sender(1), NOW);
        }
        assert!(!table.allow(&LIMIT, 7, &sender(1), NOW));
        assert!(table.allow(&LIMIT, 7, &sender(1), NOW - (1 << 31)));
    }

    #[test]
    fn use_is_counted_or_estimated() {
        let few = RateTable::new(LIMIT.slots);
        let many = RateTable::new(1 << 16);
        for number in 0..20_000u32 {
            let sender = Sender { address: Address::V4(number.to_be_bytes()), port: 1 };
            many.allow(&LIMIT, 7, &sender, 1 << 40);
            if number < 3 {
                few.allow(&LIMIT, 7, &sender, 1 << 40);
            }
        }
        assert_eq!((few.used(1 << 40), few.used(1 << 41)), (3, 0));
        assert!((18_000..21_000).contains(&many.used(1 << 40)), "{}", many.used(1 << 40));
        assert_eq!(RateTable::new(0).used(0), 0);
    }

    #[test]
    fn a_table_without_slots_limits_nobody() {
        assert!(RateTable::new(0).allow(&LIMIT, 7, &sender(1), NOW));
    }
}

//! Stamps kept for clients in interleaved mode (RFC 9769), in a table of fixed size, shared by all workers without locks.
//!
//! A slot is claimed by exchanging its key for BUSY before its stamp is written, and a stamp counts only if the key still stands
//! after it was read: a client never gets the stamp of another one's reply.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

use crate::access::mix64;
use crate::limit::estimate;

const WAYS: usize = 4;
const EMPTY: u64 = 0;
/// No key of a reply; a reply whose key would be this (one of 2^64) is not kept.
const BUSY: u64 = u64::MAX;

#[derive(Default)]
struct Slot {
    key: AtomicU64,
    tx_ns: AtomicI64,
}

/// Four slots, which share a cache line.
#[derive(Default)]
#[repr(align(64))]
struct Group([Slot; WAYS]);

/// The key of the reply whose receive timestamp (as on the wire) went to the address with this hash.
#[inline]
pub fn key(receive: u64, address_hash: u64) -> u64 {
    mix64(receive ^ address_hash).max(1)
}

/// Transmit stamps (served ns) by key.
pub struct InterleavedTable {
    groups: Vec<Group>,
}

impl InterleavedTable {
    /// An empty table of so many slots, a power of two of at least 4, or 0 for one that keeps nothing.
    pub fn new(slots: usize) -> Self {
        Self { groups: (0..slots / WAYS).map(|_| Group::default()).collect() }
    }

    #[inline]
    fn group(&self, key: u64) -> Option<&[Slot; WAYS]> {
        self.groups.get((key as usize / WAYS) & self.groups.len().wrapping_sub(1)).map(|group| &group.0)
    }

    #[inline]
    fn slot(&self, key: u64) -> Option<&Slot> {
        self.group(key)?.iter().find(|slot| slot.key.load(Acquire) == key)
    }

    /// The stamp under a key, once.
    #[inline]
    pub fn take(&self, key: u64) -> Option<i64> {
        let slot = self.slot(key)?;
        let stamp = slot.tx_ns.load(Acquire);
        slot.key.compare_exchange(key, EMPTY, Acquire, Relaxed).ok().map(|_| stamp)
    }

    /// Keeps a stamp; whether it was kept (another worker may be at the same slot).
    #[inline]
    pub fn save(&self, key: u64, tx_ns: i64) -> bool {
        let Some(group) = self.group(key) else { return false };
        if key == BUSY {
            return false;
        }
        let (slot, seen) = choose(group, key);
        self.write(slot, seen, key, tx_ns)
    }

    /// Replaces the stamp under a key by the one that the kernel or the hardware took, if the key is still there.
    pub fn sent(&self, key: u64, tx_ns: i64) {
        if let Some(slot) = self.slot(key) {
            self.write(slot, key, key, tx_ns);
        }
    }

    /// About how many stamps are kept, counted in a part of a large table.
    pub fn used(&self) -> usize {
        estimate(&self.groups, |group| group.0.iter().filter(|slot| slot.key.load(Relaxed) != EMPTY).count())
    }

    /// Forgets everything: the served time was stepped. A slot that is being written at this instant stays: its writer would else
    /// share it with the next one.
    pub fn clear(&self) {
        for slot in self.groups.iter().flat_map(|group| &group.0) {
            let seen = slot.key.load(Acquire);
            if seen != BUSY {
                let _ = slot.key.compare_exchange(seen, EMPTY, Acquire, Relaxed); // taken or claimed meanwhile: as good
            }
        }
    }

    #[inline]
    fn write(&self, slot: &Slot, seen: u64, key: u64, tx_ns: i64) -> bool {
        if seen == BUSY || slot.key.compare_exchange(seen, BUSY, Acquire, Relaxed).is_err() {
            return false;
        }
        slot.tx_ns.store(tx_ns, Release);
        slot.key.store(key, Release);
        true
    }
}

/// The slot for a key and the key seen in it: its own, else an empty one, else the one with the earliest stamp.
#[inline]
fn choose(group: &[Slot; WAYS], key: u64) -> (&Slot, u64) {
    let mut best = (&group[0], BUSY, i64::MAX);
    for slot in group {
        let seen = slot.key.load(Acquire);
        if seen == key {
            return (slot, seen);
        }
        let age = if seen == EMPTY { i64::MIN } else { slot.tx_ns.load(Relaxed) };
        if seen != BUSY && age < best.2 {
            best = (slot, seen, age);
        }
    }
    (best.0, best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_handed_out_once_and_may_be_made_exact() {
        let table = InterleavedTable::new(256);
        assert!(table.save(5, 100));
        table.sent(5, 101);
        table.sent(6, 999);
        assert_eq!([table.take(5), table.take(5), table.take(6)], [Some(101), None, None]);
    }

    #[test]
    fn the_oldest_of_a_full_group_makes_room() {
        let table = InterleavedTable::new(256);
        let keys: Vec<u64> = (1..=5).map(|n| n << 8).collect(); // all in the first group
        for (key, stamp) in keys.iter().zip([30, 10, 20, 40, 50]) {
            assert!(table.save(*key, stamp));
        }
        assert_eq!(keys.iter().map(|key| table.take(*key)).collect::<Vec<_>>(), [Some(30), None, Some(20), Some(40), Some(50)]);
    }

    #[test]
    fn nothing_is_left_after_clear_and_no_slots_keep_nothing() {
        let table = InterleavedTable::new(256);
        table.save(5, 1);
        table.clear();
        assert_eq!(table.take(5), None);
        let none = InterleavedTable::new(0);
        assert!(!none.save(5, 1));
        assert_eq!(none.take(5), None);
    }

    #[test]
    fn no_key_is_0() {
        assert_eq!(key(7, 7), 1);
    }

    #[test]
    fn four_threads_never_see_a_stamp_of_another_key() {
        let table = InterleavedTable::new(256);
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let table = &table;
                scope.spawn(move || {
                    for round in 1..20_000_u64 {
                        let key = mix64(round * 4 + thread);
                        table.save(key, key as i64);
                        table.sent(key, !(key as i64));
                        let stamp = table.take(key);
                        assert!(stamp.is_none_or(|stamp| stamp == key as i64 || stamp == !(key as i64)));
                    }
                });
            }
        });
    }
}

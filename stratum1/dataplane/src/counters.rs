//! What one worker counts at one listener. It alone writes; anybody may read.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::reasons::Record;

/// What is counted beside the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Count {
    /// Failed reads of a socket.
    ReceiveErrors,
    /// Replies that the kernel refused.
    SendErrors,
    /// Requests stamped by us.
    ReceiveDaemon,
    /// Requests stamped by the kernel.
    ReceiveKernel,
    /// Requests stamped by the network card.
    ReceiveHardware,
    /// Replies whose transmit time was foretold: all at first.
    TransmitDaemon,
    /// Those of them whose stamp the kernel gave afterwards, for interleaved clients.
    TransmitKernel,
    /// The same, from the network card.
    TransmitHardware,
}

impl Count {
    /// How many there are.
    pub const COUNT: usize = 8;
    /// Their names for Python, in order.
    pub const NAMES: [&str; Self::COUNT] = [
        "receive_errors",
        "send_errors",
        "receive_daemon",
        "receive_kernel",
        "receive_hardware",
        "transmit_daemon",
        "transmit_kernel",
        "transmit_hardware",
    ];
}

/// All counts of one worker at one listener; they wrap after 2^64.
pub struct Counters {
    records: Box<[AtomicU64]>,
    others: [AtomicU64; Count::COUNT],
}

impl Default for Counters {
    fn default() -> Self {
        Self { records: (0..Record::COUNT).map(|_| AtomicU64::new(0)).collect(), others: Default::default() }
    }
}

impl Counters {
    /// One more packet with this record. No locked instruction: there is one writer.
    #[inline]
    pub fn record(&self, record: Record) {
        if let Some(place) = self.records.get(record.index()) {
            add(place, 1);
        }
    }

    /// So many more of something else.
    #[inline]
    pub fn add(&self, what: Count, number: u64) {
        add(&self.others[what as usize], number);
    }

    /// Add the records to sums, by their place.
    pub fn add_records_to(&self, sums: &mut [u64]) {
        for (sum, place) in sums.iter_mut().zip(&self.records) {
            *sum = sum.wrapping_add(place.load(Relaxed));
        }
    }

    /// One of the others.
    pub fn get(&self, what: usize) -> u64 {
        self.others.get(what).map_or(0, |place| place.load(Relaxed))
    }
}

#[inline]
fn add(place: &AtomicU64, number: u64) {
    place.store(place.load(Relaxed).wrapping_add(number), Relaxed);
}

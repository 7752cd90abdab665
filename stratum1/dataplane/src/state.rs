//! The time as it is published: parsed from the words that `stratum1/server/_state_words.py` makes of a TimeState.

use crate::smear::{PlannedLeap, Smear, SmearedLeap};
use crate::wire::{ntp_short, ntp_timestamp};

/// Words of a published state; the layout stands in `_state_words.py`.
pub const WORDS: usize = 32;

const MAX_TAI_OFFSET: i64 = 1 << 20; // far beyond what can be, and no overflow in ns

/// Served time from a reading of a kernel clock: served_ns + (t - source_ns) * (1 + rate).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mapping {
    /// Counts the steps of the source clock.
    pub epoch: u64,
    /// The reading at which served_ns holds.
    pub source_ns: i64,
    /// Served time then.
    pub served_ns: i64,
    /// s/s.
    pub rate: f64,
}

impl Mapping {
    /// The served time at a stamp of the source clock (exact integers; only the small rate term is a float).
    #[inline]
    pub fn served(&self, stamp_ns: i64) -> i64 {
        let elapsed = stamp_ns.wrapping_sub(self.source_ns);
        let drift = (elapsed as f64 * self.rate).round_ties_even() as i64;
        self.served_ns.wrapping_add(elapsed).wrapping_add(drift)
    }

    fn from_words(words: &[u64; WORDS], at: usize) -> Option<Self> {
        (words[at] != 0).then(|| Self {
            epoch: words[at + 1],
            source_ns: words[at + 2] as i64,
            served_ns: words[at + 3] as i64,
            rate: f64::from_bits(words[at + 4]),
        })
    }
}

/// One published state, as one listener shows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct State {
    /// After this served time the publisher has failed; None where the state is not synchronised anyway.
    valid_until: Option<i64>,
    /// Leap indicator in the first octet's two highest bits.
    pub leap_bits: u8,
    /// Stratum, precision and root delay where they stand in the header's first 64 bits.
    pub first_word: u64,
    /// log2 of seconds, -128 to 0.
    pub precision: i8,
    /// The bits below the precision, at most 31 and without the lowest, which are random in timestamps.
    pub noise: u64,
    /// Reference identifier.
    pub refid: [u8; 4],
    /// Reference timestamp.
    pub reference: u64,
    /// ns since 1970.
    pub reference_time: i64,
    error_bound: f64,
    bound_at: i64,
    bound_rate: f64,
    /// Seconds.
    pub root_delay: f64,
    /// The leap second that is being smeared.
    pub leap: Option<SmearedLeap>,
    /// Whether the listener smears leap seconds, also where none is near.
    pub smears: bool,
    /// The leap indicator as who does not smear shows it, in the first octet's two highest bits.
    pub unsmeared_leap_bits: u8,
    /// The leap second to come.
    pub plan: Option<PlannedLeap>,
    /// TAI - UTC in seconds, 0 for not known.
    pub tai_offset: i64,
    /// Served time from CLOCK_REALTIME.
    pub realtime: Option<Mapping>,
    /// Served time from CLOCK_MONOTONIC.
    pub monotonic: Option<Mapping>,
}

impl State {
    /// The state that words say.
    pub fn from_words(words: &[u64; WORDS]) -> Self {
        let precision = (words[4] as i64).clamp(-128, 0) as i8;
        let root_delay = f64::from_bits(words[6]);
        let reference_time = words[10] as i64;
        Self {
            valid_until: (words[0] != 0).then_some(words[1] as i64),
            leap_bits: (words[2] as u8) << 6,
            first_word: (words[3] & 0xFF) << 48 | u64::from(precision as u8) << 32 | u64::from(ntp_short(root_delay)),
            precision,
            noise: ((1 << (32 + i32::from(precision)).clamp(0, 31)) - 1) & !1,
            refid: (words[5] as u32).to_be_bytes(),
            reference: ntp_timestamp(reference_time),
            reference_time,
            error_bound: f64::from_bits(words[7]),
            bound_at: words[8] as i64,
            bound_rate: f64::from_bits(words[9]),
            root_delay,
            leap: smeared_leap(words),
            smears: words[11] != 0,
            unsmeared_leap_bits: (words[27] as u8) << 6,
            plan: (words[25] != 0).then_some(PlannedLeap { at: words[26] as i64, sign: (words[25] as i64).signum() }),
            tai_offset: (words[24] as i64).clamp(-MAX_TAI_OFFSET, MAX_TAI_OFFSET),
            realtime: Mapping::from_words(words, 14),
            monotonic: Mapping::from_words(words, 19),
        }
    }

    /// Whether a client may believe UTC at `transmit_ns`.
    #[inline]
    pub fn believed(&self, transmit_ns: i64) -> bool {
        self.valid_until.is_some_and(|until| transmit_ns <= until)
    }

    /// Whether a client may believe the time that this listener shows at `transmit_ns`: the second that is counted twice can't be
    /// smeared, for which of the two it is can't be seen.
    #[inline]
    pub fn known(&self, transmit_ns: i64) -> bool {
        self.believed(transmit_ns) && !self.leap.is_some_and(|leap| leap.ambiguous(transmit_ns))
    }

    /// Root dispersion at a served time, seconds, at least 0.
    #[inline]
    pub fn dispersion(&self, served: i64) -> f64 {
        let elapsed = served.saturating_sub(self.bound_at).max(0);
        let bound = self.error_bound + self.bound_rate * elapsed as f64 / 1e9;
        (bound - self.root_delay / 2.0).max(0.0)
    }

    /// Root dispersion at a served time as 16.16 seconds, rounded up and never 0: the bound is a promise.
    #[inline]
    pub fn root_dispersion(&self, served: i64) -> u32 {
        ntp_short(self.dispersion(served)).max(1)
    }
}

fn smeared_leap(words: &[u64; WORDS]) -> Option<SmearedLeap> {
    let shape = match words[11] {
        1 => Smear::Linear,
        2 => Smear::Cosine,
        _ => return None,
    };
    let sign = (words[12] as i64).signum();
    (sign != 0).then_some(SmearedLeap { shape, at: words[13] as i64, sign })
}

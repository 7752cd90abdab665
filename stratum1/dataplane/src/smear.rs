//! Leap seconds spread over a day, as `stratum1/server/_smear.py` has them, to the last bit of its floats.

use crate::wire::NS;

const HALF: i64 = 43_200 * NS;

/// How a listener shows a leap second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Smear {
    /// At a constant rate.
    Linear,
    /// Gently, by a cosine.
    Cosine,
}

/// The leap second that is being spread: the instant right after it, ns, and its sign.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SmearedLeap {
    /// How.
    pub shape: Smear,
    /// The instant right after it, ns since 1970.
    pub at: i64,
    /// +1 inserted, -1 deleted.
    pub sign: i64,
}

impl SmearedLeap {
    /// What the shown time is ahead of UTC, ns, at a served time that is not `ambiguous`.
    pub fn offset_ns(&self, served: i64) -> i64 {
        let before = served < self.at;
        let elapsed = i128::from(served) - i128::from(self.at) + i128::from(HALF) + if before { 0 } else { i128::from(self.sign * NS) };
        let whole = 2 * HALF + self.sign * NS;
        if !(0..i128::from(whole)).contains(&elapsed) {
            return 0;
        }
        let mut share = elapsed as f64 / whole as f64; // both below 2^53, so as exact as Python's division of integers
        if self.shape == Smear::Cosine {
            share = (1.0 - (std::f64::consts::PI * share).cos()) / 2.0;
        }
        let done = if before { 0.0 } else { 1.0 };
        ((self.sign * NS) as f64 * (done - share)).round_ties_even() as i64
    }

    /// Whether two different instants have this served time: an inserted second counts the one before it once more.
    pub fn ambiguous(&self, served: i64) -> bool {
        is_ambiguous(self.at, self.sign, served)
    }
}

/// A leap second to come, for who does not smear: the instant right after it, ns, and its sign.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlannedLeap {
    /// The instant right after it, ns since 1970.
    pub at: i64,
    /// +1 inserted, -1 deleted.
    pub sign: i64,
}

impl PlannedLeap {
    /// As `SmearedLeap::ambiguous`.
    pub fn ambiguous(&self, served: i64) -> bool {
        is_ambiguous(self.at, self.sign, served)
    }
}

fn is_ambiguous(at: i64, sign: i64, served: i64) -> bool {
    sign > 0 && at.saturating_sub(NS) <= served && served < at
}

/// What ntpd shows as reference ID while it smears: 254, and the offset in units of 2^-22 s, signed.
pub fn smear_refid(offset_ns: i64) -> [u8; 4] {
    let units = ((offset_ns << 22) as f64 / NS as f64).round_ties_even() as i64;
    [0xFE, (units >> 16) as u8, (units >> 8) as u8, units as u8]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_second_at_the_leap_and_nothing_outside_the_day() {
        let at = 1_800_000_000 * NS;
        for shape in [Smear::Linear, Smear::Cosine] {
            for sign in [1, -1] {
                let leap = SmearedLeap { shape, at, sign };
                assert_eq!(leap.offset_ns(at - HALF - 1), 0);
                assert_eq!(leap.offset_ns(at - HALF), 0);
                assert!((leap.offset_ns(at) - sign * NS / 2).abs() < 20_000);
                assert_eq!(leap.offset_ns(at + HALF), 0);
                assert_eq!(leap.offset_ns(i64::MAX), 0);
                assert_eq!(leap.offset_ns(i64::MIN), 0);
            }
        }
    }

    #[test]
    fn the_refid_is_signed() {
        assert_eq!(smear_refid(NS / 2), [0xFE, 0x20, 0, 0]);
        assert_eq!(smear_refid(-NS / 2), [0xFE, 0xE0, 0, 0]);
    }
}

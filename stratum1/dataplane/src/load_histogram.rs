//! Counts of durations in fixed memory: any value from 0 to some 18 minutes is put into a bucket no wider than 1/128 of it.

/// Values below it have a bucket each; every octave above has this many.
const FINE: u64 = 128;
const FINE_BITS: u32 = FINE.trailing_zeros();
/// Octaves above the fine ones: values up to 2^40 ns.
const OCTAVES: usize = 33;
const BUCKETS: usize = FINE as usize * (OCTAVES + 1);

/// Durations, ns. What is longer than 2^40 ns counts as the longest bucket, but `max` is exact.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0, max: 0 }
    }
}

impl Histogram {
    /// Count one duration.
    pub fn add(&mut self, ns: u64) {
        self.counts[bucket(ns)] += 1;
        self.total += 1;
        self.max = self.max.max(ns);
    }

    /// How many there are.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The longest, exact; 0 where there is none.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The shortest duration that at least `part` (0 to 1) of all do not exceed, at most 1/128 too long; None where there is none.
    pub fn quantile(&self, part: f64) -> Option<u64> {
        let wanted = ((self.total as f64 * part).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Some(top(index).min(self.max));
            }
        }
        None
    }
}

fn bucket(ns: u64) -> usize {
    if ns < FINE {
        return ns as usize;
    }
    let octave = ns.ilog2() - FINE_BITS; // 0 for FINE..2 * FINE
    let place = (ns >> octave) - FINE;
    (FINE as usize * (octave as usize + 1) + place as usize).min(BUCKETS - 1)
}

/// The largest value of a bucket.
fn top(index: usize) -> u64 {
    let index = index as u64;
    if index < FINE {
        return index;
    }
    let octave = index / FINE - 1;
    ((FINE + index % FINE + 1) << octave) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_begins_where_the_one_before_ends() {
        for index in 1..BUCKETS {
            assert_eq!(bucket(top(index - 1) + 1), index);
            assert_eq!(bucket(top(index)), index);
        }
    }

    #[test]
    fn no_bucket_is_wider_than_a_128th() {
        for index in FINE as usize..BUCKETS {
            let first = top(index - 1) + 1;
            assert!((top(index) - first + 1) * FINE <= first, "bucket {index}");
        }
    }

    #[test]
    fn quantiles_of_known_values() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        for value in 1..=100 {
            histogram.add(value * 1000);
        }
        for (part, exact) in [(0.5, 50_000), (0.99, 99_000), (0.0, 1000)] {
            let found = histogram.quantile(part).unwrap();
            assert!((exact..=exact + exact / 128).contains(&found), "{part}: {found}");
        }
        assert_eq!((histogram.quantile(1.0), histogram.max(), histogram.total()), (Some(100_000), 100_000, 100));
    }

    #[test]
    fn the_longest_stays_exact_beyond_the_last_bucket() {
        let mut histogram = Histogram::default();
        histogram.add(u64::MAX);
        assert_eq!((histogram.max(), histogram.total()), (u64::MAX, 1));
        assert!(histogram.quantile(0.5).unwrap() >= 1 << 39);
    }
}

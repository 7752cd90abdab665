//! How long a reply needs from the reading of the clock to the network card, so that its transmit timestamp can say when it leaves.
//!
//! The kernel stamps some replies on their way out. What passes until then has two parts: making the replies of the batch that are
//! not made yet, and the kernel's way, which depends on the place in the batch. Both are estimated by a running value that follows the
//! median: an outlier (we were interrupted) moves it by a small step at most. Outliers seldom come in a row, so where one sample after
//! another lies to the same side, the load has changed, and the steps grow.

use crate::net::BATCH;

/// Between two replies that are stamped for the calibration alone, in the long run: at up to 2,000 requests a second all are, so that the
/// stamped ones are like all others (a rare one would take cold code and leave later), and above it costs nothing that matters.
const SPACING_NS: i64 = 500_000;
/// So many of a burst are stamped, for its replies leave sooner than one that comes alone.
const BURST: i64 = 64;
/// A batch so soon after another finds the code and the kernel's tables still in the cache.
const WARM_NS: i64 = 150_000;
const CLASSES: usize = 4;
/// So many are stamped without a pause at first.
const EAGER: u64 = 64;
/// A stamp that is later than this was held up in a queue and says nothing about us.
const LONGEST_NS: i64 = 1_000_000;

const STEP_NS: f64 = 500.0;
/// So many samples far off to the same side double the step.
const PATIENCE: u32 = 4;
const DOUBLINGS: u32 = 6;
const MEMORY: u32 = 16;
const FREE: u32 = 4;

/// A running value that follows the median of what it is given, in ns.
#[derive(Clone, Copy, Debug, Default)]
struct Estimate {
    value: f64,
    count: u32,
    /// How many samples in a row were beyond the step, and whether above.
    run: u32,
    above: bool,
}

impl Estimate {
    fn add(&mut self, sample_ns: i64) {
        if !(0..=LONGEST_NS).contains(&sample_ns) {
            return;
        }
        let mut change = sample_ns as f64 - self.value;
        if self.count >= FREE {
            let step = self.step(change);
            change = change.clamp(-step, step);
            if self.run >= 2 * PATIENCE {
                self.count = FREE; // what was learned before is of another load
            }
        }
        self.count = (self.count + 1).min(MEMORY);
        self.value += change / f64::from(self.count);
    }

    /// How far a sample that would change the value by `change` may do so (before it is divided by the memory).
    fn step(&mut self, change: f64) -> f64 {
        let above = change > 0.0;
        self.run = match change.abs() > STEP_NS {
            true if above == self.above => self.run.saturating_add(1),
            true => 1,
            false => 0,
        };
        self.above = above;
        STEP_NS * f64::from(1u32 << (self.run / PATIENCE).min(DOUBLINGS))
    }

    fn known(&self) -> Option<f64> {
        (self.count > 0).then_some(self.value)
    }
}

/// What kind of request it is, as far as its length tells: their replies differ in what they cost to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A header alone.
    Plain,
    /// With a MAC, or a short extension field.
    Authenticated,
    /// Long enough for NTS.
    Sealed,
}

impl Kind {
    /// By the octets of a request.
    #[inline]
    pub fn of(length: usize) -> Self {
        match length {
            0..=48 => Self::Plain,
            49..=160 => Self::Authenticated,
            _ => Self::Sealed,
        }
    }
}

/// A batch, as far as its size and what went before decide how warm the kernel's way is.
fn class(requests: usize, since_last_ns: i64) -> usize {
    match requests {
        0..=1 if !(0..WARM_NS).contains(&since_last_ns) => 0,
        0..=1 => 1,
        2..=8 => 2,
        _ => 3,
    }
}

/// What is remembered of a stamped reply until its stamp comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure {
    /// When the batch was given to the kernel (CLOCK_REALTIME, ns).
    pub called_ns: i64,
    /// Its place in the batch.
    pub place: u8,
    /// What kind of batch it was, as `SendDelay::class` says.
    pub class: u8,
}

/// The delays of one worker's socket family.
#[derive(Clone, Debug)]
pub struct SendDelay {
    alone: [[Estimate; 3]; 2],
    in_batch: Estimate,
    way: [[Estimate; BATCH]; CLASSES],
    class: usize,
    taken: u64,
    /// Stamps are owed from this instant on: each one moves it on by their spacing.
    owed_ns: i64,
    last_ns: i64,
}

impl Default for SendDelay {
    fn default() -> Self {
        let way = [[Estimate::default(); BATCH]; CLASSES];
        Self { alone: <_>::default(), in_batch: <_>::default(), way, class: 0, taken: 0, owed_ns: 0, last_ns: 0 }
    }
}

impl SendDelay {
    /// What passes from now until the reply at `place` leaves, ns, with `left` of a batch of `total` requests still to be answered
    /// (this one among them); 0 while nothing is known.
    #[inline]
    pub fn ahead(&self, kind: Kind, place: usize, left: usize, total: usize) -> i64 {
        let making = if total > 1 { self.in_batch.value * left as f64 } else { self.alone(kind) };
        (making + self.way(place)) as i64
    }

    /// A batch of `total` requests is about to be answered. Whether one of its replies should be stamped for the calibration's sake: its
    /// place.
    pub fn choose(&mut self, total: usize, now_ns: i64) -> Option<usize> {
        self.class = class(total, now_ns.wrapping_sub(self.last_ns));
        self.last_ns = now_ns;
        let owed = now_ns.wrapping_sub(self.owed_ns);
        if !(0..=BURST * SPACING_NS).contains(&owed) {
            // long silence, or the clock was set back
            self.owed_ns = if owed < 0 && owed > -SPACING_NS { self.owed_ns } else { now_ns.wrapping_sub(BURST * SPACING_NS) };
        }
        let due = self.taken < EAGER || now_ns.wrapping_sub(self.owed_ns) >= 0;
        if total == 0 || !due {
            return None;
        }
        (self.owed_ns, self.taken) = (self.owed_ns.wrapping_add(SPACING_NS), self.taken.wrapping_add(1));
        Some((self.taken % 4_096) as usize * 37 % total) // 37 has no factor in common with the usual sizes: all places come
    }

    /// What making the replies of a batch took: from the first reading of the clock to the call.
    pub fn made(&mut self, kind: Kind, total: usize, elapsed_ns: i64) {
        match total {
            0 => {}
            1 => self.alone[self.class.min(1)][kind as usize].add(elapsed_ns),
            _ => self.in_batch.add(elapsed_ns / total as i64),
        }
    }

    /// The kernel's stamp of a reply has come.
    pub fn left(&mut self, departure: Departure, stamp_ns: i64) {
        let row = self.way.get_mut(usize::from(departure.class));
        if let Some(estimate) = row.and_then(|row| row.get_mut(usize::from(departure.place))) {
            estimate.add(stamp_ns.wrapping_sub(departure.called_ns));
        }
    }

    /// The delay of a plain reply that is alone in its batch, ns; None while it is not known.
    pub fn typical(&self) -> Option<f64> {
        self.way[0][0].known().map(|way| way + self.alone[0][Kind::Plain as usize].value)
    }

    /// What the present batch counts as.
    pub fn class(&self) -> u8 {
        self.class as u8
    }

    fn alone(&self, kind: Kind) -> f64 {
        let [cold, warm] = &self.alone;
        let of = |row: &[Estimate; 3]| row[kind as usize].known();
        (if self.class == 0 { of(cold) } else { of(warm).or(of(cold)) }).unwrap_or(0.0)
    }

    /// The kernel's way for a place: its own estimate, else that of the nearest place before it, else that of a smaller batch.
    fn way(&self, place: usize) -> f64 {
        let class = self.class;
        let place = place.min(BATCH - 1);
        if let Some(value) = self.way[class][place].known() {
            return value;
        }
        let nearest = |row: &[Estimate]| row.iter().rev().find_map(Estimate::known);
        (0..=class).rev().find_map(|class| nearest(&self.way[class][..=place])).unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taught(samples: impl IntoIterator<Item = i64>) -> SendDelay {
        let mut delay = SendDelay::default();
        for sample in samples {
            delay.made(Kind::Plain, 1, 200);
            delay.left(Departure { called_ns: 1_000, place: 0, class: 0 }, 1_000 + sample);
        }
        delay
    }

    #[test]
    fn nothing_is_foretold_before_anything_was_seen() {
        assert_eq!(SendDelay::default().ahead(Kind::Plain, 0, 1, 1), 0);
        assert_eq!(SendDelay::default().typical(), None);
    }

    #[test]
    fn the_estimate_follows_the_median_and_not_the_outliers() {
        let delay = taught((0..2_000).map(|n| if n % 10 == 9 { 90_000 } else { 3_000 + n % 7 }));
        let ahead = delay.ahead(Kind::Plain, 0, 1, 1);
        assert!((3_150..3_350).contains(&ahead), "{ahead}");
    }

    #[test]
    fn a_reply_soon_after_another_is_foretold_by_its_like() {
        let mut delay = SendDelay::default();
        for pair in 1i64..100 {
            for (gap, way) in [(0, 6_000), (50_000, 2_000)] {
                delay.choose(1, pair * 1_000_000 + gap);
                delay.made(Kind::Plain, 1, way / 10);
                delay.left(Departure { called_ns: 0, place: 0, class: delay.class() }, way);
            }
        }
        delay.choose(1, 200_000_000);
        assert_eq!(delay.ahead(Kind::Plain, 0, 1, 1), 6_600);
        delay.choose(1, 200_020_000);
        assert_eq!(delay.ahead(Kind::Plain, 0, 1, 1), 2_200);
    }

    #[test]
    fn it_follows_a_change() {
        let delay = taught((0..300).map(|n| if n < 100 { 9_000 } else { 3_000 }));
        assert!((3_150..3_400).contains(&delay.ahead(Kind::Plain, 0, 1, 1)));
    }

    #[test]
    fn it_follows_a_change_of_load_within_some_dozens() {
        let delay = taught((0..140).map(|n| if n < 100 { 25_000 } else { 3_000 }));
        let ahead = delay.ahead(Kind::Plain, 0, 1, 1);
        assert!((3_100..3_700).contains(&ahead), "{ahead}");
    }

    #[test]
    fn impossible_samples_change_nothing() {
        let delay = taught([3_000, -5, i64::MIN, 1_000_001, 3_000]);
        assert_eq!(delay.ahead(Kind::Plain, 0, 1, 1), 3_200);
    }

    #[test]
    fn later_places_leave_later_and_an_unknown_place_is_as_the_one_before() {
        let mut delay = SendDelay::default();
        delay.choose(10, 0);
        delay.made(Kind::Plain, 10, 2_000);
        for place in [0, 5] {
            delay.left(Departure { called_ns: 0, place, class: delay.class() }, 3_000 + 1_000 * i64::from(place));
        }
        assert_eq!(delay.ahead(Kind::Plain, 9, 1, 10), 200 + 8_000);
        assert_eq!(delay.ahead(Kind::Plain, 4, 6, 10), 6 * 200 + 3_000);
        delay.choose(4, 0);
        assert_eq!(delay.ahead(Kind::Plain, 0, 4, 4), 4 * 200); // a smaller batch, of which nothing is known
    }

    #[test]
    fn after_a_first_eager_while_one_in_many_is_stamped() {
        let mut delay = SendDelay::default();
        let chosen = (0..10_000).filter(|n| delay.choose(1, n * 50_000).is_some()).count();
        assert!((1_000..1_150).contains(&chosen), "{chosen}");
        let burst = (0..100).filter(|n| delay.choose(1, (1 << 39) + n * 1_000).is_some()).count();
        assert!((60..70).contains(&burst), "{burst}");
        let places: std::collections::HashSet<_> = (0..1_000).filter_map(|n| delay.choose(64, (1 << 40) + n * 1_000_000)).collect();
        assert_eq!(places.len(), 64);
    }
}

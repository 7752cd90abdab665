//! Stamps of network cards as CLOCK_REALTIME: each card's clock is read eight times a second against it.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::Mutex;
use std::time::Duration;

use crate::net::{PhcReading, read_phc};
use crate::seqlock::SeqLock;

/// Between two readings of the cards' clocks.
pub const EVERY: Duration = Duration::from_millis(125);
/// Readings that the rate is taken from: a second's worth.
const KEPT: usize = 9;
/// A conversion is void when the last reading is older: nobody reads any more.
const OLDEST_NS: i64 = 1_000_000_000;
/// A clock that is off by more in a reading than its rate explains was stepped, or CLOCK_REALTIME was.
const STEP_NS: i64 = 100_000;
/// A card's stamp that is this far from when the packet passed by the kernel's account is not of this clock.
const APART_NS: i64 = 1_000_000;
/// No crystal is this wrong.
const MAX_RATE: f64 = 1e-3;

/// A straight line from the card's clock to CLOCK_REALTIME.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Line {
    card_ns: i64,
    system_ns: i64,
    rate: f64,
}

impl Line {
    fn system(&self, card_ns: i64) -> i64 {
        let elapsed = card_ns.wrapping_sub(self.card_ns);
        self.system_ns.wrapping_add(elapsed).wrapping_add((elapsed as f64 * self.rate) as i64)
    }
}

/// The last readings of one clock.
#[derive(Debug, Default)]
struct Track {
    readings: VecDeque<PhcReading>,
    line: Option<Line>,
}

impl Track {
    /// Take a reading in; the line that holds from now on. The rate needs two readings; after a step all before it are forgotten.
    fn add(&mut self, reading: PhcReading) -> Option<Line> {
        if self.line.is_some_and(|line| line.system(reading.card_ns).abs_diff(reading.system_ns) > STEP_NS.unsigned_abs()) {
            self.readings.clear();
        }
        self.readings.push_back(reading);
        if self.readings.len() > KEPT {
            self.readings.pop_front();
        }
        self.line = self.fit();
        self.line
    }

    fn fit(&self) -> Option<Line> {
        let (first, last) = (self.readings.front()?, self.readings.back()?);
        let elapsed = last.card_ns.checked_sub(first.card_ns).filter(|elapsed| *elapsed > 0)?;
        let rate = last.system_ns.checked_sub(first.system_ns)?.checked_sub(elapsed)? as f64 / elapsed as f64;
        let line = Line { card_ns: last.card_ns, system_ns: last.system_ns, rate };
        // the mean of what is left over makes the one noisy reading at the end matter less
        let left = |reading: &PhcReading| reading.system_ns.wrapping_sub(line.system(reading.card_ns));
        let mean = self.readings.iter().map(left).map(i128::from).sum::<i128>() / self.readings.len() as i128;
        (rate.abs() < MAX_RATE).then_some(Line { system_ns: line.system_ns.wrapping_add(mean as i64), ..line })
    }
}

/// One card whose stamps can be converted; read by all workers.
pub struct Card {
    interface: u32,
    clock: File,
    track: Mutex<Track>,
    line: SeqLock<4>,
}

impl Card {
    /// The card of an interface (its index), by the path of its clock. Fails where it can't be read.
    pub fn open(interface: u32, path: &str) -> io::Result<Self> {
        let clock = File::open(path)?;
        read_phc(&clock)?;
        Ok(Self { interface, clock, track: Mutex::default(), line: SeqLock::new(&[0; 4]) })
    }

    /// Read its clock; a failure makes the conversion void.
    pub fn look(&self) {
        let mut track = self.track.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let line = read_phc(&self.clock).ok().and_then(|reading| track.add(reading));
        self.line.publish(&words(line));
    }
}

fn words(line: Option<Line>) -> [u64; 4] {
    line.map_or([0; 4], |line| [1, line.card_ns as u64, line.system_ns as u64, line.rate.to_bits()])
}

fn convert(words: &[u64; 4], card_ns: i64) -> Option<i64> {
    let [known, at, system, rate] = *words;
    let line = Line { card_ns: at as i64, system_ns: system as i64, rate: f64::from_bits(rate) };
    (known != 0 && card_ns.wrapping_sub(line.card_ns).unsigned_abs() <= OLDEST_NS.unsigned_abs()).then(|| line.system(card_ns))
}

/// The stamp of a card as CLOCK_REALTIME, None where there is none that can be trusted. near_ns: about when it was taken by
/// CLOCK_REALTIME (the kernel's stamp of the same packet, the call that sent it), 0 if that is not known: then it isn't taken.
#[inline]
pub fn system_ns(cards: &[Card], interface: u32, card_ns: i64, near_ns: i64) -> Option<i64> {
    if card_ns == 0 || near_ns == 0 {
        return None;
    }
    let card = cards.iter().find(|card| card.interface == interface)?;
    let (_, words) = card.line.read();
    convert(&words, card_ns).filter(|stamp| stamp.abs_diff(near_ns) <= APART_NS.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    /// A card's clock that is 37 s ahead and gains 20 ppm, read with some noise.
    fn reading(at_ns: i64, noise_ns: i64) -> PhcReading {
        let card_ns = 37 * SECOND + at_ns + at_ns / 50_000;
        PhcReading { card_ns, system_ns: 1_700 * SECOND + at_ns + noise_ns, width_ns: 500 }
    }

    #[test]
    fn a_steady_clock_is_converted_to_tens_of_nanoseconds() {
        let mut track = Track::default();
        assert_eq!(track.add(reading(0, 0)), None);
        for number in 1i64..100 {
            let at = number * SECOND / 8;
            let line = track.add(reading(at, number * 7 % 41 - 20)).expect("two readings make a line");
            let soon = reading(at + SECOND / 10, 0);
            let error = convert(&words(Some(line)), soon.card_ns).expect("a fresh line") - soon.system_ns;
            assert!(number < 10 || error.abs() < 60, "{number}: {error}");
        }
    }

    #[test]
    fn after_a_step_only_new_readings_count() {
        let mut track = Track::default();
        for number in 0i64..20 {
            track.add(reading(number * SECOND / 8, 0));
        }
        assert_eq!(track.add(reading(20 * SECOND / 8, 5 * SECOND)), None);
        let line = track.add(reading(21 * SECOND / 8, 5 * SECOND)).expect("two readings after the step");
        let later = reading(22 * SECOND / 8, 5 * SECOND);
        assert!((line.system(later.card_ns) - later.system_ns).abs() < 100);
    }

    #[test]
    fn impossible_clocks_give_no_line() {
        let mut track = Track::default();
        track.add(PhcReading { card_ns: 5, system_ns: 5, width_ns: 1 });
        assert_eq!(track.add(PhcReading { card_ns: 5, system_ns: 50, width_ns: 1 }), None);
        assert_eq!(track.add(PhcReading { card_ns: 1_000, system_ns: 50_000, width_ns: 1 }), None);
        assert_eq!(track.add(PhcReading { card_ns: i64::MIN, system_ns: i64::MAX, width_ns: 1 }), None);
    }

    #[test]
    fn an_old_line_and_a_void_one_convert_nothing() {
        let line = words(Some(Line { card_ns: 100, system_ns: 200, rate: 0.0 }));
        assert_eq!(convert(&line, 150), Some(250));
        assert_eq!(convert(&line, 100 + 2 * SECOND), None);
        assert_eq!(convert(&words(None), 150), None);
    }
}

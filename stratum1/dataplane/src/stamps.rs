//! Replies whose transmit stamp is awaited, by the number that the kernel gives them; of fixed size.

use crate::calibrate::Departure;

/// So many may be under way at once in one socket; older ones are forgotten.
const AWAITED: usize = 512;

/// One reply that asked for its stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// The interleaved table's key, None for the calibration alone.
    pub key: Option<u64>,
    /// Where it was and when.
    pub departure: Departure,
}

/// The numbers of one socket.
pub struct Ring {
    next: u32,
    places: Box<[Option<(u32, Awaited)>; AWAITED]>,
}

impl Default for Ring {
    fn default() -> Self {
        Self { next: 0, places: Box::new([None; AWAITED]) }
    }
}

impl Ring {
    /// The next datagram that asked has left.
    #[inline]
    pub fn push(&mut self, awaited: Awaited) {
        self.places[self.next as usize % AWAITED] = Some((self.next, awaited));
        self.next = self.next.wrapping_add(1);
    }

    /// The one with a number, which stays.
    #[inline]
    pub fn look(&self, number: u32) -> Option<Awaited> {
        self.places[number as usize % AWAITED].filter(|(held, _)| *held == number).map(|(_, awaited)| awaited)
    }

    /// The one with a number, once; None if it was forgotten, or never was.
    #[inline]
    pub fn take(&mut self, number: u32) -> Option<Awaited> {
        let place = &mut self.places[number as usize % AWAITED];
        match *place {
            Some((held, awaited)) if held == number => {
                *place = None;
                Some(awaited)
            }
            _ => None,
        }
    }

    /// The kernel numbers from 0 again; whatever was awaited is not any more.
    pub fn restart(&mut self) {
        self.forget();
        self.next = 0;
    }

    /// No stamp that is under way counts (the clock was stepped); the numbers go on.
    pub fn forget(&mut self) {
        self.places.fill(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn awaited(key: u64) -> Awaited {
        Awaited { key: Some(key), departure: Departure { called_ns: 0, place: 0, class: 0 } }
    }

    #[test]
    fn each_stamp_finds_its_reply_once() {
        let mut ring = Ring::default();
        for key in 0..3 {
            ring.push(awaited(key));
        }
        assert_eq!(ring.look(1), Some(awaited(1)));
        assert_eq!(ring.take(1), Some(awaited(1)));
        assert_eq!((ring.take(1), ring.look(1)), (None, None));
        assert_eq!(ring.take(3), None);
        assert_eq!(ring.take(0), Some(awaited(0)));
    }

    #[test]
    fn numbers_of_another_round_find_nothing() {
        let mut ring = Ring::default();
        for key in 0..=AWAITED as u64 {
            ring.push(awaited(key));
        }
        assert_eq!(ring.take(0), None);
        assert_eq!(ring.take(AWAITED as u32), Some(awaited(AWAITED as u64)));
        ring.restart();
        assert_eq!(ring.take(5), None);
        ring.push(awaited(9));
        assert_eq!(ring.take(0), Some(awaited(9)));
    }

    #[test]
    fn a_step_forgets_what_is_under_way_and_keeps_counting() {
        let mut ring = Ring::default();
        ring.push(awaited(1));
        ring.forget();
        ring.push(awaited(2));
        assert_eq!(ring.take(0), None);
        assert_eq!(ring.take(1), Some(awaited(2)));
    }
}

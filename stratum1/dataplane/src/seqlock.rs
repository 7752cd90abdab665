//! One writer, many readers, no locks: the words of a published state.
//!
//! A reader copies the words between two looks at a counter that the writer makes odd while it writes. Plain atomics, so a torn read is
//! seen, never used. The order is that of Boehm, "Can seqlocks get along with programming language memory models?" (2012), section 4.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// `N` words that are replaced together.
pub struct SeqLock<const N: usize> {
    version: AtomicU64,
    words: [AtomicU64; N],
    writer: Mutex<()>,
}

impl<const N: usize> SeqLock<N> {
    /// With first words.
    pub fn new(words: &[u64; N]) -> Self {
        Self { version: AtomicU64::new(0), words: std::array::from_fn(|at| AtomicU64::new(words[at])), writer: Mutex::new(()) }
    }

    /// Replace the words.
    pub fn publish(&self, words: &[u64; N]) {
        let _alone = self.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        for (place, word) in self.words.iter().zip(words) {
            place.store(*word, Ordering::Relaxed);
        }
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    /// The version of the words as they stand; another one than last time: they were replaced.
    #[inline]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The words, all of one publication, and its version.
    pub fn read(&self) -> (u64, [u64; N]) {
        loop {
            let before = self.version.load(Ordering::Acquire);
            if before & 1 == 0 {
                let words = std::array::from_fn(|at| self.words[at].load(Ordering::Relaxed));
                fence(Ordering::Acquire);
                if self.version.load(Ordering::Relaxed) == before {
                    return (before, words);
                }
            }
            std::hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    #[test]
    fn a_reader_never_sees_words_of_two_publications() {
        let lock = Arc::new(SeqLock::new(&[0u64; 32]));
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let lock = Arc::clone(&lock);
                thread::spawn(move || {
                    let mut last = 0;
                    while last < 20_000 {
                        let (version, words) = lock.read();
                        assert!(words.iter().all(|word| *word == words[0]), "{words:?}");
                        assert_eq!(version, words[0] * 2);
                        assert!(words[0] >= last);
                        last = words[0];
                    }
                })
            })
            .collect();
        for value in 1..=20_000 {
            lock.publish(&[value; 32]);
        }
        for reader in readers {
            reader.join().expect("a reader saw torn words");
        }
    }
}

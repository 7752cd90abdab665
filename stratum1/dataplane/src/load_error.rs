//! How far the time is off that a server on this very clock serves, asked one request at a time with the kernel's stamps at our end.
//!
//! Both ends read one clock, so the true offset is 0 and what NTP's formula gives is the error that the way through both ends leaves
//! in the served time. In interleaved mode (RFC 9769) the transmit timestamp of a reply is that of the reply before it.

use std::io::Result;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::load::Watch;
use crate::net_load::{Batch, StampedPort};

const PATIENCE: Duration = Duration::from_millis(20);
const SPIN: Duration = Duration::from_micros(60);
const UNIX_IN_NTP: i64 = 2_208_988_800;
const NS: i64 = 1_000_000_000;

/// What was found, one entry an exchange, ns.
#[derive(Default)]
pub struct ServedTime {
    /// Server minus client: the error of the served time.
    pub offsets: Vec<i64>,
    /// Round trip less what the server says that it took.
    pub delays: Vec<i64>,
    /// What the server says that it took.
    pub turnarounds: Vec<i64>,
    /// Requests without answer (or without a stamp).
    pub lost: u64,
}

/// One exchange: stamps of our kernel (1, 4) and of the server (2).
#[derive(Clone, Copy)]
struct Exchange {
    first: i64,
    second: i64,
    fourth: i64,
    received: u64,
}

/// Ask `count` times, `rate` times a second. interleaved: only exchanges that the server answered in that mode count.
pub fn measure(target: SocketAddr, rate: f64, count: usize, interleaved: bool, watch: &Watch) -> Result<ServedTime> {
    let port = StampedPort::new(target)?;
    let mut asking = Asking { port, batch: Batch::default(), interleaved, before: None, found: ServedTime::default() };
    let begun = Instant::now();
    for turn in 0..count {
        if watch.stop.load(Ordering::Relaxed) {
            break;
        }
        wait_until(begun + Duration::from_secs_f64(turn as f64 / rate));
        asking.exchange(turn as u64)?;
        watch.sent.fetch_add(1, Ordering::Relaxed);
        watch.answered.store(turn as u64 + 1 - asking.found.lost, Ordering::Relaxed);
    }
    Ok(asking.found)
}

struct Asking {
    port: StampedPort,
    batch: Batch,
    interleaved: bool,
    before: Option<Exchange>,
    found: ServedTime,
}

impl Asking {
    fn exchange(&mut self, turn: u64) -> Result<()> {
        while self.port.sent_stamp(&mut self.batch).is_some() || self.port.receive(&mut self.batch) {}
        let transmit = (turn + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) & !1;
        let marker = transmit | 1;
        let mut request = [0; 48];
        request[..4].copy_from_slice(&[0x23, 0, 6, 0xe8]);
        if let Some(before) = self.before.filter(|_| self.interleaved) {
            request[24..32].copy_from_slice(&before.received.to_be_bytes());
            request[32..40].copy_from_slice(&marker.to_be_bytes());
        }
        request[40..].copy_from_slice(&transmit.to_be_bytes());
        self.port.send(&request)?;
        let Some((first, fourth, reply)) = self.answer(transmit, marker) else {
            self.found.lost += 1;
            self.before = None;
            return Ok(());
        };
        let now = Exchange { first, second: ns(word(&reply, 32)), fourth, received: word(&reply, 32) };
        let counted = if self.interleaved { self.before.filter(|_| word(&reply, 24) == marker) } else { Some(now) };
        if let Some(exchange) = counted {
            self.found.add(exchange, ns(word(&reply, 40)));
        }
        self.before = Some(now);
        Ok(())
    }

    /// Our stamps of the request and of the reply, and the reply.
    fn answer(&mut self, transmit: u64, marker: u64) -> Option<(i64, i64, [u8; 48])> {
        let end = Instant::now() + PATIENCE;
        let (mut sent, mut reply) = (None, None);
        while Instant::now() < end {
            sent = sent.or_else(|| self.port.sent_stamp(&mut self.batch));
            if reply.is_none() && self.port.receive(&mut self.batch) {
                let (packet, stamp) = self.batch.received(0);
                let whole: Option<[u8; 48]> = packet.get(..48).and_then(|header| header.try_into().ok());
                reply = whole.filter(|header| [transmit, marker].contains(&word(header, 24))).map(|header| (stamp, header));
            }
            if let (Some(first), Some((fourth, header))) = (sent, reply) {
                return (first != 0 && fourth != 0).then_some((first, fourth, header));
            }
        }
        None
    }
}

impl ServedTime {
    fn add(&mut self, exchange: Exchange, third: i64) {
        let Exchange { first, second, fourth, .. } = exchange;
        self.offsets.push(((second - first) + (third - fourth)) / 2);
        self.delays.push((fourth - first) - (third - second));
        self.turnarounds.push(third - second);
    }
}

fn wait_until(instant: Instant) {
    if let Some(left) = instant.checked_duration_since(Instant::now() + SPIN) {
        std::thread::sleep(left);
    }
    while Instant::now() < instant {
        std::hint::spin_loop();
    }
}

fn word(packet: &[u8; 48], at: usize) -> u64 {
    packet[at..at + 8].iter().fold(0, |value, octet| value << 8 | u64::from(*octet))
}

/// ns since 1970 of an NTP timestamp, era 0 (only differences are used).
fn ns(timestamp: u64) -> i64 {
    let fraction = (timestamp & 0xffff_ffff) * NS as u64;
    ((timestamp >> 32) as i64 - UNIX_IN_NTP) * NS + ((fraction + (1 << 31)) >> 32) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_become_ns() {
        assert_eq!(ns((2_208_988_800 << 32) | (1 << 31)), NS / 2);
        assert_eq!(ns(((2_208_988_800 + 5) << 32) | 1), 5 * NS);
    }

    #[test]
    fn a_server_that_is_a_millisecond_ahead_is_found_out() {
        let server = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let target = server.local_addr().unwrap();
        server.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let answering = std::thread::spawn(move || {
            let mut packet = [0; 48];
            while let Ok((_, from)) = server.recv_from(&mut packet) {
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64 + 1_000_000;
                let (seconds, rest) = (now / 1_000_000_000 + 2_208_988_800, now % 1_000_000_000);
                let stamp = (seconds << 32) | ((rest << 32) / 1_000_000_000);
                packet.copy_within(40..48, 24);
                packet[0] = 0x24;
                packet[32..40].copy_from_slice(&stamp.to_be_bytes());
                packet[40..48].copy_from_slice(&stamp.to_be_bytes());
                server.send_to(&packet, from).unwrap();
            }
        });
        let mut found = measure(target, 2000.0, 40, false, &Watch::default()).unwrap();
        answering.join().unwrap();
        found.offsets.sort_unstable();
        let median = found.offsets[found.offsets.len() / 2];
        assert!((median - 1_000_000).abs() < 500_000, "{median}");
        assert_eq!(found.offsets.len() as u64 + found.lost, 40);
    }
}
